"""Many calls on one connection, and the bodies of calls that were refused."""

import asyncio
import contextlib
import socket

import pytest

from tests.harness.client import RawClient, request
from tests.harness.proxy import running_proxy
from tests.harness.upstream import CONTINUE, AwaitBody, RecordingUpstream, Send, reply
from tests.harness.waiting import PATIENCE, until
from tests.wire.calls import detect, get, gone, hang

MEGABYTE = bytes(1 << 20)


async def test_a_hundred_pipelined_calls_are_answered_in_order() -> None:
    upstream = RecordingUpstream(lambda message: reply(message.target))
    async with running_proxy(upstream=upstream) as proxy, RawClient.to(proxy.port) as client:
        await client.send(b"".join(get(proxy, str(number)) for number in range(100)))
        answers = [await client.answer() for _ in range(100)]

        wanted = [b"/v1/faces/%d" % number for number in range(100)]
        assert [answer.body for answer in answers] == wanted
        assert [message.target for message in upstream.complete] == wanted
        assert len(upstream.connections) == 1


async def test_pipelined_calls_are_not_sent_before_the_one_in_front_is_answered() -> None:
    async with (
        RecordingUpstream(hang) as upstream,
        running_proxy(upstream=upstream) as proxy,
        RawClient.to(proxy.port) as client,
    ):
        await client.send(get(proxy, "a") + get(proxy, "b"))
        await until(lambda: upstream.messages, "the first call")
        await proxy.call("POST", "/v1/search", caller="police")

        assert [message.target for message in upstream.messages] == [b"/v1/faces/a"]
        assert proxy.reasons() == ["not-bound", "moratorium"]


async def test_a_client_that_sends_without_reading_is_not_read_without_end() -> None:
    """Its answers fill two small buffers; from then on its requests may fill those of the kernel, no more."""
    async with running_proxy(head_seconds="60") as proxy:
        calls = get(proxy, org_type="martian") * 1000
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", proxy.port))
            client.setblocking(False)
            sent = stuck = 0
            while sent < 24 * len(MEGABYTE) and stuck < 50:
                with contextlib.suppress(BlockingIOError):
                    sent += client.send(calls[sent % len(calls) :])
                    stuck = -1
                stuck += 1
                await asyncio.sleep(0.01)

        assert sent < 24 * len(MEGABYTE)


async def test_what_follows_the_rest_of_a_refused_body_in_one_packet_is_answered() -> None:
    async with running_proxy() as proxy, RawClient.to(proxy.port) as client:
        await client.send(detect(proxy, length=10, org_type="martian") + b"01234")
        refused = await client.answer()
        await client.send(b"56789" + get(proxy))
        answer = await client.answer()

        assert (refused.status, answer.status) == (403, 200)


async def test_a_refused_body_is_read_so_that_who_sends_it_all_first_sees_the_answer() -> None:
    async with running_proxy() as proxy, RawClient.to(proxy.port) as client:
        for _ in range(2):
            await client.send(detect(proxy, length=8 << 20, org_type="martian") + MEGABYTE * 8)
            assert (await client.answer()).status == 403
        await client.send(get(proxy))

        assert (await client.answer()).status == 200
        assert len(proxy.upstream.messages) == 1


async def test_a_declared_body_over_the_limit_is_refused_and_who_sends_it_all_sees_the_answer() -> None:
    async with running_proxy(max_body_bytes="1MiB") as proxy, RawClient.to(proxy.port) as client:
        await client.send(detect(proxy, length=8 << 20) + MEGABYTE * 8)
        answer = await client.answer()

        assert answer.status == 413
        assert answer.values(b"connection") == [b"close"]
        assert proxy.upstream.connections == []


async def test_an_early_413_from_the_upstream_reaches_who_sends_all_first() -> None:
    early = Send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nok")
    async with (
        RecordingUpstream(lambda _: (early,)) as upstream,
        running_proxy(upstream=upstream) as proxy,
        RawClient.to(proxy.port) as client,
    ):
        await client.send(detect(proxy, length=8 << 20) + MEGABYTE * 8)
        answer = await client.answer()

        assert (answer.status, answer.body) == (413, b"ok")
        assert proxy.reasons() == ["not-bound"]
        await gone(upstream)
        assert upstream.complete == []


async def test_the_body_waits_for_100_from_the_upstream() -> None:
    upstream = RecordingUpstream(lambda _: (CONTINUE, *reply()))
    async with running_proxy(upstream=upstream) as proxy, RawClient.to(proxy.port) as client:
        await client.send(detect(proxy, ("Expect", "100-continue"), length=5))
        await until(lambda: upstream.messages, "the head")
        assert upstream.messages[0].wants_continue
        await client.send(b"hello")
        answer = await client.answer()

        assert (answer.status, answer.interim) == (200, (100,))
        assert upstream.messages[0].body == b"hello"


async def test_a_refusal_comes_instead_of_100() -> None:
    async with running_proxy() as proxy, RawClient.to(proxy.port) as client:
        await client.send(detect(proxy, ("Expect", "100-continue"), length=5, org_type="martian"))
        answer = await client.answer()

        assert (answer.status, answer.interim) == (403, ())
        assert await client.remainder() == b""


@pytest.mark.parametrize("size", [1, 4096, 1 << 20])
async def test_a_chunked_body_arrives_whole_whatever_its_chunks(size: int) -> None:
    body = bytes(range(256)) * 8192
    upstream = RecordingUpstream(lambda _: (AwaitBody(), *reply()))
    async with running_proxy(upstream=upstream) as proxy, RawClient.to(proxy.port) as client:
        body = body[: size * 100]
        await client.send(request("POST", "/v1/detect", [proxy.bearer(), ("Transfer-Encoding", "chunked")]))
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            await client.send(b"%X\r\n%b\r\n" % (len(piece), piece))
        await client.send(b"0\r\n\r\n")

        assert (await client.answer()).status == 200
        assert upstream.messages[0].body == body


async def test_thousands_of_refused_calls_in_one_go_are_answered_one_by_one() -> None:
    async with running_proxy(head_seconds="60") as proxy, RawClient.to(proxy.port) as client:
        one = request("POST", "/v1/nowhere", [("Transfer-Encoding", "chunked")]) + b"1\r\nx\r\n0\r\n\r\n"
        sender = asyncio.ensure_future(client.send(one * 3000))
        statuses = {(await client.answer()).status for _ in range(3000)}
        await sender

        assert statuses == {401}


async def test_connections_over_the_limit_are_told_so() -> None:
    async with running_proxy(max_connections="2") as proxy:
        async with RawClient.to(proxy.port) as first, RawClient.to(proxy.port) as second:
            await first.send(get(proxy))
            assert (await first.answer()).status == 200
            async with RawClient.to(proxy.port) as third:
                await third.send(get(proxy))
                answer = await third.answer()
                await second.send(get(proxy))
                assert (await second.answer()).status == 200

        assert answer.status == 503
        assert answer.values(b"retry-after")
        assert proxy.reasons() == ["not-bound", "overloaded", "not-bound"]


async def test_refusals_are_instant_while_every_upstream_call_hangs() -> None:
    async with RecordingUpstream(hang) as upstream, running_proxy(upstream=upstream) as proxy:
        waiting = [await RawClient.connect(proxy.port) for _ in range(50)]
        for client in waiting:
            await client.send(get(proxy))
        await until(lambda: len(upstream.messages) == 50, "fifty calls")
        async with asyncio.timeout(PATIENCE):
            answer = await proxy.call("POST", "/v1/search", b"picture", caller="police")
        for client in waiting:
            await client.close()

        assert answer.status == 451
