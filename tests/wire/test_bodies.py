"""Calls that are decided by what their body says: when it is read, and how it goes on."""

import asyncio
import dataclasses
import hashlib
import itertools
import random
from pathlib import Path
from typing import Any

import pytest

from tests.harness.client import RawClient
from tests.harness.proxy import MORATORIUM
from tests.harness.upstream import CONTINUE, RecordingUpstream, Send, reply
from tests.harness.waiting import until
from tests.tls.parts import BOUND, before_tls, issue, queued, write
from tests.tls.parts import client as client_context
from tests.wire.bodies import (
    CHUNKED,
    EXPECT,
    FORBIDDEN,
    HARMLESS,
    ByBody,
    ask,
    chunked,
    connections,
    held,
    reading,
    sized,
)

# ------------------------------------------------------------ who is judged by what


async def test_the_body_decides_and_each_decision_has_one_record_that_says_what_it_was() -> None:
    async with reading() as (proxy, backend):
        answers = [await proxy.call("POST", "/v1/ask", b, caller="police") for b in (FORBIDDEN, HARMLESS)]

        assert [answer.status for answer in answers] == [451, 200]
        assert proxy.reasons() == ["moratorium", "not-covered"]
        assert [record["classes"] for record in proxy.audit()] == [["detect", "search"], ["detect"]]
        assert [answer.values(b"x-decision-id")[0].decode() for answer in answers] == [
            record["id"] for record in proxy.audit()
        ]
        assert backend.bodies == [FORBIDDEN, HARMLESS]
        assert [message.body for message in proxy.upstream.messages] == [HARMLESS]


async def test_calls_of_one_name_that_are_allowed_alike_are_recorded_as_what_each_was() -> None:
    async with reading() as (proxy, _):
        for body in (b"detect", b"list", b"detect"):
            assert (await proxy.call("POST", "/v1/ask", body, caller="police", fields=())).status == 200

        assert {(r["reason"], r["operation"]) for r in proxy.audit()} == {("not-covered", "Ask")}
        assert [r["classes"] for r in proxy.audit()] == [["detect"], ["detect", "gallery"], ["detect"]]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"unclear", 400, "request-ambiguous"),
        (b"strange", 403, "operation-unknown"),
        (b"", 200, "not-covered"),
    ],
)
async def test_a_body_that_says_nothing_of_use_is_judged_as_such(
    body: bytes, status: int, reason: str
) -> None:
    async with reading() as (proxy, _):
        assert (await proxy.call("POST", "/v1/ask", body, caller="police")).status == status
        assert proxy.reasons() == [reason]


async def test_a_body_that_cannot_matter_is_passed_on_as_it_comes() -> None:
    """The upstream has the beginning before the client has sent the end."""
    async with reading() as (proxy, backend), RawClient.to(proxy.port) as client:
        await client.send(ask(proxy, ("Content-Length", "8"), caller="commercial") + b"sear")
        await until(lambda: proxy.upstream.messages and proxy.upstream.messages[0].body == b"sear", "half")
        await client.send(b"ch 2")

        assert (await client.answer()).status == 200
        assert proxy.reasons() == ["not-bound"]
        assert backend.bodies == []


@pytest.mark.parametrize("caller", ["martian", "police"])
async def test_a_call_that_is_denied_whatever_its_body_says_is_denied_before_it_is_sent(caller: str) -> None:
    everything = MORATORIUM.replace('"compare", ', '"detect", "compare", ')
    async with reading(policy=everything) as (proxy, backend), RawClient.to(proxy.port) as client:
        await client.send(ask(proxy, ("Content-Length", "1000"), caller=caller))

        assert (await client.answer()).status == (451 if caller == "police" else 403)
        assert backend.bodies == []
        assert held(proxy) == 0


async def test_what_one_body_was_told_is_not_told_to_the_next_on_the_same_connection() -> None:
    async with reading() as (proxy, _), RawClient.to(proxy.port) as client:
        bodies = [HARMLESS, FORBIDDEN] * 3
        head = ask(proxy, ("Content-Length", str(len(HARMLESS))))
        for body in bodies:
            await client.send(head + body)
            assert (await client.answer()).status == (451 if body is FORBIDDEN else 200)

        assert proxy.reasons() == ["not-covered", "moratorium"] * 3


# ------------------------------------------------------------ what goes upstream


@pytest.mark.parametrize("size", [0, 1, 1000, 131_072, 131_073, 3_000_000])
@pytest.mark.parametrize("coding", ["length", "chunked"])
async def test_the_bytes_that_were_judged_are_the_bytes_that_are_sent(coding: str, size: int) -> None:
    body = random.Random(size).randbytes(size)  # noqa: S311  (seeded, no secret)
    async with reading() as (proxy, backend), RawClient.to(proxy.port) as client:
        if coding == "length":
            await client.send(sized(proxy, body))
        else:
            await client.send(ask(proxy, CHUNKED) + chunked(body, 50_000))
        answer = await client.answer()

        (message,) = proxy.upstream.complete
        assert answer.status == 200
        assert digest(message.body) == digest(body) == digest(backend.bodies[0])
        assert message.values(b"content-length") == [b"%d" % len(body)]
        assert message.values(b"transfer-encoding") == []
        assert proxy.upstream.broken == []


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


