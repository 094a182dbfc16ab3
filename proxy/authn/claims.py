"""From verified claims to a `Caller`: where each claim sits, and what shapes are accepted.

Values are members of closed sets, compared exactly: no case folding, no trimming, no normalising, since each
of these invites two spellings of one thing (threat T35).
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from proxy.policy.callers import Caller, Instant
from proxy.policy.model import Policy, Refusal
from proxy.policy.reasons import Reason

_ORG_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}")
_MAX_TYPES = 16
_MAX_CASE = 256

_MISSING = object()


@dataclass(frozen=True, slots=True)
class ClaimPaths:
    """Dotted paths into the payload. A claim whose name itself holds dots is found by its whole name."""

    org_type: str = "org_type"
    org_id: str = "org_id"
    purpose: str = "purpose"
    case_id: str = "case_id"


def caller_of(
    payload: dict[str, Any], paths: ClaimPaths, policy: Policy, issuer: str, valid_until: Instant
) -> Caller | Refusal:
    """Read the caller out of claims that have been verified already."""
    org_types = _org_types(_at(payload, paths.org_type), policy.org_types)
    if isinstance(org_types, Refusal):
        return org_types

    org_id = _at(payload, paths.org_id)
    if org_id is _MISSING:
        org_id = None
    elif not isinstance(org_id, str) or not _ORG_ID.fullmatch(org_id):
        return Refusal(Reason.TOKEN_CLAIMS, f"The claim {paths.org_id} is not an organisation id.")

    purpose = _at(payload, paths.purpose)
    if purpose is _MISSING:
        purpose = None
    elif not isinstance(purpose, str):
        return Refusal(Reason.TOKEN_CLAIMS, f"The claim {paths.purpose} is not a string.")
    elif purpose not in policy.purposes:
        return Refusal(Reason.PURPOSE_UNKNOWN)

    case_id = _at(payload, paths.case_id)
    if case_id is _MISSING:
        case_digest = None
    elif isinstance(case_id, str) and case_id.strip() and len(case_id) <= _MAX_CASE:
        case_digest = hashlib.sha256(case_id.encode("utf-8", "surrogatepass")).hexdigest()
    else:
        return Refusal(Reason.TOKEN_CLAIMS, f"The claim {paths.case_id} is not a case number.")
    return Caller(issuer, org_types, org_id, purpose, case_digest, valid_until)


def _at(payload: dict[str, Any], path: str) -> Any:
    if path in payload:
        return payload[path]
    value: Any = payload
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return _MISSING
        value = value[name]
    return value


def _org_types(value: Any, known: frozenset[str]) -> tuple[str, ...] | Refusal:
    """One type, or a list of them: all must be known, or a caller could hide behind an unknown one."""
    if value is _MISSING:
        return Refusal(Reason.TOKEN_CLAIMS, "The organisation type is missing.")
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= _MAX_TYPES or not all(isinstance(item, str) for item in values):
        return Refusal(Reason.TOKEN_CLAIMS, "The organisation type is neither a string nor a list of them.")
    if len(set(values)) != len(values):
        return Refusal(Reason.TOKEN_CLAIMS, "An organisation type is listed twice.")
    if not known.issuperset(values):
        return Refusal(Reason.ORG_TYPE_UNKNOWN)
    return tuple(values)
