"""Any other HTTP API: the operator's own routes say what a call is; refusals are problem+json (RFC 9457).

Routes are exact paths and one-segment placeholders, never regular expressions: what a pattern forgets to
anchor is how others were bypassed (GHSA-7rh7-c77v-6434, GHSA-pxq7-h93f-9jrg).
"""

import re

from proxy.backends.base import Denial, Native, Sketch, as_json, canonical, problem
from proxy.messages import RequestHead, Slot
from proxy.policy.model import Refusal, Route
from proxy.policy.operations import UNKNOWN_OPERATION, Operation

_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")


class Generic:
    """Preset `generic`."""

    name = "generic"
    slots: tuple[Slot, ...] = (Slot(b"authorization", b"Bearer"),)
    reads: frozenset[bytes] = frozenset()
    forwards: frozenset[bytes] = frozenset(
        {
            b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"content-disposition",
            b"content-encoding", b"content-language", b"content-type", b"idempotency-key", b"if-match",
            b"if-modified-since", b"if-none-match", b"if-unmodified-since", b"origin", b"pragma", b"range",
            b"user-agent",
        }
    )  # fmt: skip
    block_statuses: tuple[int, ...] = (451, 403)

    def __init__(self, routes: tuple[Route, ...] = ()) -> None:
        self._routes = tuple(
            (frozenset(m.encode() for m in route.methods), _pattern(route.path), route) for route in routes
        )

    def operations(self) -> tuple[Operation, ...]:
        return tuple(route.operation for _, _, route in self._routes)

    def classify(self, head: RequestHead) -> Operation | Refusal | Sketch:
        refusal = canonical(head)
        if refusal is not None:
            return refusal
        route = self._route(head)
        return route.operation if route is not None else UNKNOWN_OPERATION

    def read(self, _head: RequestHead, _body: bytes) -> Operation | Refusal:
        return UNKNOWN_OPERATION  # never asked: no call of it is decided by its body

    def upgrades(self, head: RequestHead) -> bool:
        route = self._route(head)
        return route is not None and route.websocket

    def _route(self, head: RequestHead) -> Route | None:
        path = head.path
        for methods, pattern, route in self._routes:
            if head.method in methods and pattern.fullmatch(path):
                return route
        return None

    def native(self, denial: Denial) -> Native:
        return as_json(b"application/problem+json", problem(denial))


def _pattern(path: str) -> re.Pattern[bytes]:
    literal = [re.escape(part) for part in _PLACEHOLDER.split(path)]
    return re.compile("[A-Za-z0-9._~-]+".join(literal).encode())
