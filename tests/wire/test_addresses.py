"""A name with several addresses: all are used, the answer is asked for again, and what is gone is left."""

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from proxy.errors import UpstreamUnreachable
from proxy.messages import RequestHead
from proxy.policy.model import Permit
from proxy.relay.addresses import Addresses, resolve
from proxy.relay.pool import Pool
from proxy.relay.upstream import Upstream
from tests.harness.client import RawClient
from tests.harness.proxy import running_proxy
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until
from tests.wire.calls import get, hang

ONE, TWO, THREE = "127.0.0.2", "127.0.0.3", "127.0.0.4"
NOBODY = "127.0.0.9"
IMPOSSIBLE = "x" * 64
"""No resolver has to be asked to know that this is no name."""


class Resolver:
    """Answers what it is told to, or fails; `held` makes it wait."""

    def __init__(self, *answer: str) -> None:
        self.answer = [*answer]
        self.fails = False
        self.asked = 0
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, _host: str) -> list[str]:
        self.asked += 1
        await self.free.wait()
        if self.fails:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self.answer


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work)


def addresses(resolver: Resolver, clock: Clock, host: str = "faces.test") -> Addresses:
    return Addresses(host, seconds=30, clock=clock, spawn=spawn, resolve=resolver)


async def rest(known: Addresses) -> None:
    """Wait for an asking that is under way."""
    await until(lambda: known._task is None, "the resolver")


def make_pool(known: Addresses, port: int, seconds: float = 5.0) -> Pool:
    return Pool(
        known,
        port,
        tls=None,
        server_name="",
        connect_seconds=seconds,
        idle_seconds=60,
        clock=time.monotonic,
    )


# ------------------------------------------------------------ asking


async def test_an_answer_is_used_for_its_time_and_then_asked_for_again() -> None:
    resolver, clock = Resolver(ONE), Clock()
    known = addresses(resolver, clock)

    assert await known.in_turn() == [ONE]
    clock.now += 29.9
    assert await known.in_turn() == [ONE]
    assert resolver.asked == 1
    clock.now += 0.1
    resolver.answer = [TWO]
    assert await known.in_turn() == [TWO]
    assert resolver.asked == 2


async def test_a_literal_address_is_never_asked_for() -> None:
    resolver, clock = Resolver(ONE), Clock()
    for literal in ("127.0.0.1", "::1"):
        known = addresses(resolver, clock, literal)
        clock.now += 1000
        assert await known.in_turn() == [literal]
    assert resolver.asked == 0


async def test_each_connection_begins_with_another_address() -> None:
    known = addresses(Resolver(ONE, TWO, THREE, TWO), Clock())

    turns = [await known.in_turn() for _ in range(6)]

    assert [turn[0] for turn in turns] == [ONE, TWO, THREE] * 2
    assert all(sorted(turn) == [ONE, TWO, THREE] for turn in turns)


async def test_an_address_that_failed_comes_last_for_a_while() -> None:
    clock = Clock()
    known = addresses(Resolver(ONE, TWO), clock)
    await known.in_turn()
    known.failed(ONE)

    assert [(await known.in_turn())[0] for _ in range(3)] == [TWO] * 3
    clock.now += 10
    assert {(await known.in_turn())[0] for _ in range(2)} == {ONE, TWO}


async def test_the_old_addresses_stay_when_the_resolver_fails_and_it_is_not_asked_for_every_call() -> None:
    resolver, clock = Resolver(ONE), Clock()
    known = addresses(resolver, clock)
    await known.in_turn()
    resolver.fails = True
    clock.now += 30
    for _ in range(5):
        assert await known.in_turn() == [ONE]
    assert resolver.asked == 2
    clock.now += 5
    resolver.fails, resolver.answer = False, [TWO]
    assert await known.in_turn() == [TWO]


