"""Brings to the clock what issuers and the face API say that it is now, and its doubts to people."""

import asyncio
import logging
from collections.abc import Callable

from proxy.clock import Clock, parse_date
from proxy.metrics import Metrics

log = logging.getLogger("moratorium.clock")

WATCH_SECONDS = 1.0


class Hearsay:
    """One for each process. A clock that is not a `Clock`, such as a test's, hears nothing."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock if isinstance(clock, Clock) else None

    def upstream(self, date: bytes) -> None:
        """Take in the `Date` of an answer of the face API."""
        instant = parse_date(date)
        if instant is not None and self._clock is not None:
            self._clock.hear("upstream", instant)

    def issuer(self, name: str, skew: float) -> None:
        """Take in how far an issuer's clock is ahead, at the moment in which its answer has come."""
        if self._clock is not None:
            self._clock.hear(name, self._clock() + skew)

    async def watch_forever(self, metrics: Metrics) -> None:
        """Tell when clocks begin to disagree, and when they agree again."""
        doubted = False
        while (clock := self._clock) is not None:
            metrics.clock_offsets = clock.offsets()
            if doubted != bool(clock.doubts(clock())):
                doubted = not doubted
                offsets = ", ".join(f"{name} {by:+.1f} s" for name, by in metrics.clock_offsets.items())
                says = "the clock is in doubt" if doubted else "the clock is believed again"
                log.log(logging.ERROR if doubted else logging.INFO, says, extra={"why": offsets})
            await asyncio.sleep(WATCH_SECONDS)
