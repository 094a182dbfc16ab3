"""Calls and waits that the tests of faults share."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from tests.harness.client import RawClient, request
from tests.harness.proxy import Proxy
from tests.harness.upstream import Hang, Message, RecordingUpstream, Send, Step
from tests.harness.waiting import until

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"


def hang(_: Message) -> Sequence[Step]:
    """Never answer."""
    return (Hang(),)


def half(_: Message) -> Sequence[Step]:
    """Begin an answer of ten bytes and give four of them."""
    return Send(HEAD + b"half"), Hang()


def get(proxy: Proxy, name: str = "a", org_type: str = "commercial") -> bytes:
    """A whole call without a body."""
    return request("GET", f"/v1/faces/{name}", [proxy.bearer(org_type)])


def detect(proxy: Proxy, *fields: tuple[str, str], length: int = 0, org_type: str = "commercial") -> bytes:
    """The head of a call with a body of this length."""
    return request("POST", "/v1/detect", [proxy.bearer(org_type), *fields, ("Content-Length", str(length))])


async def gone(upstream: RecordingUpstream) -> None:
    """Wait until nobody is connected any more."""
    await until(lambda: upstream.open_connections == 0, "the upstream connections to close")


async def at_rest(proxy: Proxy) -> None:
    """No call is in flight."""
    await until(lambda: proxy.application.metrics.in_flight == 0, "the calls to end")
    assert "moratorium_requests_in_flight 0.0" in await proxy.metrics()


@contextlib.asynccontextmanager
async def dripping(client: RawClient, really: bool) -> AsyncIterator[None]:
    """Meanwhile send a byte now and then, if `really`."""
    task = asyncio.ensure_future(_drip(client) if really else asyncio.sleep(0))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _drip(client: RawClient) -> None:
    while True:
        await client.send(b"x")
        await asyncio.sleep(0.02)
