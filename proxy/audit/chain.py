"""How records hang together: each names the digest of the one before it. Pure.

A record is canonical JSON (RFC 8785), so that its digest is that of its content. orjson with sorted members
writes just that for what records hold: whole numbers below 2^53, of fractions only those of seconds after
1970, which need no exponent, and member names in ASCII, which sort alike as bytes and as UTF-16. A test
compares it with a routine that follows the RFC letter by letter.
"""

from hashlib import sha256
from typing import Any, NamedTuple

import orjson

VERSION = 2
BEGINNING = "0" * 64
"""What the first record of a chain names as the digest before it."""
END_OF_LINE = b',"v":%d}\n' % VERSION
"""`v` sorts last, so whatever does not end like this is no whole record."""


class Chain:
    """Where a chain stands: its id, the number that comes next, and the digest of the last record."""

    __slots__ = ("head", "id", "seq")

    def __init__(self, name: str, seq: int = 0, head: bytes = BEGINNING.encode()) -> None:
        self.id = name
        self.seq = seq
        self.head = head

    def __repr__(self) -> str:
        return f"<Chain {self.id} at {self.seq}>"

    def take(self, line: bytes) -> None:
        """Go on behind this record."""
        self.head = digest_of(line)
        self.seq += 1

    def place(self) -> dict[str, Any]:
        """The members that say where the next record stands."""
        return {"chain": self.id, "seq": self.seq, "prev": self.head.decode()}


class Head(NamedTuple):
    """One record of a chain by its number and its digest."""

    chain: str
    seq: int
    digest: str

    def members(self) -> dict[str, Any]:
        """For a record. None is called as a record's own place is, which readers look for first."""
        return {"id": self.chain, "number": self.seq, "sha256": self.digest}


def digest_of(line: bytes) -> bytes:
    """SHA-256 of a line without its end, in hexadecimal."""
    return sha256(line[:-1]).hexdigest().encode()


def line_of(fields: dict[str, Any]) -> bytes:
    """One line, members sorted, so that the same record always has the same bytes."""
    return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
