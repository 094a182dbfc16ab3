"""What is measured, and what we want to reach. Ratios are ours to the peer's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Values = dict[str, dict[str, list[float]]]
"""target -> row -> one value a round."""

KIB = 1024
MIB = 1024 * KIB
RIVALS = ("haproxy", "envoy")


@dataclass(frozen=True)
class Workload:
    """A load that wrk can make. Gives the row `name`, and `name.cpu` beside it."""

    name: str
    connections: int
    body: int
    token: Literal["allowed", "police", "fresh"] = "allowed"
    value: Literal["rate", "p50_us"] = "rate"


WORKLOADS = {
    load.name: load
    for load in (
        Workload("w1", 32, KIB),
        Workload("w2", 32, 100 * KIB),
        Workload("w3", 32, MIB),
        Workload("w4", 32, KIB, token="police"),
        Workload("w5", 32, KIB, token="fresh"),
        Workload("w6", 1, KIB, value="p50_us"),
        Workload("w1x256", 256, KIB),
    )
}
MEMORY = ("m1", "m2", "m3")


@dataclass(frozen=True)
class Goal:
    """A bound. `against`: a peer, the better of the rivals, or nobody (then it bounds our own value)."""

    bound: float
    against: Literal["rivals", "haproxy", "envoy", "nobody"] = "rivals"


@dataclass(frozen=True)
class Row:
    """One line of the report."""

    name: str
    title: str
    unit: str
    goal: Goal | None = None
    more_is_better: bool = True
    digits: int = 0


ROWS = {
    row.name: row
    for row in (
        Row("w1", "1 KiB call", "calls/s", Goal(1.6)),
        Row("w2", "100 KiB call", "calls/s", Goal(1.5)),
        Row("w3", "1 MiB call", "calls/s", Goal(1.3)),
        Row("w4", "blocked call", "calls/s", Goal(2.0)),
        Row("w5", "a new token in each call", "calls/s", Goal(0.5, "haproxy")),
        Row("w6", "one connection, median", "µs", Goal(0.7, "envoy"), more_is_better=False),
        Row("w1x256", "1 KiB call, 256 connections", "calls/s"),
        Row("w1.cpu", "CPU time of 1,000 1 KiB calls", "s", Goal(0.65, "haproxy"), False, 4),
        Row("w2.cpu", "CPU time of 1,000 100 KiB calls", "s", None, False, 4),
        Row("w3.cpu", "CPU time of 1,000 1 MiB calls", "s", None, False, 3),
        Row("w4.cpu", "CPU time of 1,000 blocked calls", "s", None, False, 4),
        Row("w5.cpu", "CPU time of 1,000 calls with new tokens", "s", None, False, 4),
        Row("rss", "resident memory after 1 KiB calls", "MiB", None, False, 1),
        Row("m1", "memory added, 64 slow uploads of 10 MiB", "MiB", Goal(4, "nobody"), False, 1),
        Row("m2", "memory added, 64 uploads and the upstream stops", "MiB", Goal(16, "nobody"), False, 1),
        Row("m3", "memory of an idle connection (of 2,000)", "KiB", Goal(20, "nobody"), False, 1),
    )
}


@dataclass(frozen=True)
class Score:
    """How a row came out for us. `low` and `high`: the extremes over the rounds."""

    row: Row
    value: float
    low: float
    high: float
    against: str

    @property
    def met(self) -> bool | None:
        if self.row.goal is None:
            return None
        bound = self.row.goal.bound
        return self.value >= bound if self.row.more_is_better else self.value <= bound


def middle(values: Mapping[str, Mapping[str, Sequence[float]]], target: str, row: str) -> float | None:
    """The median over the rounds, or None when it was not measured."""
    found = values.get(target, {}).get(row)
    return median(found) if found else None


def score(values: Values, row: Row) -> Score | None:
    """Compare ours with the peer that the goal names; None when either is missing."""
    ours = values.get("ours", {}).get(row.name)
    if not ours:
        return None
    goal = row.goal or Goal(0)
    if goal.against == "nobody":
        return Score(row, median(ours), min(ours), max(ours), "")
    names = RIVALS if goal.against == "rivals" else (goal.against,)
    measured = {name: m for name in names if (m := middle(values, name, row.name))}
    if not measured:
        return None
    pick = max if row.more_is_better else min
    peer = pick(measured, key=lambda name: measured[name])
    # Rounds are interleaved: what disturbed one round disturbed ours and the peer's alike.
    rounds = [a / b for a, b in zip(ours, values[peer][row.name], strict=False)]
    return Score(row, median(ours) / measured[peer], min(rounds), max(rounds), peer)
