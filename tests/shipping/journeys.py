"""What happens to files on their way: each journey ends when all is home, or when nothing more comes."""

import asyncio
import signal
import time
from collections.abc import Callable

from proxy.audit.journal import MAX_ENDED
from tests.shipping.collectors import Collector
from tests.shipping.origin import TORN, WITHIN_A_CHARACTER, Origin

SECONDS_TO_ARRIVE = 60.0
SECONDS_OF_REST = 15.0
"""Longer than any collector here waits before it looks for files again: what comes twice has come by then."""
LARGEST = MAX_ENDED
"""Ends of calls in one record."""


def waited_for(true: Callable[[], bool], seconds: float) -> bool:
    """Whether it became true in time."""
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True


def home(collector: Collector, origin: Origin) -> bool:
    """Wait until all that was written is home; whether it is."""
    whole = {line for line in origin.lines() if line != b"\n"}
    return waited_for(lambda: whole <= {*collector.arrived()}, SECONDS_TO_ARRIVE)


def rest(collector: Collector) -> None:
    """Wait until nothing more comes."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < SECONDS_OF_REST:
        now = sum(path.stat().st_size for path in collector.home.rglob("*") if path.is_file())
        if now != size:
            size, since = now, time.monotonic()
        time.sleep(0.5)


def in_step(collector: Collector) -> Origin:
    """It runs all the time, and closed files stay as they are; one record is the largest there is."""
    origin = Origin(collector.audit, compress=False)
    collector.start()
    for _ in range(3):
        origin.decide(400)
        origin.cut()
    home(collector, origin)
    origin.ends_of_calls(LARGEST)
    origin.decide(100).close()
    home(collector, origin)
    rest(collector)
    return origin


def packed(collector: Collector) -> Origin:
    """It runs all the time, and closed files are packed once they are home."""
    origin = Origin(collector.audit, compress=True)
    collector.start()
    for _ in range(3):
        origin.decide(400)
        origin.cut()
        home(collector, origin)
        asyncio.run(origin.archive.tidy())
    origin.decide(100).close()
    home(collector, origin)
    rest(collector)
    return origin


def killed(collector: Collector) -> Origin:
    """It is killed again and again while lines are written and files are cut; the proxy is killed once."""
    origin = Origin(collector.audit, compress=False)
    for turn in range(4):
        collector.start()
        for _ in range(20):
            origin.decide(40)
            time.sleep(0.1)
        collector.end(signal.SIGKILL)
        origin.decide(50)
        if turn % 2:
            origin.cut()
    origin = origin.killed(TORN if collector.kind.sends else WITHIN_A_CHARACTER)
    origin.decide(50)
    collector.start()
    origin.close()
    home(collector, origin)
    rest(collector)
    return origin


def away(collector: Collector) -> Origin:
    """It is stopped in good order, and two files are closed until it comes back."""
    origin = Origin(collector.audit, compress=False)
    collector.start()
    origin.decide(300)
    home(collector, origin)
    collector.end(signal.SIGTERM)
    for _ in range(2):
        origin.decide(300)
        origin.cut()
    origin.decide(300).close()
    collector.start()
    home(collector, origin)
    rest(collector)
    return origin


def refused(collector: Collector) -> Origin:
    """Home takes nothing for a while; the collector is killed meanwhile, too."""
    origin = Origin(collector.audit, compress=False)
    collector.start()
    origin.decide(300)
    home(collector, origin)
    collector.receiver.refusing = True
    for _ in range(2):
        origin.decide(300)
        origin.cut()
        waited_for(lambda: collector.receiver.refused > 0, SECONDS_TO_ARRIVE)
        collector.end(signal.SIGKILL)
        collector.start()
    origin.decide(300).close()
    collector.receiver.refusing = False
    home(collector, origin)
    rest(collector)
    return origin


def packed_too_early(collector: Collector) -> Origin:
    """As `away`, but closed files are packed before it comes back. What they held never comes home."""
    origin = Origin(collector.audit, compress=True)
    collector.start()
    origin.decide(300)
    home(collector, origin)
    collector.end(signal.SIGTERM)
    for _ in range(2):
        origin.decide(300)
        origin.cut()
        asyncio.run(origin.archive.tidy())
    origin.decide(300).close()
    collector.start()
    rest(collector)
    return origin
