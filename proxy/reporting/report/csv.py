"""A report's numbers as one tidy table: a line for each number."""

import csv
import io
from collections.abc import Iterable, Iterator

from proxy.reporting.report.model import DECIDED, Report
from proxy.reporting.spreadsheets import harmless

COLUMNS = (
    "table", "week", "org_type", "operation", "purpose", "rule", "exemption", "decision", "count", "withheld",
)  # fmt: skip
ALL = "all"


def csv_of(report: Report) -> str:
    """RFC 4180. `decision` is `all` for a sum; a withheld number is empty, with 1 under `withheld`."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for table, where, decision, number in _numbers(report):
        cells = [where.get(column, "") for column in COLUMNS[1:7]]
        shown, withheld = ("", 1) if number is None else (number, 0)
        writer.writerow([table, *map(harmless, cells), decision, shown, withheld])
    return text.getvalue()


def _numbers(report: Report) -> Iterator[tuple[str, dict[str, str], str, int | None]]:
    yield "totals", {}, ALL, report.totals.decisions
    yield from (("totals", {}, *pair) for pair in _by(report.totals.by))
    for table in report.tables:
        if table.rows is None:
            yield table.name, {}, ALL, None
        for row in table.rows or ():
            where = dict(zip(table.dimensions, row.names, strict=True))
            yield table.name, where, ALL, row.total
            yield from ((table.name, where, *pair) for pair in _by(row.counts))


def _by(numbers: Iterable[int | None]) -> Iterator[tuple[str, int | None]]:
    for decided, number in zip(DECIDED, numbers, strict=True):
        yield str(decided), number
