"""What a reconciliation has found as plain values: for programs, and for tables. Pure."""

from collections import Counter
from typing import Any

from proxy.policy.reasons import Decision
from proxy.reporting.reconcile.compare import Reconciliation
from proxy.reporting.reconcile.ids import ALLOWED, ALLOWED_THEN_FAILED, RECORDED
from proxy.reporting.reconcile.page import LABELS, Labels

_ORDER = [*map(str, Decision)]


def summary(found: Reconciliation) -> dict[str, Any]:
    """All of it as plain values. `counted` of a row is null when there is no page of metrics."""
    series = _series(found)
    rows: dict[tuple[str, str], list[int]] = {}
    for (decision, reason, *_), kept, made in series:
        row = rows.setdefault((decision, reason), [0, 0])
        row[0], row[1] = row[0] + kept, row[1] + (made or 0)
    states = Counter(state & RECORDED for _, state in found.book.ids.states())
    names = ["records"]
    names += ["metrics"] if found.pages else []
    names += ["what the face API saw"] if found.seen is not None else []
    names += ["the answers of clients"] if found.answers is not None else []
    return {
        "rows": [
            {
                "decision": decision,
                "reason": reason,
                "recorded": kept,
                "counted": made if found.pages else None,
            }
            for (decision, reason), (kept, made) in rows.items()
        ],
        "series": [
            {**dict(zip(LABELS, labels, strict=True)), "recorded": kept, "counted": made}
            for labels, kept, made in series
        ],
        "let_through": states[ALLOWED] + states[ALLOWED_THEN_FAILED],
        "then_failed": states[ALLOWED_THEN_FAILED],
        "upstream": {"seen": found.seen.lines, "odd": found.seen.odd} if found.seen is not None else None,
        "answers": found.answers,
        "after_the_pages": {chain: number for chain, number in found.book.after.items() if number},
        "unreadable_lines": found.book.unreadable,
        "explained": [{"says": says, "number": number} for says, number in found.explained],
        "gaps": dict(found.counts),
        "findings": [finding._asdict() for finding in found.findings],
        "agree": " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0],
    }


def _series(found: Reconciliation) -> list[tuple[Labels, int, int | None]]:
    """Of each series what was recorded and counted; null without a page of metrics."""
    tallies = [found.recorded(page) for page in found.pages] or [found.book.elsewhere]
    recorded, counted = Counter[Labels](), Counter[Labels]()
    for tally in tallies:
        recorded.update(tally)
    for page in found.pages:
        counted.update(page.series)
    keys = sorted(recorded.keys() | counted.keys(), key=_place)
    return [(key, recorded[key], counted[key] if found.pages else None) for key in keys]


def _place(series: Labels) -> tuple[int, Labels]:
    return (_ORDER.index(series[0]) if series[0] in _ORDER else len(_ORDER)), series
