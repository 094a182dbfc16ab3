"""`--from` and `--to`: a range of time in UTC, half-open."""

import argparse
from typing import NamedTuple
from zoneinfo import ZoneInfo

from proxy.audit.record import stamp
from proxy.errors import SettingsError
from proxy.policy.callers import Instant
from proxy.policy.instants import parse_instant

_UTC = ZoneInfo("UTC")


MOST_YEARS = 20
"""Of a report: it has a row for each week."""
_YEAR = 366 * 86400.0


class Span(NamedTuple):
    """As records tell time; None: without that end."""

    since: str | None
    until: str | None


def add_range(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="start", metavar="WHEN", help="where the range begins, in UTC")
    parser.add_argument("--to", dest="end", metavar="WHEN", help="where it ends; this instant is not in it")


def range_of(args: argparse.Namespace) -> Span:
    """Raises `SettingsError`."""
    start = instant("--from", args.start) if args.start is not None else None
    end = instant("--to", args.end) if args.end is not None else None
    if start is not None and end is not None:
        _in_order(start, end)
    return Span(stamp(start) if start is not None else None, stamp(end) if end is not None else None)


def both_ends(args: argparse.Namespace) -> tuple[Instant, Instant]:
    """A range that a report can be over. Raises `SettingsError`."""
    start, end = instant("--from", args.start), instant("--to", args.end)
    _in_order(start, end)
    if end - start > MOST_YEARS * _YEAR:
        raise SettingsError([f"--from, --to: a report is over {MOST_YEARS} years at most"])
    return start, end


def _in_order(start: Instant, end: Instant) -> None:
    if start >= end:
        raise SettingsError(["--from must be before --to"])


def instant(option: str, text: str) -> Instant:
    """Raises `SettingsError`."""
    try:
        return parse_instant(text, _UTC)
    except ValueError as error:
        raise SettingsError([f"{option}: {error}"]) from None
