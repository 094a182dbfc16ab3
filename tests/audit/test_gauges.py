"""What the metrics say of the audit besides its counts, of one process and of several."""

import shlex
from pathlib import Path
from typing import Any

import orjson

from proxy.audit.journal import MAX_ENDED
from proxy.metrics import Gauges
from proxy.workers.sums import Snapshot, together
from tests.audit.logs import NOW, Writer
from tests.harness.process import Samples, serving, value
from tests.harness.proxy import IN_FORCE, FixedClock, Proxy, running_proxy
from tests.harness.upstream import RecordingUpstream

SEARCH = ("POST", "/v1/search", b"{}")
AUDIT = "moratorium_audit_"


def test_what_has_no_checkpoint_yet_is_counted(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "audit").begin()
    assert (writer.journal.unsigned, writer.journal.signed_at) == (0, NOW)

    writer.decide(3)
    assert (writer.journal.unsigned, writer.journal.signed_at) == (3, NOW)

    writer.decide(2)
    assert (writer.journal.unsigned, writer.journal.signed_at) == (1, NOW + 4)
    writer.journal.checkpoint(writer.now)
    assert (writer.journal.unsigned, writer.journal.signed_at) == (0, NOW + 5)


def test_without_a_key_and_a_witness_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    journal = Writer(tmp_path / "audit", pem=None).begin().decide(3).journal

    assert (journal.unsigned, journal.signed_at) == (0, None)


async def sample(proxy: Proxy, name: str) -> float | None:
    """The one series of this name, or None."""
    found = [line for line in (await proxy.metrics()).splitlines() if line.startswith(f"{name} ")]
    return float(found[0].split()[1]) if found else None


async def test_a_proxy_says_how_its_witness_and_checkpoints_are(tmp_path: Path) -> None:
    heads, now = tmp_path / "heads", FixedClock.at(IN_FORCE).now
    async with running_proxy(audit_witness=str(heads), audit_checkpoint_records="3") as proxy:
        assert await sample(proxy, f"{AUDIT}witness_last_success_timestamp_seconds") == 0
        for _ in range(4):
            await proxy.call(*SEARCH, caller="police")

        assert await sample(proxy, f"{AUDIT}witness_last_success_timestamp_seconds") == now
        assert await sample(proxy, f"{AUDIT}last_checkpoint_timestamp_seconds") == now
        assert await sample(proxy, f"{AUDIT}unsigned_records") == 2
        assert await sample(proxy, f"{AUDIT}witness_failures_total") == 0
        heads.unlink()
        heads.mkdir()
        for _ in range(3):
            await proxy.call(*SEARCH, caller="police")

        assert await sample(proxy, f"{AUDIT}witness_failures_total") == 1


async def test_without_them_it_says_nothing_of_them() -> None:
    async with running_proxy() as proxy:
        await proxy.call(*SEARCH, caller="police")

        assert await sample(proxy, f"{AUDIT}witness_last_success_timestamp_seconds") is None
        assert await sample(proxy, f"{AUDIT}last_checkpoint_timestamp_seconds") is None
        assert await sample(proxy, "moratorium_upstream_credential_end_timestamp_seconds") is None
        assert await sample(proxy, f"{AUDIT}unsigned_records") == 0


async def test_ends_of_calls_that_are_given_up_are_counted() -> None:
    async with running_proxy() as proxy:
        for _ in range(MAX_ENDED + 2):
            proxy.application.audit.outcome(b"id", (200, 0, 0, 0.0, True))

        assert await sample(proxy, f"{AUDIT}outcomes_lost_total") == 2
        proxy.application.audit._ended.clear()


async def test_the_end_of_a_credential_is_said() -> None:
    now = FixedClock.at(IN_FORCE).now
    told = """echo '{"access_token": "t", "expires_in": 600}'"""
    words = shlex.join(["sh", "-c", told])
    async with running_proxy(upstream_auth="bearer", upstream_token_command=words) as proxy:
        assert proxy.application.upstream.refreshed is not None
        await proxy.application.upstream.refreshed.refresh()

        found = await sample(proxy, "moratorium_upstream_credential_end_timestamp_seconds")
        assert found == now + 600


def test_gauges_of_workers_come_together() -> None:
    one = Gauges(3, 10, {"audit_last_checkpoint": 5.0, "upstream_credential_end": 9.0})
    other = Gauges(4, 20, {"audit_last_checkpoint": 4.0})
    plain = [orjson.loads(orjson.dumps(Snapshot({}, gauges=[*each]).plain())) for each in (one, other)]

    whole = together(map(Snapshot.of_plain, plain))

    assert whole == Gauges(7, 30, {"audit_last_checkpoint": 4.0, "upstream_credential_end": 9.0})
    assert together([]) == Gauges()


async def test_workers_say_them_together(tmp_path: Path) -> None:
    no_file = tmp_path / "no" / "heads"
    given: dict[str, Any] = {"audit_witness": str(no_file), "audit_checkpoint_records": "1", "workers": "2"}
    async with RecordingUpstream() as upstream, serving(tmp_path, upstream, **given) as served:
        for _ in range(6):
            await served.call()
        samples: Samples = await served.scrape()

    # Six decisions, each with a checkpoint behind it; `open` has one of its own.
    assert value(samples, f"{AUDIT}witness_failures_total") >= 6
    assert samples[f"{AUDIT}witness_last_success_timestamp_seconds", frozenset()] == 0
    assert samples[f"{AUDIT}last_checkpoint_timestamp_seconds", frozenset()] > 0
    assert samples["moratorium_held_bytes", frozenset()] == 0
    assert samples[f"{AUDIT}outcomes_lost_total", frozenset()] == 0
