"""What a report draws, the same for its page and its paper."""

from collections.abc import Iterator
from typing import NamedTuple

from proxy.reporting.report import svg as svg
from proxy.reporting.report.model import DECIDED, Force, GapKind, Report, Row, Table
from proxy.reporting.report.times import instant_of, periods
from proxy.reporting.report.words import GAPS, STATES, WITHHELD

_LIVES = {
    "closed": "a process recorded", "open": "a process recorded, and did not close",
    "broken-off": "broken off", "stopped": "stopped",
}  # fmt: skip


class Chart(NamedTuple):
    """A drawing. `key`: the kinds of pieces in it, and what they mean."""

    title: str
    drawn: str
    caption: str
    key: tuple[tuple[str, str], ...]


def chart_of(found: Table) -> Chart | None:
    """The numbers of a table; None when there is nothing to draw."""
    name, title = f"chart-{found.name.replace('_', '-')}", f"Decisions {found.title.lower()}"
    rows, caption = found.rows or (), "The table has the same numbers."
    if found.name == "weeks" and rows:
        return Chart(title, svg.weeks(name, title, rows), caption, _key(rows))
    drawn = tuple(row for row in rows if found.name != "rules" or row.names[0] != "none")
    if len(drawn) < len(rows):
        caption += " Decisions that no moratorium is named for are not drawn."
    return Chart(title, svg.bars(name, title, drawn), caption, _key(drawn)) if drawn else None


def _key(rows: tuple[Row, ...]) -> tuple[tuple[str, str], ...]:
    """Of the colours that occur."""
    used = [str(kind) for n, kind in enumerate(DECIDED) if any(row.counts[n] for row in rows)]
    key = [(kind, kind) for kind in used]
    if any(None in row.counts for row in rows):
        key.append((WITHHELD, "numbers withheld; its length says nothing"))
    return tuple(key)


def windows_chart(report: Report) -> Chart:
    """Who was held to what when."""
    lanes: dict[str, list[svg.Bar]] = {}
    for force in report.forces:
        lanes.setdefault(f"{force.title}: {force.who}", []).extend(_held(force, report))
    title = "Moratoria in force here"
    drawn = [svg.Lane(name, tuple(bars)) for name, bars in lanes.items()]
    return Chart(
        title,
        svg.times("chart-windows", title, drawn, *report.range),
        "Drawn where a window was open and a process decided by that policy. The table has the same times.",
        tuple((name, STATES[name]) for name in dict.fromkeys(force.state for force in report.forces)),
    )


def _held(force: Force, report: Report) -> Iterator[svg.Bar]:
    """Where both the window and the policy hold."""
    for first, last in force.here:
        start = max(instant_of(first), instant_of(force.start) if force.start else 0.0)
        end = min(instant_of(last), instant_of(force.end) if force.end else report.range.end)
        if start < end:
            says = f"{force.title}, {force.who}: {STATES[force.state]}, {periods([(first, last)])}"
            yield svg.Bar(force.state, start, end, says)


def gaps_chart(report: Report) -> Chart:
    """When records were written, and when nobody knows or nobody wrote."""
    start, end = report.range
    bars = [
        svg.Bar(
            "closed" if life.closed else "open",
            instant_of(life.start),
            instant_of(life.end),
            f"chain {life.chain}, {life.start} to {life.end}{'' if life.closed else ', not closed'}",
        )
        for life in report.lives
    ]
    bars += [
        svg.Bar(
            "broken-off" if gap.kind is GapKind.BROKEN_OFF else "stopped",
            instant_of(gap.start),
            instant_of(gap.end) if gap.end else end,
            f"{GAPS[gap.kind]}, {gap.start} to {gap.end or 'unknown'}",
        )
        for gap in report.gaps
        if gap.kind in (GapKind.BROKEN_OFF, GapKind.STOPPED)
    ]
    title = "When records were written"
    return Chart(
        title,
        svg.times("chart-gaps", title, svg.lanes_of(bars), start, end),
        "A bar for each process. The table has all gaps.",
        tuple((kind, _LIVES[kind]) for kind in dict.fromkeys(bar.kind for bar in bars)),
    )
