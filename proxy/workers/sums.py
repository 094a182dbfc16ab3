"""A worker's numbers as plain values, and the sum of many.

A counter is a tuple of words with a whole number: these add up without anyone knowing what they mean, and
only the two functions that touch `Metrics` know how they are made. Whole, because a sum of floats depends on
the order of adding: it goes back by a hair when a worker ends, and Prometheus takes that for a new beginning.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from proxy.metrics import Gauges, Histogram, Metrics, Tally
from proxy.policy.model import Mode
from proxy.policy.reasons import Decision, Reason

Counts = dict[tuple[str, ...], int]
_NO_COUNTERS = frozenset({"in_flight", "reload_successful"})
Key = TypeVar("Key")
Number = TypeVar("Number", int, float)

CHAINS = "chains"
"""The room of what is counted by chain of records."""
DECISIONS = "decisions"
KEY_FETCHES = "key fetches"
"""The room of what is counted by issuer and result."""
NANO = 1_000_000_000
"""Seconds are counted in billionths."""
CPU = "process_cpu_seconds_total"
"""Of what a process uses, what stays used when it has ended."""


class Snapshot(NamedTuple):
    """One worker at one moment. `counts` only ever grow; the rest is as it is now."""

    counts: Counts
    in_flight: int = 0
    usage: dict[str, float] = {}  # noqa: RUF012  (never written to)
    keys: dict[str, float] = {}  # noqa: RUF012
    faults: dict[str, str | None] = {}  # noqa: RUF012
    certificate_ends: float | None = None
    clock_offsets: dict[str, float] = {}  # noqa: RUF012
    gauges: list[Any] = [*Gauges()]  # noqa: RUF012
    """Of `Gauges` each, in its order."""

    def plain(self) -> list[Any]:
        """As JSON can carry it."""
        return [[[*key, value] for key, value in self.counts.items()], *self[1:]]

    @classmethod
    def of_plain(cls, content: list[Any]) -> "Snapshot":
        return cls({tuple(key): value for *key, value in content[0]}, *content[1:])


NOTHING = Snapshot({})


def together(living: Iterable[Snapshot]) -> Gauges:
    """The gauges of all: what can be added up is, and of moments the earliest counts."""
    each = [Gauges(*snapshot.gauges) for snapshot in living]
    moments: dict[str, float] = {}
    for gauges in each:
        for name, moment in gauges.moments.items():
            moments[name] = min(moment, moments.get(name, moment))
    return Gauges(sum(g.unsigned for g in each), sum(g.held_bytes for g in each), moments)


def made_good(last: Snapshot, decisions: Counts, chain: str) -> Snapshot:
    """What a worker has said last, with the `decisions` that it had counted when it ended."""
    if not chain:
        return last
    counts = last.counts | {(DECISIONS, *series): count for series, count in decisions.items()}
    series = {key[1:]: count for key, count in counts.items() if key[0] == DECISIONS}
    recorded = sum(count for key, count in series.items() if key[1] != Reason.AUDIT_UNWRITABLE)
    return last._replace(counts=counts | {(CHAINS, chain): recorded})


def counts_of(metrics: Metrics) -> Counts:
    """Everything that `metrics` has counted."""
    counts: Counts = {("plain", name): getattr(metrics, name) for name in _plain(metrics)}
    for series, tally in metrics.decisions.items():
        if tally.count:
            counts[DECISIONS, *map(str, series)] = tally.count
    for place, histogram in _histograms(metrics):
        counts |= {(*place, str(index)): n for index, n in enumerate(histogram.counts) if n}
        counts[*place, "nanoseconds"] = round(histogram.total * NANO)
    return counts


def show(counts: Counts, metrics: Metrics) -> None:
    """Make `metrics` say these numbers. Series that it knows and that nobody counted in are zero."""
    for name in _plain(metrics):
        setattr(metrics, name, counts.get(("plain", name), 0))
    for tally in metrics.decisions.values():
        tally.count = 0
    for key, count in counts.items():
        if key[0] == DECISIONS:
            _, decision, reason, org_type, label, mode = key
            series = Decision(decision), Reason(reason), org_type, label, Mode(mode)
            metrics.decisions.setdefault(series, Tally()).count = count
    for place, histogram in _histograms(metrics):
        histogram.counts = [counts.get((*place, str(i)), 0) for i in range(len(histogram.counts))]
        histogram.total = counts.get((*place, "nanoseconds"), 0) / NANO


def _plain(metrics: Metrics) -> list[str]:
    """Counters that are mere numbers."""
    return [name for name, value in vars(metrics).items() if type(value) is int and name not in _NO_COUNTERS]


def _histograms(metrics: Metrics) -> Iterator[tuple[tuple[str, ...], Histogram]]:
    for decision, histogram in metrics.requests.items():
        yield ("requests", str(decision)), histogram
    yield ("overhead",), metrics.overhead
    yield ("upstream",), metrics.upstream


class Sums:
    """What all workers have counted, those that have ended included: a counter never goes back."""

    def __init__(self) -> None:
        self._ended: Counts = {}
        self._ended_cpu = 0
        self.counts: Counts = {}
        self.usage: dict[str, float] = {}
        self.in_flight = 0

    def end(self, last: Snapshot) -> None:
        """Keep for good what a worker had counted when it was last heard of."""
        _add(self._ended, last.counts)
        self._ended_cpu += _cpu(last)

    def add_up(self, living: list[Snapshot]) -> None:
        """The sums as of now."""
        self.counts, self.usage = dict(self._ended), {}
        for snapshot in living:
            _add(self.counts, snapshot.counts)
            _add(self.usage, snapshot.usage)
        self.usage[CPU] = (self._ended_cpu + sum(map(_cpu, living))) / NANO
        self.in_flight = sum(snapshot.in_flight for snapshot in living)

    def pair(self, room: str, first: str, second: str) -> tuple[int, int]:
        """Two plain counters of one room."""
        return self.counts.get((room, first), 0), self.counts.get((room, second), 0)


def _cpu(snapshot: Snapshot) -> int:
    return round(snapshot.usage.get(CPU, 0.0) * NANO)


def _add(sums: dict[Key, Number], more: Mapping[Key, Number]) -> None:
    for key, number in more.items():
        sums[key] = sums.get(key, 0) + number
