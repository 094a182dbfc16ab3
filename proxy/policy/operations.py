"""What a call does: operation classes, the traits and the media they work on. Frozen values only."""

from enum import StrEnum
from typing import NamedTuple


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


class Trait(StrEnum):
    """What `analyze` can read off a face."""

    AGE = "age"
    EMOTION = "emotion"
    GENDER = "gender"
    RACE = "race"
    QUALITY = "quality"


class Medium(StrEnum):
    """Where faces come from. An operation that names none may work on any."""

    IMAGE = "image"
    STORED_VIDEO = "stored-video"
    LIVE = "live"


class Operation(NamedTuple):
    """What a request asks the face API to do. `label` is the metric value: its classes joined by `+`.

    `traits` and `media`: empty when the table does not say, which counts as all of them. `is_result`: fetches
    what an earlier call has started.
    """

    name: str
    classes: frozenset[OperationClass]
    label: str
    traits: frozenset[Trait] = frozenset()
    media: frozenset[Medium] = frozenset()
    is_result: bool = False


def operation(
    name: str,
    *classes: OperationClass,
    traits: frozenset[Trait] = frozenset(),
    media: frozenset[Medium] = frozenset(),
    is_result: bool = False,
) -> Operation:
    """Make an operation; the label keeps the order of the class list, so it is one of a closed set."""
    members = frozenset(classes)
    label = "+".join(c for c in OperationClass if c in members)
    return Operation(name, members, label, traits, media, is_result)


UNKNOWN_OPERATION = operation("unknown", OperationClass.UNKNOWN)
