"""The shape of a policy file, as JSON Schema 2020-12.

The one source: the loader validates against it, and `config/policy.schema.json`, which editors read, is
written from it (`python -m proxy.policy.schema`).
"""

import json
from typing import Any

from proxy.policy.model import COVERABLE, Mode

NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"}
NAMES: dict[str, Any] = {"type": "array", "items": NAME, "minItems": 1, "uniqueItems": True}
TEXT = {"type": "string", "minLength": 1, "maxLength": 500}
URL = {"type": "string", "pattern": "^https?://[!-~]+$"}
CLASSES: dict[str, Any] = {
    "type": "array",
    "items": {"enum": [*COVERABLE]},
    "minItems": 1,
    "uniqueItems": True,
}
INSTANT: dict[str, Any] = {
    "description": "A date (local midnight in `timezone`), or a date and time with or without an offset.",
    "type": "string",
}
ORG_ID = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$"}


def _table(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _described(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"description": text, **schema}


WINDOW = _table(
    [],
    start=_described(INSTANT, "In force from this instant on. Left out: since ever."),
    end=_described(INSTANT, "No longer in force at this instant. Left out: until further notice."),
)

EXEMPTION = _table(
    ["id"],
    id=NAME,
    org_ids={"type": "array", "items": ORG_ID, "minItems": 1, "uniqueItems": True},
    org_types=NAMES,
    purposes=NAMES,
    requires_case=_described({"type": "boolean"}, "The token must carry a case number."),
    classes=_described(CLASSES, "What it opens. Left out: everything its moratorium covers."),
    start=INSTANT,
    end=INSTANT,
)

MORATORIUM = _table(
    ["id", "binds", "covers"],
    id=NAME,
    title=TEXT,
    mode={"enum": [*Mode]},
    binds=_table(["org_types"], org_types=NAMES),
    covers=_table(
        ["classes"],
        classes=_described(
            {
                "anyOf": [CLASSES, {"const": ["*"]}],
            },
            'Operation classes, or ["*"] for all but erase and meta, which stay open unless named.',
        ),
    ),
    window={"type": "array", "items": WINDOW, "minItems": 1},
    exemption={"type": "array", "items": EXEMPTION},
    authority=_table([], name=TEXT, citation=TEXT, url=URL),
)

ROUTE = _table(
    ["methods", "path", "classes"],
    name=NAME,
    methods={
        "type": "array",
        "items": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]},
        "minItems": 1,
        "uniqueItems": True,
    },
    path=_described(
        {"type": "string", "pattern": r"^/(?:(?:[A-Za-z0-9._~-]+|\{[a-z_]+\})(?:/(?=.))?)*$"},
        "An exact path; {name} stands for one segment.",
    ),
    classes=CLASSES,
    websocket=_described(
        {"type": "boolean"}, "The route may become a WebSocket: decided like any call, closed when that ends."
    ),
)

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "moratorium policy",
    **_table(
        ["schema", "moratorium"],
        schema={"const": 1},
        title=TEXT,
        timezone=_described(TEXT, "IANA name; where dates without an offset are read. Default UTC."),
        vocabulary=_described(
            _table([], org_types=NAMES, purposes=NAMES),
            "The closed sets of values. A token with another value is refused.",
        ),
        moratorium={"type": "array", "items": MORATORIUM},
        route=_described(
            {"type": "array", "items": ROUTE}, "Operations of the `generic` backend; first match wins."
        ),
    ),
}


def as_json() -> str:
    """The schema as it stands in `config/policy.schema.json`."""
    return json.dumps(SCHEMA, indent=2, sort_keys=False) + "\n"


if __name__ == "__main__":
    print(as_json(), end="")  # noqa: T201
