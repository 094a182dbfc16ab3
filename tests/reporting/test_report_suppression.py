"""No number that is withheld can be computed from those that are published."""

from collections.abc import Iterator, Sequence
from itertools import product

from hypothesis import example, given, settings
from hypothesis import strategies as st

from proxy.reporting.report.suppression import Mask, Withheld, withhold

Rows = tuple[tuple[int, ...], ...]


def test_nothing_is_withheld_where_nothing_is_small() -> None:
    found = withhold((20, 0, 9), [((20, 0, 0), (0, 0, 9))], 5)

    assert (found.columns, found.masks) == (frozenset(), (Mask(frozenset(), frozenset()),))


def test_a_small_number_takes_others_with_it() -> None:
    rows = ((30, 3, 20), (40, 9, 50), (60, 8, 70))

    (mask,) = withhold((130, 20, 140), [rows], 5).masks

    assert mask is not None
    assert (0, 1) in mask.cells
    assert len(mask.cells) >= 3
    assert (1, 1) in mask.cells or (2, 1) in mask.cells


def test_zeros_are_never_withheld() -> None:
    rows = ((0, 3, 20), (40, 0, 50), (60, 8, 0))

    (mask,) = withhold((100, 11, 70), [rows], 5).masks

    assert mask is not None
    assert all(rows[row][column] for row, column in mask.cells)


def test_a_small_total_of_a_row_is_withheld() -> None:
    (mask,) = withhold((110, 60), [((2, 1), (50, 30), (58, 29))], 5).masks

    assert mask is not None
    assert 0 in mask.totals
    assert len(mask.totals) > 1


def test_so_few_decisions_that_nothing_can_be_hidden_leave_their_number_alone() -> None:
    found = withhold((1, 1, 1), [((1, 1, 1),)], 5)

    assert (found.columns, found.masks) == (frozenset({0, 1, 2}), (None,))


def test_a_table_of_ones_is_withheld_as_a_whole() -> None:
    (mask,) = withhold((5,), [((1,), (1,), (1,), (1,), (1,))], 5).masks

    assert mask is None


def test_with_a_limit_of_one_all_is_published() -> None:
    assert withhold((1, 1), [((1, 0), (0, 1))], 1).masks == (Mask(frozenset(), frozenset()),)


# ---------------------------------------------------------------- what a reader can compute


@st.composite
def logs(draw: st.DrawFn) -> tuple[tuple[int, ...], list[Rows]]:
    """Two tables over the same decisions: each decision has a column, and a row in each table."""
    width = draw(st.integers(2, 3))
    heights = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    cell = st.tuples(*(st.integers(0, n - 1) for n in (width, *heights)))
    counts = draw(st.dictionaries(cell, st.integers(1, 5), max_size=6))
    tables = [
        tuple(
            tuple(
                sum(n for at, n in counts.items() if (at[0], at[k + 1]) == (column, row))
                for column in range(width)
            )
            for row in range(height)
        )
        for k, height in enumerate(heights)
    ]
    totals = tuple(sum(row[column] for row in tables[0]) for column in range(width))
    return totals, tables


def fillings(
    rows: Rows, mask: Mask, totals: Sequence[int], row: int = 0
) -> Iterator[tuple[tuple[int, ...], ...]]:
    """All tables that look the same and have these totals of columns."""
    if row == len(rows):
        if not any(totals):
            yield ()
        return
    choices = [
        range(1, left + 1) if (row, column) in mask.cells else (value,)
        for column, (value, left) in enumerate(zip(rows[row], totals, strict=True))
    ]
    for line in product(*choices):
        rest = [left - value for left, value in zip(totals, line, strict=True)]
        if min(rest) < 0 or (row not in mask.totals and sum(line) != sum(rows[row])):
            continue
        for below in fillings(rows, mask, rest, row + 1):
            yield (line, *below)


def readings(
    totals: Sequence[int], tables: Sequence[Rows], found: Withheld
) -> dict[tuple[object, ...], set[int]]:
    """What each withheld number may be, for one who knows all that is published."""
    whole = sum(totals)
    # Where nothing can be hidden not even zeros are shown.
    least = 0 if found.masks == (None, None) and len(found.columns) == len(totals) else 1
    others = [range(least, whole + 1) if c in found.columns else (t,) for c, t in enumerate(totals)]
    seen: dict[tuple[object, ...], set[int]] = {}
    for columns in product(*others):
        if sum(columns) != whole:
            continue
        worlds = [
            [*fillings(rows, mask, columns)] if mask is not None else [None]
            for rows, mask in zip(tables, found.masks, strict=True)
        ]
        if not all(worlds):
            continue
        for column in found.columns:
            seen.setdefault(("column", column), set()).add(columns[column])
        for k, (mask, tables_so) in enumerate(zip(found.masks, worlds, strict=True)):
            for world in tables_so:
                if mask is None or world is None:
                    continue
                for row, column in mask.cells:
                    seen.setdefault((k, row, column), set()).add(world[row][column])
                for row in mask.totals:
                    seen.setdefault((k, row), set()).add(sum(world[row]))
    return seen


@settings(max_examples=150, deadline=None)
@given(logs(), st.integers(2, 4))
@example(((3, 100), [((3, 0), (0, 100)), ((3, 100),)]), 5)
@example(((3, 7), [((3, 2), (0, 5)), ((1, 7), (2, 0))]), 4)
def test_no_withheld_number_has_but_one_value(log: tuple[tuple[int, ...], list[Rows]], small: int) -> None:
    totals, tables = log
    found = withhold(totals, tables, small)
    seen = readings(totals, tables, found)

    assert all(len(values) > 1 for values in seen.values())
    hidden = len(found.columns) + sum(len(m.cells) + len(m.totals) for m in found.masks if m is not None)
    assert len(seen) == hidden
    for rows, mask in zip(tables, found.masks, strict=True):
        for row, line in enumerate(rows) if mask is not None else ():
            assert mask is not None
            small_ones = {(row, column) for column, value in enumerate(line) if 0 < value < small}
            assert small_ones <= mask.cells
            assert row in mask.totals or not 0 < sum(line) < small
