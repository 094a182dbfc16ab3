"""The shape of a policy file, as JSON Schema 2020-12.

The one source: the loader validates against it, and `config/policy.schema.json`, which editors read, is
written from it (`python -m proxy.policy.schema`).
"""

import json
from typing import Any

from proxy.policy.callers import LEVELS, EvidenceType, Relation
from proxy.policy.model import Mode
from proxy.policy.operations import COVERABLE, Medium, Trait

NAME = {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,63}$"}
CIRCUMSTANCE = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,63}$"}
TEXT = {"type": "string", "minLength": 1, "maxLength": 500}
URL = {"type": "string", "pattern": "^https?://[!#-;=?-~]+$"}
INSTANT: dict[str, Any] = {
    "description": "A date (local midnight in `timezone`), or a date and time with or without an offset.",
    "type": "string",
}
SPAN: dict[str, Any] = {
    "description": "A number and a unit: minutes, hours or days, such as 24h or 30d.",
    "type": "string",
    "pattern": "^[1-9][0-9]{0,4}[mhd]$",
}
ORG_ID = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$"}
JURISDICTION = {"type": "string", "pattern": "^[A-Z]{2}(-[A-Z0-9]{1,3}){0,2}$"}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "uniqueItems": True}


def _table(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _described(schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"description": text, **schema}


NAMES = _list(NAME)
ORG_IDS = _list(ORG_ID)
CLASSES = _list({"enum": [*COVERABLE]})
MEDIA = _list({"enum": [*Medium]})
JURISDICTIONS = _described(
    _list(JURISDICTION), "ISO 3166-1 or -2, with a UN/LOCODE place for a city: US, US-MA, US-MA-BOS."
)
WHOSE = _described(
    _list({"enum": ["bound", "caller", "principal", "subject", "place"]}),
    "Whose place: of who is bound (default), the caller, whom it works for, the person, the camera.",
)
MISSING = _described(
    {"enum": ["bind", "ignore"]}, "What a token that does not say counts as. Default bind: the rule applies."
)
RECORDED = _described(INSTANT, "When this became known; a replay of an earlier day leaves it out.")

_PARTY: dict[str, Any] = {
    "org_types": NAMES,
    "org_subtypes": NAMES,
    "org_ids": ORG_IDS,
    "levels": _list({"enum": [*LEVELS]}),
    "relations": _described(
        _list({"enum": [*Relation]}), "Which of a call's organisations this may be true of. Default: any."
    ),
}

BINDS = _table(
    [],
    everyone=_described({"const": True}, "Binds every caller. Exceptions can still be made."),
    **_PARTY,
    also={"type": "array", "items": _table([], **_PARTY)},
    **{
        "except": {
            "type": "array",
            "items": _table(
                [],
                **_PARTY,
                contractors=_described(
                    {"type": "boolean"}, "Those who work on behalf of one are excepted as well."
                ),
            ),
        }
    },
)

COVERS = _table(
    [],
    classes=_described(
        {"anyOf": [CLASSES, {"const": ["*"]}]},
        'Operation classes, or ["*"] for all but erase and meta, which stay open unless named.',
    ),
    operations=_described(_list(TEXT), "Operations by the backend's own names, whatever their class."),
    traits=_described(_list({"enum": [*Trait]}), "Narrows analyze to these."),
    media=_described(MEDIA, "Narrows all of it to faces from these media."),
    results=_described(
        {"enum": ["at-fetch", "at-start"]},
        "Whether fetching the results of a job is covered (default), or only starting one.",
    ),
)

WINDOW = _table(
    [],
    id=NAME,
    start=_described(INSTANT, "In force from this instant on. Left out: since ever."),
    end=_described(INSTANT, "No longer in force at this instant. Left out: until further notice."),
    end_event=_described(NAME, "The id of an event that ends it."),
    ends=_described({"enum": ["earlier", "later"]}, "Of `end` and `end_event`, which counts."),
    reason=_described({"enum": ["enacted", "extended", "amended", "repealed", "revived"]}, "Its history."),
    recorded=RECORDED,
    replaces=_described(_list(NAME), "Ids of windows that no longer count once this is known."),
    timezone=_described(TEXT, "Where its dates are read; default: the file's."),
    places=_described(JURISDICTIONS, "It counts only where the call is made in one of these."),
)

EVIDENCE = _table(
    ["types"],
    types=_list({"enum": [*EvidenceType]}),
    max_age=_described(SPAN, "How old it may be. Of an emergency: the deadline for paper to follow."),
    issued_by=ORG_IDS,
    issued_before=INSTANT,
    named=_described({"type": "boolean"}, "It must say which classes and purposes it was given for."),
)

CIRCUMSTANCES = {"type": "object", "propertyNames": CIRCUMSTANCE, "additionalProperties": NAMES}

EXEMPTION = _table(
    ["id"],
    id=NAME,
    title=TEXT,
    org_ids=ORG_IDS,
    org_types=NAMES,
    org_subtypes=NAMES,
    levels=_PARTY["levels"],
    purposes=NAMES,
    except_purposes=NAMES,
    requires_case=_described({"type": "boolean"}, "The token must carry a case number."),
    circumstances=_described(CIRCUMSTANCES, "Each must be one of the values named."),
    jurisdictions=JURISDICTIONS,
    of=WHOSE,
    evidence=_described({"type": "array", "items": EVIDENCE}, "Each entry must be met."),
    classes=_described(CLASSES, "What it opens. Left out: everything its moratorium covers."),
    media=_described(MEDIA, "What it opens. Left out: all media."),
    start=INSTANT,
    end=INSTANT,
    recorded=RECORDED,
    limit=_table(
        ["uses"],
        uses={"type": "integer", "minimum": 1, "maximum": 1_000_000},
        per=_described(SPAN, "Left out: ever."),
        by=_described({"enum": ["evidence", "organisation"]}, "What uses are counted by. Default evidence."),
    ),
    obligations=_described(NAMES, "What the caller owes for using it; told in the answer and the record."),
)

MORATORIUM = _table(
    ["id", "binds", "covers"],
    id=NAME,
    title=TEXT,
    mode={"enum": [*Mode]},
    backends=_described(NAMES, "It is about these backends only. Left out: about all."),
    recorded=RECORDED,
    binds=BINDS,
    covers=COVERS,
    where=_table(["jurisdictions"], jurisdictions=JURISDICTIONS, of=WHOSE, missing=MISSING),
    purposes=_table([], only=NAMES, **{"except": NAMES}, missing=MISSING),
    circumstances={
        "type": "object",
        "propertyNames": CIRCUMSTANCE,
        "additionalProperties": _table(["is"], **{"is": NAMES}, missing=MISSING),
    },
    window={"type": "array", "items": WINDOW, "minItems": 1},
    exemption={"type": "array", "items": EXEMPTION},
    authority=_table(
        [],
        kind={"enum": ["vendor", "statute", "ordinance", "regulation", "order", "internal"]},
        name=TEXT,
        citation=TEXT,
        url=URL,
    ),
)

EVENT = _table(
    ["id"],
    id=NAME,
    title=TEXT,
    happened=_described(INSTANT, "Left out: it has not happened."),
    recorded=RECORDED,
    source=URL,
)

ROUTE = _table(
    ["methods", "path", "classes"],
    name=NAME,
    methods=_list({"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]}),
    path=_described(
        {"type": "string", "pattern": r"^/(?:(?:[A-Za-z0-9._~-]+|\{[a-z_]+\})(?:/(?=.))?)*$"},
        "An exact path; {name} stands for one segment.",
    ),
    classes=CLASSES,
    traits=_list({"enum": [*Trait]}),
    media=MEDIA,
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
        sources=_described(_list(URL), "What the file was written from."),
        vocabulary=_described(
            _table(
                [],
                org_types=NAMES,
                org_subtypes=NAMES,
                purposes=NAMES,
                circumstances=_described(
                    CIRCUMSTANCES, "What an issuer may say of a call: names and their values."
                ),
            ),
            "The closed sets of values. A token with another value is refused.",
        ),
        event=_described({"type": "array", "items": EVENT}, "What windows can end by, besides dates."),
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
