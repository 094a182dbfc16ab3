"""Reads a log in a stream and says what does not fit: files in any order, many chains mixed.

In memory are the runs of each chain in each file, never the records. Members are looked for and not parsed:
a quotation mark within a JSON string is escaped, so `"seq":` can be nothing but the member, and no nested one
has its name. What is found at the wrong place is in bytes whose digest the next record, or a signature,
denies.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from proxy.audit.chain import BEGINNING, END_OF_LINE, line_of
from proxy.audit.checkpoint import Verifier
from proxy.audit.findings import Finding, Flaw, Place
from proxy.audit.seals import Seals
from proxy.audit.stitch import Fragments, Stretch, Witnessed, stitch
from proxy.audit.tree import Tree, objection, tree_behind

MAX_STRETCHES = 100_000
"""So many pieces of chains are kept apart; a log that is in more is not one."""
MAX_PLACES = 10_000
_END, _LAST = END_OF_LINE[:-1], len(END_OF_LINE)
_CHAIN, _KIND, _PREV, _SEQ = b'"chain":"', b'"kind":"', b'"prev":"', b'"seq":'
_DIGEST = len(BEGINNING)


@dataclass
class Verification:
    """Feed it files, then ask for the `result`. `key`: whose signatures count; None: see `Seals`."""

    key: Verifier | None = None
    witnessed: Witnessed = field(default_factory=Witnessed)
    records: int = 0
    decisions: int = 0
    empty: int = 0
    trees: int = 0
    trees_apart: int = 0
    """Those of which this log holds leaves in more than one piece, so that they were not made again."""
    findings: list[Finding] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    fragments: Fragments = field(default_factory=Fragments)
    seals: Seals = field(init=False)

    def __post_init__(self) -> None:
        self.seals = Seals(self.key, self.findings.append)

    def read(self, name: str) -> "Reading":
        """Begin with a file."""
        return Reading(self, name)

    def damaged(self, name: str, why: str) -> None:
        """A file that could not be read to its end."""
        self.findings.append(Finding(Flaw.DAMAGED, Place(name, 0), "", None, why))

    def finish(self) -> None:
        """Hold the pieces against each other. After the last file."""
        self.findings += self.fragments.findings()
        self.findings += stitch(self.stretches, self.seals, self.witnessed)


Places = tuple[int, int, int, int, int, int]
"""Of the chain, its end, the kind, the digest before, the number and its end."""


def _fits(line: bytes, places: Places) -> bool:
    at, end, kind, prev, seq, comma = places
    return (
        line.startswith(_SEQ, seq - 6)
        and line.startswith(_KIND, kind - 8)
        and line.startswith(_CHAIN, at - 9)
        and line.startswith(b'"', end)
        and line.startswith(_PREV, prev - 8)
        and line.startswith(b",", comma)
        and line.endswith(END_OF_LINE)
        # Two records of which one line was made are none. Most have one brace behind their number, the last.
        and (line.find(b"}", comma) == len(line) - 2 or line.find(_END, comma) == len(line) - _LAST)
    )


class Reading:
    """One file, line by line."""

    def __init__(self, whole: Verification, name: str) -> None:
        self._whole = whole
        self._name = name
        self._number = 0
        self._open: dict[bytes, Stretch] = {}
        self._places: dict[int, Places] = {}

    def feed(self, lines: Iterable[bytes]) -> None:
        """Take some lines, in their order."""
        stretches, number, known = self._open, self._number, self._places
        before = number
        decisions = 0
        for line in lines:
            number += 1
            # Lines of one length mostly have their members in the same places.
            places = known.get(len(line))
            if places is None or not _fits(line, places):
                places = self._find_places(line)
                if places is None:
                    self._odd(line, number)
                    continue
            at, end, kind, prev_at, seq_at, comma = places
            chain, prev, text = line[at:end], line[prev_at : prev_at + _DIGEST], line[seq_at:comma]
            if not text.isdigit():
                self._odd(line, number)
                continue
            seq = int(text)
            digest = sha256(line[:-1]).hexdigest().encode()
            stretch = stretches.get(chain)
            if stretch is None or seq != stretch.last + 1 or prev != stretch.head:
                stretch = self._misfit(stretch, number, chain, seq, prev, digest)
            stretch.last, stretch.head, stretch.line = seq, digest, number
            if line.startswith(b'decision"', kind):
                decisions += 1
                if seq == 0:
                    self._no_beginning(number, chain)
            elif not line.startswith(b'outcomes"', kind):
                self._event(line, number, stretch)
            if stretch.tree is not None:
                stretch.tree.add(digest)
        self._number = number
        self._whole.records += number - before
        self._whole.decisions += decisions

    def end(self) -> None:
        """Nothing more comes of this file."""
        for stretch in self._open.values():
            stretch.tree = None
        self._whole.stretches += self._open.values()
        self._open = {}

    def _find_places(self, line: bytes) -> "Places | None":
        """Where a record's members stand; None of what is no whole record."""
        at = line.find(_CHAIN) + 9
        end = line.find(b'"', at)
        kind = line.find(_KIND, end) + 8
        prev = line.find(_PREV, kind) + 8
        seq = line.find(_SEQ, prev) + 6
        places = at, end, kind, prev, seq, line.find(b",", seq)
        if not 9 <= at < end < kind < prev < seq < places[-1] or not _fits(line, places):
            return None
        if len(self._places) >= MAX_PLACES:
            self._places.clear()
        self._places[len(line)] = places
        return places

    def _misfit(
        self, old: Stretch | None, number: int, chain: bytes, seq: int, prev: bytes, digest: bytes
    ) -> Stretch:
        """A record that does not follow the last one of its chain here."""
        name, whole = chain.decode("ascii", "replace"), self._whole
        if old is not None:
            old.tree = None
            if seq == old.last + 1:
                changed = f"record {old.last} is not the one that record {seq} names as the one before it"
                self._find(Flaw.EDITED, old.line, name, old.last, changed)
                return old
            if seq == old.last and digest == old.head:
                self._find(Flaw.DUPLICATE, number, name, seq, "the record before it once more")
                return old
            if seq <= old.last:
                self._find(Flaw.REORDERED, number, name, seq, f"stands behind record {old.last}")
            if len(whole.stretches) < MAX_STRETCHES:
                whole.stretches.append(old)
        new = Stretch(name, seq, prev, Place(self._name, number), self._name, tree=tree_behind(seq, prev))
        self._open[chain] = new
        return new

    def _no_beginning(self, number: int, chain: bytes) -> None:
        name = chain.decode("ascii", "replace")
        self._find(Flaw.JOINED, number, name, 0, "the first record of a chain, and no `open`")

    def _odd(self, line: bytes, number: int) -> None:
        """A line that is no record: empty, cut short, or foreign."""
        self._whole.records -= 1
        if line == b"\n":
            self._whole.empty += 1
        elif line.endswith(b"\n"):
            self._whole.fragments.found(line[:-1], Place(self._name, number))
        else:
            self._whole.fragments.last(Place(self._name, number))

    def _event(self, line: bytes, number: int, stretch: Stretch) -> None:
        """A record that frames others."""
        place, seq, name = Place(self._name, number), stretch.last, stretch.chain
        try:
            fields: dict[str, Any] = orjson.loads(line)
            if line_of(fields) != line:
                raise ValueError
        except (ValueError, TypeError):
            self._find(Flaw.UNREADABLE, number, name, seq, "not canonical JSON")
            return
        kind = fields.get("kind")
        if (kind == "open") is not (seq == 0):
            self._find(Flaw.JOINED, number, name, seq, f"`{kind}` as record {seq} of a chain")
        match kind:
            case "open" | "checkpoint" | "close":
                good = self._whole.seals.take(fields, place)
                if kind != "open":
                    if good and fields.get("tree") is not None:
                        self._check_tree(fields["tree"], number, stretch)
                    stretch.tree = Tree(seq) if kind == "checkpoint" else None
                self._whole.witnessed.check(name, seq, stretch.head.decode())
                if kind == "close":
                    # Whatever goes on with this chain is another stretch, and found to be one too many.
                    stretch.closed = True
                    self._whole.stretches.append(self._open.pop(name.encode()))
            case "torn":
                self._whole.fragments.told(fields.get("sha256"))
            case "retired":
                self._whole.seals.retire(fields, place)
            case "policy":
                pass
            case _:
                self._find(Flaw.UNREADABLE, number, name, seq, "a record of no known kind")

    def _check_tree(self, said: Any, number: int, stretch: Stretch) -> None:
        """Hold the tree of a checkpoint, the last record of this stretch, against the records before it."""
        self._whole.trees += 1
        grown = stretch.tree
        wrong = objection(said, stretch.last, grown, stretch.first)
        if wrong is not None:
            self._find(Flaw.TREE, number, stretch.chain, stretch.last, wrong)
        elif grown is None or said["first"] != grown.first:
            self._whole.trees_apart += 1

    def _find(self, flaw: Flaw, number: int, chain: str, seq: int, says: str) -> None:
        self._whole.findings.append(Finding(flaw, Place(self._name, number), chain, seq, says))
