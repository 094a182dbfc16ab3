"""Where a call has come from and how it is followed: X-Request-Id, traceparent, Forwarded, Via. Pure.

What an untrusted client sends in these fields stays here, whatever it says; a configured peer's is continued.
Sources: RFC 9110 section 7.6.3 (Via), RFC 7239 (Forwarded), W3C Trace Context.
"""

import re
from typing import NamedTuple

from proxy.messages import RequestHead, Trail

PSEUDONYM = b"moratorium"
"""Our name in Via and Forwarded: RFC 7239 section 6.3 allows one, so that no address need leave."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
# Version 00 exactly; a later version may be longer, and is begun anew instead of being half understood.
_TRACEPARENT = re.compile(rb"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
_TRACESTATE = re.compile(rb"[ -~]{1,512}")
_LIST = re.compile(rb"[ -~]{1,1024}")


def trail_of(head: RequestHead) -> Trail:
    """Read the trail that a trusted peer has left. A field that is sent twice or is malformed is not used."""
    trace = _TRACEPARENT.fullmatch(_single(head, b"traceparent"))
    return Trail(
        request_id=_checked(_REQUEST_ID, _single(head, b"x-request-id")),
        trace_id=trace[1] if trace else b"",
        trace_flags=trace[2] if trace else b"00",
        tracestate=_checked(_TRACESTATE, b",".join(head.values(b"tracestate"))) if trace else b"",
        forwarded=_checked(_LIST, b", ".join(head.values(b"forwarded"))),
        via=_checked(_LIST, b", ".join(head.values(b"via"))),
    )


def _single(head: RequestHead, name: bytes) -> bytes:
    values = head.values(name)
    return values[0] if len(values) == 1 else b""


def _checked(form: re.Pattern[bytes], value: bytes) -> bytes:
    return value if form.fullmatch(value) else b""


class Origin(NamedTuple):
    """The client's end of a connection, in the words of RFC 7239."""

    client: bytes = b"_hidden"
    proto: bytes = b"http"


def route_lines(head: RequestHead, trail: Trail, origin: Origin) -> bytes:
    """Via, Forwarded and tracestate for the face API."""
    host = head.values(b"host")
    element = b"for=%b;by=_%b;proto=%b" % (origin.client, PSEUDONYM, origin.proto)
    if host:
        element += b';host="%b"' % host[0]
    forwarded = b"%b, %b" % (trail.forwarded, element) if trail.forwarded else element
    via = b"%b %b" % (head.version, PSEUDONYM)
    if trail.via:
        via = b"%b, %b" % (trail.via, via)
    lines = b"Via: %b\r\nForwarded: %b\r\n" % (via, forwarded)
    if trail.tracestate:
        lines += b"tracestate: %b\r\n" % trail.tracestate
    return lines


def call_lines(decision_id: bytes, trail: Trail) -> bytes:
    """X-Request-Id and traceparent: what differs from call to call. Ends the head.

    Without a trail both are the decision's id: `instance-count` in 25 characters, which are unique, fill a
    trace id with a leading 1 (W3C asks for one that is not all zero), and give the count as parent id.
    """
    request_id = trail.request_id or decision_id
    instance, _, count = decision_id.partition(b"-")
    trace_id = trail.trace_id or b"1%07d%b%b" % (0, instance, count)
    return b"X-Request-Id: %b\r\ntraceparent: 00-%b-0001%b-%b\r\n\r\n" % (
        request_id, trace_id, count, trail.trace_flags,
    )  # fmt: skip


def node(address: str) -> bytes:
    """An address as RFC 7239 section 6 writes it: IPv6 in brackets and quotes."""
    return f'"[{address}]"'.encode() if ":" in address else address.encode()
