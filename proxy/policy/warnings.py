"""What is allowed in a policy and yet probably not meant, each with its place and what to do about it.

Never an error: a policy with warnings is in force like any other.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from proxy.policy.callers import FOREVER, Instant, Principal
from proxy.policy.complaints import nearest
from proxy.policy.conditions import BoundIs, PurposeIs
from proxy.policy.document import Source, build, zone_of
from proxy.policy.explain import history_of
from proxy.policy.instants import format_instant, parse_instant
from proxy.policy.model import UNLIMITED, Exemption, Moratorium, Window
from proxy.policy.operations import Operation
from proxy.policy.positions import Path
from proxy.policy.reader import dotted
from proxy.policy.scope import covered_by


class Warned(NamedTuple):
    """One warning. `line` is None where the text of the document is not known; `advice` is what to do."""

    source: str
    line: int | None
    where: str
    what: str
    advice: str

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        return f"{place}: {self.where}: {self.what}; {self.advice}"


class Surroundings(NamedTuple):
    """What a policy is used with. None: not known, and nothing is said about it.

    `operations`: the backend's table. `asserted`: the organisation types that issuers may assert.
    """

    backend: str | None = None
    operations: tuple[Operation, ...] | None = None
    asserted: frozenset[str] | None = None


NOWHERE = Surroundings()


class _Place(NamedTuple):
    """Where a moratorium stands."""

    source: Source
    path: Path

    def warn(self, path: Path, what: str, advice: str, value: object = None) -> Warned:
        return _warn(self.source, (*self.path, *path), what, advice, value)


def _warn(source: Source, path: Path, what: str, advice: str, value: object = None) -> Warned:
    return Warned(source.name, source.lines.of(path, value), dotted(path), what, advice)


def warnings_of(
    sources: Sequence[Source], now: Instant, timezone: str = "UTC", around: Surroundings = NOWHERE
) -> list[Warned]:
    """All warnings about documents that are right, in the order of the files.

    Raises `PolicyError` if they are not right.
    """
    policy = build(*sources, timezone=timezone, backend=around.backend)
    moratoria = {moratorium.id: moratorium for moratorium in policy.moratoria}
    found: list[Warned] = []
    for source in sources:
        found += _of_document(source, timezone)
        for index, table in enumerate(source.document["moratorium"]):
            moratorium = moratoria.get(table["id"])
            if moratorium is not None:
                place = _Place(source, ("moratorium", index))
                found += _of_moratorium(moratorium, place, now, around)
                found += _of_records(table, place, now, zone_of(source, timezone))
    return found


def _of_document(source: Source, timezone: str) -> Iterator[Warned]:
    """Dates that mean another day elsewhere. A shorthand has no place of its own to say so."""
    if "timezone" not in source.document and source.lines.of(()) and _local_dates(source.document):
        yield _warn(
            source,
            (),
            f"has dates and no timezone, so they are midnights in {timezone}",
            'say which is meant: timezone = "America/New_York"',
        )


def _of_records(table: dict[str, Any], place: _Place, now: Instant, zone: ZoneInfo) -> Iterator[Warned]:
    """Nothing can have become known later than now."""
    tables: list[tuple[Path, dict[str, Any]]] = [((), table)]
    for key in ("window", "exemption"):
        tables += [((key, index), entry) for index, entry in enumerate(table.get(key, []))]
    for path, entry in tables:
        if "recorded" in entry and parse_instant(entry["recorded"], zone) > now:
            yield place.warn(
                (*path, "recorded"),
                f"{entry['recorded']} is in the future, and it counts already",
                "`recorded` is the day on which it became known",
            )


def _local_dates(value: object, key: object = None) -> bool:
    """Whether some date is read in the document's zone. An offset is a zone of its own, as is a window's."""
    if isinstance(value, dict):
        return "timezone" not in value and any(_local_dates(item, name) for name, item in value.items())
    if isinstance(value, list):
        return any(_local_dates(item) for item in value)
    dated = key in ("start", "end", "happened", "issued_before") and isinstance(value, str)
    return dated and not (str(value).endswith("Z") or "+" in str(value)[10:] or "-" in str(value)[10:])


def _of_moratorium(
    moratorium: Moratorium, place: _Place, now: Instant, around: Surroundings
) -> Iterator[Warned]:
    yield from _of_windows(moratorium, place, now)
    yield from _of_parties(moratorium, place, around)
    yield from _of_coverage(moratorium, place, around)
    indices = {exemption.id: index for index, exemption in enumerate(moratorium.exemptions)}
    for exemption in moratorium.exemptions:
        at = _Place(place.source, (*place.path, "exemption", indices[exemption.id]))
        yield from _of_exemption(moratorium, exemption, at, around)
    endless = [e.id for e in moratorium.exemptions if e.window.end == FOREVER]
    if endless and any(window.end == FOREVER for window in moratorium.windows):
        yield place.warn(
            ("exemption", indices[endless[0]]),
            f"no end of exemption {' and '.join(endless)}, nor of the moratorium",
            "give it the `end` at which somebody will look at it again",
        )


# ---------------------------------------------------------------- windows


def _of_windows(moratorium: Moratorium, place: _Place, now: Instant) -> Iterator[Warned]:
    windows = moratorium.windows
    last = max(windows, key=lambda window: window.end)
    ids = {chapter.id: index for index, chapter in enumerate(moratorium.history)}
    names = {e.chapter.window: e.chapter.id for e in history_of(moratorium) if e.counts}
    if last.end <= now:
        yield place.warn(
            ("window", ids[names[last]]),
            f"can never apply again: over since {format_instant(last.end)}",
            "keep it for replays of that time, or take it out",
        )
    for gap, after in sorted(_gaps(windows)):
        yield place.warn(
            ("window", ids[names[after]]),
            f"not in force from {format_instant(gap.start)} until {format_instant(gap.end)}, then again",
            "close the gap, or leave it if it is meant",
        )


def _gaps(windows: tuple[Window, ...]) -> set[tuple[Window, Window]]:
    """The gaps, each with the window after it. Each place has its own, as it has its own midnights."""
    places = {frozenset({place}) for window in windows for place in window.places} or {frozenset()}
    found = set()
    for here in places:
        counting = sorted(window for window in windows if not window.places or here <= window.places)
        until = counting[0].end if counting else FOREVER
        for window in counting[1:]:
            if window.start > until:
                found.add((Window(until, window.start), window))
            until = max(until, window.end)
    return found


# ---------------------------------------------------------------- whom and what


def _of_parties(moratorium: Moratorium, place: _Place, around: Surroundings) -> Iterator[Warned]:
    binds = moratorium.binds
    named = frozenset().union(*(party.org_types for party in binds.parties))
    alone = named if all(party.org_types for party in binds.parties) else frozenset()
    if alone and all(any(e.fits_wholly(Principal((name,))) for e in binds.exceptions) for name in alone):
        yield place.warn(
            ("binds", "except", 0), "can never apply: everybody bound is excepted", "narrow the exceptions"
        )
    if around.asserted is None:
        return
    for name in sorted(named - around.asserted):
        rest = "nobody is bound by it" if alone <= {name} and alone else "nobody is bound by that name"
        yield place.warn(
            ("binds", "org_types"),
            f"no issuer may assert {name!r}, so {rest}",
            f"correct the name here or in the issuers file{nearest(name, around.asserted)}",
            name,
        )


def _of_coverage(moratorium: Moratorium, place: _Place, around: Surroundings) -> Iterator[Warned]:
    operations = around.operations
    if operations is None:
        return
    known = [operation.name for operation in operations]
    for name in sorted(moratorium.covers.operations - set(known)):
        yield place.warn(
            ("covers", "operations"),
            f"{name!r} is no operation of {around.backend or 'the backend'}{_close(name, known)}",
            "correct the name, or say `backends` if another face API is meant",
            name,
        )
    if not any(covered_by(moratorium.covers, operation) for operation in operations):
        yield place.warn(
            ("covers",),
            f"can never apply: covers no operation of {around.backend or 'the backend'}",
            "cover another class, or say `backends` if another face API is meant",
        )


def _close(name: str, known: Iterable[str]) -> str:
    """The nearest name only: the whole table would be no help."""
    tail = nearest(name, known)
    return tail if "did you mean" in tail else ""


# ---------------------------------------------------------------- exemptions


def _of_exemption(
    moratorium: Moratorium, exemption: Exemption, place: _Place, around: Surroundings
) -> Iterator[Warned]:
    window = exemption.window
    never = "can never apply"
    if window != UNLIMITED and not any(
        w.start < window.end and window.start < w.end for w in moratorium.windows
    ):
        yield place.warn(
            ("end" if window.end < FOREVER else "start",),
            f"{never}: its time lies outside the moratorium's windows",
            "correct its dates, or take it out",
        )
    if not _opens_something(moratorium, exemption, around.operations):
        yield place.warn(
            ("classes",),
            f"{never}: no operation is covered by these classes alone",
            "an exemption must open every covered class of a call: name them all",
        )
    for condition in exemption.conditions:
        match condition:
            case BoundIs(party) if party.org_types and not any(map(moratorium.may_bind, party.org_types)):
                yield place.warn(
                    ("org_types",),
                    f"{never}: the moratorium binds none of {_listed(party.org_types)}",
                    "take it out, or correct the types",
                )
            case BoundIs(party) if around.asserted is not None and party.org_types:
                for name in sorted(party.org_types - around.asserted):
                    yield place.warn(
                        ("org_types",),
                        f"no issuer may assert {name!r}, so nobody is exempt by that name",
                        f"correct the name here or in the issuers file{nearest(name, around.asserted)}",
                        name,
                    )
            case PurposeIs(purposes) if _beside(moratorium, purposes):
                yield place.warn(
                    ("purposes",),
                    f"{never}: the moratorium is about other purposes than {_listed(purposes)}",
                    "take it out, or correct the purposes",
                )
            case _:
                pass


def _opens_something(
    moratorium: Moratorium, exemption: Exemption, operations: tuple[Operation, ...] | None
) -> bool:
    """Whether there can be a call all of whose covered classes it opens."""
    if not exemption.classes:
        return True
    if operations is None:
        return not moratorium.covers.classes or not exemption.classes.isdisjoint(moratorium.covers.classes)
    covered = [covered_by(moratorium.covers, operation) for operation in operations]
    some = [classes for classes in covered if classes]
    return not some or any(classes <= exemption.classes for classes in some)


def _beside(moratorium: Moratorium, purposes: frozenset[str]) -> bool:
    """Whether a call for one of these purposes is never one that the moratorium is about."""
    return any(
        isinstance(condition, PurposeIs) and condition.purposes.isdisjoint(purposes)
        for condition in moratorium.concerns
    )


def _listed(values: Iterable[str]) -> str:
    return " or ".join(sorted(values))
