"""A second reading of policy files, as plain as can be, which the engine must agree with.

It takes the document as TOML gives it, the caller and the operation as dictionaries, and walks through them
again for each question. It shares nothing with `proxy.policy`, so that a mistake is not made twice.
"""

# ruff: noqa: SIM102, C901  (nothing clever: loops and questions, in the order of docs/policy.md)

from collections.abc import Iterable
from typing import Any, NamedTuple

from tests.policy.naive_instants import instant, span
from tests.policy.naive_parties import (
    described,
    given_for,
    lies_in,
    matches,
    matches_wholly,
    organisations,
    places,
    relations,
    share,
)

Table = dict[str, Any]
EVER = float("inf")

DECISIONS = {
    "not-bound": "allowed",
    "not-covered": "allowed",
    "outside-scope": "allowed",
    "outside-jurisdiction": "allowed",
    "outside-window": "allowed",
    "exempt": "allowed",
    "shadow-blocked": "allowed",
    "moratorium": "blocked",
    "unknown-operation-allowed": "allowed",
    "operation-unknown": "rejected",
}
WEAKEST_FIRST = [*DECISIONS][:8]

STAR = (
    "detect", "analyze", "template", "compare", "search", "enroll", "liveness", "gallery", "manage",
    "nonface",
)  # fmt: skip


class Setting(NamedTuple):
    """What the operator has chosen: the files, and how they are read."""

    documents: tuple[Table, ...]
    mode: str = "enforce"
    unknown_operation: str = "refuse"
    timezone: str = "UTC"
    known_at: float = EVER
    backend: str | None = None


class Answer(NamedTuple):
    """What the engine must say too."""

    decision: str
    reason: str
    rule: str | None = None
    exemption: str | None = None


class Rule(NamedTuple):
    """One moratorium's table, with what its file knows."""

    table: Table
    document: Table
    setting: Setting


def answer(
    setting: Setting,
    caller: Table,
    operation: Table,
    now: float,
    used_up: Iterable[tuple[str, str, str]] = (),
) -> Answer:
    """One question. `used_up`: (moratorium, exemption, whose) of limited exemptions without a use left."""
    rules = rules_of(setting)
    if "unknown" in operation["classes"]:
        return answer_unknown(setting, rules, caller, now)
    strongest: tuple[str, str | None, str | None] = ("not-bound", None, None)
    for rule in rules:
        reason, exemption = say(rule, caller, operation, now, list(used_up))
        if WEAKEST_FIRST.index(reason) > WEAKEST_FIRST.index(strongest[0]):
            strongest = (reason, rule.table["id"], exemption)
    return Answer(DECISIONS[strongest[0]], *strongest)


def answer_unknown(setting: Setting, rules: list[Rule], caller: Table, now: float) -> Answer:
    """Refused to those whom any moratorium in force binds, to others as the operator says."""
    would_be: str | None = None
    for rule in rules:
        if not bound(rule, caller):
            continue
        if "where" in rule.table and not concerned_place(rule, caller):
            continue
        if not in_force(rule, caller, now):
            continue
        if not is_shadow(rule) or setting.unknown_operation == "refuse":
            return Answer("rejected", "operation-unknown", rule.table["id"])
        if would_be is None:
            would_be = rule.table["id"]
    if would_be is not None:
        return Answer("allowed", "shadow-blocked", would_be)
    if setting.unknown_operation == "allow":
        return Answer("allowed", "unknown-operation-allowed")
    return Answer("rejected", "operation-unknown")


def rules_of(setting: Setting) -> list[Rule]:
    """The moratoria that were known, are about this backend, and have a window left."""
    rules = []
    for document in setting.documents:
        for table in document["moratorium"]:
            rule = Rule(table, document, setting)
            if not known(rule, table):
                continue
            if setting.backend is not None and "backends" in table:
                if setting.backend not in table["backends"]:
                    continue
            if windows(rule):
                rules.append(rule)
    return rules


