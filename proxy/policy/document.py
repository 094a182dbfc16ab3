"""From a policy document (TOML, or the env shorthand as the same shape) to a `Policy`.

Collects every problem before it gives up; each says where, what was found and what is expected. Reading
the file is not done here.
"""

import hashlib
import json
import tomllib
from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jsonschema import Draft202012Validator

from proxy.errors import PolicyError
from proxy.policy.complaints import complaint, nearest
from proxy.policy.instants import parse_instant
from proxy.policy.model import (
    ALWAYS,
    COVERABLE,
    FOREVER,
    OPEN_UNLESS_NAMED,
    Authority,
    Exemption,
    Instant,
    Mode,
    Moratorium,
    OperationClass,
    Policy,
    Route,
    Window,
    operation,
)
from proxy.policy.schema import SCHEMA

ORG_TYPES = (
    "police", "government", "school", "child-safety", "anti-trafficking", "commercial", "research", "press",
    "individual",
)  # fmt: skip
PURPOSES = (
    "criminal-investigation", "missing-persons", "human-trafficking", "identity-verification",
    "access-control", "redaction", "victim-identification", "research", "other",
)  # fmt: skip

_VALIDATOR = Draft202012Validator(SCHEMA)


def parse(text: str, source: str) -> dict[str, Any]:
    """Read TOML. `source` is what messages call the file.

    Raises `PolicyError` with the line that tomllib names.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError([f"{source}: not valid TOML: {error}"]) from None


def build(
    document: dict[str, Any],
    source: str,
    *,
    mode: Mode = Mode.ENFORCE,
    unknown_operation: Literal["refuse", "allow"] = "refuse",
    timezone: str = "UTC",
) -> Policy:
    """Check a document and make the policy. `timezone` is used where the document names none.

    Raises `PolicyError` listing every problem.
    """
    plain = _plain(document)
    problems = [complaint(source, error) for error in _VALIDATOR.iter_errors(plain)]
    if problems:
        raise PolicyError(sorted(problems))
    reader = _Reader(source, plain, timezone)
    policy = Policy(
        moratoria=reader.moratoria(),
        org_types=frozenset(reader.org_types),
        purposes=frozenset(reader.purposes),
        mode=mode,
        unknown_operation=unknown_operation,
        routes=reader.routes(),
        revision=hashlib.sha256(json.dumps([plain, timezone], sort_keys=True).encode()).hexdigest(),
    )
    if reader.problems:
        raise PolicyError(reader.problems)
    return policy


def _plain(value: Any) -> Any:
    """TOML's dates as the ISO text that JSON Schema (and so the editor) knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value


class _Reader:
    """One pass over a document of the right shape, for what a schema cannot say."""

    def __init__(self, source: str, document: dict[str, Any], timezone: str) -> None:
        self.source = source
        self.document = document
        self.problems: list[str] = []
        vocabulary = document.get("vocabulary", {})
        self.org_types: list[str] = vocabulary.get("org_types", [*ORG_TYPES])
        self.purposes: list[str] = vocabulary.get("purposes", [*PURPOSES])
        name = document.get("timezone", timezone)
        try:
            self.zone = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.complain("timezone", f"{name!r} is not an IANA time zone such as America/New_York")
            self.zone = ZoneInfo("UTC")

    def complain(self, where: str, what: str) -> None:
        self.problems.append(f"{self.source}: {where}: {what}")

    def known(self, where: str, values: list[str], allowed: list[str]) -> frozenset[str]:
        for value in values:
            if value not in allowed:
                self.complain(where, f"{value!r} is not in the vocabulary{nearest(value, allowed)}")
        return frozenset(values)

    def instant(self, where: str, table: dict[str, Any], key: Literal["start", "end"]) -> Instant:
        text = table.get(key)
        if text is None:
            return ALWAYS if key == "start" else FOREVER
        try:
            return parse_instant(text, self.zone, end=key == "end")
        except ValueError as error:
            self.complain(f"{where}.{key}", str(error))
            return ALWAYS if key == "start" else FOREVER

    def window(self, where: str, table: dict[str, Any]) -> Window:
        window = Window(self.instant(where, table, "start"), self.instant(where, table, "end"))
        if window.start >= window.end:
            self.complain(where, "start must be before end (a window is half-open: end is not part of it)")
        return window

    def moratoria(self) -> tuple[Moratorium, ...]:
        seen: set[str] = set()
        return tuple(
            self.moratorium(f"moratorium[{index}]", table, seen)
            for index, table in enumerate(self.document["moratorium"])
        )

    def unique(self, where: str, name: str, seen: set[str]) -> str:
        if name in seen:
            self.complain(f"{where}.id", f"{name!r} is used twice")
        seen.add(name)
        return name

    def moratorium(self, where: str, table: dict[str, Any], seen: set[str]) -> Moratorium:
        classes = table["covers"]["classes"]
        covers = (
            set(COVERABLE) - OPEN_UNLESS_NAMED if classes == ["*"] else {OperationClass(c) for c in classes}
        )
        exempt: set[str] = set()
        return Moratorium(
            id=self.unique(where, table["id"], seen),
            title=table.get("title", ""),
            mode=Mode(table.get("mode", Mode.ENFORCE)),
            binds=self.known(f"{where}.binds.org_types", table["binds"]["org_types"], self.org_types),
            covers=frozenset(covers),
            windows=tuple(
                self.window(f"{where}.window[{i}]", w) for i, w in enumerate(table.get("window", [{}]))
            ),
            exemptions=tuple(
                self.exemption(f"{where}.exemption[{i}]", e, exempt)
                for i, e in enumerate(table.get("exemption", []))
            ),
            authority=Authority(**table.get("authority", {})),
        )

    def exemption(self, where: str, table: dict[str, Any], seen: set[str]) -> Exemption:
        if not {"org_ids", "org_types", "purposes"} & table.keys():
            self.complain(
                where,
                "states no condition: name org_ids, org_types or purposes, or it would exempt everybody",
            )
        return Exemption(
            id=self.unique(where, table["id"], seen),
            org_ids=frozenset(table.get("org_ids", ())),
            org_types=self.known(f"{where}.org_types", table.get("org_types", []), self.org_types),
            purposes=self.known(f"{where}.purposes", table.get("purposes", []), self.purposes),
            requires_case=table.get("requires_case", False),
            classes=frozenset(OperationClass(c) for c in table.get("classes", ())),
            window=self.window(where, table),
        )

    def routes(self) -> tuple[Route, ...]:
        return tuple(
            Route(
                methods=frozenset(table["methods"]),
                path=table["path"],
                websocket=table.get("websocket", False),
                operation=operation(
                    table.get("name") or table["path"], *(OperationClass(c) for c in table["classes"])
                ),
            )
            for table in self.document.get("route", [])
        )
