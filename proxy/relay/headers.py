"""Writes heads: what goes up, what comes down, and what stays here.

Upstream goes only what the backend's allow list names (and the operator adds). Hop-by-hop fields, the
caller's credential, identity and override headers are not on any list, so nothing need be remembered to be
removed. Downstream goes everything but the hop-by-hop fields (RFC 9110 section 7.6.1).
"""

from http import HTTPStatus

from proxy.messages import CHUNKED, Answer, RequestHead
from proxy.relay.framing import ResponseHead, connection_options

HOP_BY_HOP = frozenset(
    {
        b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection",
        b"te", b"trailer", b"transfer-encoding", b"upgrade",
    }
)  # fmt: skip

_OURS = frozenset({b"x-request-id", b"x-decision-id"}) | HOP_BY_HOP

_STATUS_LINES = {
    status: b"HTTP/1.1 %d %b\r\n" % (status, HTTPStatus(status).phrase.encode())
    for status in [s.value for s in HTTPStatus]
}


def status_line(status: int) -> bytes:
    """With our own reason phrase: the upstream's could hold anything (CVE-2026-34519)."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def upstream_head(head: RequestHead, forwards: frozenset[bytes], host: bytes, request_id: bytes) -> bytes:
    """The head that goes to the face API, on exactly the target that was judged."""
    lines = [b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (head.method, head.target, host)]
    lines += [b"%b: %b\r\n" % field for field in head.headers if field[0] in forwards]
    if head.length is CHUNKED:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    elif head.length or head.method in (b"POST", b"PUT", b"PATCH"):
        lines.append(b"Content-Length: %d\r\n" % head.length)
    if head.expects_continue:
        lines.append(b"Expect: 100-continue\r\n")
    lines.append(b"X-Request-Id: %b\r\n\r\n" % request_id)
    return b"".join(lines)


def downstream_head(
    response: ResponseHead, request: RequestHead, decision_id: bytes, *, keep_alive: bool
) -> tuple[bytes, bool]:
    """The head that goes to the client, and whether its body is chunked by us."""
    options = connection_options([v for n, v in response.headers if n == b"connection"])
    lines = [status_line(response.status)]
    for name, value in response.headers:
        if name == b"content-length":
            kept = response.length is not CHUNKED and response.status != 204  # RFC 9110 section 8.6
        else:
            kept = name not in _OURS and name not in options
        if kept:
            lines.append(b"%b: %b\r\n" % (name, value))
    chunked = response.length in (None, CHUNKED) and request.version == b"1.1"
    if chunked:
        lines.append(b"Transfer-Encoding: chunked\r\n")
    lines.append(_ids(decision_id) + _connection(request.version, keep_alive=keep_alive) + b"\r\n")
    return b"".join(lines), chunked


def answer_bytes(
    answer: Answer, request: RequestHead | None, decision_id: bytes, *, keep_alive: bool
) -> bytes:
    """A whole answer of ours; without its body for HEAD."""
    lines = [status_line(answer.status)]
    lines += [b"%b: %b\r\n" % field for field in answer.headers]
    lines.append(b"Content-Length: %d\r\n" % len(answer.body))
    version = request.version if request is not None else b"1.1"
    lines.append(_ids(decision_id) + _connection(version, keep_alive=keep_alive) + b"\r\n")
    if request is None or request.method != b"HEAD":
        lines.append(answer.body)
    return b"".join(lines)


def _ids(decision_id: bytes) -> bytes:
    return b"X-Request-Id: %b\r\nX-Decision-Id: %b\r\n" % (decision_id, decision_id)


def _connection(version: bytes, *, keep_alive: bool) -> bytes:
    if not keep_alive:
        return b"Connection: close\r\n"
    return b"Connection: keep-alive\r\n" if version == b"1.0" else b""
