"""The registry of organisations: what the operator, or somebody it relies on, has verified about each.

A token that says something else is refused. What a token leaves out is taken from here; the types of the
caller itself it has to say, all of them.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from proxy.policy.callers import ALWAYS, FOREVER, Caller, Instant, Principal
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason


class Organisation(NamedTuple):
    """One entry. It counts from `verified_on` until `valid_until`.

    `units`: all that are above it, the nearest first. `contractor`: whether it works for others, so that its
    tokens must say for whom.
    """

    principal: Principal
    units: tuple[Principal, ...] = ()
    contractor: bool = False
    verified_on: Instant = ALWAYS
    valid_until: Instant = FOREVER


Registry = Mapping[str, Organisation]


def confirm(caller: Caller, registry: Registry, now: Instant) -> Caller | Refusal:
    """The caller as its token and the registry say together, or where the two do not agree.

    Whoever the token names must be registered. Units above an organisation are taken whether or not their own
    entries still count: they only bind.
    """
    own = _look_up(caller.principal, registry, now)
    if isinstance(own, Refusal):
        return own
    behind = None if caller.on_behalf_of is None else _look_up(caller.on_behalf_of, registry, now)
    if isinstance(behind, Refusal):
        return behind
    # A contractor that works for a contractor leaves open whom both of them work for.
    if (own if behind is None else behind).contractor:
        return Refusal(Reason.DELEGATION_MISSING)
    actors = _look_up_all(caller.actors, registry, now)
    path = _look_up_all(caller.path, registry, None)
    if isinstance(actors, Refusal):
        return actors
    if isinstance(path, Refusal):
        return path
    acting = [own, *actors] if behind is None else [own, behind, *actors]
    known = own.principal
    return caller._replace(
        org_subtype=known.org_subtype,
        level=known.level,
        jurisdiction=known.jurisdiction,
        # Also the units above whom the caller works for: a rule that binds a city reaches those who work for
        # one of its departments.
        path=_distinct(path, [own] if behind is None else [own, behind]),
        on_behalf_of=None if behind is None else behind.principal,
        actors=_distinct(actors),
        valid_until=min(caller.valid_until, *(entry.valid_until for entry in acting)),
    )


def _look_up(principal: Principal, registry: Registry, now: Instant | None) -> Organisation | Refusal:
    """The entry, with what the token says of it besides. Without `now` its times are not asked for."""
    entry = registry.get(principal.org_id) if principal.org_id is not None else None
    if entry is None or (now is not None and now < entry.verified_on):
        return Refusal(Reason.ORG_NOT_REGISTERED)
    if now is not None and now >= entry.valid_until:
        return Refusal(Reason.ORG_REGISTRATION_EXPIRED)
    known = entry.principal
    if principal.org_types and set(principal.org_types) != set(known.org_types):
        return Refusal(Reason.ORG_DISAGREES, "It is about the type.")
    for said, verified, what in (
        (principal.org_subtype, known.org_subtype, "subtype"),
        (principal.level, known.level, "level"),
        (principal.jurisdiction, known.jurisdiction, "jurisdiction"),
    ):
        if said is not None and verified is not None and said != verified:
            return Refusal(Reason.ORG_DISAGREES, f"It is about the {what}.")
    return entry._replace(
        principal=Principal(
            principal.org_types or known.org_types,
            principal.org_id,
            principal.org_subtype or known.org_subtype,
            principal.level or known.level,
            principal.jurisdiction or known.jurisdiction,
        )
    )


def _look_up_all(
    principals: tuple[Principal, ...], registry: Registry, now: Instant | None
) -> list[Organisation] | Refusal:
    """Entries; one without an id is as the token says: here it can only bind."""
    entries: list[Organisation] = []
    for principal in principals:
        entry = Organisation(principal) if principal.org_id is None else _look_up(principal, registry, now)
        if isinstance(entry, Refusal):
            return entry
        entries.append(entry)
    return entries


def _distinct(entries: list[Organisation], below: Iterable[Organisation] = ()) -> tuple[Principal, ...]:
    """These, and the units above them and above those `below`; each once."""
    found: dict[object, Principal] = {}
    for unit in (entry.principal for entry in entries):
        found.setdefault(unit.org_id or unit, unit)
    for unit in (unit for entry in (*below, *entries) for unit in entry.units):
        found.setdefault(unit.org_id, unit)
    return tuple(found.values())
