"""Reads one message head, strictly: bytes in, one value or a refusal out. No socket, no clock.

llhttp (through httptools) is the parser. Around it stand the checks for what it lets pass and two servers
could read differently. The rule is RFC 9112, and where it says "may repair" we refuse.
"""

import contextlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import httptools

from proxy.errors import UpstreamBroken
from proxy.messages import CHUNKED, BodyLength, Headers, RequestHead
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason

MAX_TARGET = 8 * 1024
END_OF_HEAD = b"\r\n\r\n"

_IN_LINES = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}) ([!-~]+) HTTP/([0-9]\.[0-9])\r\n")
_TARGET = re.compile(rb"/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_LENGTH = re.compile(rb"[0-9]{1,15}")

NEVER_IN_CONNECTION = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"content-type", b"expect"}
)


class _Sink:
    """What the parser calls out, collected without a Python call for each field."""

    __slots__ = ("on_header",)

    def __init__(self, fields: dict[bytes, bytes]) -> None:
        self.on_header = fields.__setitem__


class _Lines:
    """The same with every line kept: for heads in which a name comes twice."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))


Parser = TypeVar("Parser", httptools.HttpRequestParser, httptools.HttpResponseParser)


def _feed(raw: bytes, parser: Parser) -> Parser:
    """llhttp stops where an upgrade begins, at the end of the head; whether to upgrade is for others."""
    with contextlib.suppress(httptools.HttpParserUpgrade):
        parser.feed_data(raw)
    return parser


def _read_fields(raw: bytes, make: type[Parser], count: int) -> tuple[Headers, Parser]:
    """The `count` fields of a head, names lower case, and the parser that read them.

    Raises what httptools raises; also when it found fewer fields than there are lines, which means that it
    put two lines together (an obsolete folding, RFC 9112 5.2).
    """
    fields: dict[bytes, bytes] = {}
    parser = _feed(raw, make(_Sink(fields)))
    found: Iterable[tuple[bytes, bytes]] = fields.items()
    if len(fields) != count:
        lines = _Lines()
        parser = _feed(raw, make(lines))
        found = lines.fields
        if len(lines.fields) != count:
            raise httptools.HttpParserError
    return tuple([(name.lower(), value.rstrip(b" \t")) for name, value in found]), parser


def parse_request(raw: bytes) -> RequestHead | Refusal:
    """Read a request head that ends in an empty line."""
    line = _REQUEST_LINE.match(raw)
    count = _count_fields(raw)
    # Bytes above 0x7F (obs-text, RFC 9110 5.5) are read differently by different servers.
    if line is None or count < 0 or not raw.isascii():
        return Refusal(Reason.REQUEST_MALFORMED)
    method, target, version = line.groups()
    if version not in (b"1.1", b"1.0"):
        return Refusal(Reason.VERSION_UNSUPPORTED)
    if len(target) > MAX_TARGET:
        return Refusal(Reason.TARGET_TOO_LONG)
    if method == b"CONNECT":
        return Refusal(Reason.METHOD_NOT_ALLOWED, "No tunnels here.")
    if not _TARGET.fullmatch(target):
        return Refusal(Reason.TARGET_NOT_CANONICAL)
    try:
        headers, _ = _read_fields(raw, httptools.HttpRequestParser, count)
    except httptools.HttpParserInvalidMethodError:
        return Refusal(Reason.METHOD_NOT_ALLOWED)
    except httptools.HttpParserError:
        return Refusal(_fault(raw))
    return _request(method, target, version, headers)


def _fault(raw: bytes) -> Reason:
    """What llhttp stumbled over: it refuses two framings by itself, and they deserve their own word."""
    names = [line.partition(b":")[0].lower() for line in raw.split(b"\r\n")[1:]]
    framings = names.count(b"content-length") + min(1, names.count(b"transfer-encoding"))
    return Reason.REQUEST_AMBIGUOUS if framings > 1 else Reason.REQUEST_MALFORMED


def _count_fields(raw: bytes) -> int:
    """How many field lines a head has; -1 for control bytes, a CR or LF alone, or no empty line at its end.

    Taking away all that may stand in a line must leave nothing but line ends, each of them whole.
    """
    ends = raw.translate(None, _IN_LINES)
    pairs = len(ends) // 2
    if ends != b"\r\n" * pairs or raw.count(b"\r\n") != pairs or not raw.endswith(END_OF_HEAD):
        return -1
    return pairs - 2


class _Special:
    """The fields that framing and connection handling read, each with all its values."""

    __slots__ = ("connection", "expect", "host", "length", "transfer", "upgrade")

    def __init__(self, headers: Headers) -> None:
        self.host = self.length = self.transfer = self.expect = self.connection = self.upgrade = _NONE
        for name, value in headers:
            attribute = _SPECIAL.get(name)
            if attribute is not None:
                setattr(self, attribute, (*getattr(self, attribute), value))


_NONE: tuple[bytes, ...] = ()
_SPECIAL = {
    b"host": "host",
    b"content-length": "length",
    b"transfer-encoding": "transfer",
    b"expect": "expect",
    b"connection": "connection",
    b"upgrade": "upgrade",
}


def connection_options(values: Sequence[bytes]) -> frozenset[bytes]:
    """The members of all Connection fields, lower case (RFC 9110 7.6.1)."""
    if not values:
        return frozenset()
    return frozenset(option.strip(b" \t").lower() for value in values for option in value.split(b","))


def _request(method: bytes, target: bytes, version: bytes, headers: Headers) -> RequestHead | Refusal:
    special = _Special(headers)
    if len(special.host) != 1 and (special.host or version == b"1.1"):
        return Refusal(Reason.REQUEST_MALFORMED, "Exactly one Host field is required.")
    if special.host and not _HOST.fullmatch(special.host[0]):
        return Refusal(Reason.REQUEST_MALFORMED, "The Host field is not a host.")
    options = connection_options(special.connection)
    upgrade = bool(special.upgrade)
    if upgrade and not (method == b"GET" and version == b"1.1" and _is_websocket(special, options)):
        return Refusal(Reason.UPGRADE_REFUSED)
    if options & NEVER_IN_CONNECTION:
        return Refusal(Reason.REQUEST_AMBIGUOUS, "Connection names a field that the request depends on.")
    length = _request_length(special, version)
    if isinstance(length, Refusal):
        return length
    if special.expect and (len(special.expect) > 1 or special.expect[0].lower() != b"100-continue"):
        return Refusal(Reason.EXPECTATION_UNKNOWN)
    keep_alive = b"close" not in options and (version == b"1.1" or b"keep-alive" in options)
    expects = bool(special.expect) and version == b"1.1" and length != 0
    return RequestHead(method, target, version, headers, length, keep_alive, expects, options, upgrade)


def _is_websocket(special: _Special, options: frozenset[bytes]) -> bool:
    """RFC 6455 section 4.1, and nothing beside it: no body, no second protocol, no h2c."""
    return (
        len(special.upgrade) == 1
        and special.upgrade[0].lower() == b"websocket"
        and b"upgrade" in options
        and not special.length
        and not special.transfer
        and not special.expect
    )


def _request_length(special: _Special, version: bytes) -> BodyLength | Refusal:
    """RFC 9112 6.3, without any of the repairs it allows."""
    if special.transfer:
        if special.length:
            return Refusal(Reason.REQUEST_AMBIGUOUS, "Both Content-Length and Transfer-Encoding are given.")
        if len(special.transfer) > 1 or special.transfer[0].lower() != b"chunked" or version != b"1.1":
            return Refusal(Reason.REQUEST_MALFORMED, "The only transfer coding is one chunked, in HTTP/1.1.")
        return CHUNKED
    if len(special.length) > 1:
        return Refusal(Reason.REQUEST_AMBIGUOUS, "Content-Length is sent twice.")
    if not special.length:
        return 0
    if not _LENGTH.fullmatch(special.length[0]):
        return Refusal(Reason.REQUEST_MALFORMED, "Content-Length is not a plain number.")
    return int(special.length[0])


class ResponseHead(NamedTuple):
    """A response's head. `length` None: the body ends when the connection does."""

    status: int
    headers: Headers
    length: BodyLength | None
    keep_alive: bool


