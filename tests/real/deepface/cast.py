"""Who calls the server through the proxy, for what, and what must come of it. Data only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from proxy.demo.callers import (
    BANK,
    INVESTIGATING,
    MISSING_CHILD,
    ONE,
    SAME_PERSON,
    SHERIFF,
    SOMEONE_ELSE,
)
from proxy.policy.reasons import Decision, Reason
from tests.real.deepface.bodies import PHOTOS, Body, as_form, as_json, as_multipart, inline

EMPLOYER = {
    "org_type": "commercial", "org_id": "ludwig-works", "jurisdiction": "DE", "place_jurisdiction": "DE",
    "place_kind": "workplace",
}  # fmt: skip
MISSING_NO_CASE = {**SHERIFF, "purpose": "missing-persons"}
AMAZON, EU = "amazon-2020", "eu-ai-act-5-1-f"
FORGED, EXPIRED, NOBODY, SERVERS_KEY = "forged", "expired", "nobody", "the server's key"

Sees = Callable[[Any], str]
"""What a client makes of the JSON of a 200; for people and for comparing."""


@dataclass(frozen=True)
class Expected:
    """What must come of it. `sees`: what a client makes of the answer; `rule`: who has blocked it."""

    decision: Decision
    reason: Reason
    status: int
    sees: str = ""
    rule: str = ""


@dataclass(frozen=True)
class Call:
    """One call. `any_media`: through the proxy that lets calls name their image. `shows`: instead of a token
    with `claims`, another credential."""

    who: str
    asks: str
    path: str
    body: Body | None
    claims: Mapping[str, Any]
    expected: Expected
    any_media: bool = False
    shows: str = ""
    method: str = "POST"


def verified(answer: Any) -> str:
    return {True: "same person", False: "someone else"}[answer["verified"]]


def found(answer: Any) -> str:
    names = sorted(match["img_name"] for match in answer["results"][0])
    return "found " + ", ".join(names) if names else "found nobody"


def inserted(answer: Any) -> str:
    return f"inserted {answer['inserted']}"


def vector(answer: Any) -> str:
    return f"{len(answer['results'][0]['embedding'])} numbers"


SEES: dict[str, Sees] = {"/verify": verified, "/search": found, "/register": inserted, "/represent": vector}


def _allowed(sees: str, reason: Reason = Reason.NOT_COVERED, status: int = 200) -> Expected:
    return Expected(Decision.ALLOWED, reason, status, sees)


def _blocked(rule: str = AMAZON) -> Expected:
    return Expected(Decision.BLOCKED, Reason.MORATORIUM, 451, rule=rule)


def _rejected(reason: Reason, status: int) -> Expected:
    return Expected(Decision.REJECTED, reason, status)


_SAME = as_json(img1=inline(ONE), img2=inline(SAME_PERSON))
_OTHER = as_json(img1=inline(ONE), img2=inline(SOMEONE_ELSE))
_ON_DISK = as_json(img1=str(PHOTOS / ONE), img2=inline(SAME_PERSON))
_ADDRESS = as_json(img1=inline(ONE), img2="http://169.254.169.254/latest/meta-data")
_FILES = as_multipart(img1=ONE, img2=SAME_PERSON)
_FIND = as_json(img=inline(SAME_PERSON))
_EVERYTHING = as_json(img=inline(ONE))
_AGE = as_json(img=inline(ONE), actions=["age"])
_AGE_AND_MORE = as_json(img=inline(ONE), actions=["age", "emotion"])
_BY_REFERENCE = _rejected(Reason.MEDIA_BY_REFERENCE, 403)
# The server has no weights for traits here; its own words are what a caller must see.
ITS_400 = "the server's own 400"

CAST: tuple[Call, ...] = (
    Call("Bank", "verify, same person", "/verify", _SAME, BANK, _allowed("same person")),
    Call("Bank", "verify, someone else", "/verify", _OTHER, BANK, _allowed("someone else")),
    Call("Bank", "verify, files in a form", "/verify", _FILES, BANK, _allowed("same person"), any_media=True),
    Call(
        "Bank",
        "register one",
        "/register",
        as_json(img=inline(ONE), img_name="collins"),
        BANK,
        _allowed("inserted 1"),
    ),
    Call(
        "Bank",
        "register another",
        "/register",
        as_json(img=inline(SOMEONE_ELSE), img_name="hopper"),
        BANK,
        _allowed("inserted 1"),
    ),
    Call("Bank", "search, second view", "/search", _FIND, BANK, _allowed("found collins")),
    Call("Bank", "represent", "/represent", _EVERYTHING, BANK, _allowed("128 numbers")),
    Call("Bank", "home", "/", None, BANK, _allowed(""), method="GET"),
    Call("Police", "verify, criminal case", "/verify", _SAME, INVESTIGATING, _blocked()),
    Call("Police", "the same as a form", "/verify", _FILES, INVESTIGATING, _blocked(), any_media=True),
    Call("Police", "search", "/search", _FIND, INVESTIGATING, _blocked()),
    Call(
        "Police", "register", "/register", as_json(img=inline(ONE), img_name="x"), INVESTIGATING, _blocked()
    ),
    Call("Police", "represent", "/represent", _EVERYTHING, INVESTIGATING, _blocked()),
    Call(
        "Police",
        "verify, missing person",
        "/verify",
        _SAME,
        MISSING_CHILD,
        _allowed("same person", Reason.EXEMPT),
    ),
    Call(
        "Police",
        "search, missing person",
        "/search",
        _FIND,
        MISSING_CHILD,
        _allowed("found collins", Reason.EXEMPT),
    ),
    Call("Police", "missing, no case number", "/verify", _SAME, MISSING_NO_CASE, _blocked()),
    Call("Police", "analyze, age", "/analyze", _AGE, INVESTIGATING, _allowed(ITS_400, status=400)),
    Call(
        "Employer",
        "verify, same person",
        "/verify",
        _SAME,
        EMPLOYER,
        _allowed("same person"),
    ),
    Call("Employer", "analyze, age", "/analyze", _AGE, EMPLOYER, _allowed(ITS_400, status=400)),
    Call("Employer", "analyze, age and emotion", "/analyze", _AGE_AND_MORE, EMPLOYER, _blocked(EU)),
    Call("Employer", "analyze, actions left out", "/analyze", _EVERYTHING, EMPLOYER, _blocked(EU)),
    Call(
        "Employer",
        "analyze, age in a form",
        "/analyze",
        as_form(img=inline(ONE), actions="age"),
        EMPLOYER,
        _allowed(ITS_400, status=400),
        any_media=True,
    ),
    Call("Bank", "verify, an address", "/verify", _ADDRESS, BANK, _BY_REFERENCE),
    Call("Bank", "verify, the server's disk", "/verify", _ON_DISK, BANK, _BY_REFERENCE),
    Call("Bank", "the same, any media", "/verify", _ON_DISK, BANK, _allowed("same person"), any_media=True),
    Call("Bank", "files where only inline", "/verify", _FILES, BANK, _allowed("same person")),
    Call("Bank", "a path not in the table", "/find", _FIND, BANK, _rejected(Reason.OPERATION_UNKNOWN, 403)),
    Call(
        "Nobody",
        "verify, no token",
        "/verify",
        _SAME,
        BANK,
        _rejected(Reason.TOKEN_MISSING, 401),
        shows=NOBODY,
    ),
    Call(
        "Bank",
        "verify, expired token",
        "/verify",
        _SAME,
        BANK,
        _rejected(Reason.TOKEN_EXPIRED, 401),
        shows=EXPIRED,
    ),
    Call(
        "Impostor",
        "verify, forged token",
        "/verify",
        _SAME,
        BANK,
        _rejected(Reason.TOKEN_SIGNATURE, 401),
        shows=FORGED,
    ),
    Call(
        "Insider",
        "verify, the server's key",
        "/verify",
        _SAME,
        BANK,
        _rejected(Reason.TOKEN_MALFORMED, 401),
        shows=SERVERS_KEY,
    ),
)
