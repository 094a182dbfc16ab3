"""Arithmetic on half-open windows: what holds at an instant, and when that next changes."""

from collections.abc import Iterable

from proxy.policy.callers import FOREVER, Instant
from proxy.policy.model import Window


def in_force(windows: Iterable[Window], now: Instant) -> Window | None:
    """The window that holds at `now`; of several, the one that ends last. None when none does."""
    found: Window | None = None
    for window in windows:
        if window.holds(now) and (found is None or window.end > found.end):
            found = window
    return found


def next_edge(windows: Iterable[Window], now: Instant) -> Instant:
    """The first start or end after `now`; infinity when nothing changes any more."""
    first = FOREVER
    for start, end, _ in windows:
        if now < start < first:
            first = start
        if now < end < first:
            first = end
    return first


def state(windows: Iterable[Window], now: Instant) -> tuple[bool, Instant]:
    """Whether one of them holds at `now`, and the next edge: in one pass, as it is asked in each decision."""
    force, first = False, FOREVER
    for start, end, _ in windows:
        if now < start:
            first = min(first, start)
        elif now < end:
            force = True
            first = min(first, end)
    return force, first


def end_of_force(windows: tuple[Window, ...], now: Instant) -> Instant:
    """When an unbroken stretch of windows that holds at `now` ends; `now` itself when none holds.

    Windows that touch or overlap are one stretch: what a caller is told as "until" is when it is over,
    not where one window happens to hand over to the next.
    """
    moment = now
    while (window := in_force(windows, moment)) is not None:
        if window.end == FOREVER:
            return FOREVER
        moment = window.end
    return moment
