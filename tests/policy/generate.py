"""Draws worlds: policy files that use everything the schema knows, and questions to ask of them.

A world follows from its number alone. Sets of names are small and instants are few, so that things meet.
"""

from random import Random
from typing import Any, NamedTuple

from proxy.policy.callers import LEVELS, Relation
from proxy.policy.document import Source, build
from proxy.policy.model import Mode, Policy
from proxy.policy.operations import Medium, Trait
from tests.policy.drawing import (
    BACKENDS,
    CIRCUMSTANCES,
    CLASSES,
    GRID,
    INSTANTS,
    JURISDICTIONS,
    NAMES,
    ORG_IDS,
    ORG_SUBTYPES,
    ORG_TYPES,
    PURPOSES,
    REPEATED,
    SPANS,
    TYPES,
    WHOSE,
    ZONES,
    chance,
    may,
    some,
)
from tests.policy.generated_calls import Question, question
from tests.policy.naive import EVER, Setting, Table
from tests.policy.naive_instants import instant


class World(NamedTuple):
    """Files and settings, with what to ask."""

    number: int
    setting: Setting
    questions: tuple[Question, ...]


def world(number: int, questions: int = 25) -> World:
    """The world of that number."""
    rng = Random(number)  # noqa: S311
    setting = Setting(
        _documents(rng),
        mode="shadow" if chance(rng, 0.08) else "enforce",
        unknown_operation=rng.choice(("refuse", "allow")),
        timezone=rng.choice(ZONES),
        known_at=rng.choice((EVER, EVER, *GRID)),
        backend=rng.choice((None, *BACKENDS)),
    )
    edges = _edges(setting)
    return World(number, setting, tuple(question(rng, setting, edges) for _ in range(questions)))


def policy_of(setting: Setting) -> Policy:
    """The policy as the program makes it."""
    return build(
        *(Source(f"{index}.toml", document) for index, document in enumerate(setting.documents)),
        mode=Mode(setting.mode),
        unknown_operation="allow" if setting.unknown_operation == "allow" else "refuse",
        timezone=setting.timezone,
        known_at=setting.known_at,
        backend=setting.backend,
    )


# ---------------------------------------------------------------- small draws


def _span_of_time(rng: Random, table: Table, start: float = 0.7, end: float = 0.7) -> None:
    """Half-open, and not empty in any time zone."""
    first, last = sorted(rng.sample(range(len(INSTANTS)), 2))
    may(rng, table, start, "start", INSTANTS[first])
    may(rng, table, end, "end", INSTANTS[last])
    if table.get("end") == INSTANTS[-3] and first < len(INSTANTS) - 4 and chance(rng, 0.5):
        table["end"] = REPEATED


# ---------------------------------------------------------------- documents


def _documents(rng: Random) -> tuple[Table, ...]:
    ids = iter(f"m{n}" for n in range(1, 9))
    return tuple(_document(rng, ids) for _ in range(rng.choice((1, 1, 2))))


def _document(rng: Random, ids: Any) -> Table:
    document: Table = {
        "schema": 1,
        "vocabulary": {
            "org_types": [*ORG_TYPES],
            "org_subtypes": [*ORG_SUBTYPES],
            "purposes": [*PURPOSES],
            "circumstances": {name: [*values] for name, values in CIRCUMSTANCES.items()},
        },
    }
    if chance(rng, 0.2):  # the sets that are there by themselves hold these names as well
        del document["vocabulary"][rng.choice(("org_types", "org_subtypes", "purposes"))]
    may(rng, document, 0.3, "title", "A title")
    may(rng, document, 0.6, "timezone", rng.choice(ZONES))
    may(rng, document, 0.1, "sources", ["https://law.example/1"])
    may(rng, document, 0.1, "route", [_route(rng)])
    events = [_event(rng, f"event-{n}") for n in (1, 2)] if chance(rng, 0.5) else []
    if events:
        document["event"] = events
    document["moratorium"] = [
        _moratorium(rng, next(ids), bool(events)) for _ in range(rng.choice((1, 2, 2, 3)))
    ]
    return document


