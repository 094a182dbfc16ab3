"""What came home against what was written."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from proxy.audit.findings import Finding
from tests.audit.logs import verified
from tests.shipping.once import once

Flaws = Counter[str]


class Comparison(NamedTuple):
    """Lines, empty ones not among them: they are nobody's."""

    written: int
    missing: int
    """Written, and not home."""
    changed: int
    """Home, and written by nobody."""
    again: int
    """Home, once more than they were written."""

    def __str__(self) -> str:
        return (
            f"{self.written} lines written, {self.missing} missing, {self.changed} changed, "
            f"{self.again} twice"
        )


def compare(written: Sequence[bytes], arrived: Sequence[bytes]) -> Comparison:
    there, home = (Counter(line for line in lines if line != b"\n") for lines in (written, arrived))
    foreign = home - Counter({line: home[line] for line in there})
    return Comparison(
        there.total(), (there - home).total(), foreign.total(), (home - there - foreign).total()
    )


def kinds(findings: Sequence[Finding]) -> Flaws:
    """How many findings of each flaw."""
    return Counter(str(finding.flaw) for finding in findings)


def as_it_came(home: Path) -> Flaws:
    """What `verify` says of home as the collector has left it."""
    return kinds(verified(*(path for path in sorted(home.rglob("*")) if path.is_file())).findings)


def made_one(home: Path, target: Path) -> Flaws:
    """What it says after the page's recipe."""
    once([path for path in sorted(home.rglob("*")) if path.is_file()], target)
    return kinds(verified(target).findings)