async def test_an_empty_answer_is_a_failure() -> None:
    resolver, clock = Resolver(ONE), Clock()
    known = addresses(resolver, clock)
    await known.in_turn()
    resolver.answer = []
    clock.now += 30

    assert await known.in_turn() == [ONE]


async def test_a_resolver_that_is_slow_does_not_stop_calls_while_there_are_old_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("proxy.relay.addresses.PATIENCE_SECONDS", 0.05)
    resolver, clock = Resolver(ONE), Clock()
    known = addresses(resolver, clock)
    await known.in_turn()
    clock.now += 30
    resolver.free.clear()

    assert await known.in_turn() == [ONE]
    clock.now += 1
    began = time.monotonic()
    assert await known.in_turn() == [ONE]
    assert time.monotonic() - began < 0.04
    resolver.free.set()
    await rest(known)


async def test_who_leaves_while_the_name_is_resolved_does_not_take_the_answer_from_others() -> None:
    resolver = Resolver(ONE)
    resolver.free.clear()
    known = addresses(resolver, Clock())
    first, second = (asyncio.ensure_future(known.in_turn()) for _ in range(2))
    await until(lambda: resolver.asked, "the question")
    first.cancel()
    resolver.free.set()

    assert await second == [ONE]
    assert resolver.asked == 1


async def test_without_any_address_the_upstream_is_unreachable_and_the_reason_told() -> None:
    resolver = Resolver()
    resolver.fails = True

    with pytest.raises(UpstreamUnreachable, match=r"faces\.test: Temporary failure in name resolution"):
        await addresses(resolver, Clock()).in_turn()


@pytest.mark.parametrize("name", ["a..b", IMPOSSIBLE])
async def test_a_name_that_cannot_be_resolved_is_a_failure_and_no_fault(name: str) -> None:
    known = Addresses(name, seconds=30, clock=Clock(), spawn=spawn)

    with pytest.raises(UpstreamUnreachable):
        await known.in_turn()


async def test_the_system_resolves_localhost() -> None:
    assert "127.0.0.1" in await resolve("localhost")


# ------------------------------------------------------------ connecting


@contextlib.asynccontextmanager
async def listening(*hosts: str) -> AsyncIterator[list[RecordingUpstream]]:
    """Upstreams on one port of several addresses."""
    async with contextlib.AsyncExitStack() as stack:
        upstreams: list[RecordingUpstream] = []
        for host in hosts:
            upstream = RecordingUpstream(host=host)
            upstream.port = upstreams[0].port if upstreams else 0
            upstreams.append(await stack.enter_async_context(upstream))
        yield upstreams


async def test_connections_are_spread_over_all_addresses() -> None:
    async with listening(ONE, TWO) as upstreams:
        pool = make_pool(addresses(Resolver(ONE, TWO), Clock()), upstreams[0].port)
        for _ in range(4):
            await pool.connect()
        await until(lambda: all(len(u.connections) == 2 for u in upstreams), "two connections each")
        pool.close()


async def test_an_address_that_refuses_is_passed_over() -> None:
    async with listening(TWO) as (upstream,):
        pool = make_pool(addresses(Resolver(NOBODY, TWO), Clock()), upstream.port)
        for _ in range(3):
            assert (await pool.connect()).address == TWO
        pool.close()


async def test_when_all_refuse_each_is_named() -> None:
    async with listening(ONE) as (upstream,):
        upstream.stop_listening()
        pool = make_pool(addresses(Resolver(ONE, NOBODY), Clock()), upstream.port)
        with pytest.raises(UpstreamUnreachable) as caught:
            await pool.connect()

    assert caught.value.why.count("Connection refused") == 2
    assert ONE in caught.value.why
    assert NOBODY in caught.value.why


