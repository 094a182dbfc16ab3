"""The shape of an issuers file, as JSON Schema 2020-12.

The one source: the reader validates against it, and `config/issuers.schema.json`, which editors read, is
written from it (`python -m proxy.authn.issuers_schema`).
"""

import json
from dataclasses import fields
from typing import Any

from proxy.authn.claims import ClaimPaths
from proxy.authn.keyset import SUPPORTED
from proxy.policy.schema import NAME

_TEXT = {"type": "string", "minLength": 1, "maxLength": 1000}
_URL = {"type": "string", "pattern": "^https?://[!-~]+$"}


def _said(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"description": text, **schema}


def _many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}


CLAIM_PATHS = tuple(field.name for field in fields(ClaimPaths) if isinstance(field.default, str))
"""The claims whose place can be named, each by a dotted path."""

ISSUER = {
    "type": "object",
    "additionalProperties": False,
    "required": ["issuer", "audiences"],
    "properties": {
        "issuer": _said(_TEXT, "Exactly as the claim `iss` says it."),
        "discovery": _said({"const": True}, "Take the keys from where the issuer itself says that they are."),
        "jwks_url": _said(_URL, "The keys are there. Instead of `discovery`."),
        "key_file": _said(_TEXT, "The keys are in this file (PEM or JWK set), from where this one stands."),
        "audiences": _said(_many(_TEXT), "Accepted audiences (`aud`); any one will do."),
        "algorithms": _said(_many({"enum": [*SUPPORTED]}), "Accepted algorithms."),
        "leeway": _said({"type": "number", "minimum": 0, "maximum": 60}, "Forgiven clock difference (s)."),
        "token_types": _said(_many(_TEXT), "Accepted values of the header's `typ`."),
        "org_types": _said(_many(NAME), "The organisation types that it may assert. Left out: all of them."),
        "claims": _said(
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    **{name: _TEXT for name in CLAIM_PATHS},
                    "circumstances": _said(
                        {"type": "object", "additionalProperties": _TEXT},
                        "Of circumstances that are not found under their own names.",
                    ),
                },
            },
            "Where its tokens say what: dotted paths.",
        ),
    },
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "moratorium issuers",
    "type": "object",
    "additionalProperties": False,
    "required": ["schema", "issuer"],
    "properties": {
        "schema": {"const": 1},
        "issuer": {"type": "array", "items": ISSUER, "minItems": 1},
    },
}


def as_json() -> str:
    """The schema as it stands in `config/issuers.schema.json`."""
    return json.dumps(SCHEMA, indent=2) + "\n"


if __name__ == "__main__":
    print(as_json(), end="")  # noqa: T201
