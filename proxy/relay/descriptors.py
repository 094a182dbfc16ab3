"""File descriptors: one for each connection, either way. How many there are, and what they are enough for."""

import os
import resource
from typing import NamedTuple

SPARE = 48
"""For what is no connection of a call: listeners, audit, log, keys, probes, name resolution."""


class Shares(NamedTuple):
    """What the descriptors are enough for.

    More client connections than `connections` are answered 503, more than `ceiling` are closed at once: an
    answer needs a descriptor too, and the calls under way need theirs.
    """

    connections: int
    in_flight: int
    ceiling: int


def needed(*, connections: int, in_flight: int) -> int:
    """The limit under which nobody gets less than was asked for."""
    return SPARE + in_flight + connections + connections // 7 + 1


def share_out(limit: int, *, connections: int, in_flight: int) -> Shares:
    """As many as are asked for if the limit allows; if not, half for the clients and half for the calls."""
    left = max(4, limit - SPARE)
    calls = min(in_flight, max(left // 2, left - connections - connections // 7 - 1))
    ceiling = left - calls
    return Shares(min(connections, ceiling - ceiling // 8), calls, ceiling)


def raise_limit(wanted: int) -> int:
    """Raise our own limit as far as wanted and allowed; gives the limit that holds now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= enough:
        return wanted if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
    return enough


def are_left(count: int) -> bool:
    """Whether so many are free at this moment. Tried, not counted: the limit is about their numbers."""
    taken: list[int] = []
    try:
        for _ in range(count):
            taken.append(os.open("/", os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    finally:
        for descriptor in taken:
            os.close(descriptor)
    return True
