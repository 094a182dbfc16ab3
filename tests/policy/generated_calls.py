"""Draws calls to ask about: some of anything, and some that come close to an exemption of the policy."""

from random import Random
from typing import NamedTuple

from proxy.policy.callers import LEVELS
from proxy.policy.operations import Medium, Trait
from tests.policy.drawing import (
    CIRCUMSTANCES,
    CLASSES,
    JURISDICTIONS,
    NAMES,
    ORG_IDS,
    ORG_SUBTYPES,
    ORG_TYPES,
    PURPOSES,
    SPANS,
    TYPES,
    chance,
    may,
    some,
)
from tests.policy.naive import STAR, Setting, Table
from tests.policy.naive_instants import span


class Question(NamedTuple):
    """One call at one instant. `used_up`: (moratorium, exemption, whose)."""

    caller: Table
    operation: Table
    now: float
    used_up: tuple[tuple[str, str, str], ...]


def question(rng: Random, setting: Setting, edges: list[float]) -> Question:
    """One call, at an edge or near one."""
    caller, operation = _caller(rng, edges), _operation(rng)
    ages = [piece["issued_at"] + span(rng.choice(SPANS)) for piece in caller.get("evidence", [])]
    ages += [piece["issued_at"] for piece in caller.get("evidence", [])]
    now = rng.choice((*edges, *ages)) + rng.choice((0, 0, -0.001, 1, 86400 * rng.randint(-20, 20)))
    if chance(rng, 0.4):
        _come_close(rng, rng.choice(setting.documents), caller, operation, now)
    return Question(caller, operation, now, tuple(_used_up(rng, setting, caller)))


def _come_close(rng: Random, document: Table, caller: Table, operation: Table, now: float) -> None:
    """Make of a call one that a moratorium is about, and mostly one that an exemption of it is for."""
    moratorium = rng.choice(document["moratorium"])
    _resemble(rng, moratorium["binds"], caller)
    classes = moratorium["covers"].get("classes", ["*"])
    operation["classes"] = some(rng, STAR if classes == ["*"] else (*classes,), 2)
    for name, asked in moratorium.get("circumstances", {}).items():
        caller.setdefault("circumstances", {})[name] = [asked["is"][0]]
    if "where" in moratorium:
        caller["jurisdiction"] = rng.choice(moratorium["where"]["jurisdictions"])
    if "only" in moratorium.get("purposes", {}):
        caller["purpose"] = rng.choice(moratorium["purposes"]["only"])
    if not moratorium.get("exemption"):
        return
    exemption = rng.choice(moratorium["exemption"])
    _resemble(rng, exemption, caller)
    if "purposes" in exemption:
        caller["purpose"] = rng.choice(exemption["purposes"])
    if "jurisdictions" in exemption:
        caller["jurisdiction"] = rng.choice(exemption["jurisdictions"])
    if "media" in exemption:
        operation["media"] = some(rng, (*exemption["media"],))
    caller["case"] = "case-digest"
    for name, values in exemption.get("circumstances", {}).items():
        caller.setdefault("circumstances", {})[name] = [values[0]]
    if "evidence" in exemption:
        caller["evidence"] = [
            piece
            for asked in exemption["evidence"]
            for piece in (
                _fitting(rng, asked, caller, operation, now),
                _fitting(rng, asked, caller, operation, now),
            )
        ]
        for number, piece in enumerate(caller["evidence"]):
            piece["digest"] = f"digest-{number}"


def _resemble(rng: Random, party: Table, caller: Table) -> None:
    if "org_types" in party:
        caller["org_types"] = [rng.choice(party["org_types"])]
    for asked, stated in (("org_subtypes", "org_subtype"), ("org_ids", "org_id"), ("levels", "level")):
        if asked in party:
            caller[stated] = rng.choice(party[asked])


