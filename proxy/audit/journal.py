"""The records of one process: chained, with what frames them, each in the file before its call goes on.

What has to come before the next record (that the chain is open, that a line was cut short, how calls ended)
is written together with it, in one write. What could not be written has no place in the chain.
"""

import secrets
from collections.abc import Callable, Sequence
from hashlib import sha256
from math import inf
from typing import Any, NamedTuple

from proxy.audit.chain import VERSION, Chain, Head
from proxy.audit.chain import line_of as plain
from proxy.audit.checkpoint import Signer
from proxy.audit.disk import Disk
from proxy.audit.record import Template, stamp
from proxy.audit.sink import Sink
from proxy.audit.tree import Tree
from proxy.audit.witness import Witness
from proxy.errors import AuditUnwritable
from proxy.messages import NO_IMPRINT, NO_TRAIL, Imprint, Trail
from proxy.policy.callers import Instant

Facts = tuple[int | None, int, int, float, bool]
"""Of a call: the status if an answer began, bytes up, bytes down, seconds, whether all of it was sent.

A plain tuple: a named one costs more than what is done with it.
"""
TOGETHER = 256
"""So many ends of calls are one record: each by itself would cost as much as a decision, and collectors have
limits on lines."""
MAX_ENDED = 100_000
"""So many are kept for a file that takes nothing."""

Builder = Callable[[Chain], bytes]


class Terms(NamedTuple):
    """How a journal is kept."""

    signer: Signer | None = None
    witness: Witness | None = None
    checkpoint_records: float = inf
    checkpoint_seconds: float = inf
    outcomes: bool = False
    synced: bool = False