def _event(rng: Random, name: str) -> Table:
    table: Table = {"id": name}
    may(rng, table, 0.6, "happened", rng.choice((*INSTANTS, REPEATED)))
    may(rng, table, 0.3, "recorded", rng.choice(INSTANTS))
    may(rng, table, 0.1, "title", "It happened")
    may(rng, table, 0.1, "source", "https://news.example/1")
    return table


def _route(rng: Random) -> Table:
    table: Table = {"methods": ["POST"], "path": "/v1/{id}", "classes": some(rng, CLASSES)}
    may(rng, table, 0.5, "name", "route")
    may(rng, table, 0.5, "traits", some(rng, (*Trait,)))
    may(rng, table, 0.5, "media", some(rng, (*Medium,)))
    may(rng, table, 0.5, "websocket", True)
    return table


def _moratorium(rng: Random, name: str, events: bool) -> Table:
    table: Table = {"id": name, "binds": _binds(rng), "covers": _covers(rng)}
    may(rng, table, 0.2, "title", "A title")
    may(rng, table, 0.4, "mode", rng.choice(("enforce", "shadow")))
    may(rng, table, 0.1, "backends", some(rng, BACKENDS))
    may(rng, table, 0.1, "recorded", rng.choice(INSTANTS))
    may(rng, table, 0.2, "where", _where(rng))
    may(rng, table, 0.2, "purposes", _purposes(rng))
    may(rng, table, 0.2, "circumstances", _asked_circumstances(rng))
    may(rng, table, 0.8, "window", _windows(rng, events))
    may(rng, table, 0.8, "exemption", [_exemption(rng, f"e{n}") for n in range(1, rng.randint(2, 4))])
    may(
        rng, table, 0.1, "authority",
        {"kind": "statute", "name": "The state", "citation": "1-2", "url": "https://law.example/2"},
    )  # fmt: skip
    return table


def _party(rng: Random, *, stated: bool = True, related: float = 0.2) -> Table:
    table: Table = {}
    while stated and not table:
        may(rng, table, 0.7, "org_types", some(rng, ORG_TYPES, 2))
        may(rng, table, 0.2, "org_subtypes", some(rng, ORG_SUBTYPES))
        may(rng, table, 0.2, "org_ids", some(rng, ORG_IDS, 2))
        may(rng, table, 0.2, "levels", some(rng, LEVELS))
    may(rng, table, related, "relations", some(rng, (*Relation,)))
    return table


def _binds(rng: Random) -> Table:
    kind = rng.random()
    if kind < 0.25:
        binds = {"everyone": True, **_party(rng, stated=False)}
    elif kind < 0.85:
        binds = _party(rng)
    else:
        binds = {"also": [_party(rng)]}
    if "also" not in binds:
        may(rng, binds, 0.2, "also", [_party(rng)])
    if chance(rng, 0.35):
        binds["except"] = [_party(rng) for _ in range(rng.choice((1, 1, 2)))]
        for table in binds["except"]:
            may(rng, table, 0.3, "contractors", rng.choice((True, True, False)))
    return binds


def _covers(rng: Random) -> Table:
    covers: Table = {}
    while not covers:
        may(rng, covers, 0.9, "classes", ["*"] if chance(rng, 0.3) else some(rng, CLASSES))
        may(rng, covers, 0.2, "operations", some(rng, NAMES, 2))
    may(rng, covers, 0.2, "traits", some(rng, (*Trait,), 2))
    may(rng, covers, 0.2, "media", some(rng, (*Medium,), 2))
    may(rng, covers, 0.2, "results", rng.choice(("at-fetch", "at-start")))
    return covers


def _where(rng: Random) -> Table:
    table: Table = {"jurisdictions": some(rng, JURISDICTIONS)}
    may(rng, table, 0.6, "of", some(rng, WHOSE))
    may(rng, table, 0.5, "missing", rng.choice(("bind", "ignore")))
    return table


def _purposes(rng: Random) -> Table:
    table: Table = {}
    may(rng, table, 0.6, "only", some(rng, PURPOSES, 2))
    may(rng, table, 0.5, "except", some(rng, PURPOSES, 2))
    may(rng, table, 0.5, "missing", rng.choice(("bind", "ignore")))
    return table


