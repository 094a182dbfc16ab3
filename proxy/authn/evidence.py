"""From `authorization_details` (RFC 9396) to the evidence that a caller can show for an exemption.

Evidence can only open. So what is of a type that nobody here asks for is passed over, and what is of a known
type and not whole refuses the token: half a warrant is no warrant, and not no paper at all.
"""

from collections.abc import Callable
from typing import Any

from proxy.authn import shapes
from proxy.policy.callers import Evidence, EvidenceType
from proxy.policy.model import Policy, Refusal
from proxy.policy.operations import COVERABLE, OperationClass

MAX_EVIDENCE = 16

_TYPES = {str(kind): kind for kind in EvidenceType}
_CLASSES = {str(cls): cls for cls in COVERABLE}


def evidence(value: Any, claim: str, policy: Policy) -> tuple[Evidence, ...] | Refusal:
    """Read the list of what is shown, in its order."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return shapes.bad(claim, "not a list of objects")
    found: list[Evidence] = []
    for item in value:
        kind = item.get("type")
        if not isinstance(kind, str):
            return shapes.bad(f"{claim}.type", "not a string")
        if kind not in _TYPES:
            continue
        one = _one(_TYPES[kind], item, claim, policy)
        if isinstance(one, Refusal):
            return one
        found.append(one)
    if len(found) > MAX_EVIDENCE:
        return shapes.bad(claim, f"longer than {MAX_EVIDENCE} pieces of evidence")
    return tuple(found)


def _one(kind: EvidenceType, item: dict[str, Any], claim: str, policy: Policy) -> Evidence | Refusal:
    members: dict[str, Any] = {}
    for name, (field, read) in _MEMBERS.items():
        if name in item:
            found = read(item[name], f"{claim}.{name}", policy)
            if isinstance(found, Refusal):
                return found
            members[field] = found
    if "digest" not in members or "issued_at" not in members:
        return shapes.bad(claim, "a list with evidence that lacks id or issued_at")
    return Evidence(kind, **members)


def _instant(value: Any, claim: str, _policy: Policy) -> float | Refusal:
    instant = shapes.seconds(value)
    return shapes.bad(claim, "not a finite number of seconds") if instant is None else instant


def _classes(value: Any, claim: str, _policy: Policy) -> frozenset[OperationClass] | Refusal:
    found = shapes.words(value, claim, _CLASSES.keys())
    return found if isinstance(found, Refusal) else frozenset(_CLASSES[name] for name in found)


def _purposes(value: Any, claim: str, policy: Policy) -> frozenset[str] | Refusal:
    return shapes.words(value, claim, policy.purposes)


_MEMBERS: dict[str, tuple[str, Callable[[Any, str, Policy], Any]]] = {
    "id": ("digest", shapes.digest),
    "issued_at": ("issued_at", _instant),
    "expires_at": ("expires_at", _instant),
    "issued_by": ("issued_by", shapes.org_id),
    "classes": ("classes", _classes),
    "purposes": ("purposes", _purposes),
}
