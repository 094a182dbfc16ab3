"""Who stands behind a caller: the units above it, the one that it works for, those who act with its token.

All of it can only bind: whoever is named here brings a moratorium along and never an exemption.
"""

from collections.abc import Callable
from typing import Any

from proxy.authn import shapes
from proxy.policy.callers import Caller, Principal
from proxy.policy.model import Policy, Refusal

MAX_UNITS = 16
MAX_ACTORS = 5

_MEMBERS: dict[str, tuple[str, Callable[[Any, str, Policy], Any]]] = {
    "org_type": ("org_types", shapes.org_types),
    "org_id": ("org_id", shapes.org_id),
    "org_subtype": ("org_subtype", shapes.org_subtype),
    "org_level": ("level", shapes.org_level),
    "jurisdiction": ("jurisdiction", shapes.jurisdiction),
}


def principal(value: Any, claim: str, policy: Policy) -> Principal | Refusal:
    """Read an object that describes one organisation."""
    found = _described(value, claim, policy)
    return found or shapes.bad(claim, "an object that names no organisation")


def units(value: Any, claim: str, policy: Policy) -> tuple[Principal, ...] | Refusal:
    """Read the list of units above the caller: ids, or objects."""
    if not isinstance(value, list) or len(value) > MAX_UNITS:
        return shapes.bad(claim, f"not a list of at most {MAX_UNITS} organisations")
    found: list[Principal] = []
    for item in value:
        one = principal({"org_id": item} if isinstance(item, str) else item, claim, policy)
        if isinstance(one, Refusal):
            return one
        found.append(one)
    return tuple(found)


def actors(value: Any, claim: str, policy: Policy) -> tuple[Principal, ...] | Refusal:
    """Read the chain of who acts with the token, the last to act first (RFC 8693 section 4.1)."""
    found: list[Principal] = []
    for _ in range(MAX_ACTORS):
        one = _described(value, claim, policy)
        if isinstance(one, Refusal):
            return one
        if one is not None:
            found.append(one)
        if "act" not in value:
            return tuple(found)
        value = value["act"]
    return shapes.bad(claim, f"a chain of more than {MAX_ACTORS} actors")


def nameless(caller: Caller) -> bool:
    """Whether somebody acts, or has others act, of whom nobody says what type of organisation it is."""
    behind = caller.on_behalf_of
    if behind is not None and not behind.org_types:
        return True
    return any(not actor.org_types for actor in caller.actors)


def _described(value: Any, claim: str, policy: Policy) -> Principal | Refusal | None:
    """The organisation that an object describes; None if it says nothing of one."""
    if not isinstance(value, dict):
        return shapes.bad(claim, "not an object")
    members: dict[str, Any] = {}
    for name, (field, read) in _MEMBERS.items():
        if name in value:
            found = read(value[name], f"{claim}.{name}", policy)
            if isinstance(found, Refusal):
                return found
            members[field] = found
    return Principal(**members) if members else None
