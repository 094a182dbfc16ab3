"""Dates and times as instants, with the midnights that are missing or come twice."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from proxy.policy.instants import format_instant, parse_instant


def instant(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


@pytest.mark.parametrize(
    ("zone", "text", "end", "expected"),
    [
        ("UTC", "2020-06-10", False, "2020-06-10T00:00:00Z"),
        ("America/Los_Angeles", "2020-06-10", False, "2020-06-10T07:00:00Z"),
        ("America/Los_Angeles", "2020-06-10T12:30:00", False, "2020-06-10T19:30:00Z"),
        ("America/Los_Angeles", "2020-06-10T12:30:00+02:00", False, "2020-06-10T10:30:00Z"),
        ("Asia/Kathmandu", "2020-06-10", False, "2020-06-09T18:15:00Z"),
        ("Africa/Cairo", "2024-04-26", False, "2024-04-25T22:00:00Z"),
        ("Africa/Cairo", "2024-04-26", True, "2024-04-25T22:00:00Z"),
        ("Asia/Beirut", "2024-03-31", False, "2024-03-30T22:00:00Z"),
        ("America/Asuncion", "2023-10-01", False, "2023-10-01T04:00:00Z"),
        ("America/Havana", "2024-03-10", False, "2024-03-10T05:00:00Z"),
        ("America/Havana", "2024-11-03", False, "2024-11-03T04:00:00Z"),
        ("America/Havana", "2024-11-03", True, "2024-11-03T05:00:00Z"),
    ],
)
def test_local_time_becomes_the_instant_of_the_longer_moratorium(
    zone: str, text: str, end: bool, expected: str
) -> None:
    assert parse_instant(text, ZoneInfo(zone), end=end) == instant(expected)


def test_a_given_time_of_day_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="does not exist in Africa/Cairo"):
        parse_instant("2024-04-26T00:30:00", ZoneInfo("Africa/Cairo"))


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2020-13-01", "2020-06-10T25:00", "2020-W01-1", "20200610"]
)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a date"):
        parse_instant(text, ZoneInfo("UTC"))


def test_instants_are_written_as_rfc_3339_in_utc() -> None:
    assert format_instant(instant("2020-06-10T07:00:00Z")) == "2020-06-10T07:00:00Z"
    assert format_instant(1.5) == "1970-01-01T00:00:01.500000Z"
