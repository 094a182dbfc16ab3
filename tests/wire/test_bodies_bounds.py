"""Calls that are decided by their body: what bounds it, and what else can happen while it comes."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.authn.keyring import Keys
from proxy.authn.keyset import KeySet
from proxy.policy.callers import Instant
from proxy.policy.reasons import Decision
from tests.harness.client import RawClient, request
from tests.harness.proxy import MORATORIUM
from tests.harness.upstream import AwaitBody, Pause, RecordingUpstream
from tests.harness.waiting import until
from tests.wire.bodies import (
    CHUNKED,
    EXPECT,
    FORBIDDEN,
    HARMLESS,
    ask,
    chunked,
    connections,
    held,
    reading,
    sized,
)
from tests.wire.calls import dripping, gone

# ------------------------------------------------------------ bounds


@pytest.mark.parametrize("coding", ["length", "chunked"])
async def test_a_body_over_the_limit_is_413_and_nothing_goes_upstream(coding: str) -> None:
    async with reading(max_body_bytes="1000") as (proxy, backend), RawClient.to(proxy.port) as client:
        body = bytes(1001)
        call = sized(proxy, body) if coding == "length" else ask(proxy, CHUNKED) + chunked(body, 400)
        await client.send(call)

        assert (await client.answer()).status == 413
        assert await client.remainder() == b""
        assert proxy.reasons() == ["body-too-large"]
        assert (backend.bodies, proxy.upstream.connections) == ([], [])


async def test_a_body_that_is_no_chunked_coding_is_400_and_nothing_goes_upstream() -> None:
    async with reading() as (proxy, backend), RawClient.to(proxy.port) as client:
        await client.send(ask(proxy, CHUNKED) + b"3\r\nabc\r\nxyz\r\n")

        assert (await client.answer()).status == 400
        assert proxy.reasons() == ["request-malformed"]
        assert (backend.bodies, proxy.upstream.connections) == ([], [])


@pytest.mark.parametrize("drip", [False, True], ids=["silent", "a byte at a time"])
async def test_a_body_that_does_not_end_is_408_and_nothing_goes_upstream(drip: bool) -> None:
    async with (
        reading(body_seconds="0.2", min_body_rate="1000") as (proxy, backend),
        RawClient.to(proxy.port) as client,
    ):
        await client.send(ask(proxy, ("Content-Length", "100000")) + b"beginning")
        async with dripping(client, drip):
            answer = await client.answer()

        assert answer.status == 408
        assert proxy.reasons() == ["request-timeout"]
        assert (backend.bodies, proxy.upstream.connections) == ([], [])


@pytest.mark.parametrize("coding", ["length", "chunked"])
async def test_a_client_that_leaves_amid_its_body_leaves_nothing_behind(coding: str) -> None:
    async with reading() as (proxy, backend):
        client = await RawClient.connect(proxy.port)
        if coding == "length":
            await client.send(ask(proxy, ("Content-Length", "1000")) + bytes(500))
        else:
            await client.send(ask(proxy, CHUNKED) + b"1f4\r\n" + bytes(500) + b"\r\n")
        await until(lambda: held(proxy) == 500, "half of the body")
        client.abort()
        await until(lambda: held(proxy) == 0, "the body to be let go")

        assert (backend.bodies, proxy.upstream.connections, proxy.audit()) == ([], [], [])


async def test_a_client_that_leaves_after_its_body_cancels_the_call() -> None:
    async with (
        RecordingUpstream(lambda _: (AwaitBody(), Pause(5))) as upstream,
        reading(upstream) as (proxy, _),
    ):
        client = await RawClient.connect(proxy.port)
        await client.send(sized(proxy, bytes(500_000)))
        await until(lambda: upstream.complete, "the call")
        client.abort()

        await gone(upstream)


async def test_bodies_that_are_together_too_much_are_503_and_the_connection_lives_on() -> None:
    async with (
        reading(max_buffered_bytes="1000") as (proxy, backend),
        RawClient.to(proxy.port) as slow,
        RawClient.to(proxy.port) as client,
    ):
        await slow.send(ask(proxy, ("Content-Length", "700")) + bytes(600))
        await until(lambda: held(proxy) == 600, "the slow body")
        for call in (sized(proxy, bytes(500)), ask(proxy, CHUNKED) + chunked(bytes(500), 100)):
            await client.send(call)
            answer = await client.answer()
            assert (answer.status, answer.json()["title"]) == (503, "overloaded")
            assert answer.values(b"retry-after")
        await client.send(sized(proxy, FORBIDDEN))
        assert (await client.answer()).status == 451
        await slow.send(bytes(100))
        assert (await slow.answer()).status == 200

        assert proxy.reasons() == ["overloaded", "overloaded", "moratorium", "not-covered"]
        assert {record["org_type"] for record in proxy.audit()} == {"police"}
        assert len(backend.bodies) == 2


async def test_a_declared_body_for_which_there_is_no_room_is_refused_before_it_is_sent() -> None:
    async with reading(max_buffered_bytes="1000") as (proxy, _), RawClient.to(proxy.port) as client:
        await client.send(ask(proxy, ("Content-Length", "1001"), EXPECT))
        answer = await client.answer()

        assert (answer.status, answer.interim) == (503, ())


async def test_bodies_that_are_not_read_need_no_room() -> None:
    async with reading(max_buffered_bytes="10") as (proxy, _):
        assert (await proxy.call("POST", "/v1/ask", bytes(100_000))).status == 200


# ------------------------------------------------------------ what else can happen meanwhile


async def test_a_block_that_begins_while_the_body_comes_holds_for_it() -> None:
    async with reading() as (proxy, _), RawClient.to(proxy.port) as client:
        proxy.clock.set("2020-06-09T23:59:59Z")
        await client.send(sized(proxy, FORBIDDEN))
        assert (await client.answer()).status == 200
        proxy.clock.set("2020-06-10T00:00:00Z")
        await client.send(ask(proxy, ("Content-Length", str(len(FORBIDDEN)))))
        await until(lambda: "collect" in connections(proxy), "the head to be read")
        await client.send(FORBIDDEN)

        assert (await client.answer()).status == 451


async def test_a_body_that_is_under_way_may_end_while_draining() -> None:
    async with reading(drain_seconds="2") as (proxy, _), RawClient.to(proxy.port) as client:
        await client.send(ask(proxy, ("Content-Length", "1000")) + bytes(500))
        await until(lambda: held(proxy) == 500, "half of the body")
        drain = asyncio.ensure_future(proxy.application.relay.drain(2))
        await asyncio.sleep(0.15)
        await client.send(bytes(500))

        assert (await client.answer()).status == 200
        assert await client.remainder() == b""
        await drain


async def test_an_upstream_that_cannot_be_reached_is_told_after_the_body() -> None:
    async with (
        RecordingUpstream() as upstream,
        reading(upstream) as (proxy, _),
        RawClient.to(proxy.port) as client,
    ):
        upstream.stop_listening()
        for _ in range(2):
            await client.send(sized(proxy, bytes(300_000)))
            assert (await client.answer()).status == 502

        assert proxy.reasons() == ["not-covered", "upstream-unreachable"] * 2


async def test_an_upstream_that_does_not_answer_is_504() -> None:
    async with (
        RecordingUpstream(lambda _: (Pause(5),)) as upstream,
        reading(upstream, response_seconds="0.2") as (proxy, _),
        RawClient.to(proxy.port) as client,
    ):
        await client.send(sized(proxy, bytes(300_000)))

        assert (await client.answer()).status == 504


class LateKeys:
    """Keys that are not there until somebody asks for them."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self.known = False
        self.sought = 0

    def view(self, now: Instant) -> Mapping[str, KeySet]:
        return self._keys.view(now) if self.known else {}

    async def seek(self, _issuer: str, _kid: str | None) -> None:
        await asyncio.sleep(0.02)
        self.sought += 1
        self.known = True


