"""What a log says of itself in a range of time: chains, their checkpoints, restarts, reloads, losses. Pure.

It hears all lines of all files, in any order of files, and keeps a few of each chain.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.audit.chain import END_OF_LINE, digest_of
from proxy.reporting.report.gaps import Ended, breaks, joined
from proxy.reporting.report.model import Change, Gap, GapKind, Life, Period, Range, Span

_CHAIN, _KIND, _SEQ, _TIME = b'"chain":"', b'"kind":"', b',"seq":', b'"time":"'
_QUIET = (b'decision"', b'outcomes"')

Marked = tuple[int, bytes]
"""A record by its number, and its line."""


@dataclass(slots=True)
class Strand:
    """One chain. `first`, `last`: of its records in the range. Of checkpoints the last one before the range
    and within it, and the first one after it."""

    chain: str
    since: bytes
    until: bytes
    instance: str = ""
    first: Marked | None = None
    last: Marked | None = None
    before: Marked | None = None
    within: Marked | None = None
    after: Marked | None = None
    closed: bool = False
    policies: list[tuple[int, str, str | None, str]] = field(default_factory=list)
    """Number and time of each record that says by which policy it went on, the old one and the new one."""

    @property
    def start(self) -> str:
        """The earliest time that a record tells."""
        return self.since.decode("ascii", "replace")

    @property
    def end(self) -> str:
        return self.until.decode("ascii", "replace")

    def begun(self) -> list[tuple[str, str]]:
        """Each policy that it decided by, and from when on; of a chain without its beginning, too."""
        ordered = sorted(self.policies, key=lambda policy: policy[0])
        first = [(self.start, old) for _, _, old, _ in ordered[:1] if old is not None]
        return [*first, *((time, new) for _, time, _, new in ordered)]

    def checkpoint(self) -> Marked | None:
        """The earliest that vouches for all of the range's records, else the latest among them."""
        if self.within is not None and self.last is not None and self.within[0] == self.last[0]:
            return self.within
        return self.after or self.within


