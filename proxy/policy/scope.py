"""Whom a moratorium binds, what it covers, and which of its windows count where the call is made."""

from proxy.policy.callers import Caller, Principal, Relation
from proxy.policy.conditions import Party, within
from proxy.policy.model import Binding, Coverage, Moratorium, Window
from proxy.policy.operations import Operation, OperationClass

Bound = list[tuple[Relation, Principal]]
"""Organisations that have to do with a call, each with how it stands to it."""


def bound_by(binds: Binding, principals: Bound) -> Bound:
    """Those of a call's organisations that are one of the parties and none of the exceptions."""
    bound = []
    for entry in principals:
        relation, principal = entry
        for party in binds.parties:
            if relation in party.relations and party.may_fit(principal):
                bound.append(entry)
                break
    if bound and binds.exceptions:
        return _without(binds.exceptions, bound, principals)
    return bound


def _without(exceptions: tuple[Party, ...], bound: Bound, principals: Bound) -> Bound:
    for exception in exceptions:
        if exception.contractors and any(
            relation is Relation.ON_BEHALF_OF and exception.fits_wholly(principal)
            for relation, principal in principals
        ):
            bound = [entry for entry in bound if entry[0] is Relation.ACTOR]
        bound = [
            (relation, principal)
            for relation, principal in bound
            if not (relation in exception.relations and exception.fits_wholly(principal))
        ]
    return bound


def covered_by(covers: Coverage, operation: Operation) -> frozenset[OperationClass]:
    """Those of an operation's classes that are covered. What its table does not say counts as everything."""
    if covers.media and operation.media and covers.media.isdisjoint(operation.media):
        return frozenset()
    if operation.is_result and not covers.results:
        return frozenset()
    if operation.name in covers.operations:
        return operation.classes
    covered = covers.classes & operation.classes
    if covers.traits and operation.traits and covers.traits.isdisjoint(operation.traits):
        covered -= {OperationClass.ANALYZE}
    return covered


def windows_for(moratorium: Moratorium, caller: Caller, bound: Bound) -> tuple[Window, ...]:
    """The windows that count for the camera's place, if it is stated, or for that of any who is bound.

    One counts unless all of these are known to lie elsewhere.
    """
    if not moratorium.local:
        return moratorium.windows
    places = [principal.jurisdiction for _, principal in bound]
    if caller.place_jurisdiction is not None:
        places.append(caller.place_jurisdiction)
    found = []
    for window in moratorium.windows:
        counts = not window.places
        for place in places:
            counts = counts or within(place, window.places) is not False
        if counts:
            found.append(window)
    return tuple(found)


def bound_type(rule: Moratorium, principal: Principal) -> str | None:
    """The type by which an organisation is bound, else its first."""
    for org_type in principal.org_types:
        for party in rule.binds.parties:
            if org_type in party.org_types:
                return org_type
    return principal.org_types[0] if principal.org_types else None
