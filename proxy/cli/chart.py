"""A timeline as rows on a scale, and those in Unicode blocks for a terminal."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rich.text import Text

from proxy.policy.callers import ALWAYS, FOREVER, Instant
from proxy.policy.explain import Entry
from proxy.policy.timeline import Edge, Lane, Overlap, Span, State, Timeline

DAY = 86400.0
_BLOCKS = {State.BLOCKED: "█", State.EXEMPT_ONLY: "▓", State.SHADOW: "░", State.EXEMPT: "·"}
_STYLES = {State.BLOCKED: "red", State.EXEMPT_ONLY: "yellow", State.SHADOW: "blue", State.EXEMPT: "green"}
_REPLACED = "╌"
LEGEND = {
    State.BLOCKED: "blocked",
    State.EXEMPT_ONLY: "blocked unless exempt",
    State.SHADOW: "shadow: lets through and counts",
    State.EXEMPT: "exempt as a type",
}
# Where two states fall into one column, the one that bites more is shown.
_STRICTEST = (State.BLOCKED, State.EXEMPT_ONLY, State.SHADOW, State.EXEMPT)


class Scale(NamedTuple):
    """A half-open range of time."""

    start: Instant
    end: Instant

    def part(self, instant: Instant) -> float:
        """Where an instant is, from 0 to 1; what is outside is at the edge."""
        return min(1.0, max(0.0, (instant - self.start) / (self.end - self.start)))


class Row(NamedTuple):
    """Lanes of one moratorium that look alike, drawn once. `first`: of its moratorium."""

    moratorium: str
    title: str
    who: str
    spans: tuple[Span, ...]
    history: tuple[Entry, ...]
    first: bool


class Chart(NamedTuple):
    """What is to be drawn. `zones`: of each moratorium's dates; under no name, of others."""

    rows: tuple[Row, ...]
    scale: Scale
    now: Instant
    zones: Mapping[str, ZoneInfo]

    def date(self, moratorium: str, instant: Instant) -> str:
        """The day in the moratorium's own zone, with the time unless it is midnight there."""
        moment = datetime.fromtimestamp(instant, self.zones.get(moratorium, UTC))
        midnight = moment.hour == moment.minute == moment.second == 0
        return moment.strftime("%Y-%m-%d" if midnight else "%Y-%m-%d %H:%M")

    def dates(self, moratorium: str, start: Instant, end: Instant) -> str:
        """From when until when."""
        since = "ever" if start == ALWAYS else self.date(moratorium, start)
        until = "until further notice" if end == FOREVER else f"to {self.date(moratorium, end)}"
        return f"{since} {until}"


def told(chart: Chart, edge: Edge) -> str:
    """What happens at an edge, in one line."""
    text = f"{chart.date(edge.moratorium, edge.at)}  {edge.moratorium}, {', '.join(edge.who)}: "
    states = [LEGEND[state] if state else "not in force" for state in (edge.before, edge.after)]
    parts = [" → ".join(states)] if edge.before != edge.after else []
    for names, what in ((edge.begun, "begins"), (edge.ended, "ends")):
        if names:
            some = "exemption" if len(names) == 1 else "exemptions"
            parts.append(f"{some} {', '.join(names)} {what if len(names) == 1 else what[:-1]}")
    return text + ("; ".join(parts) or "the next window takes over")


def shared_dates(chart: Chart, overlap: Overlap) -> str:
    """From when until when two moratoria overlap, in the zone in which that is said in fewest words."""
    return min((chart.dates(name, overlap.start, overlap.end) for name in overlap.moratoria), key=len)


def chart_of(
    found: Timeline,
    now: Instant,
    zones: Mapping[str, ZoneInfo],
    start: Instant | None = None,
    end: Instant | None = None,
) -> Chart:
    """Rows and scale. What is not said of the scale takes in every edge, and now."""
    scale = _scale(found, now, start, end)
    return Chart(tuple(_rows(found.lanes, scale)), scale, now, zones)


def _rows(lanes: tuple[Lane, ...], scale: Scale) -> Iterator[Row]:
    merged: dict[tuple[str, tuple[Span, ...]], list[Lane]] = {}
    for lane in lanes:
        seen = tuple(span for span in lane.spans if span.start < scale.end and span.end > scale.start)
        merged.setdefault((lane.moratorium.id, seen), []).append(lane)
    before = None
    for (name, spans), alike in merged.items():
        who = ", ".join(f"{lane.who} (some)" if lane.some else lane.who for lane in alike)
        first = name != before
        yield Row(
            name, alike[0].moratorium.title or name, who, spans, alike[0].history if first else (), first
        )
        before = name


