"""Full, and fuller than that: calls in flight, connections, file descriptors."""

import asyncio
import contextlib
import itertools
import os
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from proxy.relay.descriptors import SPARE, needed, share_out
from tests.harness.client import AnswerCutError, RawClient, request
from tests.harness.process import Served, serving, value
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import AwaitBody, Message, Pause, RecordingUpstream, Send, Step
from tests.harness.waiting import PATIENCE, until
from tests.tls.parts import client as client_context
from tests.tls.parts import issue, write
from tests.wire.calls import HEAD, at_rest, detect, get, hang

CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

# ------------------------------------------------------------ calls in flight


@contextlib.asynccontextmanager
async def full(proxy: Proxy, upstream: RecordingUpstream, calls: int) -> AsyncIterator[list[RawClient]]:
    """This many calls hang at the upstream."""
    clients = [await RawClient.connect(proxy.port) for _ in range(calls)]
    for client in clients:
        await client.send(get(proxy))
    await until(lambda: len(upstream.messages) == calls, "the calls to arrive")
    try:
        yield clients
    finally:
        for client in clients:
            await client.close()


async def test_a_call_that_finds_no_room_is_503_at_once_and_recorded_once_as_what_it_was() -> None:
    async with (
        RecordingUpstream(hang) as upstream,
        running_proxy(upstream=upstream, max_in_flight="3") as proxy,
        full(proxy, upstream, 3),
    ):
        answer = await proxy.call("POST", "/v1/detect", b"picture")

        assert answer.status == 503
        assert answer.values(b"retry-after")
        assert answer.json()["title"] == "overloaded"
        assert proxy.reasons() == ["not-bound"] * 3 + ["overloaded"]
        record = proxy.audit()[-1]
        assert (record["decision"], record["org_type"], record["operation"]) == (
            "failed",
            "commercial",
            "/v1/detect",
        )
        assert record["id"] == answer.values(b"x-decision-id")[0].decode()
        assert len(upstream.messages) == 3


async def test_refusals_need_no_room() -> None:
    async with (
        RecordingUpstream(hang) as upstream,
        running_proxy(upstream=upstream, max_in_flight="2") as proxy,
        full(proxy, upstream, 2),
    ):
        statuses = [
            (await proxy.call("POST", "/v1/search", b"picture", caller=caller)).status
            for caller in ("police", "martian", None, "commercial")
        ]

        assert statuses == [451, 403, 401, 503]
        assert proxy.reasons()[2:] == ["moratorium", "org-type-unknown", "token-missing", "overloaded"]


@pytest.mark.parametrize("ending", ["answered", "left", "cut"])
async def test_room_is_free_again_however_a_call_ends(ending: str) -> None:
    async with (
        RecordingUpstream(hang) as upstream,
        running_proxy(upstream=upstream, max_in_flight="1") as proxy,
    ):
        for _ in range(3):
            upstream.messages.clear()
            async with full(proxy, upstream, 1) as (client,):
                assert (await proxy.call("GET", "/v1/faces/a")).status == 503
                if ending == "answered":
                    upstream.connections[-1].send(HEAD + b"0123456789")
                    assert (await client.answer()).status == 200
                elif ending == "cut":
                    upstream.connections[-1].close()
                    assert (await client.answer()).status == 502
            await at_rest(proxy)


async def test_no_more_calls_than_there_is_room_for_are_ever_at_the_upstream() -> None:
    most = 0

    def script(_: Message) -> tuple[Step, ...]:
        nonlocal most
        most = max(most, sum(1 for c in upstream.connections if c.messages and not c.closed))
        return Pause(0.05), AwaitBody(), Send(CLOSING)

    async with (
        RecordingUpstream(script) as upstream,
        running_proxy(upstream=upstream, max_in_flight="5") as proxy,
    ):
        answers = await asyncio.gather(*(proxy.call("POST", "/v1/detect", b"x") for _ in range(60)))

        assert {answer.status for answer in answers} == {200, 503}
        assert most <= 6  # one may still be closing
        await at_rest(proxy)


