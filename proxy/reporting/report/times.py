"""Times of records, as people and charts want them."""

from collections.abc import Sequence
from datetime import datetime

from proxy.policy.callers import Instant
from proxy.reporting.report.model import Period

_MOST = 12


def short(time: str) -> str:
    """A time of a record without what is smaller than a second."""
    return f"{time[:10]} {time[11:19]}" if time[10:11] == "T" else time


def periods(those: Sequence[Period]) -> str:
    """To the minute, and not more than fit into a cell: the JSON file has all, exactly."""
    told = [f"{short(start)[:16]} to {short(end)[:16]}" for start, end in those[:_MOST]]
    more = len(those) - _MOST
    return "; ".join([*told, f"and {more:,} more"] if more > 0 else told)


def instant_of(text: str) -> Instant:
    """A time of a record as seconds; of one that is not a time, the beginning of time."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