def _fitting(rng: Random, asked: Table, caller: Table, operation: Table, now: float) -> Table:
    """Evidence such as is asked for, at any age up to too old."""
    oldest = span(asked.get("max_age", "30d"))
    piece: Table = {
        "type": rng.choice(asked["types"]),
        "issued_at": now - rng.choice((0, oldest / 3, oldest / 2, oldest - 1, oldest)),
        "issued_by": rng.choice(asked.get("issued_by", ["a"])),
    }
    may(rng, piece, 0.5, "expires_at", now + rng.choice((0, 60, oldest)))
    if asked.get("named") or chance(rng, 0.3):
        piece["classes"] = [*operation["classes"]]
        may(rng, piece, 0.9, "purposes", [caller.get("purpose", "other")])
    return piece


def _used_up(rng: Random, setting: Setting, caller: Table) -> list[tuple[str, str, str]]:
    digests = tuple(piece["digest"] for piece in caller.get("evidence", []))
    return [
        (moratorium["id"], exemption["id"], whose)
        for document in setting.documents
        for moratorium in document["moratorium"]
        for exemption in moratorium.get("exemption", [])
        for whose in (*ORG_IDS, *digests)
        if "limit" in exemption and chance(rng, 0.4)
    ]


def _organisation(rng: Random) -> Table:
    table: Table = {}
    may(rng, table, 0.9, "org_types", some(rng, ORG_TYPES, 2 if chance(rng, 0.3) else 1))
    may(rng, table, 0.7, "org_id", rng.choice(ORG_IDS))
    may(rng, table, 0.4, "org_subtype", rng.choice(ORG_SUBTYPES))
    may(rng, table, 0.5, "level", rng.choice(LEVELS))
    may(rng, table, 0.7, "jurisdiction", rng.choice(JURISDICTIONS))
    return table


def _caller(rng: Random, edges: list[float]) -> Table:
    caller = _organisation(rng)
    caller.setdefault("org_types", ["police"])
    may(rng, caller, 0.2, "path", [_organisation(rng) for _ in range(rng.choice((1, 2)))])
    may(rng, caller, 0.25, "on_behalf_of", _organisation(rng))
    may(rng, caller, 0.15, "actors", [_organisation(rng) for _ in range(rng.choice((1, 2)))])
    may(rng, caller, 0.7, "purpose", rng.choice(PURPOSES))
    may(rng, caller, 0.5, "case", "case-digest")
    may(rng, caller, 0.3, "subject_jurisdiction", rng.choice(JURISDICTIONS))
    may(rng, caller, 0.3, "place_jurisdiction", rng.choice(JURISDICTIONS))
    may(rng, caller, 0.4, "valid_until", rng.choice(edges) + 86400 * 60)
    if chance(rng, 0.5):
        caller["circumstances"] = {
            name: some(rng, CIRCUMSTANCES[name], 2 if chance(rng, 0.2) else 1)
            for name in some(rng, (*CIRCUMSTANCES,))
        }
    if chance(rng, 0.5):
        caller["evidence"] = [_piece(rng, f"digest-{n}", edges) for n in range(rng.choice((1, 2, 3)))]
    return caller


def _piece(rng: Random, digest: str, edges: list[float]) -> Table:
    piece: Table = {"type": rng.choice(TYPES), "digest": digest, "issued_at": rng.choice(edges)}
    piece["issued_at"] -= rng.choice((0, 3600, 86400 * 10))
    may(rng, piece, 0.5, "expires_at", piece["issued_at"] + rng.choice((3600, 86400 * 40)))
    may(rng, piece, 0.6, "issued_by", rng.choice(ORG_IDS))
    may(rng, piece, 0.3, "classes", some(rng, CLASSES))
    may(rng, piece, 0.3, "purposes", some(rng, PURPOSES, 2))
    return piece


def _operation(rng: Random) -> Table:
    if chance(rng, 0.12):
        return {"name": "unknown", "classes": ["unknown"]}
    classes = CLASSES if chance(rng, 0.9) else STAR
    table: Table = {"name": rng.choice(NAMES), "classes": some(rng, classes, rng.choice((1, 1, 2)))}
    may(rng, table, 0.4, "traits", some(rng, (*Trait,), 2))
    may(rng, table, 0.4, "media", some(rng, (*Medium,), 2))
    may(rng, table, 0.2, "is_result", True)
    return table
