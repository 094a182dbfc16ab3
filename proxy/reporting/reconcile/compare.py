"""Holds records, pages of metrics, and what the face API and clients saw against each other. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from proxy.policy.reasons import MEANINGS, Decision, Reason
from proxy.reporting.reconcile.book import STATES, Book
from proxy.reporting.reconcile.ids import (
    ALLOWED,
    ALLOWED_THEN_FAILED,
    ANSWERED,
    BY_ANOTHER_NAME,
    FAILED,
    RECORDED,
    SEEN,
    digest,
)
from proxy.reporting.reconcile.page import Labels, Page

KEPT = 100
"""Findings of one kind that are kept with all their words; the others are counted."""
NO_ID = b"-"
"""What access logs write where there is none."""


class Gap(StrEnum):
    """What does not agree, the gravest first."""

    WENT_ROUND = "went-round"
    SEEN_AGAIN = "seen-again"
    NO_RECORD = "no-record"
    OTHER_DECISION = "other-decision"
    UNSEEN = "unseen"
    UNCOUNTED = "uncounted"
    UNRECORDED = "unrecorded"
    MISCOUNTED = "miscounted"
    INCOMPLETE = "incomplete"


class Finding(NamedTuple):
    gap: Gap
    what: str
    says: str


@dataclass
class Seen:
    """What the face API saw. `odd`: lines without a place for an id."""

    lines: int = 0
    odd: int = 0


@dataclass
class Reconciliation:
    """All that is found of one book. `explained`: differences that have to be."""

    book: Book
    pages: Sequence[Page] = ()
    seen: Seen | None = None
    answers: int | None = None
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[Gap] = field(default_factory=Counter)
    explained: list[tuple[str, int]] = field(default_factory=list)

    def find(self, gap: Gap, what: str, says: str) -> None:
        self.counts[gap] += 1
        if self.counts[gap] <= KEPT:
            self.findings.append(Finding(gap, what, says))

    def explain(self, number: int, says: str) -> None:
        if number:
            self.explained.append((says, number))

    # ------------------------------------------------------------ what the face API saw

    def hear_upstream(self, names: Iterable[bytes | None], later: Iterable[bytes | None] = ()) -> None:
        """Take the id of each call that arrived there; None: a line that has no place for one.

        `later`: those that came while the records were read, so that theirs need not be among them.
        """
        self.seen = seen = self.seen or Seen()
        ids, asked = self.book.ids, Counter(self.book.asked)
        for name in names:
            if name is None:
                seen.odd += 1
                continue
            seen.lines += 1
            if self._see(name):
                continue
            if asked[digest(name)] > 0:
                asked[digest(name)] -= 1
            elif ids.get(name) & RECORDED:
                self.find(Gap.WENT_ROUND, _shown(name), "recorded as denied, and the face API saw it")
            else:
                says = "the face API saw it, and no record lets it through"
                self.find(Gap.WENT_ROUND, _shown(name), says)
        for name in later:
            if name is not None and not self._see(name) and asked[digest(name)] > 0:
                asked[digest(name)] -= 1
        self._unseen(asked.total())

    def _see(self, name: bytes) -> bool:
        """Whether a record lets it through, by this name."""
        state = self.book.ids.get(name)
        if state & RECORDED not in (ALLOWED, ALLOWED_THEN_FAILED) or state & BY_ANOTHER_NAME:
            return False
        if state & SEEN:
            self.find(Gap.SEEN_AGAIN, _shown(name), "one call, and the face API saw it more than once")
        self.book.ids.set(name, state | SEEN)
        return True

    def _unseen(self, asked: int) -> None:
        """Let through and not seen: of those whose answer had begun, somebody has to have seen them."""
        never = 0
        for name, state in self.book.ids.states():
            if state & (RECORDED | SEEN | BY_ANOTHER_NAME) == ALLOWED:
                if state & ANSWERED:
                    self.find(Gap.UNSEEN, name, "recorded as answered, and the face API has not seen it")
                else:
                    never += 1
        self.explain(
            never + asked,
            "calls let through and not seen: their clients had gone, or a process was killed with them",
        )

    # ------------------------------------------------------------ what clients got

    def hear_answers(self, answers: Iterable[tuple[bytes, str]]) -> None:
        """Take the id of each answer with what it said: a decision, a reason, or nothing."""
        self.answers = self.answers or 0
        unrecorded = 0
        for name, said in answers:
            self.answers += 1
            state = self.book.ids.get(name) & RECORDED
            if said == Reason.AUDIT_UNWRITABLE:
                # Such an answer says itself that there is no record; a `failed` one may have been written.
                unrecorded += 1
            elif not state:
                self.find(
                    Gap.NO_RECORD, _shown(name), "a client has this answer, and there is no record of it"
                )
            elif said and state not in _states(said):
                says = f"the client was told {said}, the record says {_WORDS[state]}"
                self.find(Gap.OTHER_DECISION, _shown(name), says)
        self.explain(unrecorded, "answers that say themselves that they could not be recorded")

    # ------------------------------------------------------------ what was counted

    def compare(self) -> None:
        """Series by series for each page, and each chain with its own count."""
        for chain, kept in self.book.chains.items():
            if kept.miscounted:
                self.find(Gap.MISCOUNTED, chain, kept.miscounted)
        for page in self.pages:
            self._compare(page)
        self.explain(self.book.after.total(), "decisions recorded after the pages were read, or in a kill")
        if self.pages:
            others = self.book.elsewhere.total()
            self.explain(others, "decisions of chains that no page speaks for: of other processes")

    def recorded(self, page: Page) -> Counter[Labels]:
        """Of each series, the records that this page speaks for."""
        found: Counter[Labels] = Counter()
        for chain in page.chains:
            found.update(self.book.within.get(chain, {}))
        return found

    def _compare(self, page: Page) -> None:
        if page.counted() != sum(page.chains.values()):
            says = f"{sum(page.chains.values())} of {page.counted()} decisions are of chains that it names"
            self.find(Gap.INCOMPLETE, page.name, says)
            return
        cut = [chain for chain, made in page.chains.items() if made and not self._whole(chain)]
        if cut and self.book.removed:
            self.explain(len(cut), f"chains on {page.name} are not compared: files with them were removed")
            return
        recorded = self.recorded(page)
        lack, excess = Counter(page.series) - recorded, recorded - Counter(page.series)
        lost = sum(n for series, n in lack.items() if series[1] == Reason.AUDIT_UNWRITABLE)
        lack = Counter({series: n for series, n in lack.items() if series[1] != Reason.AUDIT_UNWRITABLE})
        where = f" (on {page.name})" if len(self.pages) > 1 else ""
        self.explain(lost, f"calls denied because they could not be recorded: counted, not recorded{where}")
        spoilt = sum(self.book.chains[chain].spoilt for chain in page.chains if chain in self.book.chains)
        # Either moves the place where the page ends in the log, by one record each.
        if 0 < lack.total() <= page.failures - lost and excess.total() <= lack.total() + spoilt:
            # MORATORIUM_ON_AUDIT_FAILURE=allow-and-count
            self.explain(lack.total(), f"calls that went on although they could not be recorded{where}")
            lack, excess = Counter(), Counter()
        elif 0 < excess.total() <= spoilt and lack.total() in (0, excess.total()):
            says = f"records not counted: whole although the write of them failed at its last byte{where}"
            self.explain(excess.total(), says)
            lack, excess = Counter(), Counter()
        for gap, series_of in ((Gap.UNRECORDED, lack), (Gap.UNCOUNTED, excess)):
            for series in series_of:
                says = f"{recorded[series]} recorded, {page.series.get(series, 0)} counted on {page.name}"
                self.find(gap, " ".join(series), says)

    def _whole(self, chain: str) -> bool:
        kept = self.book.chains.get(chain)
        return kept is not None and kept.opened


_DECISIONS = {*map(str, Decision)}
_WORDS = {
    **{state: str(decision) for decision, state in STATES.items()},
    ALLOWED_THEN_FAILED: "allowed, then failed",
}


def _states(said: str) -> tuple[int, ...]:
    decision = Decision(said) if said in _DECISIONS else MEANINGS[Reason(said)].decision
    return (FAILED, ALLOWED_THEN_FAILED) if decision is Decision.FAILED else (STATES[decision],)


def _shown(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")[:200]
