"""The cast: who calls, with which token, for what, and what must come of it. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from proxy.policy.reasons import Decision, Reason

ONE = "eileen-collins-1.jpg"
SAME_PERSON = "eileen-collins-2.jpg"
SOMEONE_ELSE = "grace-hopper.jpg"

# What a client can see, besides an exception's code.
MATCH = "match"
NO_MATCH = "no match"
FACE_FOUND = "face found"


@dataclass(frozen=True)
class Expected:
    """What must come of a call: for the record, and for the client (`sees`: as above, or an error code)."""

    decision: Decision
    reason: Reason
    status: int
    sees: str


@dataclass(frozen=True)
class Caller:
    """One call. `claims` go to TokenMint.token; `target` replaces the operation that the client names."""

    who: str
    asks: str
    operation: str
    photos: tuple[str, ...]
    claims: Mapping[str, Any]
    expected: Expected
    forged: bool = False
    expires_in: float = 300
    target: str | None = None


BANK: dict[str, Any] = {
    "org_type": "commercial",
    "org_id": "harbour-bank",
    "purpose": "identity-verification",
}
SHERIFF: dict[str, Any] = {
    "org_type": "police",
    "org_subtype": "sheriff",
    "org_id": "cedar-sheriff",
    "jurisdiction": "US-OR",
}
INVESTIGATING = {**SHERIFF, "purpose": "criminal-investigation"}
MISSING_CHILD = {**SHERIFF, "purpose": "missing-persons", "case_id": "2026-00417"}
TASK_FORCE = {
    "org_type": ["police", "child-safety"],
    "org_id": "icmec",
    "purpose": "victim-identification",
    "case_id": "CR-118",
}

CAST: tuple[Caller, ...] = (
    Caller(
        who="Bank",
        asks="compare, same person",
        operation="CompareFaces",
        photos=(ONE, SAME_PERSON),
        claims=BANK,
        expected=Expected(Decision.ALLOWED, Reason.NOT_BOUND, 200, MATCH),
    ),
    Caller(
        who="Same bank",
        asks="compare, someone else",
        operation="CompareFaces",
        photos=(ONE, SOMEONE_ELSE),
        claims=BANK,
        expected=Expected(Decision.ALLOWED, Reason.NOT_BOUND, 200, NO_MATCH),
    ),
    Caller(
        who="Sheriff's office",
        asks="compare, criminal case",
        operation="CompareFaces",
        photos=(ONE, SAME_PERSON),
        claims=INVESTIGATING,
        expected=Expected(Decision.BLOCKED, Reason.MORATORIUM, 451, "AccessDeniedException"),
    ),
    Caller(
        who="Same office",
        asks="find faces, same case",
        operation="DetectFaces",
        photos=(ONE,),
        claims=INVESTIGATING,
        expected=Expected(Decision.ALLOWED, Reason.NOT_COVERED, 200, FACE_FOUND),
    ),
    Caller(
        who="Same office",
        asks="compare, missing person",
        operation="CompareFaces",
        photos=(ONE, SAME_PERSON),
        claims=MISSING_CHILD,
        expected=Expected(Decision.ALLOWED, Reason.EXEMPT, 200, MATCH),
    ),
    Caller(
        who="Child-rescue force",
        asks="compare, exempt by name",
        operation="CompareFaces",
        photos=(SAME_PERSON, ONE),
        claims=TASK_FORCE,
        expected=Expected(Decision.ALLOWED, Reason.EXEMPT, 200, MATCH),
    ),
    Caller(
        who="Bank, an hour late",
        asks="compare, expired token",
        operation="CompareFaces",
        photos=(ONE, SAME_PERSON),
        claims=BANK,
        expires_in=-3600,
        expected=Expected(Decision.REJECTED, Reason.TOKEN_EXPIRED, 401, "ExpiredTokenException"),
    ),
    Caller(
        who="Posing as the bank",
        asks="compare, forged token",
        operation="CompareFaces",
        photos=(ONE, SAME_PERSON),
        claims=BANK,
        forged=True,
        expected=Expected(Decision.REJECTED, Reason.TOKEN_SIGNATURE, 401, "UnrecognizedClientException"),
    ),
    Caller(
        who="Bank, newer client",
        asks="CompareFacesV2",
        operation="CompareFaces",
        photos=(ONE, SAME_PERSON),
        claims=BANK,
        target="CompareFacesV2",
        expected=Expected(Decision.REJECTED, Reason.OPERATION_UNKNOWN, 403, "UnknownOperationException"),
    ),
)
