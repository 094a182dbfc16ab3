"""WHICH NUMBERS ARE WITHHELD, so that none of them can be computed from those that are not. Pure.

Tables that count the same decisions, each by something else and all by the same columns. Published are the
number of all, zeros, and whatever is not withheld. A number below the limit is withheld, and with it others,
until for each there is a world that differs in it and looks the same to a reader. That reader knows all that
is published, and that a withheld number is at least one, for zeros are shown.

A table is a graph (Gusfield, A Graph Theoretic Approach to Data Security in a Statistical Data Base, SIAM
J. Comput. 1988): rows and columns are nodes, and a number joins the two that it is counted in; a row's total
joins the row with one more node. Adding one along a number goes one way, taking one away goes back and needs
two; all sums stay as they are along a circle. So a number is safe when a circle of withheld numbers goes
through it. Columns' totals are common to all tables: one more in one and one less in another has to be
possible in each of them at once.
"""

from collections.abc import Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

Step = tuple[int, int]
"""A number, by the nodes that it joins: a row and a column, or a row and the node of totals."""


class Mask(NamedTuple):
    """What is withheld of a table: cells by row and column, and totals of rows."""

    cells: frozenset[tuple[int, int]]
    totals: frozenset[int]


class Withheld(NamedTuple):
    """`columns`: those whose totals are; `masks`: for each table, None when all of it is."""

    columns: frozenset[int]
    masks: tuple[Mask | None, ...]


def withhold(totals: Sequence[int], tables: Sequence[Sequence[Sequence[int]]], small: int) -> Withheld:
    """`totals` of the columns; of each table its rows. Numbers from 1 to `small` - 1 are small."""
    columns = _columns(totals, small)
    if columns is None:
        return Withheld(frozenset(range(len(totals))), (None,) * len(tables))
    # All changes of totals are paid by one column, so that tables need to agree on few.
    payer = max(columns, key=lambda column: totals[column], default=-1)
    pairs = [(payer, column) for column in sorted(columns - {payer})]
    return Withheld(columns, tuple(_Graph(rows, pairs, small).mask() for rows in tables))


def _columns(totals: Sequence[int], small: int) -> frozenset[int] | None:
    """The totals that are withheld; None when that cannot hide them."""
    withheld = {column for column, total in enumerate(totals) if 0 < total < small}
    if sum(totals) < small:
        return frozenset() if not withheld else None
    others = sorted((total, column) for column, total in enumerate(totals) if total >= small)
    while withheld and (len(withheld) < 2 or sum(totals[c] for c in withheld) == len(withheld)):
        if not others:
            return None
        withheld.add(others.pop(0)[1])
    return frozenset(withheld)


class _Graph:
    """One table. Nodes: its rows, its columns, and one for the totals of rows."""

    def __init__(self, rows: Sequence[Sequence[int]], pairs: list[Step], small: int) -> None:
        height, width = len(rows), len(rows[0]) if rows else 0
        self._height, self._all = height, height + width
        self._values: dict[Step, int] = {}
        self._around: dict[int, list[int]] = {}
        for number, row in enumerate(rows):
            for column, value in enumerate(row):
                self._join(number, height + column, value)
            self._join(number, self._all, sum(row))
        self._pairs = [(height + payer, height + column) for payer, column in pairs]
        self._withheld = {step for step, value in self._values.items() if 0 < value < small}

    def _join(self, row: int, other: int, value: int) -> None:
        if value:
            self._values[row, other] = value
            self._around.setdefault(row, []).append(other)
            self._around.setdefault(other, []).append(row)

    def mask(self) -> Mask | None:
        """What to withhold; None when there is no way to hide what is small."""
        safe: set[Step] = set()
        for payer, column in self._pairs:
            path = self._path(payer, column)
            if path is None:
                return None
            safe.update(path)
        self._withheld |= safe
        while rest := sorted(self._withheld - safe):
            circle = self._circle(rest[0])
            if circle is None:
                return None
            safe |= circle
            self._withheld |= circle
        return Mask(
            frozenset((row, other - self._height) for row, other in self._withheld if other != self._all),
            frozenset(row for row, other in self._withheld if other == self._all),
        )

    def _circle(self, step: Step) -> set[Step] | None:
        """A circle through a number: the rest of the way from its one end to its other."""
        row, other = step
        up = (row, other) if other != self._all else (other, row)
        path = self._path(up[1], up[0], step)
        if path is None and self._values[step] > 1:
            path = self._path(up[0], up[1], step)
        return None if path is None else {*path, step}

    def _path(self, start: int, end: int, without: Step | None = None) -> list[Step] | None:
        """The way that withholds least in addition."""
        ways: list[tuple[int, int, list[Step]]] = [(0, start, [])]
        done: set[int] = set()
        while ways:
            cost, node, path = heappop(ways)
            if node == end:
                return path
            if node in done:
                continue
            done.add(node)
            for step, to in self._steps(node):
                if to not in done and (step is None or step != without):
                    more = 0 if step is None or step in self._withheld else self._values[step]
                    heappush(ways, (cost + more, to, path if step is None else [*path, step]))
        return None

    def _steps(self, node: int) -> Iterator[tuple[Step | None, int]]:
        """Where one can go: along more of a number, back along less, or by other totals of columns."""
        is_row = node < self._height
        for to in self._around.get(node, ()):
            step = (node, to) if is_row else (to, node)
            adds = is_row is (step[1] != self._all)
            if adds or self._values[step] > 1:
                yield step, to
        for payer, column in self._pairs:
            if column == node:
                yield None, payer
