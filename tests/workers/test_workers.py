"""Two workers as real processes: one port, one scrape, one reload, one drain, one audit file."""

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from proxy.errors import SettingsError
from proxy.settings.convert import Address
from proxy.testing import TokenMint
from proxy.workers.places import bind_places
from tests.harness.client import Answer, AnswerCutError, RawClient, call, request
from tests.harness.process import POLICY, Samples, Served, falls, serving, value
from tests.harness.upstream import AwaitBody, Message, Pause, RecordingUpstream, Send, Step, ordinary
from tests.harness.waiting import PATIENCE, until

SEARCH = ("POST", "/v1/search")
REFUSED = "reload refused, the old configuration stays"
ENDED = "worker ended, another takes its place"
STRICTER = POLICY.replace('["police"]', '["police", "school"]')


@dataclass
class Load:
    """Callers that call one call after the other, each on a connection that it keeps while it can."""

    served: Served
    answers: list[Answer] = field(default_factory=list)
    cut: int = 0
    stopped: bool = False

    async def caller(self, org_type: str) -> None:
        wire = request(*SEARCH, [self.served.bearer(org_type)], b"{}")
        while not self.stopped:
            try:
                async with RawClient.to(self.served.port) as client:
                    while not self.stopped:
                        await client.send(wire)
                        answer = await client.answer(b"POST")
                        self.answers.append(answer)
                        await asyncio.sleep(0.001)
                        if answer.values(b"connection") == [b"close"]:
                            break
            except (AnswerCutError, OSError):
                self.cut += 1
                await asyncio.sleep(0.01)

    def ids(self) -> set[str]:
        return {answer.values(b"x-decision-id")[0].decode() for answer in self.answers}


@contextlib.asynccontextmanager
async def loaded(served: Served, callers: int = 6) -> AsyncIterator[Load]:
    """Meanwhile callers of two types call."""
    load = Load(served)
    tasks = [
        asyncio.ensure_future(load.caller("police" if number % 2 else "commercial"))
        for number in range(callers)
    ]
    try:
        await until(lambda: len(load.answers) > 20, "the first calls")
        yield load
    finally:
        load.stopped = True
        _, late = await asyncio.wait(tasks, timeout=PATIENCE)
        for task in late:
            task.cancel()
        for task in tasks:
            await task


async def scrapes(served: Served, times: int) -> list[Samples]:
    """One after the other; fails when a counter goes back."""
    found: list[Samples] = []
    for _ in range(times):
        found.append(await served.scrape())
        if len(found) > 1:
            assert [*falls(*found[-2:])] == []
    return found


async def until_ready(served: Served) -> None:
    for _ in range(500):
        if (await served.probe("readyz")).status == 200:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited in vain for readiness")


def counted(samples: Samples) -> float:
    """Decisions, which the audit must have counted as well."""
    decisions = value(samples, "moratorium_decisions_total")
    assert value(samples, "moratorium_audit_records_total") == decisions
    return decisions


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """For the tests after which it is as it was before."""
    folder = tmp_path_factory.mktemp("shared")
    async with RecordingUpstream() as upstream, serving(folder, upstream, workers="2") as served:
        yield served
        assert await served.end() == 0


async def test_one_scrape_has_the_sums_and_no_counter_goes_back_when_a_worker_is_killed(
    tmp_path: Path,
) -> None:
    async with RecordingUpstream() as upstream, serving(tmp_path, upstream, workers="2") as served:
        async with loaded(served) as load:
            await scrapes(served, 20)
            # The kernel deals connections out as it likes: six may all be one worker's, thirty never are.
            await asyncio.gather(*(served.call("police") for _ in range(30)))
            assert len({record["instance"] for record in served.audit()}) == 2
            before = await served.scrape()

            killed = served.workers()[0]
            os.kill(killed, signal.SIGKILL)
            await scrapes(served, 5)
            await until(lambda: served.said(ENDED), "the end to be seen")
            await until_ready(served)
            assert {(await served.call("police")).status for _ in range(40)} == {451}
            assert len({record["instance"] for record in served.audit()}) == 3
            after = (await scrapes(served, 10))[-1]
            cut = load.cut

        assert [*falls(before, after)] == []
        assert value(after, "moratorium_worker_restarts_total") == 1
        assert killed not in served.workers()
        assert cut <= 6, "only connections to the one that was killed may break"
        assert {answer.status for answer in load.answers} == {200, 451}
        # What was counted in the moment before the kill, and not told, is missing in the sums; no more.
        missing = len(served.audit()) - value(await served.scrape(), "moratorium_decisions_total")
        assert 0 <= missing < len(load.answers)
        assert value(await served.scrape(), "moratorium_requests_in_flight") == 0
        assert await served.end() == 0