def _scale(found: Timeline, now: Instant, start: Instant | None, end: Instant | None) -> Scale:
    spans = [(span.start, span.end) for lane in found.lanes for span in lane.spans]
    spans += [entry.chapter.window[:2] for lane in found.lanes for entry in lane.history]
    edges = [now, *(edge for span in spans for edge in span if ALWAYS < edge < FOREVER)]
    room = max((max(edges) - min(edges)) * 0.08, 90 * DAY)
    first = min(edges) - room if start is None else start
    last = max(edges) + room if end is None else end
    return Scale(first, last)


# ---------------------------------------------------------------- ticks


def ticks(scale: Scale, most: int) -> list[tuple[Instant, str]]:
    """At most so many round dates on the scale, in UTC, with what to write there."""
    found: list[tuple[Instant, str]] = []
    for months in (1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 12000):
        found = list(_months(scale, months))
        if len(found) <= most:
            break
    if len(found) < 2:
        days = next((d for d in (1, 2, 7, 14) if (scale.end - scale.start) / (d * DAY) <= most), 28)
        first = -(-scale.start // (days * DAY)) * days * DAY
        count = int((scale.end - first) // (days * DAY)) + 1
        instants = [first + index * days * DAY for index in range(count)]
        return [(at, datetime.fromtimestamp(at, UTC).strftime("%m-%d")) for at in instants if at < scale.end]
    return found


def _months(scale: Scale, step: int) -> Iterator[tuple[Instant, str]]:
    first = datetime.fromtimestamp(scale.start, UTC)
    number = -(-(first.year * 12 + first.month - 1) // step) * step
    while True:
        year, month = divmod(number, 12)
        if year > 9999:
            return
        moment = datetime(year, month + 1, 1, tzinfo=UTC)
        if moment.timestamp() >= scale.end:
            return
        if moment.timestamp() >= scale.start:
            yield moment.timestamp(), moment.strftime("%Y" if step >= 12 else "%Y-%m")
        number += step


# ---------------------------------------------------------------- terminal


def in_terminal(chart: Chart, width: int) -> Iterator[Text]:
    """One line a row, as wide as it may be, and what the blocks mean."""
    names = [_label(row) for row in chart.rows]
    room = min(max(map(len, names), default=0), max(20, width * 2 // 5))
    columns = max(10, width - room - 2)
    yield from _axis(chart, room, columns)
    for row, name in zip(chart.rows, names, strict=True):
        label = name if len(name) <= room else name[: room - 1] + "…"
        yield Text(f"{label:<{room}}  ").append(_bar(chart, row.spans, columns))
        for entry in row.history:
            note = f"  {entry.chapter.id}" if len(entry.chapter.id) + 2 <= room else "  replaced"
            line = Text(f"{note:<{room}}  ", "dim")
            yield line.append(_cells(chart, columns, _REPLACED, entry), "dim")
    yield Text()
    shown = {span.state for row in chart.rows for span in row.spans}
    legend = Text()
    for state, words in LEGEND.items():
        if state in shown:
            legend.append(_BLOCKS[state] * 2, _STYLES[state]).append(f" {words}   ")
    if any(row.history for row in chart.rows):
        legend.append(f"{_REPLACED}{_REPLACED} replaced or not known yet   ", "dim")
    yield legend.append("│ now")


def _label(row: Row) -> str:
    return f"{row.moratorium}  {row.who}"


def _axis(chart: Chart, room: int, columns: int) -> Iterator[Text]:
    line = [" "] * columns
    for at, words in ticks(chart.scale, max(2, columns // 9)):
        column = int(chart.scale.part(at) * columns)
        if (
            column + len(words) <= columns
            and not "".join(line[max(0, column - 1) : column + len(words)]).strip()
        ):
            line[column : column + len(words)] = words
    yield Text(" " * (room + 2) + "".join(line).rstrip(), "dim")


def _bar(chart: Chart, spans: tuple[Span, ...], columns: int) -> Text:
    bar = Text()
    length = (chart.scale.end - chart.scale.start) / columns
    for column in range(columns):
        start = chart.scale.start + column * length
        states = {span.state for span in spans if span.start < start + length and span.end > start}
        state = next((state for state in _STRICTEST if state in states), None)
        if start <= chart.now < start + length:
            bar.append("│", f"reverse {_STYLES[state]}" if state else "")
        elif state is not None:
            bar.append(_BLOCKS[state], _STYLES[state])
        else:
            bar.append(" ")
    return bar


def _cells(chart: Chart, columns: int, cell: str, entry: Entry) -> str:
    first = int(chart.scale.part(entry.chapter.window.start) * columns)
    last = max(first + 1, round(chart.scale.part(entry.chapter.window.end) * columns))
    return " " * first + cell * (last - first)