async def test_a_large_body_waits_for_an_upstream_that_is_slow_to_take_it() -> None:
    body = bytes(8 << 20)
    upstream = RecordingUpstream(reads=False)
    async with reading(upstream) as (proxy, _), RawClient.to(proxy.port) as client:
        sender = asyncio.ensure_future(client.send(sized(proxy, body) + sized(proxy, FORBIDDEN)))
        await until(lambda: upstream.connections, "the connection")
        await until(lambda: held(proxy) == len(body), "the whole body")
        await asyncio.sleep(0.05)
        assert held(proxy) == len(body)
        assert queued(proxy) < BOUND
        upstream.connections[0].read_on()
        await sender

        assert [(await client.answer()).status for _ in range(2)] == [200, 451]
        assert upstream.messages[0].body == body


async def test_an_answer_that_comes_before_the_body_is_sent_ends_the_call() -> None:
    body = bytes(8 << 20)
    early = Send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    upstream = RecordingUpstream(lambda _: (early,))
    async with reading(upstream) as (proxy, _), RawClient.to(proxy.port) as client:
        for _ in range(2):
            await client.send(sized(proxy, body))
            assert (await client.answer()).status == 400
        await client.send(sized(proxy, FORBIDDEN))
        assert (await client.answer()).status == 451


async def test_over_tls_it_is_the_same(tmp_path: Path) -> None:
    body = bytes(6 << 20)
    async with before_tls(tmp_path, **write_ours(tmp_path)) as (upstream, proxy):
        enforcer = proxy.application.enforcer
        enforcer.rules = dataclasses.replace(enforcer.rules, backend=ByBody())
        async with RawClient.to(proxy.port, tls=client_context()) as client:
            for one, status in ((body, 200), (FORBIDDEN, 451), (body, 200)):
                await client.send(sized(proxy, one))
                assert (await client.answer()).status == status

        assert [message.body == body for message in upstream.messages] == [True, True]


def write_ours(folder: Path) -> dict[str, Any]:
    return {f"tls_{name}": file for name, file in write(folder, "proxy", issue("proxy.test")).items()}


# ------------------------------------------------------------ how it comes


async def test_a_client_that_waits_for_100_gets_it_from_us_and_once() -> None:
    upstream = RecordingUpstream(lambda m: (CONTINUE, *reply(b"%d" % m.wants_continue)))
    async with reading(upstream) as (proxy, _), RawClient.to(proxy.port) as client:
        for body, status in ((HARMLESS, 200), (FORBIDDEN, 451), (HARMLESS, 200)):
            await client.send(ask(proxy, ("Content-Length", str(len(body))), EXPECT))
            await until(lambda: "collect" in connections(proxy), "the head to be read")
            await client.send(body)
            answer = await client.answer()

            assert (answer.status, answer.interim) == (status, (100,))
            if status == 200:
                assert answer.body == b"0"


async def test_a_body_that_is_there_already_needs_no_100() -> None:
    async with reading() as (proxy, _), RawClient.to(proxy.port) as client:
        await client.send(sized(proxy, HARMLESS, EXPECT))
        answer = await client.answer()

        assert (answer.status, answer.interim) == (200, ())


async def test_a_body_that_comes_a_byte_at_a_time_is_judged_whole() -> None:
    async with reading() as (proxy, backend), RawClient.to(proxy.port) as client:
        await client.send_slowly(ask(proxy, CHUNKED) + chunked(FORBIDDEN, 3))
        assert (await client.answer()).status == 451
        await client.send_slowly(sized(proxy, FORBIDDEN))
        assert (await client.answer()).status == 451

        assert backend.bodies == [FORBIDDEN] * 2
        assert proxy.upstream.messages == []


async def test_pipelined_calls_are_judged_each_by_its_own_body_and_answered_in_order() -> None:
    async with reading() as (proxy, backend), RawClient.to(proxy.port) as client:
        bodies = [HARMLESS, FORBIDDEN, b"x" * 200_000, FORBIDDEN, b"", FORBIDDEN, HARMLESS]
        calls = [sized(proxy, body) for body in bodies[:4]]
        calls += [ask(proxy, CHUNKED) + chunked(body, 7) for body in bodies[4:]]
        await client.send(b"".join(calls))
        statuses = [(await client.answer()).status for _ in bodies]

        assert statuses == [451 if body is FORBIDDEN else 200 for body in bodies]
        assert backend.bodies == bodies
        assert [message.body for message in proxy.upstream.complete] == [
            b for b in bodies if b is not FORBIDDEN
        ]
        assert len(proxy.audit()) == len(bodies)


@pytest.mark.parametrize("cuts", range(6))
async def test_wherever_the_packets_are_cut_the_outcome_is_the_same(cuts: int) -> None:
    rng = random.Random(cuts)  # noqa: S311  (seeded, no secret)
    async with reading() as (proxy, backend), RawClient.to(proxy.port) as client:
        bodies = [HARMLESS, FORBIDDEN, HARMLESS + b" " * 500, FORBIDDEN]
        calls = [
            sized(proxy, b) if i % 2 else ask(proxy, CHUNKED) + chunked(b, 9) for i, b in enumerate(bodies)
        ]
        stream = b"".join(calls)
        places = [0, *sorted(rng.sample(range(1, len(stream)), 12)), len(stream)]
        for start, end in itertools.pairwise(places):
            await client.send(stream[start:end])
            await asyncio.sleep(0.001)

        assert [(await client.answer()).status for _ in bodies] == [200, 451, 200, 451]
        assert backend.bodies == bodies
