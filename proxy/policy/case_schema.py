"""The shape of a case file, as JSON Schema 2020-12.

The one source: the reader validates against it, and `config/cases.schema.json`, which editors read, is
written from it (`python -m proxy.policy.case_schema`).
"""

import json
from typing import Any

from proxy.policy.model import Mode
from proxy.policy.operations import Medium, OperationClass, Trait
from proxy.policy.reasons import Decision, Reason
from proxy.policy.schema import INSTANT, NAME, TEXT

NONE = {"const": False}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}


def _or_none(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"description": f"{text} false: there must be none.", "anyOf": [schema, NONE]}


def _said(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"description": text, **schema}


WANT: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "properties": {
        "decision": {"enum": [*Decision]},
        "reason": {"enum": [*Reason]},
        "rule": _or_none(NAME, "The moratorium that decides."),
        "exemption": _or_none(NAME, "The one that lifts it."),
        "until": _or_none(INSTANT, "When what blocks ends."),
        "holds_until": _or_none(INSTANT, "The first instant at which the answer may change by itself."),
        "obligations": {
            "description": "All that the caller owes, in any order.",
            "type": "array",
            "items": NAME,
            "uniqueItems": True,
        },
        "org_type": NAME,
    },
}

SETTINGS: dict[str, Any] = {
    "backend": _said(NAME, "Default aws-rekognition."),
    "mode": {"enum": [*Mode]},
    "unknown_operation": {"enum": ["refuse", "allow"]},
}

CASE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "at", "want"],
    "properties": {
        "name": TEXT,
        "at": INSTANT,
        "known_at": _said(INSTANT, "Judge by what had been recorded up to then. Left out: by everything."),
        "claims": _said({"type": "object"}, "As a token carries them; dates become seconds."),
        "operation": _said(TEXT, "By the backend's own name; with `classes`, the name of a made-up one."),
        "classes": _list({"enum": [*OperationClass]}),
        "media": _list({"enum": [*Medium]}),
        "traits": _list({"enum": [*Trait]}),
        "result": _said({"type": "boolean"}, "It fetches what an earlier call has started."),
        "used_up": _said({"type": "boolean"}, "Limited exemptions have no use left."),
        **SETTINGS,
        "want": WANT,
    },
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "moratorium policy cases",
    "type": "object",
    "additionalProperties": False,
    "required": ["schema", "case"],
    "properties": {
        "schema": {"const": 1},
        "title": TEXT,
        "policy": _said(
            _list(TEXT), "Policy files, beside this one. Left out: the one of the same name without .cases."
        ),
        "timezone": _said(TEXT, "Where dates without an offset are read. Left out: the policy's."),
        **SETTINGS,
        "case": {"type": "array", "items": CASE, "minItems": 1},
    },
}


def as_json() -> str:
    """The schema as it stands in `config/cases.schema.json`."""
    return json.dumps(SCHEMA, indent=2, sort_keys=False) + "\n"


if __name__ == "__main__":
    print(as_json(), end="")  # noqa: T201