def say(
    rule: Rule, caller: Table, operation: Table, now: float, used_up: list[tuple[str, str, str]]
) -> tuple[str, str | None]:
    """What one moratorium says: a reason, and the exemption that lifts it."""
    if not bound(rule, caller):
        return "not-bound", None
    if not covered(rule, operation):
        return "not-covered", None
    if "where" in rule.table and not concerned_place(rule, caller):
        return "outside-jurisdiction", None
    if not concerned(rule, caller):
        return "outside-scope", None
    if not in_force(rule, caller, now):
        return "outside-window", None
    for exemption in rule.table.get("exemption", []):
        if known(rule, exemption) and lifts(rule, exemption, caller, operation, now, used_up):
            return "exempt", exemption["id"]
    if is_shadow(rule):
        return "shadow-blocked", None
    return "moratorium", None


def is_shadow(rule: Rule) -> bool:
    return rule.setting.mode == "shadow" or rule.table.get("mode") == "shadow"


# ---------------------------------------------------------------- whom it binds


def bound(rule: Rule, caller: Table) -> list[tuple[str, Table]]:
    binds = rule.table["binds"]
    parties = list(binds.get("also", []))
    if "everyone" in binds or described(binds):
        parties.append(binds)
    found = []
    for relation, organisation in organisations(caller):
        for party in parties:
            if relation in relations(party) and matches(party, organisation, binding=True):
                found.append((relation, organisation))
                break
    for exception in binds.get("except", []):
        works_for_one = False
        for relation, organisation in organisations(caller):
            if relation == "on-behalf-of" and matches_wholly(exception, organisation):
                works_for_one = True
        left = []
        for relation, organisation in found:
            if relation in relations(exception) and matches_wholly(exception, organisation):
                continue
            if exception.get("contractors") and works_for_one and relation != "actor":
                continue
            left.append((relation, organisation))
        found = left
    return found


# ---------------------------------------------------------------- what it covers


def covered(rule: Rule, operation: Table) -> list[str]:
    covers = rule.table["covers"]
    if "media" in covers and operation.get("media"):
        if not share(covers["media"], operation["media"]):
            return []
    if operation.get("is_result") and covers.get("results") == "at-start":
        return []
    if operation["name"] in covers.get("operations", []):
        return list(operation["classes"])
    classes = covers.get("classes", [])
    if classes == ["*"]:
        classes = STAR
    found = []
    for one in operation["classes"]:
        if one not in classes:
            continue
        if one == "analyze" and "traits" in covers and operation.get("traits"):
            if not share(covers["traits"], operation["traits"]):
                continue
        found.append(one)
    return found


# ---------------------------------------------------------------- what it concerns


def concerned(rule: Rule, caller: Table) -> bool:
    purposes = rule.table.get("purposes", {})
    if "purpose" in caller:
        if "only" in purposes and caller["purpose"] not in purposes["only"]:
            return False
        if "except" in purposes and caller["purpose"] in purposes["except"]:
            return False
    elif purposes.get("missing") == "ignore" and ("only" in purposes or "except" in purposes):
        return False
    for name, asked in rule.table.get("circumstances", {}).items():
        said = caller.get("circumstances", {}).get(name, [])
        if said:
            if not share(said, asked["is"]):
                return False
        elif asked.get("missing") == "ignore":
            return False
    return True


def concerned_place(rule: Rule, caller: Table) -> bool:
    """One place that lies there is enough; one that is not stated closely enough counts as `missing` says."""
    where = rule.table["where"]
    doubtful = False
    for place in places(where.get("of", ["bound"]), caller, bound(rule, caller)):
        lies = lies_in(place, where["jurisdictions"])
        if lies == "yes":
            return True
        if lies == "perhaps":
            doubtful = True
    return doubtful and where.get("missing", "bind") == "bind"


# ---------------------------------------------------------------- when it is in force


def in_force(rule: Rule, caller: Table, now: float) -> bool:
    looked_at = places(["bound"], caller, bound(rule, caller))
    if "place_jurisdiction" in caller:
        looked_at.append(caller["place_jurisdiction"])
    for start, end, where in windows(rule):
        elsewhere = bool(where)
        for place in looked_at:
            if lies_in(place, where) != "no":
                elsewhere = False
        if elsewhere:
            continue
        if start <= now < end:
            return True
    return False


def windows(rule: Rule) -> list[tuple[float, float, list[str]]]:
    """Those that count by what was known, with nothing between them that replaces one."""
    tables = rule.table.get("window", [{}])
    found = []
    for index, table in enumerate(tables):
        if not known(rule, table):
            continue
        name = table.get("id", f"window-{index + 1}")
        replaced = False
        for other in tables:
            if known(rule, other) and name in other.get("replaces", []):
                replaced = True
        start, end = start_of(rule, table), end_of(rule, table)
        if not replaced and start < end:
            found.append((start, end, table.get("places", [])))
    return found


