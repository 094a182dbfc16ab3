"""Times in which nothing was recorded, by when chains begin and end. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from proxy.reporting.report.model import Gap, GapKind, Period, Range


class Ended(NamedTuple):
    """A chain by its first and last record, as records tell time. `closed`: it says that it is its last."""

    chain: str
    start: str
    end: str
    closed: bool


def breaks(chains: Sequence[Ended], span: Range) -> Iterator[Gap]:
    """What broke off in the range or before, and the stops between processes."""
    ordered = sorted(chains, key=lambda chain: (chain.start, chain.chain))
    for chain in ordered:
        if not chain.closed:
            yield from _broken_off(chain, ordered, span)
    covered = ""
    last: Ended | None = None
    for chain in ordered:
        idle = last is not None and last.closed and chain.start > covered
        if last is not None and idle and covered < span.until and chain.start > span.since:
            says = "no process was recording: all had closed their chains"
            yield Gap(GapKind.STOPPED, covered, chain.start, last.chain, says)
        if chain.end > covered:
            covered, last = chain.end, chain


def joined(periods: Iterable[Period]) -> tuple[Period, ...]:
    """In order, those that touch made one."""
    found: list[Period] = []
    for start, end in sorted(periods):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return tuple(found)


def _broken_off(chain: Ended, ordered: Sequence[Ended], span: Range) -> Iterator[Gap]:
    """Until another process begins, nobody knows whether this one still decided."""
    following = next((other.start for other in ordered if other.start > chain.end), None)
    if chain.end >= span.until or (following or span.until) <= span.since:
        return
    beside = sum(other.start <= chain.end < other.end for other in ordered if other is not chain)
    says = "it ended without closing its chain: killed" + (", or still running" if following is None else "")
    says += f"; chains that went on meanwhile: {beside}"
    yield Gap(GapKind.BROKEN_OFF, chain.end, following, chain.chain, says)
