"""What the readers of bodies have in common: what they refuse, and how much they take."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from proxy.messages import RequestHead

MAX_DEPTH = 32
MAX_PIECES = 10_000
MAX_FIELDS = 64
"""Fields and files of one form."""
LONGEST_TEXT = 1024
"""Bytes of a form's field that are looked at. No parameter of a face API is as long; pictures are."""

# What no parser takes for anything else. One name says how the rest is to be read (RFC 7578 section 4.6).
_NAME = re.compile(r"(?!_charset_\Z)[A-Za-z0-9._-]+")


class Ambiguous(ValueError):
    """Two parsers could read the body differently. Says why, in words that hold nothing of it."""


class Beginning(str):
    """How a form's field begins that is longer than any parameter: its value is not known."""

    __slots__ = ()


class Upload(NamedTuple):
    """A file in a form. Nobody looks into it."""

    size: int


def media_type(head: RequestHead) -> bytes:
    """The media type of the body in lower case, without its parameters; empty when none is stated."""
    stated = head.values(b"content-type")
    return stated[0].partition(b";")[0].strip().lower() if stated else b""


def parameters(head: RequestHead) -> bytes:
    """What stands behind the media type. Raises `Ambiguous` if it is stated twice, or the body is coded."""
    if head.values(b"content-encoding"):
        raise Ambiguous("The body is compressed, and what it says matters.")
    stated = head.values(b"content-type")
    if len(stated) != 1:
        raise Ambiguous("The body's type is not stated once.")
    return stated[0].partition(b";")[2].strip()


def check_charset(stated: bytes) -> None:
    """Refuse any parameter but a character set that is UTF-8."""
    if stated.lower() not in (b"", b"charset=utf-8", b'charset="utf-8"'):
        raise Ambiguous("The body's character set is not UTF-8.")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Members or fields by name, each of which is there once."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Ambiguous("A name is there twice in the body.")
    if any("\0" in name for name in members):
        # Where strings end at a NUL, this is another name.
        raise Ambiguous("A name in the body holds a NUL.")
    return members


def check_depth(document: Mapping[str, Any]) -> None:
    """Refuse objects and lists within each other that are more than any call needs."""
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in inside(value) if isinstance(inner, dict | list)]
        if not level:
            return
    raise Ambiguous("The body is nested too deeply.")


def inside(value: Any) -> list[Any]:
    """The values in an object or a list."""
    return list(value.values()) if isinstance(value, dict) else value


def check_name(name: str) -> None:
    """Refuse a form's field whose name some could read as another."""
    if not _NAME.fullmatch(name):
        raise Ambiguous("A field of the form has a name that some read differently.")


def text_of(value: bytes) -> str:
    """A form's field as text, or how it begins."""
    if len(value) > LONGEST_TEXT:
        return Beginning(value[:LONGEST_TEXT].decode("utf-8", "replace"))
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Ambiguous("A field of the form is not UTF-8.") from None