def start_of(rule: Rule, table: Table) -> float:
    if "start" not in table:
        return -EVER
    return instant(table["start"], zone_of(rule, table))


def end_of(rule: Rule, table: Table) -> float:
    date = instant(table["end"], zone_of(rule, table), end=True) if "end" in table else EVER
    if "end_event" not in table:
        return date
    happened = EVER
    for event in rule.document.get("event", []):
        if event["id"] == table["end_event"] and known(rule, event) and "happened" in event:
            happened = instant(event["happened"], zone_of(rule, {}), end=True)
    if "end" not in table:
        return happened
    if table["ends"] == "later":
        return max(date, happened)
    return min(date, happened)


def known(rule: Rule, table: Table) -> bool:
    if "recorded" not in table:
        return True
    return instant(table["recorded"], zone_of(rule, {})) <= rule.setting.known_at


def zone_of(rule: Rule, table: Table) -> str:
    name: str = table.get("timezone") or rule.document.get("timezone") or rule.setting.timezone
    return name


# ---------------------------------------------------------------- what exempts


def lifts(
    rule: Rule,
    exemption: Table,
    caller: Table,
    operation: Table,
    now: float,
    used_up: list[tuple[str, str, str]],
) -> bool:
    zone = zone_of(rule, {})
    if "start" in exemption and now < instant(exemption["start"], zone):
        return False
    if "end" in exemption and now >= instant(exemption["end"], zone, end=True):
        return False
    if "classes" in exemption:
        for one in covered(rule, operation):
            if one not in exemption["classes"]:
                return False
    if "media" in exemption:
        if not operation.get("media"):
            return False
        for medium in operation["media"]:
            if medium not in exemption["media"]:
                return False
    if not meets(rule, exemption, caller):
        return False
    pieces = []
    for asked in exemption.get("evidence", []):
        piece = shown(rule, asked, caller, covered(rule, operation), now)
        if piece is None:
            return False
        pieces.append(piece)
    if "limit" not in exemption:
        return True
    if exemption["limit"].get("by") == "organisation":
        whose = bound(rule, caller)[0][1].get("org_id")
    else:
        whose = pieces[0]["digest"]
    return whose is not None and (rule.table["id"], exemption["id"], whose) not in used_up


def meets(rule: Rule, exemption: Table, caller: Table) -> bool:
    """What is asked of who, what for and where. What the token does not say is not met."""
    if described(exemption):
        for _, organisation in bound(rule, caller):
            if not matches(exemption, organisation):
                return False
    purpose = caller.get("purpose")
    if "purposes" in exemption and purpose not in exemption["purposes"]:
        return False
    if "except_purposes" in exemption and (purpose is None or purpose in exemption["except_purposes"]):
        return False
    if exemption.get("requires_case") and "case" not in caller:
        return False
    for name, values in exemption.get("circumstances", {}).items():
        if not share(caller.get("circumstances", {}).get(name, []), values):
            return False
    if "jurisdictions" in exemption:
        looked_at = places(exemption.get("of", ["bound"]), caller, bound(rule, caller))
        for place in looked_at:
            if lies_in(place, exemption["jurisdictions"]) != "yes":
                return False
        if not looked_at:
            return False
    return True


def shown(rule: Rule, asked: Table, caller: Table, classes: list[str], now: float) -> Table | None:
    """The piece of evidence that meets what is asked and lasts longest."""
    best: Table | None = None
    best_end = -EVER
    for piece in caller.get("evidence", []):
        end = piece.get("expires_at", EVER)
        if "max_age" in asked:
            end = min(end, piece["issued_at"] + span(asked["max_age"]))
        if piece["type"] not in asked["types"]:
            continue
        if now < piece["issued_at"] or now >= end:
            continue
        if "issued_by" in asked and piece.get("issued_by") not in asked["issued_by"]:
            continue
        if "issued_before" in asked:
            if piece["issued_at"] >= instant(asked["issued_before"], zone_of(rule, {})):
                continue
        if not given_for(piece, classes, caller.get("purpose"), named=asked.get("named", False)):
            continue
        if end > best_end:
            best, best_end = piece, end
    return best
