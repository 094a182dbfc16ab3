"""Decisions of a range of time, counted by week, organisation, operation, purpose and rule.

What is counted is records. A call that was let through and whose face API then failed has two with the same
id: one that was allowed, one that failed.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from proxy.policy.operations import OperationClass
from proxy.reporting.report.model import DECIDED, Decided, Range, Row, Rule, Seen, Table, Totals
from proxy.reporting.report.suppression import Withheld, withhold
from proxy.reporting.store import Store

NONE = "none"
"""Where a record says nothing."""

_IN_RANGE = "time >= $since::TIMESTAMPTZ AND time < $until::TIMESTAMPTZ"
_CUBE = f"""
SELECT strftime(date_trunc('week', time), '%Y-%m-%d'),
  coalesce(org_type, 'none'), array_to_string(coalesce(classes, []), '+'), coalesce(purpose, 'none'),
  coalesce(rule, 'none'), coalesce(exemption, 'none'),
  CASE WHEN decision = 'allowed' AND reason = 'exempt' THEN 'exempt'
       WHEN decision = 'allowed' AND reason = 'shadow-blocked' THEN 'shadow' ELSE decision END,
  count(*)
FROM decisions WHERE {_IN_RANGE} GROUP BY ALL ORDER BY ALL
"""  # noqa: S608
_CALLS = f"SELECT count(*), count(DISTINCT id) FROM decisions WHERE {_IN_RANGE}"  # noqa: S608
_RULES = f"""
SELECT rule, list(DISTINCT until ORDER BY until) FILTER (until IS NOT NULL)
FROM decisions WHERE {_IN_RANGE} AND rule IS NOT NULL GROUP BY rule ORDER BY rule
"""  # noqa: S608
_POLICIES = f"""
SELECT policy, strftime(min(time), '%Y-%m-%dT%H:%M:%S.%fZ'),
  strftime(max(time), '%Y-%m-%dT%H:%M:%S.%fZ')
