"""What happens to a client: the callers, and whether the face API is well."""

from enum import StrEnum
from typing import Any, NamedTuple


class Case(StrEnum):
    """In the order in which they run, and as the page says them."""

    ALLOWED = "allowed"
    BLOCKED = "blocked"
    EXEMPT = "exempt"
    BAD_TOKEN = "bad token"
    EXPIRED = "expired token mid-session"
    DOWN = "upstream down"
    TOO_LARGE = "too large"
    THROTTLED = "rate-limited by the upstream"
    UNDECIDED = "issuer down"


MEANINGS = {
    Case.ALLOWED: "a commercial customer compares two faces",
    Case.BLOCKED: "a police department does, in a criminal investigation",
    Case.EXEMPT: "a police department does, for a missing person and with a case number",
    Case.BAD_TOKEN: "the token has the right claims and was signed by somebody else",
    Case.EXPIRED: "one client object, one call that succeeds; its token ends; the same call again",
    Case.DOWN: "nobody listens where the face API should be",
    Case.TOO_LARGE: "an image of 17 MiB, where a request may have 16 MiB",
    Case.THROTTLED: "the face API says that there were too many calls",
    Case.UNDECIDED: "the issuer's keys cannot be had, so the proxy can judge nobody and answers 503",
}
DENIALS = frozenset({Case.BLOCKED, Case.BAD_TOKEN, Case.EXPIRED})

_POLICE: dict[str, Any] = {"org_type": "police", "org_id": "springfield-pd"}
_SOUGHT: dict[str, Any] = {"purpose": "missing-persons", "case_id": "MP-1047"}


def claims(case: Case) -> dict[str, Any]:
    """Of the caller's token."""
    match case:
        case Case.BLOCKED:
            return {**_POLICE, "purpose": "criminal-investigation"}
        case Case.EXEMPT:
            return {**_POLICE, **_SOUGHT}
        case _:
            return {"org_type": "commercial"}


class Saw(NamedTuple):
    """What the client told its user. `kind`: the class of the exception, "" for an answer; `says`: what was
    in that answer, or the message."""

    kind: str
    code: str
    status: int
    says: str


class Outcome(NamedTuple):
    """One case of one client. `attempts`: calls that the proxy decided; `arrived`: calls at the face API."""

    case: Case
    saw: Saw
    attempts: int
    arrived: int
    seconds: float
    reasons: tuple[str, ...]
