"""The one rule for a head, as a function that fails when it is broken.

A head is refused, or it is one message: h11 reads the same in the bytes that came, and in the bytes that
would go upstream it reads exactly one request with the same method, target and allow-listed fields.
"""

from collections.abc import Callable, Iterable

import h11

from proxy.authn.verifier import NeedKey
from proxy.messages import NO_TRAIL, BodyLength, Chunked, RequestHead, Trail
from proxy.pipeline import NeedBody, check
from proxy.policy.model import Refusal, Verdict
from proxy.policy.reasons import Reason
from proxy.relay.framing import END_OF_HEAD, parse_request
from proxy.relay.headers import HOP_BY_HOP, forwarded_fields, upstream_head
from proxy.relay.trail import Origin, call_lines, route_lines, trail_of
from tests.fuzz.world import KEYS, NOW, World

HOST = b"faces.test:443"
ADDED = (
    b"host", b"content-length", b"transfer-encoding", b"expect", b"connection", b"upgrade", b"x-request-id",
    b"traceparent", b"tracestate", b"via", b"forwarded",
)  # fmt: skip
"""What may go upstream besides the backend's list."""
WEBSOCKET = frozenset(b"sec-websocket-" + name for name in (b"key", b"version", b"protocol", b"extensions"))
_ID = b"0123456789ab-000000000001"
_READ_WHOLE = 4096

DIFFERENCES: dict[bytes, tuple[Callable[[bytes], bytes], str]] = {
    b"transfer-encoding": (bytes.lower, "h11 gives codings in lower case; case has no meaning (RFC 9112 7)"),
}
"""Fields that h11 gives otherwise than they came: what makes both equal, and why that is no second reading.
There is nothing that we accept and h11 does not."""


def examine(raw: bytes, world: World) -> Reason | None:
    """Fail if the rule is broken; the decision's reason, None where key or body would be asked for."""
    end = raw.find(END_OF_HEAD)
    head = parse_request(raw[: end + 4] if end >= 0 else raw)
    if isinstance(head, Refusal):
        return Reason(head.reason)
    assert end >= 0, "a head without an end was accepted"
    _as_it_came(raw[: end + 4], head)
    _as_it_goes(head, world)
    outcome = check(head, world.rules, KEYS, NOW)
    assert isinstance(outcome, Verdict | NeedKey | NeedBody)
    return outcome.reason if isinstance(outcome, Verdict) else None


def _as_it_came(raw: bytes, head: RequestHead) -> None:
    request = read_one(raw, head.length)
    assert (request.method, request.target, request.http_version) == (head.method, head.target, head.version)
    assert _alike(request.headers) == _alike(head.headers)


def _alike(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, DIFFERENCES[name][0](value) if name in DIFFERENCES else value) for name, value in headers]


def _as_it_goes(head: RequestHead, world: World) -> None:
    backend = world.rules.backend
    for trail in (NO_TRAIL, trail_of(head)):
        request = read_one(sent(head, world, trail), head.length)
        assert (request.method, request.target, request.http_version) == (head.method, head.target, b"1.1")
        passed = backend.forwards | (WEBSOCKET if head.upgrade else frozenset())
        listed = [field for field in request.headers if field[0] not in ADDED]
        # The fields of a WebSocket come after the others.
        assert sorted(listed) == sorted(field for field in head.headers if field[0] in passed)
        assert [f for f in listed if f[0] in backend.forwards] == [
            f for f in head.headers if f[0] in backend.forwards
        ]
        names = [name for name, _ in request.headers]
        ours = {b"transfer-encoding"} | ({b"connection", b"upgrade"} if head.upgrade else set())
        assert not {*names} & ((HOP_BY_HOP - ours) | {slot.header for slot in backend.slots})
        assert all(names.count(name) <= 1 for name in ADDED)
        assert dict(request.headers)[b"host"] == HOST


def sent(head: RequestHead, world: World, trail: Trail) -> bytes:
    """The head that would go upstream."""
    lines = route_lines(head, trail, Origin())
    fields = forwarded_fields(head, world.rules.backend.forwards)
    return upstream_head(head, fields, HOST, lines) + call_lines(_ID, trail)


def read_one(raw: bytes, length: BodyLength) -> h11.Request:
    """What h11 makes of a head and a body of this length: one request, and nothing is left over."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1024 * 1024)
    server.receive_data(raw)
    request = server.next_event()
    assert isinstance(request, h11.Request), request
    if isinstance(length, Chunked):
        server.receive_data(b"3\r\nabc\r\n0\r\n\r\n")
        expected = b"abc"
    else:
        expected = bytes(min(length, _READ_WHOLE))
        server.receive_data(expected) if expected else None
    taken = b""
    while isinstance(event := server.next_event(), h11.Data):
        taken += event.data
    assert taken == expected
    more_to_come = not isinstance(length, Chunked) and length > _READ_WHOLE
    assert event is h11.NEED_DATA if more_to_come else isinstance(event, h11.EndOfMessage), event
    assert server.trailing_data[0] == b""
    return request
