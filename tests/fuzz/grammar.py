"""Heads that are nearly right: each part from a list in which most choices are good and some are hostile."""

from hypothesis import strategies as st

_METHODS = [
    b"GET", b"POST", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"PATCH", b"TRACE", b"CONNECT",
    b"post", b"PRI", b"GE\tT", b"", b"M-SEARCH", b"SOURCE", b"G" * 33,
]  # fmt: skip
_TARGETS = [
    b"/", b"/v1/search", b"/v1/detect", b"/v1/faces/a", b"/v1/version", b"/verify", b"/analyze", b"*", b"",
    b"/v1/detect?a=b", b"/v1//search", b"/v1/%73earch", b"http://a/v1/search", b"//a/b", b"/a#b", b"/a b",
    b"/v1/faces/..", b"/v1/faces/a;b", b"/?", b"/\x80", b"/" + b"x" * 8200,
]  # fmt: skip
_VERSIONS = [b"HTTP/1.1"] * 8 + [
    b"HTTP/1.0",
    b"HTTP/2.0",
    b"HTTP/1.2",
    b"http/1.1",
    b"HTTP/1.10",
    b"",
    b"HTTP/0.9",
]
_FIELDS = [
    b"Host: a", b"Host: [::1]:80", b"Host:", b"Host: a b", b"Host: a,b", b"host : a", b"HOST: a:99999",
    b"Authorization: Bearer <police>", b"authorization: bearer <commercial>", b"Authorization: Basic x",
    b"Authorization: Bearer <expired>", b"Authorization: Bearer <stranger>", b"Authorization: Bearer a.b.c",
    b"Authorization: Bearer", b"X-Amz-Security-Token: <police>", b"X-Amz-Security-Token: <commercial>",
    b"X-Amz-Target: RekognitionService.CompareFaces", b"X-Amz-Target: RekognitionService.DetectFaces",
    b"Content-Type: application/x-amz-json-1.1", b"Content-Type: text/plain",
    b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: 007", b"Content-Length: 999999999999999",
    b"Content-Length: 5, 5", b"Content-Length: +5", b"Content-Length: 5 5",
    b"Content-Length: 18446744073709551621",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: Chunked", b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, chunked", b"Transfer-Encoding:\x0bchunked", b"Transfer_Encoding: chunked",
    b"Expect: 100-continue", b"Expect: 100-Continue", b"Expect: x", b"Connection: close",
    b"Connection: keep-alive, x", b"Connection: host", b"Connection: x-amz-target", b"Connection: Upgrade",
    b"Connection: ,,\t, ", b"Upgrade: websocket", b"Upgrade:", b"TE: trailers", b"Trailer: x",
    b"Keep-Alive: timeout=5", b"Proxy-Connection: keep-alive", b"Accept: \t a/b \t ", b"Accept:",
    b"Accept: a\tb", b"Accept: \x80", b"Accept: a\x00b", b"Accept: \x7f", b": x", b"Accept",
    b" folded: x", b"A\xc3: b", b"A(b): c",
    b"X-Request-Id: 1", b"X-HTTP-Method-Override: GET", b"X-Original-URL: /v1/search", b"Range: bytes=0-",
    b"Idempotency-Key: \"a\"", b"User-Agent: " + b"a" * 3000, b"Cookie: a=b", b"Content-Encoding: gzip",
]  # fmt: skip
_ENDS = [b"\r\n"] * 40 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b" \r\n", b"\x0b\r\n"]
_SPACES = [b" "] * 30 + [b"  ", b"\t", b"", b"\xa0"]

_GOOD_TARGETS = [b"/", b"/v1/search", b"/v1/detect", b"/v1/faces/a?b", b"/verify", b"/analyze"]
_GOOD_FIELDS = [field for field in _FIELDS if field.isascii() and b"Host" not in field]


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """Any part may be anything."""
    space = st.sampled_from(_SPACES)
    start = draw(st.sampled_from(_METHODS)) + draw(space) + draw(st.sampled_from(_TARGETS))
    start += draw(space) + draw(st.sampled_from(_VERSIONS))
    fields = draw(st.lists(st.sampled_from(_FIELDS), max_size=6))
    lines = [start, b"Host: a", *fields] if draw(st.integers(0, 4)) else [start, *fields]
    return b"".join(line + draw(st.sampled_from(_ENDS)) for line in lines) + b"\r\n"


@st.composite
def plausible(draw: st.DrawFn) -> bytes:
    """Only the choice of fields is odd: most of these are accepted, or refused for one reason."""
    method = draw(st.sampled_from([b"GET", b"POST", b"POST", b"PUT", b"HEAD"]))
    start = b"%b %b HTTP/1.1" % (method, draw(st.sampled_from(_GOOD_TARGETS)))
    fields = draw(st.lists(st.sampled_from(_GOOD_FIELDS), max_size=5, unique=True))
    return b"\r\n".join([start, b"Host: a", *fields, b"", b""])


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A plausible head in which a few bytes have been changed."""
    head = bytearray(draw(plausible()))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(head) - 1))
        head[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(head)


heads = st.one_of(hostile(), plausible(), spoilt(), st.binary(max_size=120))
