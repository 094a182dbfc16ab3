"""Reading a date or time as an instant, with the two midnights a year that are no ordinary ones."""

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from proxy.policy.callers import Instant

_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.]+(?:Z|[+-][0-9:]+)?)?")


def parse_instant(text: str, zone: ZoneInfo, *, end: bool = False) -> Instant:
    """Read ISO 8601: a date is local midnight in `zone`; a time without an offset is local too.

    A midnight that does not exist is the first instant after the gap. One that comes twice is the first for
    a start and the second for an `end`: the longer moratorium. A given time of day in a gap is refused.

    Raises `ValueError` with a sentence.
    """
    try:
        if not _FORM.fullmatch(text):  # fromisoformat reads more spellings than people should have to know
            raise ValueError
        day = date.fromisoformat(text) if len(text) == 10 else None
        moment = datetime.combine(day, time()) if day else datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a date (2020-06-10) or a date and time (2020-06-10T07:00:00Z)"
        ) from None
    local = moment.replace(tzinfo=moment.tzinfo or zone, fold=int(end))
    try:
        read_back = local.astimezone(UTC).astimezone(local.tzinfo)
    except OverflowError:
        raise ValueError(f"{text!r} is too far away") from None
    if moment.tzinfo is not None or read_back.replace(tzinfo=None) == moment:
        return local.timestamp()
    if day is None:
        raise ValueError(f"{text!r} does not exist in {zone.key} (clocks are put forward); give an offset")
    # PEP 495: with fold=0 a time in a gap is read with the offset before it, which is the gap's far edge.
    return local.replace(fold=0).timestamp()


def parse_span(text: str) -> float:
    """Seconds of a span such as 90m, 24h or 30d, of the form that the schema allows."""
    return float(text[:-1]) * {"m": 60, "h": 3600, "d": 86400}[text[-1]]


def format_instant(instant: Instant) -> str:
    """RFC 3339 in UTC, whole seconds unless there is a fraction."""
    moment = datetime.fromtimestamp(instant, UTC)
    text = moment.isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")
