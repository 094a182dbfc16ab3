"""A report for programs: canonical JSON (RFC 8785), signed with Ed25519 (RFC 8032) if there is a key."""

from typing import Any

import orjson

from proxy.audit.chain import line_of
from proxy.audit.checkpoint import Signer, Verifier
from proxy.errors import SignatureInvalid
from proxy.reporting.report.model import DECIDED, MEANINGS, Report, Span, Table
from proxy.reporting.report.words import CALLS, COUNTED, RULE, rule_says

SCHEMA = "moratorium-report/1"
_NAMES = tuple(map(str, DECIDED))


def json_of(report: Report, signer: Signer | None) -> bytes:
    """One line; the same report has the same bytes."""
    fields = members_of(report)
    if signer is None:
        return line_of({**fields, "key": None, "signature": None})
    return signer.signed({**fields, "key": signer.public})


def check(content: bytes, key: Verifier) -> dict[str, Any]:
    """The members of a report that this key has signed. Raises `SignatureInvalid`.

    Only its one spelling counts: two readers of another one could see different reports.
    """
    try:
        fields = orjson.loads(content)
        canonical = isinstance(fields, dict) and line_of(fields) == content
    except (ValueError, TypeError):
        raise SignatureInvalid("not JSON") from None
    if not canonical or fields.get("schema") != SCHEMA:
        raise SignatureInvalid("not a report as it was written")
    if fields.get("signature") is None:
        raise SignatureInvalid("the report is not signed")
    if fields.get("key") != key.public:
        raise SignatureInvalid("signed with another key")
    if not key.vouches(fields):
        raise SignatureInvalid("the signature is not over this report")
    return fields  # type: ignore[no-any-return]


def members_of(report: Report) -> dict[str, Any]:
    """Everything, as plain values."""
    return {
        "schema": SCHEMA,
        "title": report.title,
        "operator": report.operator,
        "made": report.made,
        "release": report.release,
        "range": report.range.members(),
        "rule": {
            **report.rule._asdict(),
            "says": rule_says(report.rule),
            "means": RULE,
            "counted": COUNTED,
            "calls": CALLS,
        },
        "decisions": {
            "all": report.totals.decisions,
            "calls": report.totals.calls,
            "by": dict(zip(_NAMES, report.totals.by, strict=True)),
            "meanings": {str(kind): says for kind, says in MEANINGS.items()},
            "not_understood": report.totals.odd,
        },
        "tables": {table.name: _table(table) for table in report.tables},
        "policies": {
            "revisions": _all(report.revisions),
            "changes": _all(report.changes),
            "in_force": _all(report.forces),
            "named_by_decisions": _all(report.seen),
            "files_not_named": report.strangers,
        },
        "gaps": _all(report.gaps),
        "chains": [_span(span) for span in report.spans],
        "lives": _all(report.lives),
        "verification": report.verification,
        "left_out": report.left_out,
    }


def _all(values: Any) -> list[dict[str, Any]]:
    return [value._asdict() for value in values]


def _table(table: Table) -> dict[str, Any]:
    rows = None
    if table.rows is not None:
        rows = [
            {
                **dict(zip(table.dimensions, row.names, strict=True)),
                "by": dict(zip(_NAMES, row.counts, strict=True)),
                "all": row.total,
                **({"partial": row.partial} if table.name == "weeks" else {}),
            }
            for row in table.rows
        ]
    return {"title": table.title, "dimensions": table.dimensions, "rows": rows}


def _span(span: Span) -> dict[str, Any]:
    return {**span._asdict(), "unsigned": span.unsigned}
