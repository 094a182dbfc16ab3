"""A timeline as one SVG file that needs nothing else, on light and dark, for eyes and screen readers."""

from collections.abc import Iterator
from xml.sax.saxutils import escape

from proxy.cli.chart import LEGEND, Chart, Row, shared_dates, ticks, told
from proxy.policy.callers import ALWAYS, FOREVER, Instant
from proxy.policy.explain import Entry
from proxy.policy.timeline import Span, State, Timeline

_WIDTH = 1200
_LEFT, _RIGHT = 318, 1172
_TOP = 84
_BAR, _PAST, _GAP = 20, 12, 5
_CHARACTER = 6.4
"""How wide a character of a bar's label is, at most, on average."""
_MOST_NOTES = 6

_STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328; }
.head { font-size: 18px; font-weight: 600; }
.name { font-size: 13px; font-weight: 600; }
.small { font-size: 11px; fill: #59636e; }
.halo { stroke: #ffffff; stroke-width: 3px; }
.page { fill: #ffffff; }
.band { fill: #f6f8fa; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.now { stroke: #1f2328; stroke-width: 1.5; stroke-opacity: 0.7; }
.nowtext { font-size: 11px; font-weight: 600; }
.blocked { fill: #b3261e; }
.exempt-only { fill: #e9b44c; }
.shadow { fill: #9db8e8; }
.exempt { fill: #7fb98b; }
.past { fill: #c4cad1; }
.stripe { stroke: #a8751a; stroke-width: 1.5; stroke-opacity: 0.55; }
.dots { fill: #30528f; }
.hatch { stroke: #6e7781; stroke-width: 1; }
.edge { stroke: #ffffff; stroke-width: 1.5; }
.gap { stroke: #59636e; stroke-width: 1; stroke-dasharray: 2 3; }
.on { fill: #241a00; }
.on-blocked { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .small { fill: #9da7b1; }
  .halo { stroke: #0d1117; }
  .page { fill: #0d1117; }
  .band { fill: #151b23; }
  .grid { stroke: #2f3742; }
  .now { stroke: #e6edf3; }
  .blocked { fill: #d9483f; }
  .exempt-only { fill: #d4a03a; }
  .past { fill: #3d444d; }
  .hatch { stroke: #8b949e; }
  .edge { stroke: #0d1117; }
  .gap { stroke: #9da7b1; }
  .on { fill: #1c1400; }
  .on-blocked { fill: #ffffff; }
}
"""

_PATTERNS = """<defs>
<pattern id="exempt-only" width="8" height="8" patternUnits="userSpaceOnUse">
<rect class="exempt-only" width="8" height="8"/>
<path class="stripe" d="M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4"/></pattern>
<pattern id="shadow" width="6" height="6" patternUnits="userSpaceOnUse">
<rect class="shadow" width="6" height="6"/><circle class="dots" cx="3" cy="3" r="0.9"/></pattern>
<pattern id="past" width="6" height="6" patternUnits="userSpaceOnUse">
<rect class="past" width="6" height="6"/><path class="hatch" d="M-1,1 l2,-2 M0,6 l6,-6 M5,7 l2,-2"/></pattern>
</defs>"""

_PATTERNED = {State.EXEMPT_ONLY, State.SHADOW}


def drawing(chart: Chart, found: Timeline) -> str:
    """The whole file."""
    body: list[str] = []
    y = float(_TOP)
    bands: list[str] = []
    start, dark = y, False
    for row in chart.rows:
        if row.first and row is not chart.rows[0]:
            bands += [_rect("band", 0, start, _WIDTH, y - start)] if dark else []
            start, dark = y, not dark
        lines, height = _row(chart, row, y)
        body += lines
        y += height
    bands += [_rect("band", 0, start, _WIDTH, y - start)] if dark else []
    foot = list(_foot(chart, found, y + 30))
    height = y + 42 + 17 * _foot_lines(found, chart)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" '
            f'height="{height:.0f}" role="img" aria-labelledby="title desc">',
            '<title id="title">Who is blocked when</title>',
            f'<desc id="desc">{escape(" ".join(_in_words(chart)))}</desc>',
            f"<style>{_STYLE}</style>",
            _PATTERNS,
            _rect("page", 0, 0, _WIDTH, height),
            *bands,
            _text("head", 20, 34, "Who is blocked when"),
            *_axis(chart, y),
            *body,
            *_now(chart, y),
            *foot,
            "</svg>",
            "",
        ]
    )


def _in_words(chart: Chart) -> Iterator[str]:
    """The same without eyes."""
    for row in chart.rows:
        spans = "; ".join(
            f"{LEGEND[span.state]} {chart.dates(row.moratorium, span.start, span.end)}" for span in row.spans
        )
        yield f"{row.moratorium}, {row.who}: {spans or 'not in force here'}."


# ---------------------------------------------------------------- rows


def _row(chart: Chart, row: Row, y: float) -> tuple[list[str], float]:
    """A row's elements, and how high it is."""
    lines = []
    if row.first:
        lines.append(_text("name", 20, y + 18, _cut(row.moratorium, 40), row.title))
        y_who = y + 33
    else:
        y_who = y + 18
    lines.append(_text("small", 20, y_who, _cut(row.who, 46), row.who))
    top = y + _GAP
    for one, other in zip(row.spans, row.spans[1:], strict=False):
        if one.end < other.start:
            x1, x2 = _x(chart, one.end), _x(chart, other.start)
            lines.append(f'<path class="gap" d="M{x1:.1f},{top + _BAR / 2:.1f} H{x2:.1f}"/>')
    for span in row.spans:
        lines += _bar(chart, row, span, top)
    below = top + _BAR + 4
    for entry in row.history:
        lines += _past(chart, row, entry, below)
        below += _PAST + 3
    height = max(below - y, 42 if row.first else 28)
    return lines, height


def _bar(chart: Chart, row: Row, span: Span, top: float) -> list[str]:
    left, right = _x(chart, span.start), _x(chart, span.end)
    right = max(right, left + 2)
    dates = chart.dates(row.moratorium, span.start, span.end)
    said = f"{row.moratorium}, {row.who}: {LEGEND[span.state]}, {dates}"
    said += f"; exemptions: {', '.join(span.exemptions)}" if span.exemptions else ""
    said += f"; in {', '.join(sorted(span.places))}" if span.places else ""
    fill = f' style="fill:url(#{span.state})"' if span.state in _PATTERNED else ""
    middle = top + _BAR / 2
    # An end that is not there is an arrow, an end that is there is a straight edge.
    before = f"L{left:.1f},{middle:.1f}" if span.start == ALWAYS else ""
    tip = min(9.0, right - left) if span.end == FOREVER else 0
    shape = (
        f"M{left + (9 if before else 0):.1f},{top} H{right - tip:.1f} L{right:.1f},{middle} "
        f"L{right - tip:.1f},{top + _BAR} H{left + (9 if before else 0):.1f} {before} Z"
    )
    lines = [f'<path class="{span.state}"{fill} d="{shape}"><title>{escape(said)}</title></path>']
    if left > _LEFT:
        lines.append(f'<path class="edge" d="M{left:.1f},{top} v{_BAR}"/>')
    name, count = ", ".join(span.windows), len(span.exemptions)
    exempt = f", {count} exemption{'s' if count > 1 else ''}" if count else ""
    words = [f"{name} {dates}{exempt}", f"{name} {dates}", f"{name}{exempt}", name, dates]
    label = _fitting(words, right - left - 16)
    if label:
        lines.append(_text(f"on on-{span.state}", left + 8, middle + 4, label))
    return lines


def _past(chart: Chart, row: Row, entry: Entry, top: float) -> list[str]:
    chapter = entry.chapter
    left, right = _x(chart, chapter.window.start), _x(chart, chapter.window.end)
    if right <= left:
        return []
    dates = chart.dates(row.moratorium, chapter.window.start, chapter.window.end)
    said = f"{chapter.id}, {dates}"
    if chapter.recorded != ALWAYS:
        said += f", recorded {chart.date(row.moratorium, chapter.recorded)}"
    said += f", replaced by {chapter.replaced_by}" if entry.known else ", not known yet"
    short = f"{chapter.id}: {'replaced' if entry.known else 'not known yet'}"
    lines = [
        f'<rect class="past" style="fill:url(#past)" x="{left:.1f}" y="{top}" width="{right - left:.1f}" '
        f'height="{_PAST}" opacity="0.8"><title>{escape(said)}</title></rect>'
    ]
    # Beside the bar where there is room, for hatching and letters do not go together.
    if label := _fitting([said, short], (_RIGHT - right - 8) * 1.1):
        lines.append(_text("small", right + 6, top + _PAST - 2, label))
    elif label := _fitting([said, short], (left - _LEFT - 8) * 1.1):
        lines.append(_text("small", left - 6, top + _PAST - 2, label, end=True))
    else:
        # Twice, for not every reader knows that a stroke can be painted below its letters.
        lines += [_text(kind, left + 6, top + _PAST - 2, short) for kind in ("small halo", "small")]
    return lines


def _fitting(words: list[str], width: float) -> str:
    """The longest that fits."""
    return next((word.strip() for word in words if word.strip() and len(word) * _CHARACTER <= width), "")


# ---------------------------------------------------------------- around them


def _axis(chart: Chart, bottom: float) -> Iterator[str]:
    for at, words in ticks(chart.scale, 11):
        x = _x(chart, at)
        yield f'<path class="grid" d="M{x:.1f},{_TOP - 6} V{bottom:.1f}"/>'
        yield f'<text class="small" x="{x:.1f}" y="{_TOP - 12}" text-anchor="middle">{words}</text>'


def _now(chart: Chart, bottom: float) -> Iterator[str]:
    if chart.scale.start <= chart.now < chart.scale.end:
        x = _x(chart, chart.now)
        yield f'<path class="now" d="M{x:.1f},{_TOP - 24} V{bottom:.1f}"/>'
        words = f"now, {chart.date('', chart.now)[:10]}"
        yield f'<text class="nowtext" x="{x:.1f}" y="{_TOP - 29}" text-anchor="middle">{words}</text>'


def _notes(chart: Chart, found: Timeline) -> list[tuple[str, list[str]]]:
    coming = [told(chart, edge) for edge in found.edges if edge.at > chart.now]
    shared = [
        f"{' and '.join(o.moratoria)}, {', '.join(o.who)}: {shared_dates(chart, o)}" for o in found.overlaps
    ]
    return [(title, lines) for title, lines in (("Next", coming), ("Overlaps", shared)) if lines]


def _foot_lines(found: Timeline, chart: Chart) -> int:
    notes = _notes(chart, found)
    return 2 + sum(min(len(lines), _MOST_NOTES) + (len(lines) > _MOST_NOTES) + 1 for _, lines in notes)


def _foot(chart: Chart, found: Timeline, y: float) -> Iterator[str]:
    x = 20.0
    shown = {span.state for row in chart.rows for span in row.spans}
    for state, words in LEGEND.items():
        if state in shown:
            fill = f' style="fill:url(#{state})"' if state in _PATTERNED else ""
            yield f'<rect class="{state}"{fill} x="{x:.0f}" y="{y - 11:.1f}" width="26" height="13"/>'
            yield _text("small", x + 32, y, words)
            x += 52 + len(words) * _CHARACTER
    if any(row.history for row in chart.rows):
        yield f'<rect style="fill:url(#past)" x="{x:.0f}" y="{y - 11:.1f}" width="26" height="13"/>'
        yield _text("small", x + 32, y, "replaced, or not known yet")
        x += 210
    yield _text("small", x, y, "→ until further notice")
    for title, lines in _notes(chart, found):
        y += 22
        yield _text("name", 20, y, title)
        for line in lines[:_MOST_NOTES]:
            y += 17
            yield _text("small", 20, y, line)
        if len(lines) > _MOST_NOTES:
            y += 17
            yield _text("small", 20, y, f"and {len(lines) - _MOST_NOTES} more")


def _x(chart: Chart, instant: Instant) -> float:
    return _LEFT + chart.scale.part(instant) * (_RIGHT - _LEFT)


def _rect(kind: str, x: float, y: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def _text(kind: str, x: float, y: float, words: str, hint: str = "", *, end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    title = f"<title>{escape(hint)}</title>" if hint else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{anchor}>{title}{escape(words)}</text>'


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
