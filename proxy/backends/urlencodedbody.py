"""Strict reading of application/x-www-form-urlencoded: what two parsers could read differently is refused."""

import re
from typing import Any

from proxy.backends.strict import (
    LONGEST_TEXT,
    MAX_FIELDS,
    Ambiguous,
    check_charset,
    check_name,
    parameters,
    text_of,
    unique,
)
from proxy.messages import RequestHead

# Every printable letter but the three that mean something, and escapes that are whole.
_PLAIN = re.compile(rb"(?:[!-$'-:<-~]|%[0-9A-Fa-f]{2})*")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_CUT = re.compile(rb"%[0-9A-Fa-f]?\Z")


def read_urlencoded(head: RequestHead, body: bytes) -> dict[str, Any]:
    """The fields, if every parser must read them alike; else `Ambiguous`."""
    check_charset(parameters(head))
    if b";" in body:
        raise Ambiguous("The form holds a semicolon, at which some parsers split.")
    fields = body.split(b"&", MAX_FIELDS)
    if len(fields) > MAX_FIELDS:
        raise Ambiguous("The form has more fields than any call has.")
    return unique([_field(field) for field in fields] if body else [])


def _field(field: bytes) -> tuple[str, str]:
    name, equals, value = field.partition(b"=")
    if not equals:
        # Left out for some, empty for others.
        raise Ambiguous("A field of the form has no value.")
    said = _decoded(name)
    check_name(said)
    return said, _decoded(value)


def _decoded(text: bytes) -> str:
    # Three times what is looked at, so that it is longer than that also once it is decoded.
    looked_at = text[: 3 * (LONGEST_TEXT + 1)]
    if len(looked_at) < len(text):
        looked_at = _CUT.sub(b"", looked_at)
    if not _PLAIN.fullmatch(looked_at):
        raise Ambiguous("The form can be decoded in more than one way.")
    return text_of(_ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), looked_at.replace(b"+", b" ")))