def _asked_circumstances(rng: Random) -> Table:
    tables: Table = {}
    for name in some(rng, (*CIRCUMSTANCES,)):
        tables[name] = {"is": some(rng, CIRCUMSTANCES[name], 1)}
        may(rng, tables[name], 0.5, "missing", rng.choice(("bind", "ignore")))
    return tables


def _windows(rng: Random, events: bool) -> list[Table]:
    tables: list[Table] = []
    for number in range(1, rng.choice((1, 1, 2, 3, 4)) + 1):
        table: Table = {}
        _span_of_time(rng, table)
        if events and chance(rng, 0.4):
            table["end_event"] = rng.choice(("event-1", "event-2"))
            if "end" in table:
                table["ends"] = rng.choice(("earlier", "later"))
        earlier = [other.get("id", f"window-{index}") for index, other in enumerate(tables, 1)]
        if earlier:
            may(rng, table, 0.4, "replaces", some(rng, (*earlier,)))
        may(rng, table, 0.5, "id", f"w{number}")
        may(rng, table, 0.2, "reason", rng.choice(("enacted", "extended", "amended", "repealed", "revived")))
        may(rng, table, 0.3, "recorded", rng.choice(INSTANTS))
        may(rng, table, 0.2, "timezone", rng.choice(ZONES))
        may(rng, table, 0.2, "places", some(rng, JURISDICTIONS))
        tables.append(table)
    return tables


def _exemption(rng: Random, name: str) -> Table:
    table: Table = {"id": name}
    enough = {"org_types", "purposes", "evidence", "jurisdictions", "media"}
    while not enough & set(table) and not table.get("requires_case"):
        if chance(rng, 0.4):
            table.update(_party(rng, related=0))
        may(rng, table, 0.3, "purposes", some(rng, PURPOSES, 2))
        may(rng, table, 0.15, "except_purposes", some(rng, PURPOSES, 1))
        may(rng, table, 0.15, "requires_case", rng.choice((True, True, False)))
        may(rng, table, 0.1, "circumstances", {"camera": some(rng, CIRCUMSTANCES["camera"])})
        if chance(rng, 0.15):
            table["jurisdictions"] = some(rng, JURISDICTIONS)
            may(rng, table, 0.6, "of", some(rng, WHOSE))
        may(rng, table, 0.35, "evidence", [_evidence(rng) for _ in range(rng.choice((1, 1, 2)))])
        may(rng, table, 0.15, "media", some(rng, (*Medium,)))
    may(rng, table, 0.1, "title", "A title")
    may(rng, table, 0.2, "classes", some(rng, CLASSES))
    if chance(rng, 0.3):
        _span_of_time(rng, table)
    may(rng, table, 0.1, "recorded", rng.choice(INSTANTS))
    may(rng, table, 0.2, "obligations", ["human-review"])
    if chance(rng, 0.4):
        table["limit"] = {"uses": 1}
        may(rng, table["limit"], 0.5, "per", rng.choice(SPANS))
        may(rng, table["limit"], 0.5, "by", "evidence")
        if "evidence" not in table or chance(rng, 0.3):
            table["limit"]["by"] = "organisation"
    return table


def _evidence(rng: Random) -> Table:
    table: Table = {"types": some(rng, TYPES)}
    may(rng, table, 0.4, "max_age", rng.choice(SPANS))
    may(rng, table, 0.2, "issued_by", some(rng, ORG_IDS, 2))
    may(rng, table, 0.2, "issued_before", rng.choice(INSTANTS))
    may(rng, table, 0.2, "named", rng.choice((True, True, False)))
    return table


def _edges(setting: Setting) -> list[float]:
    """Every instant at which something may change, in the order of the files."""
    found = [*GRID]

    def walk(value: object, zone: str) -> None:
        if isinstance(value, dict):
            zone = value.get("timezone", zone)
            for key, item in value.items():
                if key in ("start", "end", "happened", "issued_before") and isinstance(item, str):
                    found.append(instant(item, zone, end=key in ("end", "happened")))
                walk(item, zone)
        elif isinstance(value, list):
            for item in value:
                walk(item, zone)

    for document in setting.documents:
        walk({key: item for key, item in document.items() if key != "vocabulary"}, setting.timezone)
    return found
