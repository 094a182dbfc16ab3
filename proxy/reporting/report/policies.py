"""Which policies were in force in a range, and their moratoria, from files whose digest fits. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from proxy.policy.callers import ALWAYS, FOREVER, Instant
from proxy.policy.instants import format_instant
from proxy.policy.model import Policy
from proxy.policy.timeline import timeline
from proxy.reporting.report.gaps import joined
from proxy.reporting.report.model import Force, Period, Range, Revision


class Known(NamedTuple):
    """A policy, and the files that it was read from."""

    policy: Policy
    files: tuple[str, ...]


def revisions(
    chains: Mapping[str, tuple[Period, ...]],
    decisions: Iterable[tuple[str, str, str]],
    known: Iterable[Known],
) -> tuple[Revision, ...]:
    """Those that chains or decisions of the range name, in the order in which they came in force.

    `decisions`: by policy the first and last time that decisions name it, for logs that lack the rest.
    """
    periods = {digest: ((first, last),) for digest, first, last in decisions}
    files = {policy.revision: names for policy, names in known}
    found = [Revision(digest, when, files.get(digest, ())) for digest, when in {**periods, **chains}.items()]
    return tuple(sorted(found, key=lambda revision: (revision.periods, revision.digest)))


def forces(known: Iterable[Known], seen: Iterable[Revision], span: Range) -> tuple[Force, ...]:
    """The spans of all moratoria of these policies that touch the range; those that policies share, once."""
    held: dict[Force, list[Revision]] = {}
    policies = {policy.revision: policy for policy, _ in known}
    for revision in seen:
        if revision.digest in policies:
            for force in _forces(policies[revision.digest], span):
                held.setdefault(force, []).append(revision)
    alike: dict[Force, list[str]] = {}
    for force, where in held.items():
        policies_here = tuple(revision.digest for revision in where)
        here = joined(period for revision in where for period in revision.periods)
        alike.setdefault(force._replace(policies=policies_here, here=here, who=""), []).append(force.who)
    return tuple(force._replace(who=", ".join(who)) for force, who in alike.items())


def _forces(policy: Policy, span: Range) -> Iterator[Force]:
    for lane in timeline(policy).lanes:
        for part in lane.spans:
            if part.start < span.end and part.end > span.start:
                yield Force(
                    (),
                    (),
                    lane.moratorium.id,
                    lane.moratorium.title or lane.moratorium.id,
                    f"{lane.who} (some)" if lane.some else lane.who,
                    str(part.state),
                    _edge(part.start),
                    _edge(part.end),
                    part.windows,
                    part.exemptions,
                )


def strangers(known: Iterable[Known], seen: Iterable[Revision]) -> tuple[str, ...]:
    """Files of policies that no record of the range names."""
    digests = {revision.digest for revision in seen}
    return tuple(name for policy, files in known if policy.revision not in digests for name in files)


def _edge(instant: Instant) -> str | None:
    return None if instant in (ALWAYS, FOREVER) else format_instant(instant)