async def test_all_take_a_new_policy_under_load_and_no_call_is_lost(shared: Served) -> None:
    before, earlier = counted(await shared.scrape()), len(shared.audit())
    async with loaded(shared) as load:
        for round_ in range(4):
            stricter = round_ % 2 == 0
            shared.write_policy(STRICTER if stricter else POLICY)
            seen, reloads = await shared.scrape(), shared.said("reloaded")
            shared.hang_up()
            await until(lambda: shared.said("reloaded") > reloads, "the reload")  # noqa: B023
            answers = [await shared.call("school") for _ in range(24)]
            assert {answer.status for answer in answers} == {451 if stricter else 200}
            assert [*falls(seen, await shared.scrape())] == []
        await until(lambda: len(load.answers) > 300, "some hundred calls")

    records = shared.audit()[earlier:]
    assert load.cut == 0
    assert {answer.status for answer in load.answers} == {200, 451}
    assert load.ids() <= {record["id"] for record in records}
    assert len({(record["instance"], record["policy"]) for record in records}) == 4, "two under two policies"
    samples = await shared.scrape()
    assert counted(samples) - before == len(records) == len(load.answers) + 4 * 24
    assert value(samples, "moratorium_config_last_reload_successful") == 1


async def test_a_broken_policy_changes_nothing_in_any_worker_nor_in_one_that_comes_later(
    tmp_path: Path,
) -> None:
    async with RecordingUpstream() as upstream, serving(tmp_path, upstream, workers="2") as served:
        for number, broken in enumerate(["schema = 2\n", 'schema = 1\n[[moratorium]]\nid = "half', ""], 1):
            served.policy_file.write_text(broken)
            served.hang_up()
            await until(lambda: served.said(REFUSED) == number, "the refusal")  # noqa: B023
        os.kill(served.workers()[1], signal.SIGKILL)
        await until(lambda: served.said(ENDED), "the end to be seen")
        answer = await served.probe("readyz")
        assert (answer.status, (await served.probe("healthz")).status) == (503, 200)
        assert "worker 2" in answer.json()["components"]["workers"]
        await until_ready(served)

        assert {(await served.call("police")).status for _ in range(20)} == {451}
        assert {(await served.call("school")).status for _ in range(20)} == {200}
        assert len({record["policy"] for record in served.audit()}) == 1
        assert value(await served.scrape(), "moratorium_config_last_reload_successful") == 0

        served.write_policy(STRICTER)
        served.hang_up()
        await until(lambda: served.said("reloaded"), "the reload")

        assert {(await served.call("school")).status for _ in range(20)} == {451}
        assert value(await served.scrape(), "moratorium_config_last_reload_successful") == 1

        workers = served.workers()
        served.process.kill()
        await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "orphans to end")


async def test_all_workers_take_a_new_issuers_file_and_none_takes_a_broken_one(tmp_path: Path) -> None:
    file = tmp_path / "issuers.toml"
    one = '[[issuer]]\nissuer = "https://issuer.test"\nkey_file = "keys.json"\naudiences = ["face-api"]\n'
    other = TokenMint("other", algorithm="EdDSA")
    (tmp_path / "other.json").write_text(json.dumps(other.jwks()))
    two = one + '[[issuer]]\nissuer = "other"\nkey_file = "other.json"\naudiences = ["face-api"]\n'
    file.write_text("schema = 1\n" + one)
    only = {"jwt_issuer": "", "jwt_audience": "", "jwt_key_file": "", "issuers_file": str(file)}
    async with RecordingUpstream() as upstream, serving(tmp_path, upstream, workers="2", **only) as served:  # type: ignore[arg-type]

        async def statuses() -> set[int]:
            bearer = [("Authorization", f"Bearer {other.token('commercial')}")]
            return {(await call(served.port, *SEARCH, bearer, b"{}")).status for _ in range(20)}

        async def reloaded(text: str, message: str) -> None:
            file.write_text("schema = 1\n" + text)
            seen = served.said(message)
            served.hang_up()
            await until(lambda: served.said(message) > seen, message)

        assert await statuses() == {401}
        await reloaded(two, "reloaded")
        assert await statuses() == {200}
        (tmp_path / "other.json").write_text("{}")
        await reloaded(two, REFUSED)
        os.kill(served.workers()[1], signal.SIGKILL)
        await until(lambda: served.said(ENDED), "the end to be seen")
        await until_ready(served)

        # Also the one that has just come, whatever stands in the file.
        assert await statuses() == {200}
        samples = await served.scrape()
        assert value(samples, "moratorium_jwks_fetch_total", issuer="other", result="success") >= 2
        assert value(samples, "moratorium_jwks_last_success_timestamp_seconds", issuer="other") > 0

        await reloaded(one, "reloaded")
        assert await statuses() == {401}
        assert value(await served.scrape(), "moratorium_jwks_fetch_total", issuer="other") == 0


