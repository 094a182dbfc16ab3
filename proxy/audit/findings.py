"""What is wrong with a log, each with the first record that does not fit. Pure."""

from enum import StrEnum
from typing import NamedTuple


class Flaw(StrEnum):
    """Every kind of finding."""

    EDITED = "edited"
    """A record is not the one that the next one names."""
    MISSING = "missing"
    """Records that others speak of are not there: cut out, or a segment is not among the files."""
    CUT_OFF = "cut-off"
    """The end of a chain is not there: a witness, or the chain after it, has seen more."""
    REORDERED = "reordered"
    DUPLICATE = "duplicate"
    JOINED = "joined"
    """Something goes on where a chain had ended, or begins where none begins."""
    UNREADABLE = "unreadable"
    """A line is no record of ours."""
    FORGED = "forged"
    """A signature is not over what it stands under."""
    OTHER_KEY = "other-key"
    UNSIGNED = "unsigned"
    """A signature that has to be there is not."""
    TREE = "tree"
    """A checkpoint's tree is not over the records since the checkpoint before it."""
    DAMAGED = "damaged"
    """A file cannot be read to its end."""


class Place(NamedTuple):
    """A line of a file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Finding(NamedTuple):
    """One thing that is wrong. `chain` and `seq` of the first record that does not fit, as far as known."""

    flaw: Flaw
    place: Place
    chain: str
    seq: int | None
    says: str