class Journal:
    """Writes through a `Sink`. `records` and `failures` count decisions."""

    def __init__(self, sink: Sink, *, instance: str = "", terms: Terms | None = None) -> None:
        self.sink = sink
        self.terms = terms or Terms()
        self.chain = Chain(secrets.token_hex(8))
        self.disk = Disk(self.sink)
        self.records = 0
        self.failures = 0
        self.lost_outcomes = 0
        self._instance = instance
        self._ended: list[tuple[bytes, Facts]] = []
        self._owed: list[Builder] = []
        self._signed_at: Instant = 0.0
        self._signed_seq = -1
        self._closed = False
        self._due = self.terms.checkpoint_records
        self._tree = Tree(0) if self._due != inf else None

    def __repr__(self) -> str:
        return f"<Journal {self.chain!r} {self.sink!r}>"

    @property
    def signed_at(self) -> Instant | None:
        """When the chain was opened or last had a checkpoint; None: it is to have none."""
        return self._signed_at if self._due != inf else None

    @property
    def unsigned(self) -> int:
        """Records since the last checkpoint, or since the `open`."""
        return max(0, self.chain.seq - max(self._signed_seq, 1)) if self._due != inf else 0

    # ------------------------------------------------------------ decisions

    def write(
        self,
        record: Template,
        decision_id: bytes,
        now: Instant,
        trail: Trail = NO_TRAIL,
        imprint: Imprint = NO_IMPRINT,
    ) -> None:
        """Record one decision. Raises `AuditUnwritable`."""
        chain = self.chain
        if len(self._ended) >= TOGETHER and not self._owed:
            self._gather(now)
        if self._owed:
            self._owed.append(lambda chain: record.line(decision_id, now, trail, chain, imprint))
            try:
                self._settle(now, last_may_wait=False)
            except AuditUnwritable:
                self.failures += 1
                raise
        else:
            line = record.line(decision_id, now, trail, chain, imprint)
            try:
                self.sink.write(line)
            except AuditUnwritable:
                self.failures += 1
                self._survive([line], now)
                raise
            chain.head = sha256(line[:-1]).hexdigest().encode()
            chain.seq += 1
            if self._tree is not None:
                self._tree.add(chain.head)
        self.records += 1
        if self.sink.strays:
            self.flush(now)
        if chain.seq >= self._due:
            self.checkpoint(now)

    def outcome(self, decision_id: bytes, facts: Facts) -> None:
        """Say how a forwarded call ended.

        Written with many others, at the next `look` or before the next record but `TOGETHER`.
        """
        if len(self._ended) < MAX_ENDED:
            self._ended.append((decision_id, facts))
        else:
            self.lost_outcomes += 1

    def _gather(self, now: Instant) -> None:
        """Make records of the calls that have ended: several when a file took nothing for long."""
        ended, self._ended = self._ended, []
        for first in range(0, len(ended), TOGETHER):
            self._owed.append(self._outcomes(ended[first : first + TOGETHER], now))

    def _outcomes(self, ended: Sequence[tuple[bytes, Facts]], now: Instant) -> Builder:
        calls = [
            {
                "id": decision_id.decode(), "status": status, "request_bytes": up, "response_bytes": down,
                "microseconds": int(seconds * 1_000_000), "complete": complete,
            }
            for decision_id, (status, up, down, seconds, complete) in ended
        ]  # fmt: skip
        return lambda chain: plain(self._fields("outcomes", now, chain, calls=calls))

    # ------------------------------------------------------------ what frames them

    def begin(
        self,
        now: Instant,
        *,
        version: str,
        policy: str,
        after: Head | None = None,
        torn: Sequence[bytes] = (),
    ) -> None:
        """Open the chain: with the first record if not now."""
        every = self.terms.checkpoint_records
        self._signed_at = now
        members = {
            "release": version,
            "policy": policy,
            "after": after.members() if after is not None else None,
            # Said and signed at the beginning, so that leaving checkpoints out can be told from a rest.
            "checkpoint_records": None if every == inf else every,
        }
        self._owed.insert(0, lambda chain: self._signed(self._fields("open", now, chain, **members)))
        self._owed[1:1] = [self._torn(fragment, now) for fragment in torn]
        self.flush(now)

    def event(self, kind: str, now: Instant, **members: Any) -> bool:
        """Record something that is no decision; whether it is in the file now. If not, it will be."""
        self._owed.append(lambda chain: plain(self._fields(kind, now, chain, **members)))
        return self.flush(now)

    def checkpoint(self, now: Instant, kind: str = "checkpoint") -> bool:
        """Say, and sign if there is a key, where the chain stands, and what stands there since the last one.

        One that cannot be written is left out; its leaves are in the next one's tree.
        """
        self._due = self.chain.seq + self.terms.checkpoint_records
        if not self.flush(now):
            return False
        if kind == "checkpoint" and self.chain.seq == self._signed_seq:
            return True
        tree, at = self._tree, self.chain.seq
        members = {
            "records": self.records,
            "failures": self.failures,
            "tree": tree.members() if tree is not None else None,
        }
        line = self._signed(self._fields(kind, now, self.chain, **members))
        try:
            self.sink.write(line)
        except AuditUnwritable:
            self._survive([line], now)
            self._plant(at)
            return False
        self._take(line)
        self._plant(at)
        self._signed_seq, self._signed_at = self.chain.seq, now
        self._due = self.chain.seq + self.terms.checkpoint_records
        if self.terms.witness is not None:
            self.terms.witness.tell(line, self.chain)
        return True

    def look(self, now: Instant) -> None:
        """To be called about once a second: write what waits, and a checkpoint when it is time for one."""
        self.flush(now)
        if now - self._signed_at >= self.terms.checkpoint_seconds:
            self.checkpoint(now)

    def reopen(self, now: Instant) -> None:
        """Go on in the file that the path names now. Raises `AuditUnwritable`; then the old one stays."""
        if self.sink.descriptor is not None and self.sink.fault is None:
            self.seal(now)
            if self.terms.synced:
                self.disk.settle()
        self.sink.open()
        if self.terms.synced:
            self.disk.settle()

    def close(self, now: Instant) -> None:
        """End the chain in good order."""
        if not self._closed and (self.chain.seq or self._owed):
            self.checkpoint(now, "close")
        self._closed = True
        self.sink.close()

    def flush(self, now: Instant) -> bool:
        """Write what waits; whether nothing waits any more."""
        if self.sink.strays:
            strays, self.sink.strays = self.sink.strays, []
            self.tell_of(strays, now)
        if self._ended and not self._owed:
            self._gather(now)
        if self._owed:
            try:
                self._settle(now, last_may_wait=True)
            except AuditUnwritable:
                return False
        return True

    def tell_of(self, torn: Sequence[bytes], now: Instant) -> None:
        """Say with the next record what was found cut short: who wrote it may be no more."""
        self._owed += [self._torn(fragment, now) for fragment in torn]

    def seal(self, now: Instant) -> None:
        """Before a file is left: write what waits, and a checkpoint if there are such."""
        if self.terms.checkpoint_records != inf:
            self.checkpoint(now)
        else:
            self.flush(now)

    # ------------------------------------------------------------ within

    def _fields(self, kind: str, now: Instant, chain: Chain, **members: Any) -> dict[str, Any]:
        frame = {"v": VERSION, "kind": kind, "time": stamp(now), "instance": self._instance}
        return {**members, **frame, **chain.place()}

    def _signed(self, fields: dict[str, Any]) -> bytes:
        signer = self.terms.signer
        if signer is None:
            return plain({**fields, "key": None, "signature": None})
        return signer.signed({**fields, "key": signer.public})

    def _take(self, line: bytes) -> None:
        """Go on behind a line that is in the file."""
        self.chain.take(line)
        if self._tree is not None:
            self._tree.add(self.chain.head)

    def _plant(self, at: int) -> None:
        """Begin the next tree with the checkpoint at this number, if it is in the file."""
        if self._tree is not None and self.chain.seq > at:
            self._tree = Tree(at, self.chain.head)

    def _settle(self, now: Instant, *, last_may_wait: bool) -> None:
        """Write all that is owed. Raises `AuditUnwritable`; what is not in the file then is still owed.

        `last_may_wait` False: the last is a decision, and what cannot be recorded now is never recorded.
        """
        owed, self._owed = self._owed, []
        chain = self.chain
        ahead, lines, heads = Chain(chain.id, chain.seq, chain.head), [], []
        for build in owed:
            line = build(ahead)
            ahead.head = sha256(line[:-1]).hexdigest().encode()
            ahead.seq += 1
            lines.append(line)
            heads.append(ahead.head)
        try:
            self.sink.write(b"".join(lines))
        except AuditUnwritable:
            left = owed if last_may_wait else owed[:-1]
            self._survive(lines, now, left)
            raise
        chain.seq, chain.head = ahead.seq, ahead.head
        if self._tree is not None:
            for head in heads:
                self._tree.add(head)

    def _survive(self, lines: list[bytes], now: Instant, owed: Sequence[Builder] = ()) -> None:
        """Take those lines that are in the file although the write failed, and mark what is cut short.

        `owed`: how those of them are made that may be written later.
        """
        left, count = self.sink.taken, 0
        for line in lines:
            # All of it but its end counts: the next line begins with that.
            if left < len(line) - 1:
                break
            self._take(line)
            left, count = max(0, left - len(line)), count + 1
        self._owed[:0] = owed[count:]
        if left:
            # A chain begins with its `open`, whatever else there is to say.
            self._owed.insert(int(self.chain.seq == 0), self._torn(lines[count][:left], now))

    def _torn(self, fragment: bytes, now: Instant) -> Builder:
        """Says which bytes in the file are no record, and whose they are."""
        members = {"bytes": len(fragment), "sha256": sha256(fragment).hexdigest()}
        return lambda chain: plain(self._fields("torn", now, chain, **members))
