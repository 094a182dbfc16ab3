"""What a log says of itself under a signature: where chains stood, what was before, what is removed. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from proxy.audit.chain import Head
from proxy.audit.checkpoint import Verifier
from proxy.audit.findings import Finding, Flaw, Place
from proxy.audit.segments import Run

LATE = 2
"""So many times the records between two checkpoints may go without one: a full disk can cost one."""


class Claim(NamedTuple):
    """What a new chain has found at its beginning."""

    head: Head
    place: Place


class Gone(NamedTuple):
    """A run that was removed in good order, as one record of a chain tells."""

    run: Run
    teller: str
    seq: int


@dataclass
class Seals:
    """With a pinned key only its signatures count; else each chain's own, which shows mistakes, no forger."""

    key: Verifier | None
    find: Callable[[Finding], None]
    claims: list[Claim] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    """By chain, the name of the key that has signed it."""
    signed_to: dict[str, int] = field(default_factory=dict)
    every: dict[str, int] = field(default_factory=dict)
    _gone: list[Gone] = field(default_factory=list)
    _untils: list[tuple[str, str, int]] = field(default_factory=list)

    def take(self, fields: dict[str, Any], place: Place) -> bool:
        """An `open`, `checkpoint` or `close`; whether nothing is wrong with its signature."""
        chain, seq = str(fields["chain"]), int(fields["seq"])
        if fields["kind"] == "open":
            self._take_open(fields, chain, place)
        wrong = self._wrong(fields, chain)
        if wrong is not None:
            flaw, says = wrong
            self.find(Finding(flaw, place, chain, seq, says))
        elif fields.get("signature") is not None:
            self.signed_to[chain] = max(seq, self.signed_to.get(chain, -1))
        return wrong is None

    def _take_open(self, fields: dict[str, Any], chain: str, place: Place) -> None:
        after, every = fields.get("after"), fields.get("checkpoint_records")
        if isinstance(after, dict):
            head = Head(str(after.get("id")), after.get("number", -1), str(after.get("sha256")))
            self.claims.append(Claim(head, place))
        if isinstance(every, int):
            self.every[chain] = every

    def _wrong(self, fields: dict[str, Any], chain: str) -> tuple[Flaw, str] | None:
        named = Verifier.of_text(fields.get("key"))
        if fields.get("signature") is None and self.key is None and chain not in self.keys:
            return None
        if fields.get("signature") is None or named is None:
            return Flaw.UNSIGNED, "not signed"
        if named.name != (self.key.name if self.key is not None else self.keys.setdefault(chain, named.name)):
            return Flaw.OTHER_KEY, f"signed by the key {named.name}"
        if not named.vouches(fields):
            return Flaw.FORGED, "the signature is not over this record"
        self.keys.setdefault(chain, named.name)
        return None

    def retire(self, fields: dict[str, Any], place: Place) -> None:
        """A `retired`: it counts as far as a signature covers it."""
        chain, seq = str(fields["chain"]), int(fields["seq"])
        try:
            runs = [Run.of_members(members) for members in fields["chains"]]
            until = str(fields["until"])
        except (KeyError, TypeError):
            self.find(Finding(Flaw.UNREADABLE, place, chain, seq, "`retired` without what it should say"))
            return
        self._gone += (Gone(run, chain, seq) for run in runs)
        self._untils.append((until, chain, seq))

    def covers(self, chain: str, seq: int) -> bool:
        """Whether a record may be believed: a signature is over it, or none is asked for."""
        if self.key is None and chain not in self.keys:
            return True
        return seq <= self.signed_to.get(chain, -1)

    def gone(self) -> list[Run]:
        """What was removed in good order."""
        return [gone.run for gone in self._gone if self.covers(gone.teller, gone.seq)]

    def until(self) -> str:
        """All that is older may have been removed."""
        return max((until for until, chain, seq in self._untils if self.covers(chain, seq)), default="")
