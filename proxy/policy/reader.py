"""One pass over a document of the right shape, for what a schema cannot say: names, dates, what is meant."""

from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proxy.policy.callers import ALWAYS, FOREVER, EvidenceType, Instant, Relation
from proxy.policy.complaints import nearest
from proxy.policy.conditions import (
    EVERY_RELATION,
    BoundIs,
    CircumstanceIs,
    Condition,
    HasCase,
    Of,
    Party,
    PlaceIs,
    PurposeIs,
    PurposeIsNot,
    Shows,
)
from proxy.policy.history import History
from proxy.policy.instants import parse_instant, parse_span
from proxy.policy.model import (
    Authority,
    Binding,
    Chapter,
    Coverage,
    Exemption,
    Limit,
    Mode,
    Moratorium,
    Route,
    Window,
)
from proxy.policy.operations import (
    COVERABLE,
    OPEN_UNLESS_NAMED,
    Medium,
    OperationClass,
    Trait,
    operation,
)
from proxy.policy.positions import Lines, Path
from proxy.policy.vocabulary import Vocabulary

_WHO = ("org_types", "org_subtypes", "org_ids", "levels")


class Reader:
    """Reads one document; `problems` gathers what is wrong with it. `seen`: ids used in any document."""

    def __init__(
        self,
        name: str,
        document: dict[str, Any],
        lines: Lines,
        vocabulary: Vocabulary,
        timezone: str,
        known_at: Instant,
        seen: set[str],
    ) -> None:
        self.name = name
        self.document = document
        self.lines = lines
        self.vocabulary = vocabulary
        self.known_at = known_at
        self.problems: list[str] = []
        self._seen = seen
        self.zone = self._zone(("timezone",), document.get("timezone", timezone), ZoneInfo("UTC"))
        self._events = self._read_events()

    # ------------------------------------------------------------ what everything is read with

    def complain(self, path: Path, what: str, value: object = None) -> None:
        line = self.lines.of(path, value)
        place = f"{self.name}:{line}" if line else self.name
        self.problems.append(f"{place}: {dotted(path)}: {what}")

    def known(self, path: Path, values: list[str], allowed: frozenset[str]) -> frozenset[str]:
        for value in values:
            if value not in allowed:
                self.complain(path, f"{value!r} is not in the vocabulary{nearest(value, allowed)}", value)
        return frozenset(values)

    def instant(
        self, path: Path, table: dict[str, Any], key: str, default: Instant, zone: ZoneInfo | None = None
    ) -> Instant:
        text = table.get(key)
        if text is None:
            return default
        try:
            return parse_instant(text, zone or self.zone, end=key in ("end", "happened"))
        except ValueError as error:
            self.complain((*path, key), str(error))
            return default

    def _zone(self, path: Path, name: str, default: ZoneInfo) -> ZoneInfo:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.complain(path, f"{name!r} is not an IANA time zone such as America/New_York")
            return default

    def _recorded(self, path: Path, table: dict[str, Any]) -> Instant:
        return self.instant(path, table, "recorded", ALWAYS)

    def _unique(self, path: Path, name: str, seen: set[str]) -> str:
        if name in seen:
            self.complain((*path, "id"), f"{name!r} is used twice")
        seen.add(name)
        return name

    def _read_events(self) -> dict[str, Instant]:
        """When each event happened, as far as is known: FOREVER for one that has not."""
        events: dict[str, Instant] = {}
        seen: set[str] = set()
        for index, table in enumerate(self.document.get("event", [])):
            path: Path = ("event", index)
            happened = self.instant(path, table, "happened", FOREVER)
            known = self._recorded(path, table) <= self.known_at
            events[self._unique(path, table["id"], seen)] = happened if known else FOREVER
        return events

    # ------------------------------------------------------------ moratoria

    def moratoria(self) -> list[Moratorium]:
        found = []
        for index, table in enumerate(self.document["moratorium"]):
            path: Path = ("moratorium", index)
            moratorium = self._moratorium(path, table)
            if self._recorded(path, table) <= self.known_at and moratorium.windows:
                found.append(moratorium)
        return found

    def _moratorium(self, path: Path, table: dict[str, Any]) -> Moratorium:
        windows, chapters = self._windows((*path, "window"), table.get("window", [{}]))
        exempt: set[str] = set()
        exemptions = []
        for index, entry in enumerate(table.get("exemption", [])):
            at: Path = (*path, "exemption", index)
            exemption = self._exemption(at, entry, exempt)
            if self._recorded(at, entry) <= self.known_at:
                exemptions.append(exemption)
        return Moratorium(
            id=self._unique(path, table["id"], self._seen),
            title=table.get("title", ""),
            mode=Mode(table.get("mode", Mode.ENFORCE)),
            binds=self._binding((*path, "binds"), table["binds"]),
            covers=self._coverage((*path, "covers"), table["covers"]),
            concerns=tuple(self._concerns(path, table)),
            windows=windows,
            exemptions=tuple(exemptions),
            authority=Authority(**table.get("authority", {})),
            history=chapters,
            backends=frozenset(table.get("backends", ())),
        )

    def _binding(self, path: Path, table: dict[str, Any]) -> Binding:
        parties = [self._party((*path, "also", i), t) for i, t in enumerate(table.get("also", []))]
        if table.get("everyone") or any(key in table for key in _WHO):
            parties.insert(0, self._party(path, table))
        if table.get("everyone") and any(key in table for key in _WHO):
            self.complain(path, "everyone, and a narrower description besides: say one of them")
        if not parties:
            self.complain(path, f"binds nobody: name {', '.join(_WHO)}, or everyone = true")
        exceptions = [self._party((*path, "except", i), t) for i, t in enumerate(table.get("except", []))]
        return Binding(tuple(parties), tuple(exceptions))

    def _party(self, path: Path, table: dict[str, Any]) -> Party:
        if path[-1] != "binds" and not any(key in table for key in _WHO):
            self.complain(path, f"describes nobody: name {', '.join(_WHO)}")
        relations = table.get("relations")
        return Party(
            self.known((*path, "org_types"), table.get("org_types", []), self.vocabulary.org_types),
            self.known((*path, "org_subtypes"), table.get("org_subtypes", []), self.vocabulary.org_subtypes),
            frozenset(table.get("org_ids", ())),
            frozenset(table.get("levels", ())),
            frozenset(map(Relation, relations)) if relations else _relations_of(table),
            contractors=table.get("contractors", False),
        )

    def _coverage(self, path: Path, table: dict[str, Any]) -> Coverage:
        classes = table.get("classes", [])
        if not classes and "operations" not in table:
            self.complain(path, "covers nothing: name classes or operations")
        if classes == ["*"]:
            classes = set(COVERABLE) - OPEN_UNLESS_NAMED
        return Coverage(
            frozenset(map(OperationClass, classes)),
            frozenset(table.get("operations", ())),
            frozenset(map(Trait, table.get("traits", ()))),
            frozenset(map(Medium, table.get("media", ()))),
            results=table.get("results", "at-fetch") == "at-fetch",
        )

    def _concerns(self, path: Path, table: dict[str, Any]) -> list[Condition]:
        """In an order that matters to nobody but the reader of `explain`: place, purpose, circumstances."""
        found: list[Condition] = []
        if where := table.get("where"):
            found.append(PlaceIs(*_place(where), missing=_binds(where)))
        purposes = table.get("purposes", {})
        for key in ("only", "except"):
            if key in purposes:
                at = (*path, "purposes", key)
                names = self.known(at, purposes[key], self.vocabulary.purposes)
                found.append((PurposeIs if key == "only" else PurposeIsNot)(names, missing=_binds(purposes)))
        for name, asked in table.get("circumstances", {}).items():
            found.append(
                self._circumstance(
                    (*path, "circumstances", name, "is"), name, asked["is"], missing=_binds(asked)
                )
            )
        return found

    def _circumstance(self, path: Path, name: str, values: list[str], *, missing: bool) -> CircumstanceIs:
        vocabulary = self.vocabulary.circumstances
        if name not in vocabulary:
            self.complain(
                path[:-1], f"the circumstance {name!r} is not in the vocabulary{nearest(name, vocabulary)}"
            )
            return CircumstanceIs(name, frozenset(values), missing)
        return CircumstanceIs(name, self.known(path, values, vocabulary[name]), missing)

    # ------------------------------------------------------------ windows

    def _windows(
        self, path: Path, tables: list[dict[str, Any]]
    ) -> tuple[tuple[Window, ...], tuple[Chapter, ...]]:
        history = History()
        for index, table in enumerate(tables):
            at: Path = (*path, index)
            zone = self._zone((*at, "timezone"), table.get("timezone", self.zone.key), self.zone)
            window = Window(
                self.instant(at, table, "start", ALWAYS, zone),
                self._end(at, table, zone),
                frozenset(table.get("places", ())),
            )
            if window.start >= window.end and "end_event" not in table:
                self.complain(at, "start must be before end (a window is half-open: end is not part of it)")
            problem = history.add(
                table.get("id", f"window-{index + 1}"),
                table.get("reason", "enacted"),
                window,
                self._recorded(at, table),
                tuple(table.get("replaces", ())),
            )
            if problem:
                self.complain(at, problem)
        return history.in_effect(self.known_at), history.chapters()

    def _end(self, path: Path, table: dict[str, Any], zone: ZoneInfo) -> Instant:
        """A date, an event, or the earlier or later of both."""
        event = table.get("end_event")
        both = event is not None and "end" in table
        if both != ("ends" in table):
            self.complain(
                path, "`ends` (earlier or later) says which counts, of `end` and `end_event` together"
            )
        if event is not None and event not in self._events:
            self.complain(
                (*path, "end_event"), f"{event!r} is not the id of an event{nearest(event, self._events)}"
            )
        date = self.instant(path, table, "end", FOREVER, zone)
        if event is None:
            return date
        happened = self._events.get(event, FOREVER)
        if not both:
            return happened
        return max(date, happened) if table.get("ends") == "later" else min(date, happened)

    # ------------------------------------------------------------ exemptions

    def _exemption(self, path: Path, table: dict[str, Any], seen: set[str]) -> Exemption:
        conditions = tuple(self._conditions(path, table))
        if not conditions and "media" not in table:
            self.complain(
                path, "states no condition: say who or what for it is, or it would exempt everybody"
            )
        window = Window(self.instant(path, table, "start", ALWAYS), self.instant(path, table, "end", FOREVER))
        if window.start >= window.end:
            self.complain(path, "start must be before end (a window is half-open: end is not part of it)")
        limit = table.get("limit")
        if limit and limit.get("by", "evidence") == "evidence" and "evidence" not in table:
            self.complain((*path, "limit"), "counts by evidence, and the exemption asks for none")
        return Exemption(
            id=self._unique(path, table["id"], seen),
            conditions=conditions,
            classes=frozenset(map(OperationClass, table.get("classes", ()))),
            media=frozenset(map(Medium, table.get("media", ()))),
            window=window,
            limit=_limit(limit) if limit else None,
            obligations=tuple(table.get("obligations", ())),
            title=table.get("title", ""),
        )

    def _conditions(self, path: Path, table: dict[str, Any]) -> list[Condition]:
        found: list[Condition] = []
        if any(key in table for key in _WHO):
            found.append(BoundIs(self._party(path, {key: table[key] for key in _WHO if key in table})))
        for key, make in (("purposes", PurposeIs), ("except_purposes", PurposeIsNot)):
            if key in table:
                names = self.known((*path, key), table[key], self.vocabulary.purposes)
                found.append(make(names))
        if table.get("requires_case"):
            found.append(HasCase())
        for name, values in table.get("circumstances", {}).items():
            found.append(self._circumstance((*path, "circumstances", name), name, values, missing=False))
        if "jurisdictions" in table:
            found.append(PlaceIs(*_place(table), every=True))
        found += [self._shows((*path, "evidence", i), e) for i, e in enumerate(table.get("evidence", []))]
        return found

    def _shows(self, path: Path, table: dict[str, Any]) -> Shows:
        return Shows(
            types=frozenset(map(EvidenceType, table["types"])),
            max_age=parse_span(table["max_age"]) if "max_age" in table else FOREVER,
            issued_by=frozenset(table.get("issued_by", ())),
            issued_before=self.instant(path, table, "issued_before", FOREVER),
            named=table.get("named", False),
        )

    # ------------------------------------------------------------ routes

    def routes(self) -> list[Route]:
        return [
            Route(
                methods=frozenset(table["methods"]),
                path=table["path"],
                websocket=table.get("websocket", False),
                operation=operation(
                    table.get("name") or table["path"],
                    *map(OperationClass, table["classes"]),
                    traits=frozenset(map(Trait, table.get("traits", ()))),
                    media=frozenset(map(Medium, table.get("media", ()))),
                ),
            )
            for table in self.document.get("route", [])
        ]


def dotted(path: Path) -> str:
    """A path as messages write it: `moratorium[0].binds.org_types`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.lstrip(".") or "the file"


def _relations_of(table: dict[str, Any]) -> frozenset[Relation]:
    """A city's police is excepted only if the city above it does not bind it again."""
    return EVERY_RELATION - {Relation.UNIT_OF} if table.get("everyone") else EVERY_RELATION


def _binds(table: dict[str, Any]) -> bool:
    missing: Literal["bind", "ignore"] = table.get("missing", "bind")
    return missing == "bind"


def _place(table: dict[str, Any]) -> tuple[frozenset[str], Of]:
    of = table.get("of", ["bound"])
    return frozenset(table["jurisdictions"]), Of(*(name in of for name in Of._fields))


def _limit(table: dict[str, Any]) -> Limit:
    seconds = parse_span(table["per"]) if "per" in table else FOREVER
    return Limit(table["uses"], seconds, table.get("by", "evidence"))
