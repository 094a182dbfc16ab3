"""Wall time, and what speaks against it: the steady clock of this machine, issuers, the face API.

A clock that is wrong must not end a moratorium. So the instant that is believed comes with the others that it
may be, and a call goes on only if it could at all of them.
"""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from proxy.policy.callers import Instant

TOLERANCE = 60.0
"""Seconds that clocks may differ before anybody is doubted: `Date` has whole seconds, and answers travel."""

STEADY = "steady"
"""The source that is this machine's monotonic clock, counted on from when the wall clock was last right."""


def parse_date(date: bytes) -> Instant | None:
    """An HTTP `Date` (RFC 9110 section 5.6.7), which names its zone; None for anything else."""
    try:
        moment = parsedate_to_datetime(date.decode("ascii"))
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


class Clock:
    """One for each process. `wall` and `steady` give seconds; the second never steps."""

    def __init__(
        self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall = wall
        self._steady = steady
        self._base = wall() - steady()
        self._offsets: dict[str, float] = {}
        self._disagree = False

    def __repr__(self) -> str:
        return f"<Clock {'in doubt' if self.doubts(self._wall()) else 'believed'}>"

    def __call__(self) -> Instant:
        """The instant that is believed."""
        return self._wall()

    def doubts(self, now: Instant) -> tuple[Instant, ...]:
        """The other instants that `now` may be; none while the clocks agree."""
        expected = self._base + self._steady()
        stepped = not -TOLERANCE <= now - expected <= TOLERANCE
        if not stepped and not self._disagree:
            return ()
        others = [now + offset for offset in self._offsets.values() if abs(offset) > TOLERANCE]
        return (expected, *others) if stepped else tuple(others)

    def hear(self, source: str, instant: Instant) -> None:
        """Take in what a source says that it is now.

        One that agrees after a step confirms the step: NTP has mended a clock that was wrong at start.
        """
        now = self._wall()
        offset = instant - now
        self._offsets[source] = offset
        self._disagree = any(abs(known) > TOLERANCE for known in self._offsets.values())
        if abs(offset) <= TOLERANCE:
            self._base = now - self._steady()

    def offsets(self) -> dict[str, float]:
        """By source, how far ahead of our clock it is, in seconds."""
        return {STEADY: self._base + self._steady() - self._wall(), **self._offsets}
