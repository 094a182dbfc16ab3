"""Upstreams that fail, stall, or say what nobody asked for."""

import asyncio
import socket

import pytest

from tests.harness.client import AnswerCutError, RawClient
from tests.harness.proxy import running_proxy
from tests.harness.upstream import RecordingUpstream, Reset
from tests.harness.waiting import until
from tests.wire.calls import at_rest, detect, get, gone, half

# ------------------------------------------------------------ the upstream fails


async def test_an_upstream_that_refuses_connections_is_502_and_the_body_is_read() -> None:
    async with RecordingUpstream() as upstream, running_proxy(upstream=upstream) as proxy:
        upstream.stop_listening()
        async with RawClient.to(proxy.port) as client:
            await client.send(detect(proxy, length=300_000) + bytes(300_000))
            answer = await client.answer()
            await client.send(get(proxy))
            again = await client.answer()

        assert (answer.status, again.status) == (502, 502)
        assert b"127.0.0.1" not in answer.body
        assert proxy.reasons() == ["not-bound", "upstream-unreachable"] * 2
        await at_rest(proxy)


async def test_an_upstream_that_comes_back_is_used_again() -> None:
    async with RecordingUpstream() as upstream, running_proxy(upstream=upstream) as proxy:
        upstream.stop_listening()
        first = await proxy.call("GET", "/v1/faces/a")
        async with RecordingUpstream() as revived:
            revived.stop_listening()
            await upstream.__aenter__()
            second = await proxy.call("GET", "/v1/faces/a")

        assert (first.status, second.status) == (502, 200)


async def test_a_call_is_sent_once_even_when_the_upstream_breaks() -> None:
    async with RecordingUpstream(lambda _: (Reset(),)) as upstream, running_proxy(upstream=upstream) as proxy:
        answer = await proxy.call("POST", "/v1/detect", b"picture")

        assert answer.status == 502
        assert len(upstream.messages) == 1


async def test_an_upstream_that_takes_no_bytes_is_504() -> None:
    async with (
        RecordingUpstream(reads=False) as upstream,
        running_proxy(upstream=upstream, body_seconds="0.2", response_seconds="0.2") as proxy,
        RawClient.to(proxy.port) as client,
    ):
        await client.send(detect(proxy, length=16_000_000))
        sender = asyncio.ensure_future(client.send(bytes(16_000_000)))
        answer = await client.answer()

        assert answer.status == 504
        assert proxy.reasons() == ["not-bound", "upstream-timeout"]
        client.abort()
        await sender
        await at_rest(proxy)


async def test_a_body_that_stalls_at_the_upstream_is_cut_after_the_body_time() -> None:
    async with (
        RecordingUpstream(half) as upstream,
        running_proxy(upstream=upstream, body_seconds="0.2", response_seconds="60") as proxy,
        RawClient.to(proxy.port) as client,
    ):
        await client.send(get(proxy))
        with pytest.raises(AnswerCutError):
            await client.answer()

        await gone(upstream)


# ------------------------------------------------------------ bytes that nobody asked for


async def test_unsolicited_bytes_on_an_idle_connection_never_reach_the_next_caller() -> None:
    async with RecordingUpstream() as upstream, running_proxy(upstream=upstream) as proxy:
        await proxy.call("GET", "/v1/faces/a")
        upstream.connections[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        answer = await proxy.call("GET", "/v1/faces/b")

        assert answer.body == b"ok"
        await until(lambda: upstream.connections[0].closed, "the poisoned connection to close")


async def test_a_greeting_is_not_an_answer() -> None:
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    async with RecordingUpstream(greeting=evil) as upstream, running_proxy(upstream=upstream) as proxy:
        answer = await proxy.call("GET", "/v1/faces/a")

        assert answer.status == 502
        assert b"evil" not in answer.body


async def test_an_idle_upstream_connection_is_reused_and_then_closed() -> None:
    async with (
        RecordingUpstream() as upstream,
        running_proxy(upstream=upstream, upstream_idle_seconds="0.2") as proxy,
    ):
        for _ in range(3):
            await proxy.call("GET", "/v1/faces/a")

        assert len(upstream.connections) == 1
        await gone(upstream)


async def test_bytes_that_were_there_before_a_call_are_never_its_answer() -> None:
    """On real sockets without a pause: the call and the stray answer both wait when the proxy looks again."""
    loop = asyncio.get_running_loop()
    good, evil = (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" + body for body in (b"good", b"evil"))
    listener = socket.create_server(("127.0.0.1", 0))
    upstream = RecordingUpstream()
    upstream.port = listener.getsockname()[1]
    async with running_proxy(upstream=upstream) as proxy:
        with listener, socket.create_connection(("127.0.0.1", proxy.port)) as client:
            listener.setblocking(False)
            client.setblocking(False)
            client.send(get(proxy))
            peer, _ = await loop.sock_accept(listener)
            with peer:
                await loop.sock_recv(peer, 65536)
                peer.send(good)
                first = await loop.sock_recv(client, 65536)

                client.send(get(proxy))
                peer.send(evil)
                other = asyncio.ensure_future(_serve(listener, good))
                second = await loop.sock_recv(client, 65536)
                other.cancel()
                await asyncio.wait({other})

        assert first.endswith(b"good")
        assert second.endswith(b"good")


async def _serve(listener: socket.socket, answer: bytes) -> None:
    loop = asyncio.get_running_loop()
    peer, _ = await loop.sock_accept(listener)
    with peer:
        await loop.sock_recv(peer, 65536)
        await loop.sock_sendall(peer, answer)
