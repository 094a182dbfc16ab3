"""One decision as one line of JSON. Pure.

There is no place in a record for a body, a token, an image or a free-text claim: it is made from a verdict,
whose values are members of closed sets, an organisation id of a fixed form, and digests.
"""

from datetime import UTC, datetime
from typing import Any

import orjson

from proxy.policy.instants import format_instant
from proxy.policy.model import Instant, Mode, Verdict

VERSION = 1
MASKED = ("token", "subject", "case_id", "body")


def fields_of(
    verdict: Verdict, decision_id: str, now: Instant, *, revision: str, mode: Mode, instance: str
) -> dict[str, Any]:
    """The record as a mapping: the same fields for every outcome, null where there is nothing."""
    caller, operation, rule = verdict.caller, verdict.operation, verdict.rule
    return {
        "v": VERSION,
        "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "id": decision_id,
        "instance": instance,
        "decision": verdict.decision,
        "reason": verdict.reason,
        "mode": mode,
        "policy": revision,
        "rule": rule.id if rule is not None else None,
        "exemption": verdict.exemption,
        "until": format_instant(verdict.until) if verdict.until is not None else None,
        "issuer": caller.issuer if caller is not None else None,
        "org_id": caller.org_id if caller is not None else None,
        "org_types": caller.org_types if caller is not None else None,
        "org_type": verdict.org_type,
        "purpose": caller.purpose if caller is not None else None,
        "case_sha256": caller.case_digest if caller is not None else None,
        "operation": operation.name if operation is not None else None,
        "classes": sorted(operation.classes) if operation is not None else None,
        "masked": MASKED,
    }


def line_of(fields: dict[str, Any]) -> bytes:
    """One line, members sorted, so that the same record always has the same bytes."""
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