FROM decisions WHERE {_IN_RANGE} AND policy IS NOT NULL GROUP BY policy ORDER BY 2, 1
"""  # noqa: S608


class Counts(NamedTuple):
    """What the records say in numbers. `policies`: digest, first and last time that decisions name it."""

    totals: Totals
    tables: tuple[Table, ...]
    rule: Rule
    seen: tuple[Seen, ...]
    policies: tuple[tuple[str, str, str], ...]


class _Fact(NamedTuple):
    """So many decisions that are alike."""

    week: str
    org_type: str
    operation: str
    purpose: str
    rule: str
    exemption: str
    decided: int
    number: int


class _Kind(NamedTuple):
    """A table to be made: what its rows are, and the row that a fact is counted in."""

    name: str
    title: str
    dimensions: tuple[str, ...]
    row_of: Callable[[_Fact], tuple[str, ...]]


_KINDS = (
    _Kind("weeks", "By week", ("week",), lambda fact: (fact.week,)),
    _Kind("org_types", "By organisation type", ("org_type",), lambda fact: (fact.org_type,)),
    _Kind("operations", "By operation", ("operation",), lambda fact: (fact.operation,)),
    _Kind("purposes", "By purpose", ("purpose",), lambda fact: (fact.purpose,)),
    _Kind(
        "rules",
        "By moratorium and exemption",
        ("rule", "exemption"),
        lambda fact: (fact.rule, fact.exemption),
    ),
)


def count(store: Store, span: Range, small: int) -> Counts:
    """Ask the store, and keep back what is small. Raises `SettingsError`."""
    asked = {"since": span.since, "until": span.until}
    facts, odd = _facts(store.ask(_CUBE, asked).rows)
    by = [sum(fact.number for fact in facts if fact.decided == number) for number in range(len(DECIDED))]
    counted = [_rows(kind, facts, span) for kind in _KINDS]
    hidden = withhold(by, [[*rows.values()] for rows in counted], small)
    ((records, ids),) = store.ask(_CALLS, asked).rows
    totals = Totals(
        sum(by),
        _calls(sum(by), records - ids, by, small, hidden),
        tuple(None if column in hidden.columns else total for column, total in enumerate(by)),
        odd,
    )
    tables = tuple(
        _table(kind, rows, hidden, number, span)
        for number, (kind, rows) in enumerate(zip(_KINDS, counted, strict=True))
    )
    return Counts(
        totals,
        tables,
        _rule(hidden, tables, small),
        tuple(Seen(rule, tuple(ends or ())) for rule, ends in store.ask(_RULES, asked).rows),
        tuple((policy, first, last) for policy, first, last in store.ask(_POLICIES, asked).rows),
    )


def _facts(rows: Iterable[Sequence[Any]]) -> tuple[list[_Fact], int]:
    facts, odd = [], 0
    for week, org_type, classes, purpose, rule, exemption, decided, number in rows:
        if decided not in DECIDED:
            odd += number
            continue
        kind = DECIDED.index(Decided(decided))
        facts.append(_Fact(week, org_type, _operation(classes), purpose, rule, exemption, kind, number))
    return facts, odd


def _operation(classes: str) -> str:
    """As metrics name it: in the order of the list of classes."""
    members = classes.split("+")
    return "+".join([c for c in OperationClass if c in members]) or NONE


def _rows(kind: _Kind, facts: Iterable[_Fact], span: Range) -> dict[tuple[str, ...], list[int]]:
    """By what each row is about. Of weeks there are all; of others those with decisions, most first."""
    found: dict[tuple[str, ...], list[int]] = {}
    if kind.name == "weeks":
        found = {(week,): [0] * len(DECIDED) for week in weeks_of(span)}
    for fact in facts:
        found.setdefault(kind.row_of(fact), [0] * len(DECIDED))[fact.decided] += fact.number
    # By name and not by number: where one stands would tell something of what is withheld.
    return dict(sorted(found.items(), key=lambda item: (item[0][0] == NONE, item[0])))


def weeks_of(span: Range) -> list[str]:
    """The Mondays of all weeks that the range touches, in UTC (ISO 8601)."""
    first, end = (datetime.fromtimestamp(instant, UTC) for instant in span)
    day: date = first.date() - timedelta(days=first.weekday())
    found = []
    while datetime(day.year, day.month, day.day, tzinfo=UTC) < end:
        found.append(day.isoformat())
        day += timedelta(days=7)
    return found


def _partial(week: str, span: Range) -> bool:
    monday = datetime.fromisoformat(week).replace(tzinfo=UTC)
    return monday.timestamp() < span.start or (monday + timedelta(days=7)).timestamp() > span.end


def _table(
    kind: _Kind, rows: dict[tuple[str, ...], list[int]], hidden: Withheld, number: int, span: Range
) -> Table:
    mask = hidden.masks[number]
    if mask is None:
        return Table(kind.name, kind.title, kind.dimensions, None)
    return Table(
        kind.name,
        kind.title,
        kind.dimensions,
        tuple(
            Row(
                names,
                tuple(None if (row, c) in mask.cells else value for c, value in enumerate(values)),
                None if row in mask.totals else sum(values),
                kind.name == "weeks" and _partial(names[0], span),
            )
            for row, (names, values) in enumerate(rows.items())
        ),
    )


def _calls(decisions: int, twice: int, by: Sequence[int], small: int, hidden: Withheld) -> int | None:
    """How many calls these decisions are of. Those with two failed, so it tells of those that failed too."""
    failed = DECIDED.index(Decided.FAILED)
    once = by[failed] - twice
    told = failed not in hidden.columns and twice >= small and (once == 0 or once >= small)
    return decisions - twice if twice == 0 or told else None


def _rule(hidden: Withheld, tables: Sequence[Table], small: int) -> Rule:
    cells = sum(len(mask.cells) + len(mask.totals) for mask in hidden.masks if mask is not None)
    whole = tuple(table.title for table in tables if table.rows is None)
    return Rule(small, cells + len(hidden.columns), whole)
