"""A backend whose calls are decided by their bodies, and how to ask it."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Any

from proxy.backends.base import Sketch
from proxy.backends.generic import Generic
from proxy.messages import RequestHead
from proxy.policy.model import Refusal
from proxy.policy.operations import UNKNOWN_OPERATION, Operation, OperationClass, operation
from proxy.policy.reasons import Reason
from tests.harness.client import request
from tests.harness.proxy import MORATORIUM, Proxy, running_proxy
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until
from tests.wire.calls import at_rest

DETECT = operation("Ask", OperationClass.DETECT)
LIST = operation("Ask", OperationClass.DETECT, OperationClass.GALLERY)
SEARCH = operation("Ask", OperationClass.DETECT, OperationClass.SEARCH)
MOST = operation("Ask", OperationClass.DETECT, OperationClass.GALLERY, OperationClass.SEARCH)
FORBIDDEN, HARMLESS = b'{"want": "search"}', b'{"want": "detect"}'


class ByBody(Generic):
    """What `/v1/ask` is, its body says; `bodies` are those that were read."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    def classify(self, head: RequestHead) -> Operation | Refusal | Sketch:
        return Sketch(DETECT, MOST) if head.path == b"/v1/ask" else UNKNOWN_OPERATION

    def read(self, _head: RequestHead, body: bytes) -> Operation | Refusal:
        self.bodies.append(body)
        if b"unclear" in body:
            return Refusal(Reason.REQUEST_AMBIGUOUS)
        if b"strange" in body:
            return UNKNOWN_OPERATION
        if b"list" in body:
            return LIST
        return SEARCH if b"search" in body else DETECT


@contextlib.asynccontextmanager
async def reading(
    upstream: RecordingUpstream | None = None, *, policy: str = MORATORIUM, **overrides: Any
) -> AsyncIterator[tuple[Proxy, ByBody]]:
    """A proxy in front of a backend whose calls are decided by their bodies."""
    async with running_proxy(upstream=upstream, policy=policy, **overrides) as proxy:
        backend, enforcer = ByBody(), proxy.application.enforcer
        enforcer.rules = dataclasses.replace(enforcer.rules, backend=backend)
        yield proxy, backend
        await at_rest(proxy)
        await until(lambda: held(proxy) == 0, "the bodies to be let go")


def held(proxy: Proxy) -> int:
    return proxy.application.relay.context.held_bytes


def ask(proxy: Proxy, *fields: tuple[str, str], caller: str = "police", method: str = "POST") -> bytes:
    """The head of a call that its body decides."""
    return request(method, "/v1/ask", [proxy.bearer(caller), *fields])


def sized(proxy: Proxy, body: bytes, *fields: tuple[str, str], caller: str = "police") -> bytes:
    return ask(proxy, ("Content-Length", str(len(body))), *fields, caller=caller) + body


def chunked(body: bytes, size: int) -> bytes:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


CHUNKED = ("Transfer-Encoding", "chunked")
EXPECT = ("Expect", "100-continue")


def connections(proxy: Proxy) -> str:
    return repr(proxy.application.relay.context.connections)
