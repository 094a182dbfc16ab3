"""A record read back: the question that was asked, and what was said to it. Pure.

Strict, like everything that reads: a line that is not wholly one of our records is none, and what it lacks is
said in one word.
"""

from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import orjson

from proxy.audit.chain import VERSION
from proxy.audit.record import DECISION
from proxy.policy.callers import FOREVER, LEVELS, Caller, Evidence, EvidenceType, Instant, Principal
from proxy.policy.model import Mode, Refusal, Verdict
from proxy.policy.operations import Medium, Operation, OperationClass, Trait, operation
from proxy.policy.reasons import MEANINGS, Decision, Reason

# What the engine says; of everything else the policy is innocent.
JUDGED = frozenset(
    reason
    for reason, meaning in MEANINGS.items()
    if meaning.decision in (Decision.ALLOWED, Decision.BLOCKED) or reason is Reason.OPERATION_UNKNOWN
)

_Name = TypeVar("_Name", bound=StrEnum)


class Unread(StrEnum):
    """Why a line is not judged again."""

    EMPTY = "empty"
    """What a probe of the disk leaves behind."""
    TORN = "torn"
    """Cut short, as by a full disk or a copy made while it was written."""
    FOREIGN = "not-a-record"
    OLDER = "older-version"
    NEWER = "newer-version"
    REFUSED_BEFORE = "refused-before"
    """The policy was never asked: no acceptable token, request or operation."""
    FRAME = "no-decision"
    """A record of the audit itself, or of how a call ended."""
    FAILED = "failed"
    """Nothing was decided, or the call was permitted and did not reach its end: another record says so."""


class Outcome(NamedTuple):
    """What was said, as far as two policies can differ in it."""

    decision: Decision
    reason: Reason
    rule: str | None = None
    exemption: str | None = None
    obligations: tuple[str, ...] = ()


class Recorded(NamedTuple):
    """One decision of the past, without its id and its time."""

    outcome: Outcome
    caller: Caller
    operation: Operation
    backend: str
    mode: Mode
    org_type: str


def outcome_of(verdict: Verdict) -> Outcome:
    """A verdict as a record would keep it."""
    return Outcome(
        verdict.decision,
        verdict.reason,
        verdict.rule.id if verdict.rule is not None else None,
        verdict.exemption,
        verdict.obligations,
    )


def outcome_of_refusal(refusal: Refusal) -> Outcome:
    """What is said when the caller itself is refused."""
    return Outcome(Decision.REJECTED, refusal.reason)


def read(line: bytes) -> Recorded | Unread:
    """One line of an audit file. Never raises."""
    text = line.strip()
    if not text:
        return Unread.EMPTY
    try:
        record = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Unread.TORN if text.startswith(b'{"') and not text.endswith(b"}") else Unread.FOREIGN
    version = record.get("v") if isinstance(record, dict) else None
    if type(version) is not int:
        return Unread.FOREIGN
    framed = "kind" in record and "chain" in record
    if "decision" not in record and not framed:
        return Unread.FOREIGN
    if version != VERSION:
        return Unread.OLDER if version < VERSION else Unread.NEWER
    if framed and record["kind"] != DECISION:
        return Unread.FRAME if isinstance(record["kind"], str) else Unread.FOREIGN
    try:
        return _recorded(record)
    except (KeyError, TypeError, ValueError):
        return Unread.FOREIGN


def _recorded(record: dict[str, Any]) -> Recorded | Unread:
    decision, reason = Decision(record["decision"]), Reason(record["reason"])
    if decision is Decision.FAILED:
        return Unread.FAILED
    if reason not in JUDGED or record["operation"] is None:
        return Unread.REFUSED_BEFORE
    outcome = Outcome(
        decision,
        reason,
        _maybe(record["rule"]),
        _maybe(record["exemption"]),
        tuple(_texts(record["obligations"])),
    )
    return Recorded(
        outcome,
        _caller(record),
        _operation(record),
        _text(record["backend"]),
        Mode(record["mode"]),
        _text(record["org_type"]),
    )


def _caller(record: dict[str, Any]) -> Caller:
    own, principal = _principal(record), record["on_behalf_of"]
    if not own.org_types:
        raise ValueError
    return Caller(
        issuer=_text(record["issuer"]),
        org_types=own.org_types,
        org_id=own.org_id,
        purpose=_maybe(record["purpose"]),
        case_digest=_maybe(record["case_sha256"]),
        org_subtype=own.org_subtype,
        level=own.level,
        jurisdiction=own.jurisdiction,
        path=tuple(map(_principal, _list(record["org_path"]))),
        on_behalf_of=None if principal is None else _principal(principal),
        actors=tuple(map(_principal, _list(record["actors"]))),
        subject_jurisdiction=_maybe(record["subject_jurisdiction"]),
        place_jurisdiction=_maybe(record["place_jurisdiction"]),
        circumstances=_circumstances(record["circumstances"]),
        evidence=tuple(map(_evidence, _list(record["shown"]))),
    )


def _circumstances(value: Any) -> frozenset[tuple[str, str]]:
    if value is None:
        return frozenset()
    if not isinstance(value, dict):
        raise TypeError
    return frozenset((name, said) for name, values in value.items() for said in _texts(values))


def _principal(record: dict[str, Any]) -> Principal:
    return Principal(
        tuple(_texts(record["org_types"])),
        _maybe(record["org_id"]),
        _maybe(record["org_subtype"]),
        _level(record["level"]),
        _maybe(record["jurisdiction"]),
    )


def _evidence(record: dict[str, Any]) -> Evidence:
    ends = record["expires_at"]
    return Evidence(
        type=EvidenceType(record["type"]),
        digest=_text(record["sha256"]),
        issued_at=_seconds(record["issued_at"]),
        expires_at=FOREVER if ends is None else _seconds(ends),
        issued_by=_maybe(record["issued_by"]),
        classes=frozenset(_members(record["classes"], OperationClass)),
        purposes=frozenset(_texts(record["purposes"])),
    )


def _operation(record: dict[str, Any]) -> Operation:
    return operation(
        _text(record["operation"]),
        *_members(record["classes"], OperationClass),
        traits=frozenset(_members(record["traits"], Trait)),
        media=frozenset(_members(record["media"], Medium)),
        is_result=_flag(record["result"]),
    )


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _maybe(value: Any) -> str | None:
    return None if value is None else _text(value)


def _level(value: Any) -> str | None:
    if value is not None and value not in LEVELS:
        raise ValueError
    return _maybe(value)


def _texts(value: Any) -> list[str]:
    return [_text(item) for item in _list(value)]


def _members(value: Any, names: type[_Name]) -> list[_Name]:
    return [names(item) for item in _list(value)]


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _seconds(value: Any) -> Instant:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)