async def test_the_body_of_a_call_without_room_is_read_and_its_connection_lives_on() -> None:
    async with (
        RecordingUpstream(hang) as upstream,
        running_proxy(upstream=upstream, max_in_flight="1") as proxy,
        full(proxy, upstream, 1),
        RawClient.to(proxy.port) as client,
    ):
        for _ in range(2):
            await client.send(detect(proxy, length=4 << 20) + bytes(4 << 20))
            assert (await client.answer()).status == 503


async def test_without_a_number_there_is_room_for_as_many_calls_as_connections() -> None:
    async with running_proxy(max_connections="7") as proxy:
        assert proxy.application.enforcer.max_in_flight == 7


# ------------------------------------------------------------ a client that does not read


async def test_a_connection_whose_last_client_was_slow_serves_the_next_one() -> None:
    """Reading from the upstream is paused in the very moment in which the answer is complete."""
    body = bytes(120_000)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    async with (
        RecordingUpstream(lambda _: (AwaitBody(), Send(answer))) as upstream,
        running_proxy(upstream=upstream, response_seconds="1") as proxy,
    ):
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(slow, ("127.0.0.1", proxy.port))
            await until(lambda: proxy.application.relay.context.connections, "the connection")
            (connection,) = proxy.application.relay.context.connections
            transport = connection._client._transport  # type: ignore[attr-defined]
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
            await loop.sock_sendall(slow, get(proxy))
            await until(lambda: "idle 1 of 1" in repr(proxy.application.relay.context.pool), "the answer")
            assert connection._client.write_paused  # type: ignore[attr-defined]

            assert (await proxy.call("GET", "/v1/faces/b")).status == 200
            assert len(upstream.connections) == 1


# ------------------------------------------------------------ file descriptors


@pytest.mark.parametrize(
    ("limit", "connections", "in_flight"),
    [
        (10, 1024, 1024),
        (64, 1024, 1024),
        (256, 1024, 1024),
        (1024, 1024, 1024),
        (256, 8, 4000),
        (256, 4000, 8),
    ],
)
def test_descriptors_that_are_too_few_are_shared_out(limit: int, connections: int, in_flight: int) -> None:
    shares = share_out(limit, connections=connections, in_flight=in_flight)

    assert 1 <= shares.connections <= connections
    assert 1 <= shares.in_flight <= in_flight
    assert shares.connections <= shares.ceiling
    assert shares.ceiling + shares.in_flight <= max(4, limit - SPARE)


@pytest.mark.parametrize(("connections", "in_flight"), [(1024, 1024), (1, 1), (100_000, 7), (7, 100_000)])
def test_descriptors_that_are_enough_give_what_was_asked_for(connections: int, in_flight: int) -> None:
    limit = needed(connections=connections, in_flight=in_flight)
    shares = share_out(limit, connections=connections, in_flight=in_flight)

    assert (shares.connections, shares.in_flight) == (connections, in_flight)
    assert share_out(limit + 1000, connections=connections, in_flight=in_flight)[:2] == shares[:2]


async def test_connections_beyond_the_descriptors_are_closed_and_counted() -> None:
    async with running_proxy() as proxy:
        proxy.application.relay._ceiling = 2
        async with RawClient.to(proxy.port) as first, RawClient.to(proxy.port):
            await until(lambda: len(proxy.application.relay.context.connections) == 2, "two connections")
            async with RawClient.to(proxy.port) as third:
                await third.send(get(proxy))
                with contextlib.suppress(AnswerCutError):
                    assert await third.remainder() == b""
            await first.send(get(proxy))
            assert (await first.answer()).status == 200
        assert "moratorium_connections_turned_away_total 1.0" in await proxy.metrics()


def open_files(served: Served) -> int:
    return len(os.listdir(f"/proc/{served.process.pid}/fd"))


