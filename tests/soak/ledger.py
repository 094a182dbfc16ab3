"""What the clients of a run saw, kind by kind, and what they did not expect."""

from collections import Counter
from dataclasses import dataclass, field

from tests.harness.client import Answer

KEPT = 20
"""Surprises that are kept with all their words."""


class SurpriseError(Exception):
    """An answer, or the lack of one, that a client had no reason to expect."""


@dataclass
class Ledger:
    """`served` and `blocked` are decision ids of answers from the face API and of denials."""

    calls: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    surprises: Counter[str] = field(default_factory=Counter)
    words: list[str] = field(default_factory=list)
    served: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    repeated: int = 0
    raced: int = 0

    def surprise(self, kind: str, error: Exception) -> None:
        self.surprises[kind] += 1
        if len(self.words) < KEPT:
            self.words.append(f"{kind}: {type(error).__name__}: {error}")

    def note(self, kind: str, answer: Answer) -> None:
        """An answer was had; its id must be a new one."""
        self.answers[kind] += 1
        number = answer.values(b"x-decision-id")[0].decode()
        self.repeated += number in self.served or number in self.denied
        (self.served if answer.values(b"x-echo") else self.denied).add(number)
