"""Clients that leave, stall, flood, or send a body that nobody wants."""

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from tests.harness.client import AnswerCutError, RawClient, request
from tests.harness.proxy import running_proxy
from tests.harness.upstream import AwaitBody, Hang, Message, Pause, RecordingUpstream, Send, Step, reply
from tests.harness.waiting import until
from tests.wire.calls import HEAD, at_rest, detect, dripping, get, gone, half, hang

# ------------------------------------------------------------ the client leaves


@pytest.mark.parametrize("script", [hang, half], ids=["before the answer", "during the answer"])
async def test_a_call_whose_client_leaves_is_cancelled_upstream(script: object) -> None:
    chosen = half if script is half else hang
    async with RecordingUpstream(chosen) as upstream, running_proxy(upstream=upstream) as proxy:
        client = await RawClient.connect(proxy.port)
        await client.send(get(proxy))
        await until(lambda: upstream.messages, "the call to arrive")
        client.abort()

        await gone(upstream)
        await at_rest(proxy)


@pytest.mark.parametrize("coding", ["length", "chunked"])
async def test_an_upload_that_is_broken_off_never_ends_upstream(coding: str) -> None:
    async with RecordingUpstream() as upstream, running_proxy(upstream=upstream) as proxy:
        client = await RawClient.connect(proxy.port)
        if coding == "length":
            await client.send(detect(proxy, length=1000) + bytes(500))
        else:
            head = request("POST", "/v1/detect", [proxy.bearer(), ("Transfer-Encoding", "chunked")])
            await client.send(head + b"1f4\r\n" + bytes(500) + b"\r\n")
        await until(lambda: upstream.messages and len(upstream.messages[0].body) == 500, "half of the body")
        await client.close()

        await gone(upstream)
        assert upstream.complete == []
        await at_rest(proxy)


async def test_a_hundred_clients_that_leave_cost_nothing() -> None:
    async with RecordingUpstream(hang) as upstream, running_proxy(upstream=upstream) as proxy:
        clients = [await RawClient.connect(proxy.port) for _ in range(100)]
        for client in clients:
            await client.send(get(proxy))
        await until(lambda: len(upstream.messages) == 100, "a hundred calls")
        for client in clients:
            client.abort()

        await gone(upstream)
        await at_rest(proxy)
        assert (await proxy.call("POST", "/v1/search", b"x", caller="police")).status == 451


# ------------------------------------------------------------ the client is slow


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "a byte at a time"])
async def test_a_head_that_does_not_end_is_408(drip: bool) -> None:
    async with running_proxy(head_seconds="0.3") as proxy, RawClient.to(proxy.port) as client:
        await client.send(b"GET /v1/version HTTP/1.1\r\nHost: a\r\nAccept: ")
        async with dripping(client, drip):
            answer = await client.answer()

        assert answer.status == 408
        assert proxy.reasons() == ["request-timeout"]


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "a byte at a time"])
async def test_a_body_that_does_not_end_is_408_and_cancelled_upstream(drip: bool) -> None:
    async with (
        RecordingUpstream() as upstream,
        running_proxy(upstream=upstream, body_seconds="0.2") as proxy,
        RawClient.to(proxy.port) as client,
    ):
        await client.send(detect(proxy, length=100_000) + b"begin")
        async with dripping(client, drip):
            answer = await client.answer()

        assert answer.status == 408
        assert proxy.reasons() == ["not-bound", "request-timeout"]
        await gone(upstream)
        assert upstream.complete == []


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "a byte at a time"])
async def test_the_body_of_a_refused_call_is_not_waited_for_without_end(drip: bool) -> None:
    async with running_proxy(body_seconds="0.2") as proxy, RawClient.to(proxy.port) as client:
        await client.send(detect(proxy, length=100_000, org_type="martian"))
        assert (await client.answer()).status == 403
        with contextlib.suppress(AnswerCutError):
            async with dripping(client, drip):
                await client.remainder()


async def test_a_connection_that_says_nothing_is_closed() -> None:
    async with running_proxy(head_seconds="0.2", idle_seconds="0.2") as proxy:
        async with RawClient.to(proxy.port) as silent, RawClient.to(proxy.port) as idle:
            await idle.send(get(proxy))
            await idle.answer()

            assert await silent.remainder() == b""
            assert await idle.remainder() == b""
        assert proxy.reasons() == ["not-bound"]


async def test_a_refusal_before_any_request_does_not_distort_the_durations() -> None:
    async with running_proxy(head_seconds="0.2") as proxy:
        async with RawClient.to(proxy.port) as client:
            await client.send(b"GET /v1/version HTTP/1.1\r\n")
            await client.answer()
        name = 'moratorium_request_duration_seconds_sum{decision="rejected"}'
        sums = [line for line in (await proxy.metrics()).splitlines() if line.startswith(name)]

        assert [float(line.rpartition(" ")[2]) < 60 for line in sums] == [True]


async def test_a_client_that_does_not_read_is_cut_and_its_call_cancelled() -> None:
    def endless(_: Message) -> Sequence[Step]:
        return (
            Send(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n"),
            *(Send(bytes(1 << 20)),) * 40,
            Hang(),
        )

    async with (
        RecordingUpstream(endless) as upstream,
        running_proxy(upstream=upstream, body_seconds="0.3", response_seconds="0.3") as proxy,
    ):
        client = await RawClient.connect(proxy.port, buffer=1024)
        await client.send(get(proxy))
        await until(lambda: upstream.messages, "the call to arrive")

        await gone(upstream)
        await at_rest(proxy)
        client.abort()


async def test_an_answer_larger_than_every_buffer_arrives_whole() -> None:
    body = bytes(range(256)) * 40_000

    async with (
        RecordingUpstream(lambda _: reply(body)) as upstream,
        running_proxy(upstream=upstream) as proxy,
    ):
        answer = await proxy.call("POST", "/v1/detect", body[:3_000_000])

        assert answer.body == body
        assert upstream.messages[0].body == body[:3_000_000]


async def test_a_slow_upstream_answer_in_pieces_is_not_cut() -> None:
    pieces = [step for _ in range(10) for step in (Pause(0.05), Send(b"x"))]

    async with (
        RecordingUpstream(lambda _: (AwaitBody(), Send(HEAD), *pieces)) as upstream,
        running_proxy(upstream=upstream, body_seconds="0.3", response_seconds="0.3") as proxy,
    ):
        assert (await proxy.call("GET", "/v1/faces/a")).body == b"x" * 10


async def test_a_client_that_leaves_while_its_upload_is_held_up_is_noticed() -> None:
    """Nothing is read from it then, so the end of its connection has to be seen in another way."""
    async with RecordingUpstream(reads=False) as upstream, running_proxy(upstream=upstream) as proxy:
        client = await RawClient.connect(proxy.port)
        sending = asyncio.ensure_future(client.send(detect(proxy, length=16_000_000) + bytes(16_000_000)))
        await until(lambda: upstream.connections, "the connection")
        await asyncio.sleep(0.2)
        client.reset()
        await sending

        await at_rest(proxy)


async def test_a_client_that_leaves_while_its_answer_is_held_up_is_noticed() -> None:
    head = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 64000000\r\n\r\n" + bytes(32_000_000))
    upstream = RecordingUpstream(lambda _: (head, Hang()))
    async with running_proxy(upstream=upstream) as proxy:
        client = await RawClient.connect(proxy.port, buffer=1024)
        await client.send(get(proxy))
        await until(lambda: upstream.messages, "the call to arrive")
        await asyncio.sleep(0.2)
        client.abort()

        await gone(upstream)
        await at_rest(proxy)