def cpu_seconds(served: Served) -> float:
    fields = Path(f"/proc/{served.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def low_limit(files: int) -> tuple[str, ...]:
    """In front of a command: it can never have more than so many files open."""
    return ("sh", "-c", f'ulimit -n {files} && exec "$@"', "sh")


async def until_answered(served: Served) -> None:
    """Wait until calls are answered as ever."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(OSError, AnswerCutError):
                if (await served.call(target="/v1/detect")).status == 200:
                    return
            await asyncio.sleep(0.05)


async def test_a_flood_under_a_low_limit_leaves_the_calls_alone_and_passes(tmp_path: Path) -> None:
    async with (
        RecordingUpstream(hang) as upstream,
        serving(tmp_path, upstream, under=low_limit(160)) as served,
        RawClient.to(served.port) as busy,
    ):
        assert served.said("fewer connections than set") == 1
        await busy.send(request("GET", "/v1/faces/a", [served.bearer()]))
        await until(lambda: upstream.messages, "the call to arrive")
        cpu, began = cpu_seconds(served), time.monotonic()
        flood = [await RawClient.connect(served.port) for _ in range(400)]
        await asyncio.sleep(0.5)

        assert cpu_seconds(served) - cpu < 0.6 * (time.monotonic() - began)
        assert open_files(served) < 160
        assert (await served.probe("healthz")).status == 200
        upstream.connections[0].send(CLOSING)
        assert (await busy.answer()).status == 200
        for client in flood:
            client.abort()
        upstream.script = lambda _: (AwaitBody(), Send(CLOSING))
        await until_answered(served)
        assert value(await served.scrape(), "moratorium_connections_turned_away_total") > 200


@contextlib.contextmanager
def none_left(served: Served) -> Iterator[None]:
    """Not one more file can be opened: the limit is about numbers, and this is the lowest free one."""
    taken = {int(name) for name in os.listdir(f"/proc/{served.process.pid}/fd")}
    lowest = next(number for number in itertools.count() if number not in taken)
    soft, hard = resource.prlimit(served.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(served.process.pid, resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.prlimit(served.process.pid, resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_without_descriptors_calls_are_answered_and_the_listener_comes_back(
    tls: bool, tmp_path: Path
) -> None:
    files: dict[str, Any] = write(tmp_path, "proxy", issue("proxy.test")) if tls else {}
    context = client_context() if tls else None
    async with (
        RecordingUpstream(lambda _: (AwaitBody(), Send(CLOSING))) as upstream,
        serving(tmp_path, upstream, **{f"tls_{name}": file for name, file in files.items()}) as served,
        RawClient.to(served.port, tls=context) as kept,
        RawClient.to(served.port, tls=context) as busy,
    ):
        await kept.send(request("POST", "/v1/detect", [served.bearer()], b"x"))
        assert (await kept.answer()).status == 200
        await until(lambda: upstream.open_connections == 0, "the connection to close")
        upstream.script = hang
        await busy.send(request("GET", "/v1/faces/a", [served.bearer()]))
        await until(lambda: len(upstream.messages) == 2, "the call to arrive")
        with none_left(served):
            flood = [await RawClient.connect(served.port) for _ in range(50)]
            cpu = cpu_seconds(served)
            await kept.send(request("POST", "/v1/detect", [served.bearer()], b"x"))
            full = await kept.answer()
            await kept.send(request("POST", "/v1/search", [served.bearer("police")], b"x"))
            blocked = await kept.answer()
            await until(lambda: served.said("taking no connections for now"), "the listener to rest")
            await asyncio.sleep(0.7)
            upstream.connections[-1].send(CLOSING)
            answered = await busy.answer()

            assert (full.status, full.values(b"retry-after") != []) == (503, True)
            assert (blocked.status, answered.status) == (451, 200)
            assert cpu_seconds(served) - cpu < 0.5
            assert served.said("taking no connections for now") == 1
        for one in flood:
            one.abort()
        upstream.script = lambda _: (AwaitBody(), Send(CLOSING))
        async with asyncio.timeout(PATIENCE), RawClient.to(served.port, tls=context) as again:
            await again.send(request("POST", "/v1/detect", [served.bearer()], b"x"))
            assert (await again.answer()).status == 200
        assert not [entry for entry in served.log if "trace" in entry]
