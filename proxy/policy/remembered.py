"""Verdicts that still hold, by caller and operation: the same question need not be thought through again.

`decide` is a function of its arguments, and a verdict names the instant until which it stays true. So what is
kept here is right until then, and not a moment longer; a clock that has stepped back behind the moment of the
asking ends it as well. It belongs to one policy, and is thrown away with it.
"""

from typing import NamedTuple

from proxy.policy.callers import Caller, Instant
from proxy.policy.model import Verdict
from proxy.policy.operations import Operation

MAX_CALLERS = 10_000


class _Entry(NamedTuple):
    caller: Caller
    verdicts: dict[Operation, tuple[Instant, Verdict]]


class Verdicts:
    """By the caller as an object, which the token cache hands out again and again."""

    def __init__(self) -> None:
        self._entries: dict[int, _Entry] = {}

    def __repr__(self) -> str:
        return f"<Verdicts of {len(self._entries)} callers>"

    def get(self, caller: Caller, operation: Operation, now: Instant) -> Verdict | None:
        """What was decided, if it holds at `now`."""
        entry = self._entries.get(id(caller))
        if entry is None or entry.caller is not caller:
            return None
        known = entry.verdicts.get(operation)
        if known is None or not known[0] <= now < known[1].holds_until:
            return None
        return known[1]

    def put(self, verdict: Verdict, caller: Caller, operation: Operation, now: Instant) -> None:
        """Keep it, unless it holds for this instant only. So is the caller: its id stays its own."""
        if verdict.holds_until <= now:
            return
        entry = self._entries.get(id(caller))
        if entry is None or entry.caller is not caller:
            if len(self._entries) >= MAX_CALLERS:
                self._entries.clear()
            entry = self._entries[id(caller)] = _Entry(caller, {})
        entry.verdicts[operation] = now, verdict
