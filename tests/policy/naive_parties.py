"""Who an organisation is, where a place lies, what evidence is good for: a part of `tests.policy.naive`."""

# ruff: noqa: SIM110  (nothing clever: loops and questions)

from typing import Any

Table = dict[str, Any]


def organisations(caller: Table) -> list[tuple[str, Table]]:
    """Everybody who has to do with the call: the relation, and what is known of them."""
    found = [("self", caller)]
    for unit in caller.get("path", []):
        found.append(("unit-of", unit))
    if "on_behalf_of" in caller:
        found.append(("on-behalf-of", caller["on_behalf_of"]))
    for actor in caller.get("actors", []):
        found.append(("actor", actor))
    return found


def described(party: Table) -> bool:
    for key in ("org_types", "org_subtypes", "org_ids", "levels"):
        if key in party:
            return True
    return False


def relations(party: Table) -> list[str]:
    everybody = ["self", "on-behalf-of", "actor"]
    if "everyone" not in party:
        everybody.append("unit-of")
    stated: list[str] = party.get("relations", everybody)
    return stated


def matches(party: Table, organisation: Table, *, binding: bool = False) -> bool:
    """All that is asked must be so; of several types of an organisation one is enough.

    For `binding` somebody of a type that is named, a subtype or level that is not said is one of those.
    """
    if "org_types" in party:
        some = False
        for org_type in organisation.get("org_types", []):
            if org_type in party["org_types"]:
                some = True
        if not some:
            return False
    for asked, stated in (("org_subtypes", "org_subtype"), ("org_ids", "org_id"), ("levels", "level")):
        if binding and "org_types" in party and asked != "org_ids" and organisation.get(stated) is None:
            continue
        if asked in party and organisation.get(stated) not in party[asked]:
            return False
    return True


def matches_wholly(party: Table, organisation: Table) -> bool:
    """An exception wants all types of an organisation."""
    if not matches(party, organisation):
        return False
    if "org_types" in party:
        for org_type in organisation.get("org_types", []):
            if org_type not in party["org_types"]:
                return False
    return True


def share(some: list[str], others: list[str]) -> bool:
    for one in some:
        if one in others:
            return True
    return False


def places(of: list[str], caller: Table, bound: list[tuple[str, Table]]) -> list[str | None]:
    found = []
    if "bound" in of:
        for _, organisation in bound:
            found.append(organisation.get("jurisdiction"))
    if "caller" in of:
        found.append(caller.get("jurisdiction"))
    if "principal" in of and "on_behalf_of" in caller:
        found.append(caller["on_behalf_of"].get("jurisdiction"))
    if "subject" in of:
        found.append(caller.get("subject_jurisdiction"))
    if "place" in of:
        found.append(caller.get("place_jurisdiction"))
    return found


def lies_in(place: str | None, jurisdictions: list[str]) -> str:
    if place is None:
        return "perhaps"
    parts = place.split("-")
    perhaps = False
    for jurisdiction in jurisdictions:
        wanted = jurisdiction.split("-")
        if parts[: len(wanted)] == wanted:
            return "yes"
        if wanted[: len(parts)] == parts:
            perhaps = True
    return "perhaps" if perhaps else "no"


def given_for(piece: Table, classes: list[str], purpose: str | None, *, named: bool) -> bool:
    """Evidence that says what it was given for is good for nothing else."""
    if named and not (piece.get("classes") and piece.get("purposes")):
        return False
    if piece.get("classes"):
        for one in classes:
            if one not in piece["classes"]:
                return False
    return not piece.get("purposes") or purpose in piece["purposes"]