@pytest.mark.parametrize("body", [FORBIDDEN, HARMLESS])
async def test_keys_that_come_late_come_before_the_body_or_after_it(body: bytes) -> None:
    async with reading() as (proxy, backend), RawClient.to(proxy.port) as client:
        proxy.application.enforcer.keys = keys = LateKeys(proxy.application.keys)
        await client.send(sized(proxy, body)[:-1])
        await until(lambda: held(proxy) == len(body) - 1, "the key and most of the body")
        assert keys.sought == 1
        keys.known = False
        await client.send(body[-1:])

        assert (await client.answer()).status == (451 if body is FORBIDDEN else 200)
        assert keys.sought == 2
        assert backend.bodies == [body]
        assert len(proxy.audit()) == 1


LIMITED = (
    MORATORIUM.replace('"compare", ', '"detect", "compare", ')
    + """
[[moratorium.exemption]]
id = "once"
purposes = ["missing-persons"]
limit = { uses = 1, by = "organisation" }

[[moratorium.exemption]]
id = "finding-faces"
purposes = ["missing-persons"]
classes = ["detect"]
"""
)


async def test_the_body_is_needed_once_the_exemption_that_lifts_everything_is_used_up(tmp_path: Path) -> None:
    uses = str(tmp_path / "uses")
    async with (
        reading(policy=LIMITED, uses_file=uses) as (proxy, backend),
        RawClient.to(proxy.port) as client,
    ):
        token = proxy.bearer("police", purpose="missing-persons")
        statuses = []
        for body in (FORBIDDEN, FORBIDDEN, HARMLESS):
            await client.send(request("POST", "/v1/ask", [token], body))
            statuses.append((await client.answer()).status)

        assert statuses == [200, 451, 200]
        assert [record["exemption"] for record in proxy.audit()] == ["once", None, "finding-faces"]
        assert backend.bodies[0] == FORBIDDEN
        assert backend.bodies.count(HARMLESS) > 0


async def test_a_fault_while_reading_is_503_and_nothing_goes_upstream() -> None:
    async with reading() as (proxy, backend):
        backend.bodies = None  # type: ignore[assignment]
        answer = await proxy.call("POST", "/v1/ask", HARMLESS, caller="police")

        assert answer.status == 503
        assert proxy.reasons() == ["internal-error"]
        assert proxy.upstream.connections == []


async def test_the_time_in_which_a_body_comes_is_not_counted_as_ours() -> None:
    async with reading() as (proxy, _), RawClient.to(proxy.port) as client:
        await client.send(ask(proxy, ("Content-Length", "2")) + b"x")
        await until(lambda: held(proxy) == 1, "half of the body")
        context = proxy.application.relay.context
        context.now = lambda: time.monotonic() + 20
        await client.send(b"y")

        assert (await client.answer()).status == 200
        metrics = proxy.application.metrics
        assert metrics.overhead.total < 20 <= metrics.requests[Decision.ALLOWED].total
