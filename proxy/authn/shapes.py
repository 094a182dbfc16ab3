"""The shapes that claims may have: what a value is taken for, or the refusal of whatever is different.

Values are members of closed sets, compared exactly: no case folding, no trimming, no normalising, since each
of these invites two spellings of one thing (threat T35). A refusal names the claim and never the value.
"""

import hashlib
import re
from collections.abc import Set as AbstractSet
from typing import Any

from proxy.policy.callers import LEVELS, Instant
from proxy.policy.model import Policy, Refusal
from proxy.policy.reasons import Reason

MISSING = object()

_ORG_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}")
_JURISDICTION = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3}){0,2}")
_MAX_VALUES = 16
_MAX_REFERENCE = 256
_MAX_TIME = 253402300800  # the year 10000


def bad(claim: str, what: str) -> Refusal:
    """The refusal of a claim of another shape. `claim`: its configured place, which is no secret."""
    return Refusal(Reason.TOKEN_CLAIMS, f"The claim {claim} is {what}.")


def org_types(value: Any, claim: str, policy: Policy) -> tuple[str, ...] | Refusal:
    """One type, or a list of them: all must be known, or a caller could hide behind an unknown one."""
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= _MAX_VALUES or not all(isinstance(item, str) for item in values):
        return bad(claim, "neither an organisation type nor a list of them")
    if len(set(values)) != len(values):
        return bad(claim, "a list with an organisation type twice")
    if not policy.org_types.issuperset(values):
        return Refusal(Reason.ORG_TYPE_UNKNOWN)
    return tuple(values)


def org_id(value: Any, claim: str, _policy: Policy) -> str | Refusal:
    """A short plain word, which can stand in a record as it is."""
    if isinstance(value, str) and _ORG_ID.fullmatch(value):
        return value
    return bad(claim, "not an organisation id")


def org_subtype(value: Any, claim: str, policy: Policy) -> str | Refusal:
    if not isinstance(value, str):
        return bad(claim, "not a string")
    return value if value in policy.org_subtypes else Refusal(Reason.ORG_SUBTYPE_UNKNOWN)


def org_level(value: Any, claim: str, _policy: Policy) -> str | Refusal:
    if isinstance(value, str) and value in LEVELS:
        return value
    return bad(claim, f"none of {', '.join(LEVELS)}")


def jurisdiction(value: Any, claim: str, _policy: Policy) -> str | Refusal:
    """ISO 3166-1 or -2, and a place within: `US`, `US-MA`, `US-MA-BOS`."""
    if isinstance(value, str) and _JURISDICTION.fullmatch(value):
        return value
    return bad(claim, "not a jurisdiction")


def purpose(value: Any, claim: str, policy: Policy) -> str | Refusal:
    if not isinstance(value, str):
        return bad(claim, "not a string")
    return value if value in policy.purposes else Refusal(Reason.PURPOSE_UNKNOWN)


def digest(value: Any, claim: str, _policy: Policy) -> str | Refusal:
    """The SHA-256 (hex) of a case number or of the reference of a paper, which itself is not kept."""
    if isinstance(value, str) and len(value) <= _MAX_REFERENCE and value.strip():
        return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
    return bad(claim, "not a reference of 1 to 256 characters")


def words(value: Any, claim: str, known: AbstractSet[str]) -> frozenset[str] | Refusal:
    """A list of members of a closed set. Not an empty one, which could be read as "all" or as "none"."""
    if not isinstance(value, list) or not 0 < len(value) <= _MAX_VALUES:
        return bad(claim, "not a list of 1 to 16 words")
    if not all(isinstance(item, str) for item in value) or not known >= set(value):
        return bad(claim, "a list with a value that is not known")
    return frozenset(value)


def circumstance(value: Any, claim: str, known: AbstractSet[str]) -> frozenset[str] | Refusal:
    """What holds of one circumstance: one value, or a list of them."""
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= _MAX_VALUES or not all(isinstance(item, str) for item in values):
        return bad(claim, "neither a string nor a list of them")
    return frozenset(values) if known >= set(values) else Refusal(Reason.CIRCUMSTANCE_UNKNOWN)


def seconds(value: Any) -> Instant | None:
    """A NumericDate (RFC 7519 section 2): a JSON number, finite and within what a clock can show."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # False for NaN and infinity too; compared before it is converted, since an integer can be too large.
    return float(value) if abs(value) < _MAX_TIME else None
