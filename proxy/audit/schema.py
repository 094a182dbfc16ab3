"""The shape of an audit record, as JSON Schema 2020-12: what collectors and tables can rely on.

The one source: `config/audit-record.schema.json` is written from it (`python -m proxy.audit.schema`), and
tests hold every kind of record against it. The proxy itself reads none of it: it writes what it has.
"""

import json
from typing import Any

from proxy.audit.chain import VERSION
from proxy.audit.record import MASKED
from proxy.policy.callers import LEVELS, EvidenceType, Relation
from proxy.policy.model import Mode
from proxy.policy.operations import Medium, OperationClass, Trait
from proxy.policy.reasons import MEANINGS, Decision, Reason
from proxy.policy.schema import CIRCUMSTANCE, JURISDICTION, NAME, ORG_ID

Schema = dict[str, Any]


def _text(pattern: str) -> Schema:
    return {"type": "string", "pattern": f"^{pattern}$"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _object(**properties: Any) -> Schema:
    """With all of these members, and no other."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [*properties],
        "properties": properties,
    }


def _said(text: str, schema: Schema) -> Schema:
    return {"description": text, **schema}


DIGEST = _said("SHA-256 in hexadecimal.", _text("[0-9a-f]{64}"))
REVISION = _said("SHA-256 of the policy; empty while there is none.", _text("([0-9a-f]{64})?"))
KEYED = _said("HMAC-SHA256 in hexadecimal.", _text("[0-9a-f]{64}"))
COUNT: Schema = {"type": "integer", "minimum": 0}
_SECOND = "[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
TIME = _said("RFC 3339 in UTC, with microseconds.", _text(_SECOND + r"\.[0-9]{6}Z"))
UNTIL = _said("As `time`; empty where there was no record.", _text(rf"({_SECOND}\.[0-9]{{6}}Z)?"))
INSTANT = _said("RFC 3339 in UTC.", _text(_SECOND + r"(\.[0-9]{6})?Z"))
SECONDS = _said("Since 1970-01-01T00:00:00Z.", {"type": "number"})
CHAIN = _text("[0-9a-f]{16}")
INSTANCE = _text("[0-9a-f]{12}")
ID = _text("[0-9a-f]{12}-[0-9a-f]{12,}")
KEY = _text("[A-Za-z0-9_-]{43}")
SIGNATURE = _text("[A-Za-z0-9_-]{86}")
# An issuer's name is a setting. That it is no token, in case one was put there, can be told by its beginning.
ISSUER: Schema = {**_text(r"[^\u0000-\u001f]{1,500}"), "not": {"pattern": r"\beyJ"}}
# A setting as well: the operator's own name for a route, or its path.
OPERATION = _text("[!-~][ -~]{0,499}")
RULE_WINDOW = _object(start=_or_null(INSTANT), end=_or_null(INSTANT))

PRINCIPAL = {
    "org_types": _list(NAME),
    "org_id": _or_null(ORG_ID),
    "org_subtype": _or_null(NAME),
    "level": {"enum": [*LEVELS, None]},
    "jurisdiction": _or_null(JURISDICTION),
}
EVIDENCE = _object(
    type={"enum": [*EvidenceType]},
    sha256=DIGEST,
    issued_at=SECONDS,
    expires_at=_or_null(SECONDS),
    issued_by=_or_null(ORG_ID),
    classes=_or_null(_list({"enum": [*OperationClass]}, minItems=1)),
    purposes=_or_null(_list(NAME, minItems=1)),
)
CIRCUMSTANCES = {
    "type": "object",
    "propertyNames": CIRCUMSTANCE,
    "additionalProperties": _list(NAME, minItems=1),
    "minProperties": 1,
}
PRINCIPALS = _or_null(_list({"$ref": "#/$defs/principal"}, minItems=1))

WHO = {
    "issuer": _or_null(ISSUER),
    **(PRINCIPAL | {"org_types": _or_null(_list(NAME, minItems=1))}),
    "org_path": PRINCIPALS,
    "on_behalf_of": _or_null({"$ref": "#/$defs/principal"}),
    "actors": PRINCIPALS,
    "subject_jurisdiction": _or_null(JURISDICTION),
    "place_jurisdiction": _or_null(JURISDICTION),
    "circumstances": _or_null(CIRCUMSTANCES),
    "purpose": _or_null(NAME),
    "case_sha256": _or_null(DIGEST),
    "shown": _or_null(_list({"$ref": "#/$defs/evidence"}, minItems=1)),
    "subject_hmac": _or_null(KEYED),
}
WHAT = {
    "operation": _or_null(OPERATION),
    "classes": _or_null(_list({"enum": [*OperationClass]}, minItems=1)),
    "traits": _or_null(_list({"enum": [*Trait]}, minItems=1)),
    "media": _or_null(_list({"enum": [*Medium]}, minItems=1)),
    "result": {"type": ["boolean", "null"]},
    "request_sha256": _or_null(DIGEST),
    "request_bytes": _or_null(COUNT),
    "body_sha256": _or_null(DIGEST),
}
DECISION = {
    "id": ID,
    "request_id": _or_null(_text("[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")),
    "trace_id": _or_null(_text("[0-9a-f]{32}")),
    "backend": NAME,
    "decision": {"enum": [*Decision]},
    "reason": {"enum": [*Reason]},
    "mode": {"enum": [*Mode]},
    "policy": REVISION,
    "policy_serial": _or_null({"type": "integer", "minimum": 1}),
    "rule": _or_null(NAME),
    "relation": {"enum": [*Relation, None]},
    "exemption": _or_null(NAME),
    "evidence_sha256": _or_null(DIGEST),
    "obligations": _or_null(_list(NAME, minItems=1)),
    "rule_window": _or_null({"$ref": "#/$defs/rule_window"}),
    "until": _or_null(INSTANT),
    "org_type": NAME,
    **WHO,
    **WHAT,
    "masked": {"const": [*MASKED]},
}
CALL = _object(
    id=ID,
    status=_or_null({"type": "integer", "minimum": 100, "maximum": 999}),
    request_bytes=COUNT,
    response_bytes=COUNT,
    microseconds=COUNT,
    complete={"type": "boolean"},
)
RUN = _object(id=CHAIN, first=COUNT, last=COUNT, before=DIGEST, head=DIGEST)
AFTER = _object(id=CHAIN, number=COUNT, sha256=DIGEST)
TREE = _object(first=COUNT, size={"type": "integer", "minimum": 1}, sha256=DIGEST)
SEALED = {"key": _or_null(KEY), "signature": _or_null(SIGNATURE)}
COUNTS = {"records": COUNT, "failures": COUNT, "tree": _or_null(TREE), **SEALED}

KINDS: dict[str, Schema] = {
    "decision": DECISION,
    "outcomes": {"calls": _list(CALL, minItems=1)},
    "open": {
        "release": _text("[0-9A-Za-z.+-]{1,64}"),
        "policy": REVISION,
        "after": _or_null(AFTER),
        "checkpoint_records": _or_null({"type": "integer", "minimum": 1}),
        **SEALED,
    },
    "policy": {"old": REVISION, "new": REVISION},
    "checkpoint": COUNTS,
    "close": COUNTS,
    "torn": {"bytes": {"type": "integer", "minimum": 1}, "sha256": DIGEST},
    "retired": {"segment": _text("[^/\n]{1,255}"), "until": UNTIL, "chains": _list(RUN)},
}
"""The members of each kind, besides those that all have."""


def _frame(kind: str) -> Schema:
    return {
        "v": {"const": VERSION},
        "kind": {"const": kind},
        "time": TIME,
        "instance": INSTANCE,
        "chain": CHAIN,
        "seq": COUNT,
        "prev": DIGEST,
    }


def _reasons(decision: Decision) -> Schema:
    """That a decision has one of its own reasons."""
    reasons = [reason for reason, meaning in MEANINGS.items() if meaning.decision is decision]
    return {
        "if": {"properties": {"decision": {"const": decision}}},
        "then": {"properties": {"reason": {"enum": reasons}}},
    }


def _kind(kind: str, members: Schema) -> Schema:
    schema = _object(**_frame(kind), **members)
    return {**schema, "allOf": [*map(_reasons, Decision)]} if kind == "decision" else schema


SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": f"moratorium audit record, version {VERSION}",
    "type": "object",
    "required": ["v", "kind"],
    "oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in KINDS],
    "$defs": {
        **{kind: _kind(kind, members) for kind, members in KINDS.items()},
        "principal": _object(**PRINCIPAL),
        "evidence": EVIDENCE,
        "rule_window": RULE_WINDOW,
    },
}


def as_json() -> str:
    """The schema as it stands in `config/audit-record.schema.json`."""
    return json.dumps(SCHEMA, indent=2, sort_keys=False) + "\n"


if __name__ == "__main__":
    print(as_json(), end="")  # noqa: T201