def slow(message: Message) -> tuple[Step, ...]:
    """An answer that takes its time."""
    return AwaitBody(), Pause(0.15), Send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


async def test_a_drain_under_load_loses_no_call_that_was_recorded(tmp_path: Path) -> None:
    async with RecordingUpstream(slow) as upstream, serving(tmp_path, upstream, workers="2") as served:
        async with loaded(served, callers=16) as load:
            ending = asyncio.ensure_future(served.end())
            await until(lambda: served.said("draining"), "the drain")
            assert upstream.open_connections
            with contextlib.suppress(OSError):
                assert (await served.probe("readyz")).status == 503
            assert await ending == 0
            load.stopped = True

        assert len({record["instance"] for record in served.audit()}) == 2
        assert {record["id"] for record in served.audit()} == load.ids()
        assert len(served.audit()) == len(load.answers)
        with pytest.raises(OSError, match="refused"):
            await served.call()


async def test_what_is_left_after_the_drain_time_is_cut(tmp_path: Path) -> None:
    def never(_: Message) -> tuple[Step, ...]:
        return AwaitBody(), Pause(60)

    async with (
        RecordingUpstream(never) as upstream,
        serving(tmp_path, upstream, workers="2", drain_seconds="0.3") as served,
        RawClient.to(served.port) as client,
    ):
        await client.send(request(*SEARCH, [served.bearer()], b"{}"))
        await until(lambda: upstream.messages, "the call to arrive")
        ending = asyncio.ensure_future(served.end())
        with pytest.raises(AnswerCutError):
            await client.answer()
        assert await ending == 0


async def test_a_worker_that_is_told_to_stop_ends_its_calls_and_its_queue_is_served_by_another(
    shared: Served,
) -> None:
    before, upstream, restarts = counted(await shared.scrape()), shared.upstream, shared.said(ENDED)
    upstream.script, seen = slow, len(upstream.messages)
    under_way = [asyncio.ensure_future(shared.call()) for _ in range(12)]
    await until(lambda: len(upstream.messages) == seen + 12, "the calls to arrive")
    os.kill(shared.workers()[0], signal.SIGTERM)
    upstream.script = ordinary

    later = await asyncio.gather(*(shared.call() for _ in range(40)))
    assert {answer.status for answer in [*later, *await asyncio.gather(*under_way)]} == {200}
    await until(lambda: shared.said(ENDED) > restarts, "the end to be seen")
    await until_ready(shared)
    assert counted(await shared.scrape()) == before + 52


async def test_each_decision_is_one_whole_line_also_after_rotation(shared: Served) -> None:
    before = counted(await shared.scrape())
    file = shared.folder / "audit.jsonl"
    earlier = len(shared.audit())
    first = await asyncio.gather(*(shared.call("police") for _ in range(60)))
    old = file.rename(file.with_suffix(".old"))
    reloads = shared.said("reloaded")
    shared.hang_up()
    await until(lambda: shared.said("reloaded") > reloads, "the reload")
    second = await asyncio.gather(*(shared.call("police") for _ in range(60)))

    ids = [answer.values(b"x-decision-id")[0].decode() for answer in [*first, *second]]
    every = (line for path in (old, file) for line in path.read_bytes().splitlines())
    lines = [line for line in every if b'"kind":"decision"' in line][earlier:]
    assert len(lines) == len(set(ids)) == 120
    assert sorted(record["id"] for record in shared.audit()) == sorted(ids[60:])
    assert all(record["id"].startswith(record["instance"] + "-") for record in shared.audit())
    assert counted(await shared.scrape()) == before + 120


async def test_what_hinders_a_worker_is_told_and_ends_all(tmp_path: Path) -> None:
    async with RecordingUpstream() as upstream:
        with pytest.raises(AssertionError, match="MORATORIUM_AUDIT_FILE"):
            async with serving(tmp_path, upstream, workers="2", audit_file=str(tmp_path / "no" / "audit")):
                pass


async def test_a_port_that_somebody_listens_on_is_not_shared_with_him() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as sock:
        address = Address("127.0.0.1", sock.getsockname()[1])

        with pytest.raises(SettingsError, match="in use"):
            bind_places(address, 2)


async def test_one_worker_is_one_process_with_a_counter_that_stays_at_zero(tmp_path: Path) -> None:
    async with RecordingUpstream() as upstream, serving(tmp_path, upstream) as served:
        assert served.workers() == []
        assert (await call(served.port, *SEARCH, [served.bearer("police")], b"{}")).status == 451
        samples = await served.scrape()
        assert counted(samples) == 1
        assert samples["moratorium_worker_restarts_total", frozenset()] == 0
        assert await served.end() == 0
