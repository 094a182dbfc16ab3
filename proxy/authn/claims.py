"""From verified claims to a `Caller`: where each claim sits, and what becomes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from proxy.authn import shapes
from proxy.authn.delegation import actors, principal, units
from proxy.authn.evidence import evidence
from proxy.authn.shapes import MISSING
from proxy.policy.callers import Caller, Instant
from proxy.policy.model import Policy, Refusal
from proxy.policy.reasons import Reason

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ClaimPaths:
    """Dotted paths into the payload. A claim whose name itself holds dots is found by its whole name.

    `circumstances`: of those that are not found under their own names.
    """

    org_type: str = "org_type"
    org_id: str = "org_id"
    purpose: str = "purpose"
    case_id: str = "case_id"
    org_subtype: str = "org_subtype"
    org_level: str = "org_level"
    jurisdiction: str = "jurisdiction"
    subject_jurisdiction: str = "subject_jurisdiction"
    place_jurisdiction: str = "place_jurisdiction"
    org_path: str = "org_path"
    on_behalf_of: str = "on_behalf_of"
    act: str = "act"
    authorization_details: str = "authorization_details"
    circumstances: Mapping[str, str] = field(default_factory=dict, hash=False)
    seldom: frozenset[str] = field(init=False, repr=False, compare=False)
    """The members of a payload under which the claims of `_SELDOM` may be. Most tokens have none of them."""

    def __post_init__(self) -> None:
        paths = [getattr(self, name) for name in _SELDOM]
        object.__setattr__(self, "seldom", frozenset(paths) | {path.partition(".")[0] for path in paths})


# Of each claim: the caller's field, and who reads it.
_SELDOM: dict[str, tuple[str, Callable[[Any, str, Policy], Any]]] = {
    "org_subtype": ("org_subtype", shapes.org_subtype),
    "org_level": ("level", shapes.org_level),
    "jurisdiction": ("jurisdiction", shapes.jurisdiction),
    "subject_jurisdiction": ("subject_jurisdiction", shapes.jurisdiction),
    "place_jurisdiction": ("place_jurisdiction", shapes.jurisdiction),
    "org_path": ("path", units),
    "on_behalf_of": ("on_behalf_of", principal),
    "act": ("actors", actors),
    "authorization_details": ("evidence", evidence),
}


def caller_of(
    payload: dict[str, Any], paths: ClaimPaths, policy: Policy, issuer: str, valid_until: Instant
) -> Caller | Refusal:
    """Read the caller out of claims that have been verified already."""
    value = _at(payload, paths.org_type)
    if value is MISSING:
        return Refusal(Reason.TOKEN_CLAIMS, "The organisation type is missing.")
    org_types = shapes.org_types(value, paths.org_type, policy)
    if isinstance(org_types, Refusal):
        return org_types
    org_id = _read(payload, paths.org_id, shapes.org_id, policy)
    if isinstance(org_id, Refusal):
        return org_id
    purpose = _read(payload, paths.purpose, shapes.purpose, policy)
    if isinstance(purpose, Refusal):
        return purpose
    case_digest = _read(payload, paths.case_id, shapes.digest, policy)
    if isinstance(case_digest, Refusal):
        return case_digest
    caller = Caller(issuer, org_types, org_id, purpose, case_digest, valid_until)
    if not policy.circumstances and paths.seldom.isdisjoint(payload):
        return caller
    return _completed(caller, payload, paths, policy)


def _completed(
    caller: Caller, payload: dict[str, Any], paths: ClaimPaths, policy: Policy
) -> Caller | Refusal:
    """The caller with what only some tokens say."""
    said: dict[str, Any] = {}
    for name, (member, read) in _SELDOM.items():
        found = _read(payload, getattr(paths, name), read, policy)
        if isinstance(found, Refusal):
            return found
        if found is not None:
            said[member] = found
    circumstances = _circumstances(payload, paths, policy)
    if isinstance(circumstances, Refusal):
        return circumstances
    return caller._replace(circumstances=circumstances, **said)


def _circumstances(
    payload: dict[str, Any], paths: ClaimPaths, policy: Policy
) -> frozenset[tuple[str, str]] | Refusal:
    pairs: set[tuple[str, str]] = set()
    for name, known in policy.circumstances.items():
        path = paths.circumstances.get(name, name)
        value = _at(payload, path)
        if value is MISSING:
            continue
        found = shapes.circumstance(value, path, known)
        if isinstance(found, Refusal):
            return found
        pairs.update((name, word) for word in found)
    return frozenset(pairs)


def _read(
    payload: dict[str, Any], path: str, read: Callable[[Any, str, Policy], _T | Refusal], policy: Policy
) -> _T | Refusal | None:
    value = _at(payload, path)
    return None if value is MISSING else read(value, path, policy)


def _at(payload: dict[str, Any], path: str) -> Any:
    if path in payload:
        return payload[path]
    value: Any = payload
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return MISSING
        value = value[name]
    return value
