"""Case files: what a policy is expected to say, and whether it said so. Reading files is not done here."""

import tomllib
from datetime import UTC, date, datetime, time
from pathlib import PurePath
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jsonschema import Draft202012Validator

from proxy.errors import CasesError, PolicyError
from proxy.policy.callers import FOREVER, Instant
from proxy.policy.case_schema import SCHEMA
from proxy.policy.complaints import complaint
from proxy.policy.document import Source, parse
from proxy.policy.instants import format_instant, parse_instant
from proxy.policy.model import Mode, Verdict
from proxy.policy.operations import Medium, OperationClass, Trait

SUFFIX = ".cases.toml"

_VALIDATOR = Draft202012Validator(SCHEMA)


class Case(NamedTuple):
    """One question and what is wanted. `line`: where it stands in its file.

    `operation` by name, or what one is made of.
    """

    name: str
    line: int | None
    at: Instant
    claims: dict[str, Any]
    want: dict[str, Any]
    backend: str
    operation: str | None = None
    classes: tuple[OperationClass, ...] = ()
    media: frozenset[Medium] = frozenset()
    traits: frozenset[Trait] = frozenset()
    is_result: bool = False
    known_at: Instant = FOREVER
    mode: Mode = Mode.ENFORCE
    unknown_operation: Literal["refuse", "allow"] = "refuse"
    used_up: bool = False


class Difference(NamedTuple):
    """What was wanted of one thing, and what was found, as text."""

    what: str
    wanted: str
    found: str


def parse_cases(text: str, name: str) -> Source:
    """Read a case file and check its shape.

    Raises `CasesError` listing every problem.
    """
    try:
        source = parse(text, name)
    except PolicyError as error:
        raise CasesError(error.problems) from None
    errors = _VALIDATOR.iter_errors(source.document)
    problems = sorted(complaint(name, error, source.lines) for error in errors)
    if problems:
        raise CasesError(problems)
    # The claims again, with dates as dates: a policy's are text, a token's are seconds.
    for case, raw in zip(source.document["case"], tomllib.loads(text)["case"], strict=True):
        case["claims"] = raw.get("claims", {})
    return source


def policies_of(source: Source) -> tuple[str, ...]:
    """The policy files that a case file is about, relative to it."""
    own = PurePath(source.name).name.removesuffix(SUFFIX) + ".toml"
    return tuple(source.document.get("policy", (own,)))


def cases_of(source: Source, timezone: str) -> list[Case]:
    """The cases of a checked file. `timezone`: the policy's.

    Raises `CasesError` listing every problem.
    """
    problems: list[str] = []
    zone_name = source.document.get("timezone", timezone)
    try:
        zone = ZoneInfo(zone_name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        problems.append(f"{source.name}: timezone: {zone_name!r} is not an IANA time zone")
        zone = ZoneInfo("UTC")
    cases = []
    names: set[str] = set()
    for index, table in enumerate(source.document["case"]):
        reader = _Reader(source, index, zone)
        cases.append(reader.case(source.document))
        if table["name"] in names:
            reader.complain("name", f"{table['name']!r} is used twice")
        names.add(table["name"])
        problems += reader.problems
    if problems:
        raise CasesError(problems)
    return cases


class _Reader:
    """Reads one case."""

    def __init__(self, source: Source, index: int, zone: ZoneInfo) -> None:
        self.problems: list[str] = []
        self._source = source
        self._index = index
        self._zone = zone
        self._table: dict[str, Any] = source.document["case"][index]

    def complain(self, key: str, what: str) -> None:
        line = self._source.lines.of(("case", self._index, *key.split(".")))
        place = f"{self._source.name}:{line}" if line else self._source.name
        self.problems.append(f"{place}: case[{self._index}].{key}: {what}")

    def case(self, defaults: dict[str, Any]) -> Case:
        inherited = ("backend", "mode", "unknown_operation")
        table: dict[str, Any] = {key: defaults[key] for key in inherited if key in defaults}
        table |= self._table
        if "operation" not in table and "classes" not in table:
            self.complain("name", "asks for nothing: name an operation or classes")
        for key in ("media", "traits", "result"):
            if key in table and "classes" not in table:
                self.complain(key, "an operation of the backend has its own: say it together with classes")
        return Case(
            name=table["name"],
            line=self._source.lines.of(("case", self._index)),
            at=self._instant("at", table["at"]),
            known_at=self._instant("known_at", table["known_at"]) if "known_at" in table else FOREVER,
            claims=self._claims(table["claims"]),
            want=self._want(table["want"]),
            backend=table.get("backend", "aws-rekognition"),
            operation=table.get("operation"),
            classes=tuple(map(OperationClass, table.get("classes", ()))),
            media=frozenset(map(Medium, table.get("media", ()))),
            traits=frozenset(map(Trait, table.get("traits", ()))),
            is_result=table.get("result", False),
            mode=Mode(table.get("mode", Mode.ENFORCE)),
            unknown_operation=table.get("unknown_operation", "refuse"),
            used_up=table.get("used_up", False),
        )

    def _want(self, table: dict[str, Any]) -> dict[str, Any]:
        """Instants as instants: two spellings of one are equal."""
        return {
            key: self._instant(f"want.{key}", value)
            if key in ("until", "holds_until") and value is not False
            else value
            for key, value in table.items()
        }

    def _instant(self, key: str, text: str) -> Instant:
        try:
            return parse_instant(text, self._zone, end=key == "want.until")
        except ValueError as error:
            self.complain(key, str(error))
            return 0.0

    def _claims(self, value: Any) -> Any:
        """Dates as the seconds that a token has (RFC 7519 section 2, NumericDate)."""
        if isinstance(value, dict):
            return {key: self._claims(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._claims(item) for item in value]
        if isinstance(value, datetime):
            return value.replace(tzinfo=value.tzinfo or self._zone).timestamp()
        if isinstance(value, date):
            return datetime.combine(value, time(), self._zone).astimezone(UTC).timestamp()
        return value


# ------------------------------------------------------------------ judging


def differences(want: dict[str, Any], verdict: Verdict) -> list[Difference]:
    """Everything in which a verdict is not what was wanted."""
    found = {
        "decision": verdict.decision,
        "reason": verdict.reason,
        "rule": verdict.rule.id if verdict.rule is not None else False,
        "exemption": verdict.exemption or False,
        "until": False if verdict.until is None else verdict.until,
        "holds_until": False if verdict.holds_until == FOREVER else verdict.holds_until,
        "obligations": sorted(verdict.obligations),
        "org_type": verdict.org_type,
    }
    wanted = {key: sorted(value) if key == "obligations" else value for key, value in want.items()}
    return [
        Difference(key, _text(key, value), _text(key, found[key]))
        for key, value in wanted.items()
        if not _same(value, found[key])
    ]


def _same(wanted: Any, found: Any) -> bool:
    # 0.0 is an instant and equal to False, which is none.
    return bool(wanted == found) and (wanted is False) == (found is False)


def _text(key: str, value: Any) -> str:
    if value is False or value == []:
        return "none"
    if key in ("until", "holds_until"):
        try:
            return format_instant(value)
        except (OverflowError, ValueError, OSError):
            return f"{value:g} seconds after 1970"
    return ", ".join(value) if isinstance(value, list) else str(value)