async def test_an_address_that_says_nothing_leaves_time_for_the_next() -> None:
    """A listener whose backlog is full takes no connection and refuses none."""
    async with listening(TWO) as (upstream,):
        with socket.socket() as mute, socket.socket() as fills:
            mute.bind((ONE, upstream.port))
            mute.listen(0)
            fills.connect((ONE, upstream.port))
            pool = make_pool(addresses(Resolver(ONE, TWO), Clock()), upstream.port, seconds=0.4)
            assert (await pool.connect()).address == TWO
            began = time.monotonic()
            assert (await pool.connect()).address == TWO
            assert time.monotonic() - began < 0.1
            pool.close()


async def test_idle_connections_to_an_address_that_is_gone_are_closed_and_busy_ones_end_their_call() -> None:
    resolver, clock = Resolver(ONE, TWO), Clock()
    async with listening(ONE, TWO) as upstreams:
        known = addresses(resolver, clock)
        pool = make_pool(known, upstreams[0].port)
        made = [await pool.connect() for _ in range(4)]
        idle_one, idle_two, busy_one, _busy_two = made
        for upstream in (idle_one, idle_two):
            pool.give_back(upstream)
        answered = Answered()
        busy_one.forward(permit(), answered, GET, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"", last=True)

        resolver.answer = [TWO]
        pool.sweep()
        assert resolver.asked == 1
        clock.now += 30
        pool.sweep()
        await rest(known)

        assert pool.take() is idle_two
        assert pool.take() is None
        await until(lambda: answered.complete, "the call under way")
        assert pool.take() is None
        assert repr(busy_one) == "<Upstream closed>"
        pool.close()


class Answered:
    """A receiver that only wants to know whether the answer is complete."""

    complete = False

    def on_complete(self) -> None:
        self.complete = True

    def on_whole(self, *_answer: object) -> None:
        self.complete = True

    def __getattr__(self, name: str) -> Any:
        return lambda *_args, **_kwargs: None


GET = RequestHead(b"GET", b"/", b"1.1", ())


def permit() -> Permit:
    verdict: Any = None
    return Permit(b"", verdict)


async def test_lack_of_descriptors_is_told_from_an_upstream_that_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def lacking(_pool: Pool, _upstream: Upstream, _address: str) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Pool, "_open", lacking)
    async with running_proxy() as proxy:
        answer = await proxy.call("GET", "/v1/faces/a")

        assert answer.status == 503
        assert answer.values(b"retry-after")
        assert proxy.reasons() == ["not-bound", "overloaded"]


# ------------------------------------------------------------ the whole proxy


async def test_a_real_name_leads_to_the_upstream() -> None:
    async with RecordingUpstream() as upstream:
        address = f"http://localhost:{upstream.port}"
        async with running_proxy(upstream=upstream, UPSTREAM=address) as proxy:
            answer = await proxy.call("GET", "/v1/faces/a")

        assert answer.status == 200
        assert upstream.messages[0].values(b"host") == [b"localhost:%d" % upstream.port]


async def test_a_name_that_cannot_be_resolved_is_502() -> None:
    async with running_proxy(UPSTREAM=f"http://{IMPOSSIBLE}") as proxy:
        assert (await proxy.call("GET", "/v1/faces/a")).status == 502
        assert proxy.reasons() == ["not-bound", "upstream-unreachable"]


async def test_a_client_that_leaves_during_resolution_costs_nothing() -> None:
    resolver = Resolver("127.0.0.1")
    async with RecordingUpstream(hang) as upstream, running_proxy(upstream=upstream) as proxy:
        context = proxy.application.relay.context
        resolver.free.clear()
        known = Addresses(
            "faces.test", seconds=30, clock=time.monotonic, spawn=proxy.application.spawn, resolve=resolver
        )
        context.pool = make_pool(known, upstream.port)
        client = await RawClient.connect(proxy.port)
        await client.send(get(proxy))
        await until(lambda: resolver.asked, "the question")
        client.abort()
        await until(lambda: not context.connections, "the client to be gone")
        resolver.free.set()
        await rest(known)

        assert upstream.connections == []
        assert proxy.application.metrics.in_flight == 0