class Chains:
    """Feed it lines, then ask."""

    def __init__(self, span: Range) -> None:
        self._since, self._until = span.since.encode(), span.until.encode()
        self._range = span
        self._strands: dict[bytes, Strand] = {}
        self._changes: Counter[tuple[str, str, str | None, str]] = Counter()
        self._losses: list[Gap] = []

    def feed(self, lines: Iterable[bytes]) -> None:
        """Take some lines."""
        strands, since, until = self._strands, self._since, self._until
        for line in lines:
            # As `verify` does: a quotation mark within a string is escaped, so these can be nothing else.
            at, seq_at, time_at = line.find(_CHAIN), line.rfind(_SEQ), line.rfind(_TIME)
            text = line[seq_at + 7 : line.find(b",", seq_at + 7)]
            if not 0 <= at < seq_at < time_at or not text.isdigit() or not line.endswith(END_OF_LINE):
                continue
            chain, seq = line[at + 9 : line.find(b'"', at + 9)], int(text)
            moment = line[time_at + 8 : line.find(b'"', time_at + 8)]
            strand = strands.get(chain)
            if strand is None:
                strand = strands[chain] = Strand(chain.decode("ascii", "replace"), moment, moment)
            elif moment > strand.until:
                strand.until = moment
            elif moment < strand.since:
                strand.since = moment
            if since <= moment < until:
                if strand.first is None or seq < strand.first[0]:
                    strand.first = seq, line
                if strand.last is None or seq > strand.last[0]:
                    strand.last = seq, line
            if not line.startswith(_QUIET, line.find(_KIND, at) + 8):
                self._event(strand, seq, line, moment)

    def _event(self, strand: Strand, seq: int, line: bytes, moment: bytes) -> None:
        fields = _members(line)
        kind, time = str(fields.get("kind")), str(fields.get("time"))
        strand.instance = str(fields.get("instance") or "")
        inside = self._since <= moment < self._until
        match kind:
            case "open":
                policy = str(fields.get("policy"))
                strand.policies.append((seq, time, None, policy))
                if inside:
                    self._changes[time, "start", None, policy] += 1
            case "checkpoint" | "close":
                strand.closed = strand.closed or kind == "close"
                self._checkpoint(strand, (seq, line), moment)
            case "policy":
                old, new = str(fields.get("old")), str(fields.get("new"))
                strand.policies.append((seq, time, old, new))
                if inside:
                    self._changes[time, "reload", old, new] += 1
            case "torn" if inside:
                says = f"a line of {fields.get('bytes')} bytes was cut short, and its record says so"
                self._losses.append(Gap(GapKind.TORN, time, time, strand.chain, says))
            case "retired" if inside:
                says = f"{fields.get('segment')}, with records up to {fields.get('until')}"
                self._losses.append(Gap(GapKind.RETIRED, time, time, strand.chain, says))
            case _:
                pass

    def _checkpoint(self, strand: Strand, mark: Marked, moment: bytes) -> None:
        if moment < self._since:
            strand.before = max(strand.before or mark, mark)
        elif moment < self._until:
            strand.within = max(strand.within or mark, mark)
        else:
            strand.after = min(strand.after or mark, mark)

    # ------------------------------------------------------------ afterwards

    def _ordered(self) -> list[Strand]:
        return sorted(self._strands.values(), key=lambda strand: (strand.start, strand.chain))

    def spans(self) -> tuple[Span, ...]:
        """The chains that have records in the range, by when they began."""
        found = []
        for strand in self._ordered():
            if strand.first is None or strand.last is None:
                continue
            seq, line = strand.checkpoint() or (-1, b"")
            signed = _members(line).get("signature") is not None
            found.append(
                Span(
                    strand.chain,
                    strand.instance,
                    strand.first[0],
                    strand.last[0],
                    digest_of(strand.first[1]).decode(),
                    digest_of(strand.last[1]).decode(),
                    line.decode().rstrip("\n") or None,
                    seq if signed else None,
                )
            )
        return tuple(found)

    def changes(self) -> tuple[Change, ...]:
        """Loadings of a policy: starts and reloads, those of several processes in one second together."""
        found: dict[tuple[str, str, str | None, str], int] = {}
        for (time, how, old, new), times in sorted(self._changes.items(), key=str):
            key = (time[:19] + "Z", how, old, new)
            found[key] = found.get(key, 0) + times
        return tuple(Change(*key, times) for key, times in found.items())

    def policies(self) -> dict[str, tuple[Period, ...]]:
        """By digest, the times within the range in which some process decided by that policy."""
        found: dict[str, list[Period]] = {}
        for strand in self._strands.values():
            begun = strand.begun()
            ends = [*(start for start, _ in begun), strand.end][1:]
            for (start, digest), end in zip(begun, ends, strict=True):
                period = max(start, self._range.since), min(end, self._range.until)
                if period[0] <= period[1]:
                    found.setdefault(digest, []).append(period)
        return {digest: joined(periods) for digest, periods in found.items()}

    def lives(self) -> tuple[Life, ...]:
        """When chains were written that reach into the range."""
        return tuple(
            Life(strand.chain, strand.start, strand.end, strand.closed)
            for strand in self._ordered()
            if strand.start < self._range.until and strand.end >= self._range.since
        )

    def gaps(self) -> tuple[Gap, ...]:
        """All that the record does not hold, as far as it says so itself."""
        ended = [Ended(s.chain, s.start, s.end, s.closed) for s in self._strands.values()]
        found = [*self._losses, *self._unrecorded(), *breaks(ended, self._range)]
        return tuple(sorted(found, key=lambda gap: (gap.start, gap.kind, gap.chain)))

    def _unrecorded(self) -> Iterable[Gap]:
        for strand in self._strands.values():
            if strand.within is None:
                continue
            earlier = _members(strand.before[1]) if strand.before is not None else {}
            later = _members(strand.within[1])
            count = _number(later, "failures") - _number(earlier, "failures")
            if count > 0:
                start = max(str(earlier.get("time", strand.start)), self._range.since)
                says = f"{count:,} decisions could not be recorded"
                yield Gap(GapKind.UNRECORDED, start, str(later.get("time")), strand.chain, says)


def _number(fields: dict[str, Any], name: str) -> int:
    value = fields.get(name)
    return value if isinstance(value, int) else 0


def _members(line: bytes) -> dict[str, Any]:
    """Of a line that the verification has judged or will: nothing, if it is none."""
    try:
        fields = orjson.loads(line)
    except ValueError:
        return {}
    return fields if isinstance(fields, dict) else {}
