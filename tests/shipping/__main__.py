"""`python -m tests.shipping FOLDER`: exit 1 if a line was lost or changed, 77 without a collector on PATH."""

import sys
from collections.abc import Callable
from pathlib import Path

from tests.shipping.checks import as_it_came, compare, made_one
from tests.shipping.collectors import KINDS, Collector, Kind
from tests.shipping.journeys import away, in_step, killed, packed, packed_too_early, refused
from tests.shipping.origin import Origin
from tests.soak.report import say

WHOLE: tuple[Callable[[Collector], Origin], ...] = (in_step, packed, killed, away)
AGAIN = {"duplicate", "reordered"}
"""What `verify` may say of lines that came more than once, or of files that came side by side."""


def main(folder: Path) -> int:
    kinds = [kind for kind in KINDS if kind.path is not None]
    for kind in KINDS:
        if kind not in kinds:
            say(f"= {kind.name}: {kind.program} is not on PATH, left out")
    if not kinds:
        say(f"needs one of {', '.join(sorted({kind.program for kind in KINDS}))} on PATH")
        return 77
    good = [_all_of(kind, folder / kind.name) for kind in kinds]
    say("ok" if all(good) else "FAILED")
    return 0 if all(good) else 1


def _all_of(kind: Kind, folder: Path) -> bool:
    journeys = [*WHOLE, refused] if kind.sends else WHOLE
    good = [_whole(Collector(kind, folder / journey.__name__), journey) for journey in journeys]
    return all(good) and _lost(Collector(kind, folder / packed_too_early.__name__))


def _ended(collector: Collector, journey: Callable[[Collector], Origin]) -> Origin:
    try:
        return journey(collector)
    finally:
        collector.close()


def _whole(collector: Collector, journey: Callable[[Collector], Origin]) -> bool:
    origin = _ended(collector, journey)
    found = compare(origin.lines(), collector.arrived())
    came, one = as_it_came(collector.home), made_one(collector.home, collector.folder / "once.jsonl")
    good = not found.missing and not found.changed and came.keys() <= AGAIN and not one
    if journey in (in_step, packed):
        good = good and not found.again
    _tell(collector, journey.__name__, good, f"{found}; verify: {_told(came)}; after once: {_told(one)}")
    return good


def _lost(collector: Collector) -> bool:
    """The loss that the page warns of is there, and is found."""
    origin = _ended(collector, packed_too_early)
    found = compare(origin.lines(), collector.arrived())
    came = as_it_came(collector.home)
    good = found.missing > 0 and not found.changed and "missing" in came
    _tell(collector, packed_too_early.__name__, good, f"{found}; verify: {_told(came)}")
    return good


def _told(flaws: dict[str, int]) -> str:
    return ", ".join(f"{number} {flaw}" for flaw, number in sorted(flaws.items())) or "whole"


def _tell(collector: Collector, journey: str, good: bool, says: str) -> None:
    say(f"{'= ' if good else 'FAILED: '}{collector.kind.name}, {journey.replace('_', ' ')}: {says}")
    if not good:
        say(collector.log.read_text("utf-8", "replace")[-4000:])


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
