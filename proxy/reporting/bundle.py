"""The evidence for one organisation out of many's log: its records, and the paths that prove them. Pure.

A stream: of each chain the digests since its last checkpoint are kept, and the records that wait for the next
one. Once that is there they are given out with their paths, if its signature and its tree's root are good.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from proxy.audit.chain import END_OF_LINE, line_of
from proxy.audit.checkpoint import Verifier
from proxy.audit.tree import SIZE, Levels

MAX_CHAINS = 256
"""So many are followed at a time: a chain whose process was killed ends without saying so."""
MAX_LEAVES = 20_000_000
"""Twice what may be between two checkpoints; of a chain that has more nothing can be proved."""
MAX_CALLS = 100_000
"""For the ends of so many calls of one chain is looked."""
_CHAIN, _KIND, _PREV, _SEQ = b'"chain":"', b'"kind":"', b'"prev":"', b'"seq":'
_DIGEST = re.compile(rb"[0-9a-f]{64}")
_TIME = re.compile(rb'"time":"([^"]*)"')


class Part(StrEnum):
    """The files of a bundle that are written line by line."""

    RECORDS = "records.jsonl"
    PROOFS = "proofs.jsonl"
    CHECKPOINTS = "checkpoints.jsonl"
    UNPROVED = "unproved.jsonl"
    OUTCOMES = "outcomes.jsonl"


class Wanted(NamedTuple):
    """Whose records, and of which time: `since` up to but not including `until`, as records tell it."""

    organisation: str
    since: str | None = None
    until: str | None = None
    only_caller: bool = False

    def takes(self, record: dict[str, Any]) -> bool:
        """Whether a decision is one of them."""
        moment = str(record.get("time"))
        if (self.since is not None and moment < self.since) or (
            self.until is not None and moment >= self.until
        ):
            return False
        roles = roles_of(record, self.organisation)
        return "caller" in roles if self.only_caller else bool(roles)


def roles_of(record: dict[str, Any], organisation: str) -> list[str]:
    """The parts that an organisation had in a call."""
    parties: dict[str, list[Any]] = {
        "caller": [record],
        "on-behalf-of": [record.get("on_behalf_of")],
        "above": _listed(record.get("org_path")),
        "actor": _listed(record.get("actors")),
    }
    return [
        role
        for role, those in parties.items()
        if any(isinstance(party, dict) and party.get("org_id") == organisation for party in those)
    ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


class Waiting(NamedTuple):
    """A record that no checkpoint has followed yet."""

    seq: int
    line: bytes


@dataclass(slots=True)
class Strand:
    """A chain since its last checkpoint: its records' digests, joined, from `first` up to `following`."""

    first: int
    following: int
    leaves: bytearray
    barren: bool = False
    """Its beginning says that no checkpoints are made."""
    waiting: list[Waiting] = field(default_factory=list)
    calls: dict[str, None] = field(default_factory=dict)
    """Calls whose ends are looked for."""


