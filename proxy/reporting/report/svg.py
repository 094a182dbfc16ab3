"""Charts as SVG that needs no script and says itself in words. What comes in as text goes out escaped."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import NamedTuple
from xml.sax.saxutils import escape as escaped
from xml.sax.saxutils import quoteattr

from proxy.reporting.report.model import DECIDED, Row
from proxy.reporting.report.words import WITHHELD

_CAP = 7.0
"""How long the mark for withheld numbers is, whatever they are."""


class Bar(NamedTuple):
    """A stretch of time in a chart. `kind` is how it is drawn."""

    kind: str
    start: float
    end: float
    says: str


class Lane(NamedTuple):
    """A line of a chart of time."""

    name: str
    bars: tuple[Bar, ...]


def weeks(name: str, title: str, rows: Sequence[Row]) -> str:
    """Upright bars, one a week."""
    width, left, top, bottom = 720.0, 48.0, 14.0, 222.0
    most = _ceiling(max((_shown(row) for row in rows), default=0))
    step = (width - left) / max(len(rows), 1)
    body = []
    for part in range(5):
        y, value = bottom - (bottom - top) * part / 4, most * part // 4
        body.append(f'<path class="grid" d="M{left:g},{y:.1f} H{width:g}"/>')
        body.append(_text(left - 6, y + 4, f"{value:,}", "end"))
    cut, room = (5, 52) if len(rows) <= 52 else (0, 92)  # the year, where there are several
    every = max(1, ceil(len(rows) * room / (width - left)))
    thick = min(step * 0.76, 48.0)
    for number, row in enumerate(rows):
        x, y = left + (number + 0.5) * step - thick / 2, bottom
        for kind, value in _parts(row):
            height = (bottom - top - _CAP) * value / most
            y -= height
            body.append(_piece(name, kind, x, y, thick, height, f"{row.names[0]}: {value:,} {kind}"))
        if None in row.counts:
            y -= _CAP
            body.append(_piece(name, WITHHELD, x, y, thick, _CAP, f"{row.names[0]}: numbers withheld"))
        if number % every == 0:
            body.append(_text(left + (number + 0.5) * step, bottom + 18, row.names[0][cut:], "middle"))
    told = f"{len(rows)} weeks. " + " ".join(_told(row) for row in rows)
    return _svg(name, title, told, width, 244, body)


def bars(name: str, title: str, rows: Sequence[Row]) -> str:
    """Lying bars, one a row, its name above."""
    width, high = 360.0, 36
    most = max((_shown(row) for row in rows), default=0) or 1
    body = []
    for number, row in enumerate(rows):
        top, x = number * high, 0.0
        label = ", ".join(part for part in row.names if part != "none") or "none"
        total = WITHHELD if row.total is None else f"{row.total:,}"
        body.append(_text(0, top + 13, _cut(label, 42 - len(total))))
        body.append(_text(width, top + 13, total, "end"))
        for kind, value in _parts(row):
            length = (width - _CAP) * value / most
            body.append(_piece(name, kind, x, top + 18, length, 12, f"{label}: {value:,} {kind}"))
            x += length
        if None in row.counts:
            body.append(_piece(name, WITHHELD, x, top + 18, _CAP, 12, f"{label}: numbers withheld"))
    return _svg(name, title, " ".join(_told(row) for row in rows), width, max(len(rows), 1) * high, body)


def times(name: str, title: str, lanes: Sequence[Lane], start: float, end: float) -> str:
    """Stretches of time, one lane below the other, on the range's scale."""
    width, top = 720.0, 22.0
    high = 34 if any(lane.name for lane in lanes) else 18
    bottom = top + max(len(lanes), 1) * high
    body = []
    for x, label in _ticks(start, end, width):
        body.append(f'<path class="grid" d="M{x:.1f},{top:g} V{bottom:g}"/>')
        body.append(_text(min(max(x, 26), width - 26), 12, label, "middle"))
    for number, lane in enumerate(lanes):
        y = top + number * high
        if lane.name:
            body.append(_text(0, y + 13, _cut(lane.name, 100), kind="over"))
        for bar in lane.bars:
            left = max(0.0, (bar.start - start) / (end - start)) * width
            right = min(1.0, (bar.end - start) / (end - start)) * width
            place = (left, y + high - 15, max(right - left, 2.0), 12.0)
            body.append(_piece(name, bar.kind, *place, bar.says))
    told = ". ".join(bar.says for lane in lanes for bar in lane.bars)
    return _svg(name, title, told or "Nothing.", width, bottom + 4, body)


