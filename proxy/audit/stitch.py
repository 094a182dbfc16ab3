"""Lays the pieces of chains end to end, and says where there is no piece. Pure."""

from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from operator import attrgetter
from typing import Any

import orjson

from proxy.audit.chain import BEGINNING, END_OF_LINE, digest_of
from proxy.audit.findings import Finding, Flaw, Place
from proxy.audit.seals import LATE, Claim, Seals
from proxy.audit.segments import Run
from proxy.audit.tree import Tree

_DIGEST = len(BEGINNING)


@dataclass(slots=True)
class Stretch:
    """Consecutive records of one chain in one file: from `first` at `place` to `last` at `line`."""

    chain: str
    first: int
    prev: bytes
    place: Place
    file: str
    last: int = -1
    head: bytes = b""
    line: int = 0
    closed: bool = False
    tree: Tree | None = None
    """Over the records since the last checkpoint; None when they are not as they were written."""


MAX_FRAGMENTS = 10_000
"""So many lines that are no records are kept apart, and so many digests that records tell of."""


@dataclass
class Fragments:
    """Lines that are no records: good if a record says that they were cut short."""

    torn: int = 0
    last_lines: list[Place] = field(default_factory=list)
    _kept: int = 0
    _beyond: int = 0
    _first_beyond: Place | None = None
    _untold: int = 0
    _found: dict[str, list[tuple[Place, int]]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def found(self, fragment: bytes, place: Place) -> None:
        """One in the middle of a file."""
        if self._kept == MAX_FRAGMENTS:
            self._beyond += 1
            self._first_beyond = self._first_beyond or place
            return
        self._kept += 1
        self._found.setdefault(sha256(fragment).hexdigest(), []).append((place, len(fragment)))

    def last(self, place: Place) -> None:
        """One at the end of a file, without a newline: what a crash leaves behind until the next start."""
        self.last_lines.append(place)

    def told(self, digest: Any) -> None:
        """A `torn` record speaks of this one."""
        if len(self._told) < MAX_FRAGMENTS:
            self._told.add(str(digest)[:_DIGEST])
        else:
            self._untold += 1

    def findings(self) -> list[Finding]:
        """Those that no record speaks of."""
        found = []
        for digest, places in self._found.items():
            if digest in self._told:
                self.torn += len(places)
            else:
                found += [
                    Finding(Flaw.UNREADABLE, place, "", None, f"{size} bytes that are no record")
                    for place, size in places
                ]
        if self._first_beyond is not None:
            says = f"here and after it {self._beyond} more lines that are no record, too many to tell apart"
            found.append(Finding(Flaw.UNREADABLE, self._first_beyond, "", None, says))
        if self._untold:
            says = f"{self._untold} more records tell of lines cut short, too many to be held against those"
            found.append(Finding(Flaw.UNREADABLE, Place("the log", 0), "", None, says))
        return found


@dataclass
class Witnessed:
    """Checkpoints as a witness has heard of them: digest and time by chain and number."""

    heads: dict[tuple[str, int], tuple[str, str]] = field(default_factory=dict)

    def hear(self, line: bytes) -> bool:
        """A line of a witness's file, or of a log; whether it is of a checkpoint."""
        try:
            fields = orjson.loads(line)
            chain, seq, moment = fields["chain"], fields["seq"], str(fields.get("time", ""))
            digest = fields["head"] if "head" in fields else digest_of(line).decode()
        except (ValueError, TypeError, KeyError):
            return False
        if "head" not in fields and not line.endswith(END_OF_LINE):
            return False
        self.heads[str(chain), int(seq)] = str(digest), moment
        return True

    def check(self, chain: str, seq: int, digest: str) -> None:
        """A checkpoint that is in the log; one that differs stays unseen."""
        known = self.heads.get((chain, seq))
        if known is not None and known[0] == digest:
            del self.heads[chain, seq]


def stitch(stretches: list[Stretch], seals: Seals, witnessed: Witnessed) -> list[Finding]:
    """What is missing, twice or does not fit between pieces, and at the ends of chains."""
    found: list[Finding] = []
    present: dict[str, Stretch] = {}
    gone = _by_chain(seals.gone())
    ordered = sorted(stretches, key=lambda stretch: (stretch.chain, stretch.first, stretch.last))
    for chain, pieces in groupby(ordered, key=attrgetter("chain")):
        last = _lay_out(chain, [*pieces], gone.get(chain, []), found)
        present[chain] = last
        found += _unsealed(chain, last, seals, gone.get(chain, []))
    for claim in seals.claims:
        found += _claimed(claim, present, gone)
    until = seals.until()
    for (chain, seq), (_, moment) in witnessed.heads.items():
        if any(run.first <= seq <= run.last for run in gone.get(chain, [])):
            continue
        if chain not in present and moment <= until:
            continue
        place = present[chain].place if chain in present else Place("the witness", 0)
        says = "a witness has heard of another record, or there is none"
        found.append(Finding(Flaw.CUT_OFF, place, chain, seq, says))
    return found


def _by_chain(runs: list[Run]) -> dict[str, list[Run]]:
    by: dict[str, list[Run]] = {}
    for run in sorted(runs, key=attrgetter("first")):
        by.setdefault(run.chain, []).append(run)
    return by


def _lay_out(chain: str, pieces: list[Stretch], gone: list[Run], found: list[Finding]) -> Stretch:
    """Gives the piece that reaches furthest."""
    end, head, furthest = -1, BEGINNING.encode(), pieces[0]
    for piece in pieces:
        end, head = _skip(end, head, piece.first, gone)
        if piece.first <= end:
            says = f"records {piece.first} to {min(end, piece.last)} are there twice"
            found.append(Finding(Flaw.DUPLICATE, piece.place, chain, piece.first, says))
        elif piece.first > end + 1:
            says = f"records {end + 1} to {piece.first - 1} are missing before it"
            found.append(Finding(Flaw.MISSING, piece.place, chain, piece.first, says))
        elif piece.prev != head:
            says = f"names another record {end} than the one that is there"
            found.append(Finding(Flaw.EDITED, piece.place, chain, piece.first, says))
        elif furthest.closed and piece is not furthest:
            found.append(Finding(Flaw.JOINED, piece.place, chain, piece.first, "the chain had been closed"))
        if piece.last > end:
            end, head, furthest = piece.last, piece.head, piece
    return furthest


def _skip(end: int, head: bytes, first: int, gone: list[Run]) -> tuple[int, bytes]:
    """Over what was removed. Of a chain whose beginning went long ago only the last removal is told."""
    for run in gone:
        if run.last < first and run.last > end and (run.first <= end + 1 or end == -1):
            end, head = run.last, run.head.encode()
    return end, head


def _unsealed(chain: str, last: Stretch, seals: Seals, gone: list[Run]) -> list[Finding]:
    """A chain that should have been signed, and was not, or not for too long."""
    signed = [run.last for run in gone]  # with their heads, under the signature that tells of the removal
    if chain in seals.signed_to:
        signed.append(seals.signed_to[chain])
    signed_to, every = max(signed, default=None), seals.every.get(chain)
    place = Place(last.file, last.line)
    if seals.key is not None and signed_to is None:
        return [Finding(Flaw.UNSIGNED, place, chain, last.last, "nothing in this chain is signed by the key")]
    if signed_to is not None and every is not None and last.last - signed_to > LATE * every + 1:
        says = f"{last.last - signed_to} records since the last signature, though one follows every {every}"
        return [Finding(Flaw.UNSIGNED, place, chain, last.last, says)]
    return []


def _claimed(claim: Claim, present: dict[str, Stretch], gone: dict[str, list[Run]]) -> list[Finding]:
    """What a chain has found at its beginning has to be there."""
    head, last = claim.head, present.get(claim.head.chain)
    if last is not None and last.last >= head.seq:
        if last.last == head.seq and last.head.decode() != head.digest:
            says = f"the chain opened at {claim.place} names another record {head.seq}"
            return [Finding(Flaw.EDITED, Place(last.file, last.line), head.chain, head.seq, says)]
        return []
    if any(run.last >= head.seq for run in gone.get(head.chain, [])):
        return []
    flaw = Flaw.MISSING if last is None else Flaw.CUT_OFF
    says = f"the chain opened here has found record {head.seq} of {head.chain}, which is not there"
    return [Finding(flaw, claim.place, head.chain, head.seq, says)]