class Collector:
    """Feed it the lines of a log, from the oldest file on, then `finish`; `write` gets the bundle's."""

    def __init__(self, wanted: Wanted, key: Verifier, write: Callable[[Part, bytes], object]) -> None:
        self.wanted = wanted
        self.policies: set[str] = set()
        self.roles: dict[str, int] = {}
        self.counts = dict.fromkeys(Part, 0)
        self._key = key
        self._write = write
        self._needle = b'"org_id":' + orjson.dumps(wanted.organisation)
        self._strands: dict[bytes, Strand] = {}
        self._opens: dict[bytes, bytes] = {}
        self._done: set[tuple[bytes, int]] = set()

    def __repr__(self) -> str:
        return f"<Collector for {self.wanted.organisation} {self.counts[Part.RECORDS]} proved>"

    def feed(self, lines: Iterable[bytes]) -> None:
        """Take some lines, in their order."""
        strands, needle = self._strands, self._needle
        for line in lines:
            place = _place_of(line)
            if place is None:
                continue
            chain, kind, seq, before = place
            strand = strands.get(chain)
            if strand is None or seq != strand.following:
                strand = self._begin(chain, seq, before)
            if kind == b"decision":
                if needle in line:
                    self._decision(strand, seq, line)
            elif kind == b"outcomes":
                if strand.calls:
                    self._outcomes(strand, chain, seq, line)
            elif kind in (b"checkpoint", b"close"):
                self._checkpoint(strand, chain, seq, line)
            elif kind == b"open":
                self._opens[chain] = line
                strand.barren = _members(line).get("checkpoint_records") is None
            strand.following = seq + 1
            if not strand.barren:
                strand.leaves += sha256(line[:-1]).digest()
            if kind == b"close" or len(strand.leaves) > MAX_LEAVES * SIZE:
                self._leave(chain)

    def finish(self) -> None:
        """What still waits for a signature is not proved."""
        for chain in [*self._strands]:
            self._leave(chain)

    def _begin(self, chain: bytes, seq: int, prev: bytes) -> Strand:
        """A record that does not follow what is known of its chain: it may stand behind a checkpoint."""
        self._leave(chain)
        if len(self._strands) >= MAX_CHAINS:
            self._leave(next(iter(self._strands)))
        known = bytearray.fromhex(prev.decode()) if seq and _DIGEST.fullmatch(prev) else bytearray()
        strand = self._strands[chain] = Strand(seq - len(known) // SIZE, seq, known)
        return strand

    def _leave(self, chain: bytes) -> None:
        strand = self._strands.pop(chain, None)
        if strand is not None:
            self._give_up(strand)

    def _give_up(self, strand: Strand) -> None:
        """Show without proof what waits."""
        for _, line in strand.waiting:
            self._put(Part.UNPROVED, line)
        strand.waiting = []

    def _decision(self, strand: Strand, seq: int, line: bytes) -> None:
        record = _members(line)
        if not self.wanted.takes(record):
            return
        self._wait(strand, seq, line)
        strand.calls[str(record.get("id"))] = None
        if len(strand.calls) > MAX_CALLS:
            del strand.calls[next(iter(strand.calls))]
        self.policies.add(str(record.get("policy")))
        for role in roles_of(record, self.wanted.organisation):
            self.roles[role] = self.roles.get(role, 0) + 1

    def _outcomes(self, strand: Strand, chain: bytes, seq: int, line: bytes) -> None:
        """How calls ended: the record itself if all of them are wanted, else only what it says of these."""
        calls = [call for call in _listed(_members(line).get("calls")) if isinstance(call, dict)]
        mine = [call for call in calls if str(call.get("id")) in strand.calls]
        for call in mine:
            strand.calls.pop(str(call["id"]), None)
        if mine and len(mine) == len(calls):
            self._wait(strand, seq, line)
            return
        for call in mine:
            self._put(Part.OUTCOMES, line_of({"chain": chain.decode(), "seq": seq, "call": call}))

    def _wait(self, strand: Strand, seq: int, line: bytes) -> None:
        if strand.barren:
            self._put(Part.UNPROVED, line)
        else:
            strand.waiting.append(Waiting(seq, line))

    def _checkpoint(self, strand: Strand, chain: bytes, seq: int, line: bytes) -> None:
        """Give out what waits, and begin anew."""
        if strand.waiting:
            levels = self._levels(strand, seq, line)
            if levels is None or (chain, seq) in self._done:
                self._give_up(strand)
            else:
                self._prove(strand, chain, seq, line, levels)
        strand.first, strand.leaves = seq, bytearray()
        # Behind all others: a chain that goes on making checkpoints is the last that need be given up.
        self._strands[chain] = self._strands.pop(chain)

    def _levels(self, strand: Strand, seq: int, line: bytes) -> Levels | None:
        """The tree of a checkpoint, if the key has signed it and it is over these leaves."""
        fields = _members(line)
        tree = fields.get("tree")
        if fields.get("key") != self._key.public or not isinstance(tree, dict):
            return None
        first = tree.get("first")
        if not isinstance(first, int) or first < strand.first or first >= seq:
            return None
        levels = Levels(bytes(strand.leaves[(first - strand.first) * SIZE :]))
        if tree != {"first": first, "size": seq - first, "sha256": levels.root.hex()}:
            return None
        strand.leaves, strand.first = strand.leaves[(first - strand.first) * SIZE :], first
        return levels if self._key.vouches(fields) else None

    def _prove(self, strand: Strand, chain: bytes, seq: int, line: bytes, levels: Levels) -> None:
        opened = self._opens.pop(chain, None)
        if opened is not None:
            self._put(Part.CHECKPOINTS, opened)
        self._put(Part.CHECKPOINTS, line)
        self._done.add((chain, seq))
        for number, record in strand.waiting:
            if number < strand.first:
                self._put(Part.UNPROVED, record)
                continue
            path = [digest.hex() for digest in levels.path(number - strand.first)]
            proof = {"chain": chain.decode(), "seq": number, "checkpoint": seq, "path": path}
            self._put(Part.RECORDS, record)
            self._put(Part.PROOFS, line_of(proof))
        strand.waiting = []

    def _put(self, part: Part, line: bytes) -> None:
        self.counts[part] += 1
        self._write(part, line)


def _place_of(line: bytes) -> tuple[bytes, bytes, int, bytes] | None:
    """Chain, kind and number of a record, and what it names as the one before; None of what is no record.

    Looked for and not parsed, as in `proxy.audit.verify`.
    """
    chain = line.find(_CHAIN) + len(_CHAIN)
    kind = line.find(_KIND, chain) + len(_KIND)
    prev = line.find(_PREV, kind) + len(_PREV)
    seq = line.find(_SEQ, prev) + len(_SEQ)
    number = line[seq : line.find(b",", seq)]
    if not len(_CHAIN) <= chain < kind < prev < seq or not number.isdigit() or not line.endswith(END_OF_LINE):
        return None
    before = line[prev : prev + 2 * SIZE]
    return line[chain : line.find(b'"', chain)], line[kind : line.find(b'"', kind)], int(number), before


def _members(line: bytes) -> dict[str, Any]:
    """Of a line that the verification has not judged: nothing, if it is none."""
    try:
        fields = orjson.loads(line)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}


def time_of(line: bytes) -> str:
    """When a record was written, by which files are put in their order; nothing if it does not say."""
    match = _TIME.search(line)
    return match[1].decode("ascii", "replace") if match else ""