def parse_response(raw: bytes, method: bytes, *, upgrade: bool = False) -> ResponseHead:
    """Read a response head that ends in an empty line. `method` is the request's (RFC 9112 6.3).

    `upgrade`: a WebSocket was asked for, so 101 may be the answer.

    Raises `UpstreamBroken` for whatever a client could read in two ways.
    """
    count = _count_fields(raw)
    if count < 0 or not raw.startswith((b"HTTP/1.1 ", b"HTTP/1.0 ")):
        raise UpstreamBroken("the answer is not HTTP/1.1")
    try:
        headers, parser = _read_fields(raw, httptools.HttpResponseParser, count)
    except httptools.HttpParserError:
        raise UpstreamBroken("the answer's head is malformed") from None
    status = parser.get_status_code()
    if not 100 <= status <= 599:
        raise UpstreamBroken("the answer's head is malformed")
    special = _Special(headers)
    options = connection_options(special.connection)
    if status == 101 and not (upgrade and _is_websocket(special, options)):
        raise UpstreamBroken("the answer switches protocols unasked")
    version = raw[5:8]
    keep_alive = b"close" not in options and (version == b"1.1" or b"keep-alive" in options)
    return ResponseHead(status, headers, _response_length(special, version, status, method), keep_alive)


def _response_length(special: _Special, version: bytes, status: int, method: bytes) -> BodyLength | None:
    if special.transfer and (special.length or len(special.transfer) > 1 or version != b"1.1"):
        raise UpstreamBroken("the answer is framed in two ways")
    if special.transfer and special.transfer[0].lower() != b"chunked":
        raise UpstreamBroken("the answer has an unknown transfer coding")
    if len(special.length) > 1 or (special.length and not _LENGTH.fullmatch(special.length[0])):
        raise UpstreamBroken("the answer's Content-Length is not one plain number")
    if method == b"HEAD" or status in (204, 304) or status < 200:
        return 0
    if special.transfer:
        return CHUNKED
    return int(special.length[0]) if special.length else None
