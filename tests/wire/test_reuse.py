"""What a slow reader or a hasty answer leaves behind on a kept connection must not meet the next call."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.harness.client import RawClient, request
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import AwaitBody, Message, Pause, RecordingUpstream, Send, Step, ordinary
from tests.harness.waiting import until
from tests.wire.calls import get

PIECE = bytes(16 * 1024)
LAST = bytes(60 * 1024)
HIGH_WATER = 64 * 1024
NEXT_BODY = 12_000_000


def queued(proxy: Proxy) -> int:
    """Bytes that the proxy holds for the client that it has held longest."""
    connections: list[Any] = [*proxy.application.relay.context.connections]
    return int(max(connection._client._transport.get_write_buffer_size() for connection in connections))


def chunk(piece: bytes) -> Send:
    return Send(b"%x\r\n%b\r\n" % (len(piece), piece))


async def test_a_slow_reader_does_not_make_the_next_caller_wait() -> None:
    """The last piece of an answer finds the client's queue full, and reading from upstream is paused; the
    connection is kept for other calls, whose answers must be read."""
    held: list[Proxy] = []

    def script(message: Message) -> Iterator[Step]:
        if message.target != b"/v1/faces/large":
            yield from ordinary(message)
            return
        yield AwaitBody()
        yield Send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while queued(held[0]) < HIGH_WATER - len(LAST) + len(PIECE):
            yield chunk(PIECE)
            yield Pause(0.002)
        yield Send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(LAST), LAST))

    async with (
        RecordingUpstream(script) as upstream,  # type: ignore[arg-type]
        running_proxy(upstream=upstream, response_seconds="1") as proxy,
        RawClient.to(proxy.port) as client,
    ):
        held.append(proxy)
        pool = proxy.application.relay.context.pool
        await client.send(get(proxy, "large"))
        await until(lambda: upstream.messages and "idle 1 of 1" in repr(pool), "the answer to be complete")
        assert queued(proxy) > HIGH_WATER
        answer = await proxy.call("GET", "/v1/faces/small")
        whole = await client.answer()

        assert len(whole.body) > len(LAST)
        assert (answer.status, len(upstream.connections)) == (200, 1)


@pytest.fixture
async def hasty() -> AsyncIterator[tuple[int, list[asyncio.StreamWriter]]]:
    """An upstream that takes the heads of requests, never a body; answers are written by the test."""
    accepted: list[asyncio.StreamWriter] = []
    over = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        await over.wait()
        writer.transport.abort()

    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listener.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(accept, sock=listener, limit=1024)
    yield listener.getsockname()[1], accepted
    over.set()
    server.close()


def queued_up(proxy: Proxy) -> int:
    """Bytes that the proxy holds for the upstream, on the connection where it holds most."""
    connections: list[Any] = [*proxy.application.relay.context.pool._all]
    return int(max((c._transport.get_write_buffer_size() for c in connections), default=0))


async def test_an_answer_before_its_body_is_taken_does_not_unbound_the_next_body(
    hasty: tuple[int, list[asyncio.StreamWriter]],
) -> None:
    """The transport is paused already and does not say so again: the next body would not be held back."""
    upstream = RecordingUpstream()
    upstream.port, accepted = hasty
    async with running_proxy(upstream=upstream) as proxy, RawClient.to(proxy.port) as client:
        await client.send(request("POST", "/v1/detect", [proxy.bearer(), ("Transfer-Encoding", "chunked")]))
        await until(lambda: accepted, "the call to arrive")
        while queued_up(proxy) < HIGH_WATER - len(LAST) + len(PIECE):
            await client.send(chunk(PIECE).data)
            await asyncio.sleep(0.002)
        await client.send(chunk(LAST).data + b"0\r\n\r\n")
        await until(lambda: queued_up(proxy) > HIGH_WATER, "the body to be queued")
        accepted[0].write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        answer = await client.answer()
        async with RawClient.to(proxy.port) as other:
            body = bytes(NEXT_BODY)
            sending = asyncio.ensure_future(other.send(request("POST", "/v1/detect", [proxy.bearer()], body)))
            await asyncio.wait({sending}, timeout=0.5)
            most = queued_up(proxy)
            other.abort()
            await sending

        assert answer.status == 200
        assert most < 4 * HIGH_WATER
