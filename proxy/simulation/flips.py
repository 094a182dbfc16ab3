"""Millions of lines, few questions: each is judged once while its answer holds, and flips are counted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from proxy.audit.replay import Outcome, Recorded, Unread, read
from proxy.simulation.judge import Judge
from proxy.simulation.lines import LAST, Cutter, id_of, instant_of, time_of

MAX_QUESTIONS = 20_000
NO_RECORD = (Unread.EMPTY, Unread.TORN, Unread.FOREIGN)


class Change(NamedTuple):
    """One kind of flip."""

    was: Outcome
    now: Outcome
    org_type: str
    operation: str

    @property
    def kind(self) -> str:
        """The first thing that differs: a change of decision says more than one of the rule."""
        if self.was.decision != self.now.decision:
            return f"{self.was.decision} to {self.now.decision}"
        names = (name for name in Outcome._fields if getattr(self.was, name) != getattr(self.now, name))
        return next(names)


@dataclass(slots=True)
class Tally:
    """How often, and the ids of some."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Answer:
    """What one question is counted as, in `[since, until)`. `full`: no more examples are wanted."""

    recorded: Recorded | Unread
    since: bytes
    until: bytes
    tally: Tally
    full: bool


class Simulation:
    """Takes lines and counts. `limit`: how many examples of each flip are kept."""

    def __init__(self, judge: Judge, limit: int) -> None:
        self._judge = judge
        self._limit = limit
        self._answers: dict[bytes, _Answer] = {}
        self._unread = {why: Tally() for why in Unread}
        self._same = Tally()
        self.flips: dict[Change, Tally] = {}
        self.lines = 0

    def feed(self, lines: Iterable[bytes]) -> None:
        """Judge every line again."""
        answers, cut_apart = self._answers, Cutter().cut
        for line in lines:
            self.lines += 1
            cut = cut_apart(line)
            if cut is None:
                self._unread[_no_record(line)].count += 1
                continue
            question, time = cut
            answer = answers.get(question)
            if answer is None or not answer.since <= time < answer.until:
                answer = self._answer(line, question, time)
            tally = answer.tally
            tally.count += 1
            if not answer.full:
                if len(tally.examples) < self._limit:
                    tally.examples.append(id_of(line))
                answer.full = len(tally.examples) >= self._limit

    @property
    def judged(self) -> int:
        """How many records have been judged again."""
        return self._same.count + sum(tally.count for tally in self.flips.values())

    @property
    def flipped(self) -> int:
        return sum(tally.count for tally in self.flips.values())

    @property
    def lines_read(self) -> int:
        """How many lines were records of some kind."""
        return self.judged + sum(n for why, n in self.unread.items() if why not in NO_RECORD)

    @property
    def unread(self) -> Counter[Unread]:
        """How many lines have not been, and why."""
        return Counter({why: tally.count for why, tally in self._unread.items() if tally.count})

    def torn(self) -> None:
        """Count something that ended before its end, and is no line."""
        self._unread[Unread.TORN].count += 1

    def _answer(self, line: bytes, question: bytes, time: bytes) -> _Answer:
        known = self._answers.get(question)
        recorded = known.recorded if known is not None else read(line)
        if isinstance(recorded, Unread):
            return self._keep(question, _Answer(recorded, b"", LAST, self._unread[recorded], full=True))
        now = instant_of(time)
        if now is None:
            return _Answer(recorded, b"", b"", self._unread[Unread.FOREIGN], full=True)
        found, until = self._judge.judge(recorded, now)
        tally = self._same
        if found != recorded.outcome:
            change = Change(recorded.outcome, found, recorded.org_type, recorded.operation.name)
            tally = self.flips.setdefault(change, Tally())
        full = tally is self._same or len(tally.examples) >= self._limit
        return self._keep(question, _Answer(recorded, time, time_of(until), tally, full))

    def _keep(self, question: bytes, answer: _Answer) -> _Answer:
        if len(self._answers) >= MAX_QUESTIONS:
            self._answers.clear()
        self._answers[question] = answer
        return answer


def _no_record(line: bytes) -> Unread:
    why = read(line)
    return why if isinstance(why, Unread) else Unread.FOREIGN