def lanes_of(stretches: Iterable[Bar]) -> list[Lane]:
    """Laid so that none is over another, in as few lanes as that takes."""
    lanes: list[list[Bar]] = []
    for bar in sorted(stretches, key=lambda bar: bar.start):
        lane = next((lane for lane in lanes if lane[-1].end <= bar.start), None)
        if lane is None:
            lanes.append(lane := [])
        lane.append(bar)
    return [Lane("", tuple(lane)) for lane in lanes]


# ---------------------------------------------------------------- pieces


def _parts(row: Row) -> list[tuple[str, int]]:
    return [(str(kind), value) for kind, value in zip(DECIDED, row.counts, strict=True) if value]


def _shown(row: Row) -> int:
    return sum(value for value in row.counts if value is not None)


def _told(row: Row) -> str:
    parts = [
        f"{kind} {WITHHELD if value is None else value}"
        for kind, value in zip(DECIDED, row.counts, strict=True)
        if value != 0
    ]
    return f"{', '.join(row.names)}: {', '.join(parts) or 'none'}."


def _ceiling(most: int) -> int:
    """A round number above it that four parts go into."""
    steps = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 25, 30, 40, 50, 60, 80)
    step: int = next(n * 10**power for power in range(18) for n in steps if n * 10**power * 4 >= most)
    return step * 4


def _ticks(start: float, end: float, width: float) -> list[tuple[float, str]]:
    """At most nine midnights, days or weeks apart."""
    days = (end - start) / 86400
    every = next((n for n in (1, 2, 7, 14, 28, 56, 91, 182, 364) if days / n <= 8), ceil(days / 8))
    first = ceil(start / 86400)
    found = []
    for day in range(first, ceil(end / 86400), every):
        label = datetime.fromtimestamp(day * 86400, UTC).strftime("%m-%d" if days < 300 else "%Y-%m-%d")
        found.append(((day * 86400 - start) / (end - start) * width, label))
    return found


def _piece(name: str, kind: str, x: float, y: float, width: float, height: float, says: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
    over = f'<rect fill="url(#{name}-{kind})" {place}/>' if kind in _MARKS else ""
    return f'<g><title>{escape(says)}</title><rect class="piece k-{kind}" {place}/>{over}</g>'


_MARKS = {
    "exempt": "M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4",
    "shadow": "M2,2 h2 v2 h-2 z M6,6 h2 v2 h-2 z",
    WITHHELD: "M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4 M-2,6 l4,4 M0,0 l8,8 M6,-2 l4,4",
    "broken-off": "M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4",
    "exempt-only": "M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4",
}


def _marks(name: str, used: Iterable[str]) -> str:
    return "".join(
        f'<pattern id="{name}-{kind}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<path class="mark" d="{_MARKS[kind]}"/></pattern>'
        for kind in used
    )


def swatch(kind: str) -> str:
    """What a key shows of a kind of piece; said in words beside it."""
    marks = "".join(
        f'<path class="mark" transform="translate({x},{y})" d="{_MARKS[kind]}"/>'
        for x in (0, 8, 16)
        for y in (0, 8)
        if kind in _MARKS
    )
    return (
        f'<svg viewBox="0 0 18 12" aria-hidden="true" focusable="false">'
        f'<rect class="piece k-{kind}" width="18" height="12"/>{marks}</svg>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    return f'<text{kind} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _svg(name: str, title: str, told: str, width: float, height: float, body: Sequence[str]) -> str:
    drawn = "\n".join(body)
    used = [kind for kind in _MARKS if f'url(#{name}-{kind})"' in drawn]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img" '
        f"aria-labelledby={quoteattr(f'{name}-title {name}-desc')}>\n"
        f'<title id="{name}-title">{escape(title)}</title>\n<desc id="{name}-desc">{escape(told)}</desc>\n'
        f"<defs>{_marks(name, used)}</defs>\n{drawn}\n</svg>"
    )


def escape(words: str) -> str:
    """As XML, which has no place at all for most control characters."""
    return escaped("".join(c if c.isprintable() else "\ufffd" for c in words))


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
