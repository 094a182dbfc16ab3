"""What a report is built of, before it is a page or paper. Plain text in all of it."""

from collections.abc import Sequence
from typing import NamedTuple

from proxy.reporting.report.charts import Chart

Cell = str | int | None
"""A text, a number, or a number that is withheld."""


class Para(NamedTuple):
    text: str
    soft: bool = False


class Sub(NamedTuple):
    """A heading within a section."""

    title: str


class Facts(NamedTuple):
    """Names and what they are. `big`: as figures that meet the eye."""

    pairs: Sequence[tuple[str, str]]
    big: bool = False


class Grid(NamedTuple):
    """A table. The first `names` columns are what a row is about."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    names: int = 1

    def numeric(self) -> list[bool]:
        """Which columns hold numbers, or numbers that are withheld."""
        return [
            bool(self.rows) and all(row[column] is None or isinstance(row[column], int) for row in self.rows)
            for column in range(len(self.head))
        ]


class Figure(NamedTuple):
    chart: Chart
    wide: bool


class Beside(NamedTuple):
    """A chart beside the table of the same numbers, where there is room."""

    figure: Figure
    grid: Grid


class State(NamedTuple):
    """What must not be missed."""

    good: bool
    strong: str
    texts: tuple[str, ...] = ()


Block = Para | Sub | Facts | Grid | Figure | Beside | State


class Section(NamedTuple):
    """`name`: what links lead to."""

    name: str
    title: str
    blocks: Sequence[Block]
