"""A report as PDF. The only module that knows Typst.

The template is a file of the package; what it says comes in beside it as JSON, so that nothing of the log is
ever read as markup. Fonts are those that Typst brings along, so that the same report has the same bytes
everywhere; those of this machine only where a letter lacks, for PDF/UA allows no letter that is not shown.
"""

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any, Literal, assert_never

import orjson
import typst

from proxy.errors import SettingsError
from proxy.reporting.report.blocks import Beside, Block, Cell, Facts, Figure, Grid, Para, State, Sub
from proxy.reporting.report.charts import Chart
from proxy.reporting.report.content import Content
from proxy.reporting.report.style import LIGHT, charts
from proxy.reporting.report.svg import swatch
from proxy.reporting.report.words import WITHHELD

STANDARD: Literal["ua-1"] = "ua-1"
"""PDF/UA-1 (ISO 14289-1): tagged, with a language, and words for every chart."""


def pdf_of(content: Content, made: str) -> bytes:
    """The whole file. `made`: the time that it names as its own, RFC 3339. Raises `SettingsError`."""
    template = files("proxy.reporting.report").joinpath("report.typ").read_bytes()
    told = {
        "title": content.title,
        "whose": content.whose,
        "made": made,
        "colours": LIGHT,
        "verdict": _block(content.verdict),
        "sections": [{"title": s.title, "blocks": [*map(_block, s.blocks)]} for s in content.sections],
        "foot": _block(content.foot),
    }
    inputs = {"report": orjson.dumps(_readable(told)).decode()}
    moment = int(datetime.fromisoformat(made).timestamp())
    why = ""
    for own_fonts_alone in (True, False):
        try:
            return typst.compile(
                template,
                format="pdf",
                ignore_system_fonts=own_fonts_alone,
                sys_inputs=inputs,
                pdf_standards=[STANDARD],
                timestamp=moment,
            )
        except typst.TypstError as error:
            why = error.message
    raise SettingsError([f"report.pdf: {why}; --format makes the others without it"])


def _readable(value: Any) -> Any:
    """The same without control characters, which no font shows."""
    if isinstance(value, str):
        return "".join(c if c.isprintable() or c == "\n" else "?" for c in value)
    if isinstance(value, dict):
        return {name: _readable(part) for name, part in value.items()}
    return [*map(_readable, value)] if isinstance(value, (list, tuple)) else value


def _block(block: Block) -> dict[str, Any]:
    """As the template wants it."""
    match block:
        case Para(text, soft):
            return {"kind": "para", "text": text, "soft": soft}
        case Sub(title):
            return {"kind": "sub", "text": title}
        case Facts(pairs, big):
            return {"kind": "facts", "pairs": pairs, "big": big}
        case Grid():
            return _grid(block)
        case Figure(chart, wide):
            return {"kind": "chart", **_chart(chart), "wide": wide}
        case Beside(figure, grid):
            return {"kind": "beside", "chart": {**_chart(figure.chart), "wide": False}, "grid": _grid(grid)}
        case State(good, strong, texts):
            return {"kind": "state", "good": good, "strong": strong, "texts": texts}
        case _:
            assert_never(block)


def _grid(grid: Grid) -> dict[str, Any]:
    return {
        "kind": "grid",
        "caption": grid.caption,
        "head": grid.head,
        "numeric": grid.numeric(),
        "names": grid.names,
        "rows": [[*map(_cell, row)] for row in grid.rows],
    }


def _cell(cell: Cell) -> str:
    return WITHHELD if cell is None else f"{cell:,}" if isinstance(cell, int) else cell


def _chart(chart: Chart) -> dict[str, Any]:
    key: Sequence[tuple[str, str]] = [(_styled(swatch(kind)), words) for kind, words in chart.key]
    return {"title": chart.title, "svg": _styled(chart.drawn), "caption": chart.caption, "key": key}


def _styled(svg: str) -> str:
    """A drawing that stands alone."""
    head, _, rest = svg.partition(">")
    if "xmlns" not in head:
        head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"')
    # Within its own file `svg` is the root; descendants of it are meant all the same.
    return f"{head}><style>{charts(LIGHT)}</style>{rest}"
