"""What hypothesis draws: heads that are nearly right, chunked bodies, and ways to cut bytes into pieces."""

import string

from hypothesis import strategies as st

UNRESERVED = string.ascii_letters + string.digits + "._~-"
QUERY = UNRESERVED + "!$&'()*+,;=:@%/?"

_REQUESTS = [
    b"GET /v1/faces/a?b=c HTTP/1.1\r\nHost: a:80\r\nAccept: x/y, z\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: [::1]\r\nContent-Length: 12\r\nConnection: close, x\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nHost:a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    b"HEAD /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
]
_RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nContent-Type: a/b\r\n\r\n",
    b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n",
]
_SPLINTERS = [
    b"\r", b"\n", b"\r\n", b" ", b"\t", b"\x00", b"\x0b", b":", b",", b";", b"0", b"5", b"+5", b"\xff", b"%",
    b"_", b"#", b"\\", b"\r\n ", b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: b\r\n",
    b"HTTP/1.1", b"Upgrade: x\r\n", b"Connection: upgrade\r\n", b"chunked", b"Expect: x\r\n", b"1.0",
]  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, heads: list[bytes]) -> bytes:
    """One of the heads with up to three splinters put in, or put in the place of some bytes."""
    head = draw(st.sampled_from(heads))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(head)))
        end = min(len(head), start + draw(st.sampled_from([0, 0, 1, 2, 5])))
        head = head[:start] + draw(st.sampled_from(_SPLINTERS)) + head[end:]
    return head


request_heads = mutated(_REQUESTS)
response_heads = mutated(_RESPONSES)


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A payload and one right way to write it in chunks."""
    pieces = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
    size = draw(st.sampled_from(["%x", "%X", "%04x"]))
    coded = [(size % len(piece)).encode() + b"\r\n" + piece + b"\r\n" for piece in pieces]
    trailers = draw(st.sampled_from([b"", b"A: b\r\n", b"A:\r\nB: c\td \r\n"]))
    return b"".join(pieces), b"".join(coded) + b"0\r\n" + trailers + b"\r\n"


@st.composite
def broken_chunks(draw: st.DrawFn) -> bytes:
    """A chunked body with a few bytes changed."""
    _, coded = draw(chunked())
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(coded)))
        end = min(len(coded), start + draw(st.sampled_from([0, 1, 2])))
        coded = coded[:start] + draw(st.sampled_from([*_SPLINTERS, b"a", b"F"])) + coded[end:]
    return coded


@st.composite
def pieces_of(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The data, cut at up to five places."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=5)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]


segments = st.text(UNRESERVED, min_size=1, max_size=30).filter(lambda text: text not in (".", ".."))
queries = st.one_of(st.just(""), st.text(QUERY, max_size=60).map(lambda text: "?" + text))
