"""Strict reading of multipart/form-data (RFC 7578): what two parsers could read differently is refused.

The only module that knows the multipart library. What it read is written again and must be the body, so that
all that it puts up with is refused: text before and after, white space, other line ends. And the boundary
must stand nowhere else, so that nobody can find other parts than it did.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from proxy.backends.strict import (
    LONGEST_TEXT,
    MAX_FIELDS,
    Ambiguous,
    Upload,
    check_name,
    parameters,
    text_of,
    unique,
)
from proxy.messages import RequestHead

PIECE = 64 * 1024
"""Bytes that the parser gets at a time: a copy, and one that stays in a processor's cache."""

# RFC 2046 section 5.1.1, without what has to stand in quotes. Nobody has a short one, which is slow to find.
_BOUNDARY = re.compile(rb"(?i)boundary=(\"?)([A-Z0-9_.+-]{8,70})\1(?:; ?charset=\"?utf-8\"?)?")
# No `\` and no `;` in the name of a file: an escape for some, the end of it for others. If a file has two
# names they are the same, and the plain one comes first: some know only that one.
_DISPOSITION = re.compile(
    r'form-data; ?name=("?)([A-Za-z0-9._-]+)\1'
    r'(; ?filename=(?:"([^"\\;\x00-\x1f\x7f]+)"|([A-Za-z0-9._-]+))'
    r"(?:; ?filename\*=(?:utf-8|UTF-8)''(?:\4|\5))?)?"
)
_TYPE = re.compile(
    r"(?i)(?!multipart/|message/)[a-z0-9.+-]+/[a-z0-9.+-]+(?:; ?charset=\"?(?:utf-8|us-ascii)\"?)?"
)


class _Part(NamedTuple):
    """One part: its name, whether it is a file, how long it is and how it begins."""

    name: str
    is_file: bool
    size: int
    beginning: bytes


def read_multipart(head: RequestHead, body: bytes) -> dict[str, Any]:
    """The fields as text, the files as `Upload`, if every parser must read them alike; else `Ambiguous`."""
    stated = _BOUNDARY.fullmatch(parameters(head))
    if stated is None:
        raise Ambiguous("The form has no plain boundary, or more than that.")
    boundary = stated[2]
    try:
        parts = list(_parts(boundary, body))
    except Ambiguous:
        raise
    except MultipartError:
        raise Ambiguous("The body is not the form that it says it is.") from None
    if body.count(b"--" + boundary) != len(parts) + 1:
        raise Ambiguous("The boundary stands within a part of the form.")
    return unique([(part.name, _value(part)) for part in parts])


def _value(part: _Part) -> str | Upload:
    return Upload(part.size) if part.is_file else text_of(part.beginning)


def _parts(boundary: bytes, body: bytes) -> Iterator[_Part]:
    """Every part, once it is known that the body up to there is what was read, written again."""
    rest = memoryview(body)
    segment: MultipartSegment | None = None
    beginning = b""
    rest = _after(rest, b"--%b" % boundary)
    for event in _events(boundary, body):
        if isinstance(event, MultipartSegment):
            segment, beginning = event, b""
            rest = _after(rest, b"\r\n" + _lines(event))
        elif event is not None:
            if len(beginning) <= LONGEST_TEXT:
                beginning += event[: LONGEST_TEXT + 1]
            rest = rest[len(event) :]
        elif segment is not None:
            rest = _after(rest, b"\r\n--%b" % boundary)
            name, is_file = _named(segment)
            yield _Part(name, is_file, segment.size, beginning)
    if bytes(rest[:5]) not in (b"--", b"--\r\n"):
        raise Ambiguous("Something stands after the form.")


def _events(boundary: bytes, body: bytes) -> Iterator[MultipartSegment | bytes | None]:
    parser = PushMultipartParser(boundary, max_segment_count=MAX_FIELDS, strict=True)
    # The last line end would be too much for it if a piece began there.
    end = len(body) - 2 if body.endswith(b"--\r\n") else len(body)
    for start in range(0, end, PIECE):
        yield from parser.parse(body[start : min(start + PIECE, end)])
    parser.close()


def _after(rest: memoryview, expected: bytes) -> memoryview:
    # Names of header fields are the same in any letters; a boundary is not, but it was found as it is.
    if bytes(rest[: len(expected)]).lower() != expected.lower():
        raise Ambiguous("The form is written in a way that some read differently.")
    return rest[len(expected) :]


def _lines(segment: MultipartSegment) -> bytes:
    return b"".join(f"{name}: {value}\r\n".encode() for name, value in segment.headerlist) + b"\r\n"


def _named(segment: MultipartSegment) -> tuple[str, bool]:
    """The part's name, and whether it is a file."""
    fields = dict(segment.headerlist)
    if len(fields) != len(segment.headerlist):
        raise Ambiguous("A part of the form has a header field twice.")
    if not fields.keys() <= {"Content-Disposition", "Content-Type", "Content-Length"}:
        raise Ambiguous("A part of the form has a header field that not everybody knows.")
    stated = _DISPOSITION.fullmatch(fields.get("Content-Disposition", ""))
    kind = fields.get("Content-Type")
    if stated is None or (kind is not None and not _TYPE.fullmatch(kind)):
        raise Ambiguous("A part of the form says in an unusual way what it is.")
    name, is_file = stated[2], stated[3] is not None
    check_name(name)
    return name, is_file
