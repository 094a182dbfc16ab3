"""A report as one page of HTML, for screens, paper and screen readers. Whatever is text goes out escaped."""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from typing import assert_never

from proxy.reporting.report.blocks import (
    Beside,
    Block,
    Cell,
    Facts,
    Figure,
    Grid,
    Para,
    Section,
    State,
    Sub,
)  # fmt: skip
from proxy.reporting.report.content import Content
from proxy.reporting.report.style import style
from proxy.reporting.report.svg import swatch
from proxy.reporting.report.words import WITHHELD

_DIGEST = re.compile("[0-9a-f]{12,64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?( \*)?")


def html_of(content: Content) -> str:
    """The whole file. It loads nothing and runs nothing, and says so to the browser."""
    sheet = style()
    allowed = b64encode(sha256(sheet.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{escape(content.title)}: {escape(content.whose)}</title>",
            f"<style>{sheet}</style>",
            "</head>",
            "<body>",
            '<a class="skip" href="#main">Skip to the report</a>',
            "<header>",
            f"<h1>{escape(content.title)}</h1>",
            f"<p>{escape(content.whose)}</p>",
            _block(content.verdict),
            _contents(content.sections),
            "</header>",
            '<main id="main" tabindex="-1">',
            *map(_section, content.sections),
            "</main>",
            f"<footer>{_block(content.foot)}</footer>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _contents(sections: Iterable[Section]) -> str:
    inside = "".join(f'<li><a href="#{s.name}">{escape(s.title)}</a></li>' for s in sections)
    return f'<nav aria-label="Contents"><ul>{inside}</ul></nav>'


def _section(section: Section) -> str:
    inside = "\n".join(map(_block, section.blocks))
    title = f'<h2 id="{section.name}">{escape(section.title)}</h2>'
    return f'<section aria-labelledby="{section.name}">\n{title}\n{inside}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Para(text, soft):
            return f"<p{_class('soft' * soft)}>{escape(text)}</p>"
        case Sub(title):
            return f"<h3>{escape(title)}</h3>"
        case Facts():
            return _facts(block)
        case Grid():
            return _grid(block)
        case Figure():
            return _figure(block)
        case Beside(figure, grid):
            return f'<div class="beside">\n{_figure(figure)}\n<div>{_grid(grid)}</div>\n</div>'
        case State(good, strong, texts):
            inside = "".join(f"<p>{escape(text)}</p>" for text in texts)
            kind = "good" if good else "bad"
            return f'<div class="state {kind}"><p><strong>{escape(strong)}</strong></p>{inside}</div>'
        case _:
            assert_never(block)


def _facts(facts: Facts) -> str:
    pairs = [f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.pairs]
    if facts.big:
        pairs = [f"<div>{pair}</div>" for pair in pairs]
    return f'<dl class="{"figures" if facts.big else "facts"}">{"".join(pairs)}</dl>'


def _grid(grid: Grid) -> str:
    """It can be moved sideways where there is no room for it, by keys too."""
    numeric, caption = grid.numeric(), escape(grid.caption)
    top = "".join(
        f'<th scope="col"{_class("number" * number)}>{escape(word)}</th>'
        for word, number in zip(grid.head, numeric, strict=True)
    )
    body = "\n".join(f"<tr>{_line(row, grid.names, numeric)}</tr>" for row in grid.rows)
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="Table: {caption}">\n<table>\n'
        f"<caption>{caption}</caption>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{body}\n</tbody>\n"
        "</table>\n</div>"
    )


def _line(row: Sequence[Cell], names: int, numeric: Sequence[bool]) -> str:
    found = []
    for column, cell in enumerate(row):
        kind = "number" * numeric[column] + " withheld" * (cell is None)
        tag, scope = ("th", ' scope="row"') if column < names else ("td", "")
        found.append(f"<{tag}{scope}{_class(kind)}>{_cell(cell)}</{tag}>")
    return "".join(found)


def _cell(cell: Cell) -> str:
    """Digests may break anywhere, times nowhere."""
    if cell is None:
        return WITHHELD
    if isinstance(cell, int):
        return f"{cell:,}"
    kind = "digest" if _DIGEST.fullmatch(cell) else "when" if _TIME.fullmatch(cell) else ""
    return f'<span class="{kind}">{escape(cell)}</span>' if kind else escape(cell)


def _figure(figure: Figure) -> str:
    """A chart, and below it what its colours mean. A wide one can be moved sideways as tables can."""
    chart = figure.chart
    swatches = "".join(f"<li>{swatch(name)}{escape(words)}</li>" for name, words in chart.key)
    key = f'<ul class="key">{swatches}</ul>' if chart.key else ""
    label = f' role="region" tabindex="0" aria-label="Chart: {escape(chart.title)}"' if figure.wide else ""
    return (
        f'<figure class="{"wide" if figure.wide else "narrow"}"><div class="pan"{label}>{chart.drawn}</div>'
        f"<figcaption>{escape(chart.caption)}{key}</figcaption></figure>"
    )


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
