"""Whatever comes, in whatever pieces: one value or a refusal, and never two readings of the same bytes."""

import asyncio
from collections.abc import AsyncIterator

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import UpstreamBroken
from proxy.messages import RequestHead
from proxy.policy.model import Refusal
from proxy.relay.chunks import ChunkError, ChunkReader
from proxy.relay.framing import parse_request, parse_response
from tests.harness.client import Answer, RawClient, request
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import Message
from tests.wire.strategies import (
    broken_chunks,
    chunked,
    pieces_of,
    queries,
    request_heads,
    response_heads,
    segments,
)

many = settings(max_examples=400, deadline=None, derandomize=True)
some = settings(max_examples=60, deadline=None, derandomize=True)


# ------------------------------------------------------------ heads and chunks, without a socket


@many
@given(st.one_of(st.binary(max_size=200), request_heads))
def test_a_request_head_is_read_or_refused_and_never_raises(raw: bytes) -> None:
    assert isinstance(parse_request(raw), RequestHead | Refusal)


@many
@given(request_heads)
def test_h11_reads_what_we_read_in_a_request_head(raw: bytes) -> None:
    head = parse_request(raw)
    if isinstance(head, Refusal):
        return
    server = h11.Connection(h11.SERVER)
    server.receive_data(raw)
    event = server.next_event()

    assert isinstance(event, h11.Request)
    assert (event.method, event.target, event.http_version) == (head.method, head.target, head.version)
    assert [*event.headers] == [*head.headers]
    no_body = head.length == 0
    assert isinstance(server.next_event(), h11.EndOfMessage) is no_body
    assert server.they_are_waiting_for_100_continue is head.expects_continue


@many
@given(st.one_of(st.binary(max_size=200), response_heads), st.sampled_from([b"GET", b"HEAD", b"POST"]))
def test_a_response_head_is_read_or_is_broken(raw: bytes, method: bytes) -> None:
    try:
        head = parse_response(raw, method)
    except UpstreamBroken:
        return
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(raw)
    event = client.next_event()

    assert isinstance(event, h11.Response | h11.InformationalResponse)
    assert event.status_code == head.status
    assert [*event.headers] == [*head.headers]


@many
@given(st.data(), st.one_of(st.binary(max_size=60), broken_chunks()), st.booleans())
def test_chunks_are_read_as_h11_reads_them_or_are_an_error(
    data: st.DataObject, coded: bytes, extensions: bool
) -> None:
    reader = ChunkReader(extensions=extensions)
    payload = b""
    try:
        for piece in data.draw(pieces_of(coded)):
            payload += b"".join(reader.feed(piece))
    except ChunkError:
        return
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + coded)
    events = [server.next_event()]
    if reader.done:
        while not isinstance(events[-1], h11.EndOfMessage):
            events.append(server.next_event())

        assert b"".join(event.data for event in events if isinstance(event, h11.Data)) == payload
        assert server.trailing_data[0] == reader.rest


@some
@given(st.data(), chunked(), st.binary(max_size=20))
def test_right_chunks_are_read_in_any_pieces(
    data: st.DataObject, body: tuple[bytes, bytes], after: bytes
) -> None:
    payload, coded = body
    reader = ChunkReader()
    read = b"".join(b"".join(reader.feed(piece)) for piece in data.draw(pieces_of(coded + after)))

    assert (read, reader.done, reader.rest) == (payload, True, after)


# ------------------------------------------------------------ a proxy and a socket


@pytest.fixture(scope="module")
async def proxy() -> AsyncIterator[Proxy]:
    async with running_proxy() as running:
        yield running


async def send_in_pieces(client: RawClient, pieces: list[bytes]) -> Answer:
    for piece in pieces:
        await client.send(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return await client.answer()


def last(proxy: Proxy) -> Message:
    return proxy.upstream.complete[-1]


CHUNKED = b"4\r\nabcd\r\n10\r\n0123456789\r\nabcd\r\n0\r\nA: b\r\n\r\n"
GOOD = [
    ("GET", "/v1/faces/a?b", b""),
    ("POST", "/v1/detect", b"\r\n\r\nGET / HTTP/1.1\r\n"),
    ("PUT", "/v1/detect", CHUNKED),
]


@pytest.mark.parametrize(("method", "target", "body"), GOOD, ids=["no body", "length", "chunked"])
async def test_a_request_cut_at_any_byte_is_the_same_request(
    proxy: Proxy, method: str, target: str, body: bytes
) -> None:
    fields = [proxy.bearer(), ("Accept", "a/b")]
    if body is CHUNKED:
        wanted = b"abcd0123456789\r\nabcd"
        whole = request(method, target, [*fields, ("Transfer-Encoding", "chunked")]) + body
    else:
        whole, wanted = request(method, target, fields, body or None), body
    async with RawClient.to(proxy.port) as client:
        for cut in range(1, len(whole)):
            before = len(proxy.upstream.messages)
            answer = await send_in_pieces(client, [whole[:cut], whole[cut:]])

            assert (answer.status, answer.body) == (200, b"ok")
            assert (last(proxy).target, last(proxy).body) == (target.encode(), wanted)
            assert len(proxy.upstream.messages) == before + 1
            assert last(proxy).values(b"accept") == [b"a/b"]


@some
@given(data=st.data(), name=segments, query=queries)
async def test_the_target_that_arrives_is_the_one_that_was_sent(
    proxy: Proxy, data: st.DataObject, name: str, query: str
) -> None:
    target = f"/v1/faces/{name}{query}"
    async with RawClient.to(proxy.port) as client:
        whole = request("GET", target, [proxy.bearer()])
        answer = await send_in_pieces(client, data.draw(pieces_of(whole)))

    assert answer.status == 200
    assert last(proxy).target == target.encode()


@some
@given(data=st.data(), body=st.binary(max_size=300))
async def test_a_body_with_a_length_arrives_as_it_was_sent(
    proxy: Proxy, data: st.DataObject, body: bytes
) -> None:
    async with RawClient.to(proxy.port) as client:
        whole = request("POST", "/v1/detect", [proxy.bearer()], body)
        answer = await send_in_pieces(client, data.draw(pieces_of(whole)))

    assert (answer.status, last(proxy).body) == (200, body)
    assert last(proxy).values(b"content-length") == [b"%d" % len(body)]


@some
@given(data=st.data(), body=chunked())
async def test_a_body_in_chunks_arrives_as_it_was_sent(
    proxy: Proxy, data: st.DataObject, body: tuple[bytes, bytes]
) -> None:
    async with RawClient.to(proxy.port) as client:
        head = request("POST", "/v1/detect", [proxy.bearer(), ("Transfer-Encoding", "chunked")])
        answer = await send_in_pieces(client, data.draw(pieces_of(head + body[1])))

    assert (answer.status, last(proxy).body) == (200, body[0])
    assert last(proxy).values(b"transfer-encoding") == [b"chunked"]


def test_nothing_that_h11_would_not_read_went_upstream(proxy: Proxy) -> None:
    assert proxy.upstream.broken == []
    assert len(proxy.upstream.messages) == len(proxy.audit())
