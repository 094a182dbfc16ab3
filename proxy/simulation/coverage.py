"""What of a policy no case touches: moratoria that never block, exemptions never used, edges nobody stood at.

An edge of a window is touched by a case that stands exactly at it and one that stands less than a day before.
"""

from collections.abc import Iterable
from typing import NamedTuple

from proxy.policy.callers import ALWAYS, FOREVER, Instant
from proxy.policy.engine import judge
from proxy.policy.instants import format_instant
from proxy.policy.model import Moratorium, Policy, Window
from proxy.policy.reasons import Reason
from proxy.policy.scope import bound_by
from proxy.simulation.trial import Trial

DAY = 86400.0

_BLOCKING = (Reason.MORATORIUM, Reason.SHADOW_BLOCKED)
_IN_FORCE = (*_BLOCKING, Reason.EXEMPT)


class Gap(NamedTuple):
    """Something that no case touches. `moratorium` and, where it is about one, its exemption."""

    moratorium: str
    exemption: str | None
    says: str


class Coverage(NamedTuple):
    """How much there is to touch, and what was not."""

    total: int
    gaps: list[Gap]


class _Seen:
    """What cases have shown of one moratorium."""

    def __init__(self) -> None:
        self.blocked = False
        self.used: set[str] = set()
        self.instants: dict[str | None, set[Instant]] = {}
        """Of the moratorium (None) and of its exemptions, where cases stood to whom it mattered."""
        self.edges: set[Instant] = set()
        """Edges of the windows that counted for some case, with what was known then."""


def coverage(policy: Policy, trials: Iterable[Trial]) -> Coverage:
    """What of a policy, and of what it was at the times that cases ask for, the cases touch."""
    trials = list(trials)
    moratoria = {m.id: m for trial in trials for m in trial.policy.moratoria}
    moratoria |= {m.id: m for m in policy.moratoria}
    seen = {name: _Seen() for name in moratoria}
    for trial in trials:
        _see(trial, seen)
    gaps: list[Gap] = []
    total = 0
    for name, moratorium in moratoria.items():
        found, count = _gaps(moratorium, seen[name])
        gaps += found
        total += count
    return Coverage(total, gaps)


def _see(trial: Trial, seen: dict[str, _Seen]) -> None:
    caller, asked = trial.verdict.caller, trial.verdict.operation
    if caller is None or asked is None:
        return
    if trial.verdict.rule is not None and trial.verdict.reason is Reason.OPERATION_UNKNOWN:
        seen[trial.verdict.rule.id].blocked = True
    for moratorium in trial.policy.moratoria:
        bound = bound_by(moratorium.binds, caller.principals())
        finding = judge(moratorium, caller, bound, asked, trial.policy.mode, trial.case.at)
        here = seen[moratorium.id]
        if finding.reason in _IN_FORCE or finding.reason is Reason.OUTSIDE_WINDOW:
            here.instants.setdefault(None, set()).add(trial.case.at)
            here.edges |= {edge for _, edge in _edges(moratorium.windows)}
        if finding.reason in _IN_FORCE:
            for exemption in moratorium.exemptions:
                here.instants.setdefault(exemption.id, set()).add(trial.case.at)
        here.blocked |= finding.reason in _BLOCKING
        if finding.exemption is not None:
            here.used.add(finding.exemption.id)


def _gaps(moratorium: Moratorium, seen: _Seen) -> tuple[list[Gap], int]:
    gaps: list[Gap] = []
    total = 1 + len(moratorium.exemptions)
    if not seen.blocked:
        gaps.append(Gap(moratorium.id, None, "no case is blocked by it"))
    told: set[Instant] = set()
    for chapter in moratorium.history:
        for which, edge in _edges((chapter.window,)):
            if edge in told:
                continue
            told.add(edge)
            total += 1
            stood = seen.instants.get(None, set()) if edge in seen.edges else set()
            if lacks := _lacks(edge, stood):
                gaps.append(Gap(moratorium.id, None, f"{which} of {chapter.id}, {lacks}"))
    for exemption in moratorium.exemptions:
        if exemption.id not in seen.used:
            gaps.append(Gap(moratorium.id, exemption.id, "no case is exempt by it"))
        for which, edge in _edges((exemption.window,)):
            total += 1
            if lacks := _lacks(edge, seen.instants.get(exemption.id, set())):
                gaps.append(Gap(moratorium.id, exemption.id, f"its {which}, {lacks}"))
    return gaps, total


def _edges(windows: Iterable[Window]) -> list[tuple[str, Instant]]:
    """Those that can be stood at; of a window without length, none."""
    return [
        (name, edge)
        for window in windows
        if window.start < window.end
        for name, edge in (("start", window.start), ("end", window.end))
        if edge not in (ALWAYS, FOREVER)
    ]


def _lacks(edge: Instant, stood: set[Instant]) -> str | None:
    lacks = [] if edge in stood else ["at it"]
    if not any(edge - DAY <= at < edge for at in stood):
        lacks.append("in the day before it")
    return f"{format_instant(edge)}: no case {' and none '.join(lacks)}" if lacks else None
