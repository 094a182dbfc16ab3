"""The nouns of deciding: callers, operations, moratoria, exemptions, policies, verdicts, refusals, permits.

Frozen values only; no rule lives here. Instants are seconds since the Unix epoch (UTC) as floats: the
engine compares numbers and never sees a time zone.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NamedTuple

from proxy.policy.reasons import Decision, Reason

Instant = float
"""Seconds since 1970-01-01T00:00:00Z."""

FOREVER: Instant = math.inf
ALWAYS: Instant = -math.inf


class OperationClass(StrEnum):
    """What a call does to faces. A call can be several; it is blocked if any one is covered."""

    DETECT = "detect"
    ANALYZE = "analyze"
    TEMPLATE = "template"
    COMPARE = "compare"
    SEARCH = "search"
    ENROLL = "enroll"
    LIVENESS = "liveness"
    GALLERY = "gallery"
    ERASE = "erase"
    MANAGE = "manage"
    NONFACE = "nonface"
    META = "meta"
    UNKNOWN = "unknown"


CLASS_MEANINGS: dict[OperationClass, str] = {
    OperationClass.DETECT: "finds where faces are: boxes, landmarks, quality",
    OperationClass.ANALYZE: "reads traits off a face: age, gender, emotion, race",
    OperationClass.TEMPLATE: "hands out a comparable biometric vector or a handle to one",
    OperationClass.COMPARE: "compares given faces with given faces, one to one or one to few",
    OperationClass.SEARCH: "looks a face up in a gallery, clusters faces, or names celebrities",
    OperationClass.ENROLL: "adds biometric data to a gallery or trains on it",
    OperationClass.LIVENESS: "tells a live person from a picture",
    OperationClass.GALLERY: "reads what a gallery holds: names, face images, face lists",
    OperationClass.ERASE: "deletes data or stops processing",
    OperationClass.MANAGE: "creates, lists, tags or describes containers",
    OperationClass.NONFACE: "text, labels, moderation and other work without faces",
    OperationClass.META: "health, version, documentation, CORS preflight",
    OperationClass.UNKNOWN: "not in the backend's table",
}

# A ban wants less data, not more, and health must be readable during one.
OPEN_UNLESS_NAMED = frozenset({OperationClass.ERASE, OperationClass.META})

COVERABLE = tuple(c for c in OperationClass if c is not OperationClass.UNKNOWN)


class Operation(NamedTuple):
    """What a request asks the face API to do. `label` is the metric value: its classes joined by `+`."""

    name: str
    classes: frozenset[OperationClass]
    label: str


def operation(name: str, *classes: OperationClass) -> Operation:
    """Make an operation; the label keeps the order of the class list, so it is one of a closed set."""
    members = frozenset(classes)
    return Operation(name, members, "+".join(c for c in OperationClass if c in members))


UNKNOWN_OPERATION = operation("unknown", OperationClass.UNKNOWN)


class Caller(NamedTuple):
    """Who asks, as a verified token says. `valid_until`: the first instant at which the token is refused."""

    issuer: str
    org_types: tuple[str, ...]
    org_id: str | None = None
    purpose: str | None = None
    case_digest: str | None = None
    valid_until: Instant = FOREVER


class Mode(StrEnum):
    """Whether a moratorium blocks, or only says that it would."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class Window(NamedTuple):
    """Half-open: in force at `start`, no longer in force at `end`."""

    start: Instant = ALWAYS
    end: Instant = FOREVER

    def holds(self, now: Instant) -> bool:
        return self.start <= now < self.end


UNLIMITED = Window()


@dataclass(frozen=True, slots=True)
class Exemption:
    """Lifts its own moratorium for calls that meet everything it states. Empty means "not asked for"."""

    id: str
    org_ids: frozenset[str] = frozenset()
    org_types: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    requires_case: bool = False
    classes: frozenset[OperationClass] = frozenset()
    window: Window = UNLIMITED


@dataclass(frozen=True, slots=True)
class Authority:
    """Whose promise or rule it is, for the answer and the docs."""

    name: str = ""
    citation: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Moratorium:
    """Binds organisation types, covers operation classes, holds in windows, has exemptions."""

    id: str
    binds: frozenset[str]
    covers: frozenset[OperationClass]
    windows: tuple[Window, ...]
    title: str = ""
    exemptions: tuple[Exemption, ...] = ()
    mode: Mode = Mode.ENFORCE
    authority: Authority = field(default_factory=Authority)


class Route(NamedTuple):
    """One line of the operator's own table for the `generic` backend.

    `path` is exact, or ends a segment pattern: `{name}` stands for one non-empty segment.
    """

    methods: frozenset[str]
    path: str
    operation: Operation
    websocket: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """All that is decided by. The vocabularies are closed: a value outside them is refused.

    `routes` is the operation table of the `generic` backend. `revision` is the SHA-256 (hex) of
    what the policy was read from.
    """

    moratoria: tuple[Moratorium, ...]
    org_types: frozenset[str]
    purposes: frozenset[str]
    mode: Mode = Mode.ENFORCE
    unknown_operation: Literal["refuse", "allow"] = "refuse"
    routes: tuple[Route, ...] = ()
    revision: str = ""


class Verdict(NamedTuple):
    """One decision and why. It stays true in `[now, holds_until)` for the same question.

    `rule` is the moratorium that decided, `exemption` the one that lifted it. `until` is the end of the
    window that blocks, None when it is open.
    """

    decision: Decision
    reason: Reason
    caller: Caller | None
    operation: Operation | None
    holds_until: Instant
    org_type: str = "none"
    rule: Moratorium | None = None
    exemption: str | None = None
    until: Instant | None = None
    detail: str = ""


class Refusal(NamedTuple):
    """Why something is not acceptable, as a value. `detail` is for people and never quotes the request."""

    reason: Reason
    detail: str = ""


class Permit(NamedTuple):
    """The right to forward one call. Only `proxy.enforcer` makes these, after the record is written."""

    decision_id: bytes
    verdict: Verdict
