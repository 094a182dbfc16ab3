"""A worker that is killed: what it had counted is known to the last decision."""

import asyncio
import os
import signal
from pathlib import Path

from proxy.metrics import Metrics, Series
from proxy.policy.model import Mode
from proxy.policy.reasons import Decision, Reason
from proxy.workers.cells import CELLS, Cells, make_memory
from proxy.workers.sums import CHAINS, DECISIONS, NOTHING, made_good
from tests.harness.process import serving, value
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until

SERIES: Series = (Decision.ALLOWED, Reason.NOT_BOUND, "press", "search", Mode.ENFORCE)
NAME = (*map(str, SERIES),)


def sides() -> tuple[Cells, Cells]:
    fd = make_memory()
    try:
        return Cells.of(fd), Cells.of(fd)
    finally:
        os.close(fd)


def test_one_side_reads_what_the_other_counts() -> None:
    ours, theirs = sides()
    metrics = Metrics(theirs.tally)
    theirs.name("0123456789abcdef")
    assert ours.counts() == {}

    tally = metrics.decisions.setdefault(SERIES, theirs.tally(SERIES))
    tally.count += 1
    tally.count += 1

    assert ours.counts() == {NAME: 2}
    assert ours.chain() == "0123456789abcdef"


def test_a_series_without_a_cell_is_counted_all_the_same() -> None:
    ours, theirs = sides()
    many = [theirs.tally((*SERIES[:2], f"type-{number}", *SERIES[3:])) for number in range(CELLS + 1)]
    long = theirs.tally((*SERIES[:2], "x" * 300, *SERIES[3:]))
    for tally in (*many, long):
        tally.count += 1

    assert len(ours.counts()) == CELLS
    assert {tally.count for tally in (*many, long)} == {1}


def test_what_was_said_last_is_made_good() -> None:
    said = NOTHING._replace(counts={(DECISIONS, *NAME): 3, ("audit", "records"): 3, (CHAINS, "c"): 3})

    blocked = ("blocked", "moratorium", "police", "search", "enforce")
    lost = ("failed", "audit-unwritable", "none", "none", "enforce")

    good = made_good(said, {NAME: 5, blocked: 1, lost: 7}, "c")

    assert good.counts[DECISIONS, *NAME] == 5
    assert good.counts[DECISIONS, *lost] == 7
    assert good.counts[CHAINS, "c"] == 6
    assert good.counts["audit", "records"] == 3
    assert made_good(NOTHING, {}, "") == NOTHING


async def test_no_decision_of_a_killed_worker_is_lost(tmp_path: Path) -> None:
    async with RecordingUpstream() as upstream, serving(tmp_path, upstream, workers="2") as served:
        before = served.workers()
        # Their parent hears of these within half a second, and they do not live as long.
        await asyncio.gather(*(served.call() for _ in range(40)))
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await until(
            lambda: len(served.workers()) == 2 and not {*before} & {*served.workers()}, "other workers"
        )
        await until(lambda: served.said("worker ended, another takes its place") == 2, "the parent to notice")
        samples = await served.scrape()

    assert value(samples, "moratorium_decisions_total") == 40
    assert value(samples, "moratorium_chain_decisions_total") == 40
