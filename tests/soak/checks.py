"""What must be true at the end of a soak, each as one line."""

import json
from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from proxy.audit.findings import Finding
from proxy.audit.verify import Verification
from proxy.reporting.reconcile.accounts import reconciled
from proxy.reporting.reconcile.page import Page
from tests.soak.soak import Soak

MIB = 1024 * 1024
MOST_RACED = 0.01
"""Share of calls that may meet a connection of the face API in the moment in which it closes."""


class Check(NamedTuple):
    """One promise, what was found, and whether it was kept."""

    says: str
    found: str
    holds: bool


@dataclass
class Records:
    """The record of every decision of the run, across all files; `lines` is how many."""

    lines: int
    allowed: list[str]
    decisions: Counter[str]
    denied: set[str]
    spoilt: int
    flaws: list[Finding]

    @classmethod
    def read(cls, soak: Soak) -> "Records":
        records = cls(0, [], Counter(), set(), 0, [])
        verification = Verification()
        for path in sorted(soak.folder.glob("audit.jsonl*")):
            lines = path.read_bytes().splitlines(keepends=True)
            reading = verification.read(path.name)
            reading.feed(lines)
            reading.end()
            for line in lines:
                records.take(line)
        verification.finish()
        records.flaws = verification.findings
        return records

    def take(self, line: bytes) -> None:
        try:
            record = json.loads(line)
        except ValueError:
            self.spoilt += 1
            return
        if record["kind"] != "decision":
            return
        self.lines += 1
        self.decisions[record["decision"]] += 1
        if record["decision"] == "allowed":
            self.allowed.append(record["id"])
        else:
            self.denied.add(record["id"])


def growth(memory: list[int]) -> float:
    """MiB between the middle of the second and of the last fifth of the run; the first is warm-up."""
    fifth = max(1, len(memory) // 5)
    return (median(memory[-fifth:]) - median(memory[fifth : 2 * fifth] or memory[-1:])) / MIB


async def checks(soak: Soak, most_growth: float) -> list[Check]:
    """All of them, read from the proxy while it still runs."""
    proxy, upstream, ledger = soak.proxy, soak.upstream, soak.ledger
    in_flight = await proxy.metric("moratorium_requests_in_flight")
    counted = await proxy.metric("moratorium_decisions_total")
    written = await proxy.metric("moratorium_audit_records_total")
    records = Records.read(soak)
    unlike = await _unlike(soak)
    allowed = set(records.allowed)
    descriptors, complaints = proxy.descriptors(), proxy.complaints()
    grown = growth(soak.memory)
    surprises, calls = sum(ledger.surprises.values()), sum(ledger.calls.values())
    idle, most_raced = soak.idle_descriptors, MOST_RACED * calls
    disturbed = (soak.reloads, soak.rotations, soak.key_changes)
    totals = (records.lines, counted, written)
    return [
        _none("answers that nobody expected", surprises),
        _none("answers with an id that was used before", ledger.repeated),
        Check(f"MiB grown after warm-up, at most {most_growth:g}", f"{grown:.1f}", grown <= most_growth),
        Check(f"descriptors, {idle} when idle", str(descriptors), descriptors <= idle),
        _none("calls in flight", in_flight),
        _none("log lines about a fault", len(complaints)),
        Check("records, counted and written", "{:g} {:g} {:g}".format(*totals), len({*totals}) == 1),
        Check("counts that disagree", unlike[0] if unlike else "0", not unlike),
        _none("records that cannot be read", records.spoilt),
        _none("records that do not fit into their chain", len(records.flaws)),
        _none("ids that were allowed twice", len(records.allowed) - len(allowed)),
        _none("ids that the face API saw twice", len(upstream.twice)),
        _none("calls at the face API without an allowed record", len(upstream.ids - allowed)),
        _none("answers served without a call at the face API", len(ledger.served - upstream.ids)),
        _none("denials without a record of their own", len(ledger.denied - records.denied)),
        _none("requests that h11 would not read", len(upstream.broken)),
        Check(f"calls that met a closing connection, at most {MOST_RACED:.0%}", str(ledger.raced),
              ledger.raced <= most_raced),
        Check("reloads, rotations, changes of keys", "{} {} {}".format(*disturbed), min(disturbed) > 0),
    ]  # fmt: skip


async def _unlike(soak: Soak) -> list[str]:
    """What `moratorium audit reconcile` finds."""
    ledger = soak.ledger
    page = Page.read("/metrics", await soak.proxy.metrics())
    served = ((name.encode(), "allowed") for name in ledger.served)
    denied = ((name.encode(), "") for name in ledger.denied)
    found = reconciled(
        [*soak.folder.glob("audit.jsonl*")],
        [page],
        (name.encode() for name in [*soak.upstream.ids, *soak.upstream.twice]),
        (*served, *denied),
    )
    after = [f"{number} not counted in {chain}" for chain, number in found.book.after.items() if number]
    return [*(f"{gap}: {what}: {says}" for gap, what, says in found.findings), *after]


def _none(says: str, found: float) -> Check:
    return Check(says, f"{found:g}", found == 0)
