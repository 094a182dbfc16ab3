"""Dates and spans of a policy file as seconds, found by trying; for `tests.policy.naive`."""

from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo


@cache
def instant(text: str, zone: str, *, end: bool = False) -> float:
    """A date is local midnight, the first for a start and the second for an end, or the end of a gap."""
    wanted = datetime.fromisoformat(text)
    if wanted.tzinfo is not None:
        return wanted.timestamp()
    near = wanted.replace(tzinfo=UTC)
    found = []
    for hours in (-24, 24):
        offset = (near + timedelta(hours=hours)).astimezone(ZoneInfo(zone)).utcoffset()
        assert offset is not None
        candidate = near - offset
        if wall(candidate, zone) == wanted:
            found.append(candidate.timestamp())
    if found:
        return max(found) if end else min(found)
    moment = near - timedelta(hours=24)
    while wall(moment, zone) < wanted:
        moment += timedelta(minutes=1)
    return moment.timestamp()


def wall(moment: datetime, zone: str) -> datetime:
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def span(text: str) -> float:
    return int(text[:-1]) * {"m": 60.0, "h": 3600.0, "d": 86400.0}[text[-1]]
