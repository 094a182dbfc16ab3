"""Writes heads: what goes up, what comes down, and what stays here.

Upstream goes only what the backend's allow list names (and the operator adds). Hop-by-hop fields, the
caller's credential, identity and override headers are not on any list, so nothing need be remembered to be
removed. Downstream goes everything but the hop-by-hop fields (RFC 9110 section 7.6.1).
"""

import re
from http import HTTPStatus

from proxy.enforcer import Denied
from proxy.errors import CredentialUnavailable
from proxy.messages import CHUNKED, Answer, Headers, RequestHead
from proxy.relay.framing import ResponseHead, connection_options
from proxy.relay.trail import PSEUDONYM
from proxy.rescue import PLACEHOLDER

HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection",
        b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip

# RFC 6455 section 11.3; passed on only with the upgrade itself. The token may not travel in them.
_WEBSOCKET = frozenset(
    {b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-protocol", b"sec-websocket-extensions"}
)

# Nobody but us says these of a decision.
_OURS = HOP_BY_HOP | frozenset(
    {
        b"x-request-id",
        b"x-decision-id",
        b"x-policy-id",
        b"x-policy-until",
        b"x-policy-revision",
        b"x-policy-obligations",
    }
)

_NO_CREDENTIAL = HOP_BY_HOP | {
    b"host", b"content-length", b"expect", b"x-request-id", b"traceparent", b"tracestate", b"via",
    b"forwarded",
}  # fmt: skip
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(rb"[!-~](?:[\t -~]*[!-~])?")

_PLACEHOLDER = PLACEHOLDER.encode()
_REQUEST = b"111111111111-zzzzzzzzzzzz"

_STATUS_LINES = {
    status: b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())
    for status in [s.value for s in HTTPStatus]
}


def status_line(status: int) -> bytes:
    """With our own reason phrase: the upstream's could hold anything (CVE-2026-34519)."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def forwarded_fields(head: RequestHead, forwards: frozenset[bytes]) -> list[tuple[bytes, bytes]]:
    """The caller's fields that go on: those on the list, as they came."""
    return [field for field in head.headers if field[0] in forwards]


def with_credential(fields: list[tuple[bytes, bytes]], added: Headers) -> list[tuple[bytes, bytes]]:
    """Those fields, and the credential's in place of any of the same name.

    Raises `CredentialUnavailable` when one of them could be read as more than one field, or as framing.
    """
    names = {name.lower() for name, _ in added}
    if names & _NO_CREDENTIAL or not all(_NAME.fullmatch(n) and _VALUE.fullmatch(v) for n, v in added):
        raise CredentialUnavailable("the credential is not one that a header field can hold")
    return [*(field for field in fields if field[0] not in names), *added]


def upstream_head(head: RequestHead, fields: list[tuple[bytes, bytes]], host: bytes, route: bytes) -> bytes:
    """The head that goes to the face API, on exactly the target that was judged, up to the call's own lines.

    `fields`: those that go on. `route`: the lines of `trail.route_lines`.
    """
    lines = [b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (head.method, head.target, host)]
    lines += [b"%b: %b\r\n" % field for field in fields]
    if head.upgrade:
        lines += [b"%b: %b\r\n" % field for field in head.headers if field[0] in _WEBSOCKET]
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
    elif head.length is CHUNKED:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    elif head.length or head.method in (b"POST", b"PUT", b"PATCH"):
        lines.append(b"Content-Length: %d\r\n" % head.length)
    if head.expects_continue:
        lines.append(b"Expect: 100-continue\r\n")
    lines.append(route)
    return b"".join(lines)


def downstream_head(response: ResponseHead, version: bytes, *, keep_alive: bool) -> tuple[bytes, bool]:
    """The head that goes to the client, up to the ids, and whether its body is chunked by us."""
    options = connection_options([v for n, v in response.headers if n == b"connection"])
    lines = [status_line(response.status)]
    for name, value in response.headers:
        if name == b"content-length":
            kept = response.length is not CHUNKED and response.status != 204  # RFC 9110 section 8.6
        else:
            kept = name not in _OURS and name not in options
        if kept:
            lines.append(b"%b: %b\r\n" % (name, value))
    lines.append(b"Via: 1.1 %b\r\n" % PSEUDONYM)
    if response.status == 101:
        lines.append(b"Connection: Upgrade\r\nUpgrade: websocket\r\n")
        return b"".join(lines), False
    chunked = response.length in (None, CHUNKED) and version == b"1.1"
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    lines.append(_connection(version, keep_alive=keep_alive))
    return b"".join(lines), chunked


IDS_AND_END = b"X-Request-Id: %b\r\nX-Decision-Id: %b\r\n\r\n"
"""The last two lines of every head that goes down."""


def answer_bytes(answer: Answer, request: RequestHead | None, *, keep_alive: bool) -> bytes:
    """A whole answer of ours; without its body for HEAD. The ids in it are still placeholders."""
    lines = [status_line(answer.status)]
    lines += [b"%b: %b\r\n" % field for field in answer.headers]
    lines.append(b"Content-Length: %d\r\n" % len(answer.body))
    version = request.version if request is not None else b"1.1"
    lines.append(_connection(version, keep_alive=keep_alive) + IDS_AND_END % (_REQUEST, _PLACEHOLDER))
    if request is None or request.method != b"HEAD":
        lines.append(answer.body)
    return b"".join(lines)


class Rendered:
    """The last answer of ours on one connection as bytes: given again, only its ids change."""

    __slots__ = ("_bytes", "_of")

    def __init__(self) -> None:
        self._of: tuple[Answer | None, RequestHead | None, bool] = (None, None, False)
        self._bytes = b""

    def bytes_of(
        self, denied: Denied, request: RequestHead | None, request_id: bytes, *, keep_alive: bool
    ) -> bytes:
        answer, last = denied.answer, self._of
        if last[0] is not answer or last[1] is not request or last[2] is not keep_alive:
            self._bytes = answer_bytes(answer, request, keep_alive=keep_alive)
            self._of = (answer, request, keep_alive)
        return self._bytes.replace(_PLACEHOLDER, denied.decision_id).replace(_REQUEST, request_id, 1)


def _connection(version: bytes, *, keep_alive: bool) -> bytes:
    if not keep_alive:
        return b"Connection: close\r\n"
    return b"Connection: keep-alive\r\n" if version == b"1.0" else b""
