"""What a decision is counted as, and what small numbers tell of calls."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from proxy.audit.journal import Journal
from proxy.audit.record import Template
from proxy.audit.sink import Sink
from proxy.pipeline import refused
from proxy.policy.model import Mode, Refusal, Verdict
from proxy.policy.reasons import Reason
from proxy.reporting.report.counts import Counts, count, weeks_of
from proxy.reporting.report.model import DECIDED, Decided, Range
from proxy.reporting.store import Store
from tests.reporting.sample import DAY, HABITS, START, Call, policies, verdict

WEEK = Range(START, START + 7 * DAY)


def counts(path: Path, said: Sequence[tuple[str, Verdict]], small: int = 1, span: Range = WEEK) -> Counts:
    """Of a log of these verdicts, one a second from the first instant of the week on, each under its id."""
    journal = Journal(Sink(str(path)))
    journal.sink.open()
    journal.begin(START, version="1", policy="p")
    for number, (name, one) in enumerate(said):
        template = Template(
            one, revision="p", mode=Mode.ENFORCE, instance="", backend="generic", chain=journal.chain.id
        )
        journal.write(template, name.encode(), START + number)
    journal.close(START + len(said))
    store = Store([path])
    try:
        return count(store, span, small)
    finally:
        store.close()


def by(found: Counts) -> dict[str, int | None]:
    return {str(kind): n for kind, n in zip(DECIDED, found.totals.by, strict=True) if n != 0}


def judged(mode: Mode = Mode.ENFORCE) -> list[Verdict]:
    policy = replace(policies()[0], mode=mode)
    return [verdict(Call(START, habit), policy) for habit in HABITS]


FAILED = refused(Refusal(Reason.UPSTREAM_TIMEOUT), START)
LET_THROUGH = next(said for said in judged() if said.reason is Reason.NOT_BOUND)


def test_those_who_would_else_be_blocked_are_told_apart(tmp_path: Path) -> None:
    enforced = by(counts(tmp_path / "a", [(f"c-{n}", said) for n, said in enumerate(judged())]))
    shadowed = by(counts(tmp_path / "b", [(f"c-{n}", said) for n, said in enumerate(judged(Mode.SHADOW))]))

    assert enforced == {"allowed": 9, "exempt": 2, "blocked": 2, "rejected": 3}
    assert shadowed == {"allowed": 9, "exempt": 2, "shadow": 2, "rejected": 3}


def test_the_end_of_a_range_is_not_in_it_and_its_start_is(tmp_path: Path) -> None:
    found = counts(
        tmp_path / "a", [(f"c-{n}", LET_THROUGH) for n in range(9)], span=Range(START + 2, START + 6)
    )

    assert (found.totals.decisions, found.totals.calls) == (4, 4)


@pytest.mark.parametrize(
    ("failed", "failed_before", "calls"),
    [(0, 0, 50), (7, 0, 50), (3, 0, None), (7, 6, 56), (7, 2, None), (0, 9, 59)],
)
def test_the_number_of_calls_betrays_no_small_number(
    tmp_path: Path, failed: int, failed_before: int, calls: int | None
) -> None:
    said = [(f"c-{n}", LET_THROUGH) for n in range(50)]
    said += [(f"c-{n}", FAILED) for n in range(failed)]
    said += [(f"f-{n}", FAILED) for n in range(failed_before)]

    assert counts(tmp_path / "a", said, small=5).totals.calls == calls


def test_a_record_that_says_what_none_can_is_in_no_number(tmp_path: Path) -> None:
    said = [(f"c-{n}", LET_THROUGH) for n in range(9)]
    counts(tmp_path / "a", said)
    path = tmp_path / "b"
    path.write_bytes(
        (tmp_path / "a").read_bytes().replace(b'"decision":"allowed"', b'"decision":"forgot"', 2)
    )
    store = Store([path])

    found = count(store, WEEK, 1)
    store.close()

    assert (found.totals.decisions, found.totals.odd) == (7, 2)


def test_a_log_so_small_that_nothing_can_be_hidden_tells_its_size_alone(tmp_path: Path) -> None:
    found = counts(tmp_path / "a", [("a", LET_THROUGH), ("b", FAILED)], small=5)

    assert found.totals.decisions == 2
    assert set(found.totals.by) == {None}
    assert [table.rows for table in found.tables] == [None] * 5
    assert found.rule.withheld == len(Decided)


@pytest.mark.parametrize(
    ("start", "days", "weeks"),
    [
        (START, 4, ["2026-08-31"]),
        (START, 5, ["2026-08-31", "2026-09-07"]),
        (START + 4 * DAY, 7, ["2026-09-07"]),
    ],
)
def test_weeks_begin_on_mondays(start: float, days: int, weeks: list[str]) -> None:
    assert weeks_of(Range(start, start + days * DAY)) == weeks
