"""The shapes of the registry and of the revocations file, as JSON Schema 2020-12.

The one source: files are validated against it, and `config/registry.schema.json` and
`config/revocations.schema.json`, which editors read, are written from it
(`python -m proxy.authn.standing_schema registry`).
"""

import json
import sys
from typing import Any

from proxy.policy.callers import LEVELS
from proxy.policy.schema import INSTANT, JURISDICTION, NAME, NAMES, ORG_ID, ORG_IDS

MAX_WORDS = 500
WORDS = {"type": "string", "minLength": 1, "maxLength": MAX_WORDS}
NOTICE = {"type": "string", "minLength": 1, "maxLength": 300, "pattern": r"^[^\x00-\x1f\x7f]*$"}

MAX_CLAIM = 1024
CLAIM = {"type": "string", "minLength": 1, "maxLength": MAX_CLAIM}
SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def _table(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _said(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"description": text, **schema}


def _many(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


def _file(title: str, **tables: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        **_table(
            ["schema"],
            schema={"const": 1},
            timezone=_said(WORDS, "IANA name; where dates without an offset are read. Default: the setting."),
            **{name: {"type": "array", "items": table} for name, table in tables.items()},
        ),
    }


ORGANISATION = _table(
    ["id", "org_types"],
    id=_said(ORG_ID, "As tokens say it in `org_id`."),
    org_types=_said(NAMES, "All its types. A token must say the same ones."),
    org_subtype=NAME,
    level={"enum": [*LEVELS]},
    jurisdiction=_said(JURISDICTION, "ISO 3166-1 or -2, with a UN/LOCODE place for a city."),
    parents=_said(ORG_IDS, "Ids of the organisations that it is a unit of; they must be registered too."),
    contractor=_said({"type": "boolean"}, "It works for others: its tokens must say on whose behalf."),
    verified_by=_said(WORDS, "Who looked into it; for people."),
    verified_on=_said(INSTANT, "It counts from then on. Left out: always."),
    valid_until=_said(INSTANT, "It no longer counts at this instant. Left out: until further notice."),
)

SUSPENSION = _table(
    [],
    org_id=ORG_ID,
    org_ids=ORG_IDS,
    **{"from": _said(INSTANT, "Suspended from this instant on. Left out: since ever.")},
    until=_said(INSTANT, "Lifted at this instant. Left out: until further notice."),
    reason=_said(WORDS, "Why; for people who read the file."),
    notice=_said(NOTICE, "What the caller is told: a short text or an address."),
)

REVOCATION = _table(
    [],
    token_id=_said(CLAIM, "The claim `jti` of one token."),
    token_ids=_many(CLAIM),
    subject=_said(CLAIM, "The claim `sub`; only its issuer knows whom it means, so `issuer` must be there."),
    subjects=_many(CLAIM),
    org_id=_said(ORG_ID, "Every token that names the organisation, whatever as."),
    org_ids=_many(ORG_ID),
    evidence=_said(
        {"anyOf": [CLAIM, _many(CLAIM)]},
        "The reference of a warrant or the like, which no longer shows anything.",
    ),
    evidence_sha256=_said(
        {"anyOf": [SHA256, _many(SHA256)]}, "The same as its SHA-256 (hex), as it stands in records."
    ),
    issuer=_said(WORDS, "Of this issuer's tokens only. Left out: of all."),
    **{"from": _said(INSTANT, "From this instant on. Left out: since ever.")},
    reason=_said(WORDS, "Why; for people who read the file."),
)

REGISTRY = _file("moratorium registry", organisation=ORGANISATION)
REVOCATIONS = _file("moratorium revocations", suspension=SUSPENSION, revocation=REVOCATION)

FILES = {"registry": REGISTRY, "revocations": REVOCATIONS}


def as_json(name: str) -> str:
    """A schema as it stands in `config/`."""
    return json.dumps(FILES[name], indent=2) + "\n"


if __name__ == "__main__":
    print(as_json(sys.argv[1]), end="")  # noqa: T201
