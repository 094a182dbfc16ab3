"""Reads the registry and the revocations file, TOML or JSON: every problem at once, with file and line.

Opening files is not done here.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jsonschema import Draft202012Validator

from proxy.authn.registry import Organisation, Registry
from proxy.authn.standing import Revoked, Suspension
from proxy.authn.standing_schema import MAX_CLAIM, MAX_WORDS, REGISTRY, REVOCATIONS
from proxy.errors import PolicyError
from proxy.policy.callers import ALWAYS, FOREVER, Instant, Principal
from proxy.policy.complaints import complaint, nearest
from proxy.policy.document import Source, parse
from proxy.policy.instants import parse_instant
from proxy.policy.positions import Path
from proxy.policy.schema import ORG_ID


class Revocations(NamedTuple):
    """What stands in a revocations file."""

    suspensions: dict[str, tuple[Suspension, ...]]
    revoked: Revoked = Revoked()


def read_registry(
    text: str, name: str, words: tuple[frozenset[str], frozenset[str]] | None, timezone: str = "UTC"
) -> Registry:
    """Read organisations. `name`: what messages call the file.

    `words`: the policy's organisation types and subtypes; None while there is no policy.

    Raises `PolicyError` listing every problem.
    """
    file = _File(text, name, REGISTRY, timezone)
    tables = file.document.get("organisation", [])
    known: dict[str, dict[str, Any]] = {}
    for index, table in enumerate(tables):
        path: Path = ("organisation", index)
        if table["id"] in known:
            file.complain((*path, "id"), f"{table['id']!r} is used twice")
        known[table["id"]] = table
        if words is not None:
            file.in_vocabulary((*path, "org_types"), table["org_types"], words[0])
        if words is not None and "org_subtype" in table:
            file.in_vocabulary((*path, "org_subtype"), [table["org_subtype"]], words[1])
    for index, table in enumerate(tables):
        _check_parents(file, ("organisation", index), table, known)
    entries = [_organisation(file, ("organisation", i), table) for i, table in enumerate(tables)]
    file.finish()
    principals = {entry.principal.org_id: entry.principal for entry in entries}
    return {
        org_id: entry._replace(units=tuple(principals[unit] for unit in _above(org_id, known)))
        for org_id, entry in zip(known, entries, strict=True)
    }


def _check_parents(
    file: "_File", path: Path, table: dict[str, Any], known: dict[str, dict[str, Any]]
) -> None:
    for parent in table.get("parents", ()):
        if parent not in known:
            file.complain((*path, "parents"), f"{parent!r} is not registered{nearest(parent, known)}", parent)
    if table["id"] in _above(table["id"], known):
        file.complain((*path, "parents"), f"{table['id']!r} would be above itself")


def _above(org_id: str, known: dict[str, dict[str, Any]]) -> list[str]:
    """The ids of all units above one, the nearest first."""
    found: list[str] = []
    level = [org_id]
    while level:
        parents = dict.fromkeys(p for one in level for p in known.get(one, {}).get("parents", ()))
        level = [parent for parent in parents if parent not in found]
        found += level
    return found


def _organisation(file: "_File", path: Path, table: dict[str, Any]) -> Organisation:
    principal = Principal(
        tuple(table["org_types"]),
        table["id"],
        table.get("org_subtype"),
        table.get("level"),
        table.get("jurisdiction"),
    )
    since, until = file.span(path, table, "verified_on", "valid_until", later_start=True)
    return Organisation(
        principal, contractor=table.get("contractor", False), verified_on=since, valid_until=until
    )


# One that has not changed need not be read again because another file has: it can be long.
@lru_cache(maxsize=1)
def read_revocations(text: str, name: str, timezone: str = "UTC") -> Revocations:
    """Read suspensions and revocations. `name`: what messages call the file.

    Raises `PolicyError` listing every problem.
    """
    file = _File(text, name, REVOCATIONS, timezone)
    suspensions: dict[str, tuple[Suspension, ...]] = {}
    for index, table in enumerate(file.document.get("suspension", [])):
        path: Path = ("suspension", index)
        start, until = file.span(path, table, "from", "until", later_end=True)
        org_ids = _listed(table, "org_id", "org_ids")
        if not org_ids:
            file.complain(path, "suspends nobody: name org_id or org_ids")
        for org_id in org_ids:
            one = Suspension(start, until, table.get("notice", ""))
            suspensions[org_id] = (*suspensions.get(org_id, ()), one)
    revoked = _Revoking()
    for index, table in enumerate(file.document.get("revocation", [])):
        revoked.add(file, ("revocation", index), table)
    file.finish()
    return Revocations(suspensions, Revoked(**revoked.marks))


class _Revoking:
    """Gathers what is revoked; of what is revoked twice, the earlier instant counts."""

    def __init__(self) -> None:
        names = ("tokens", "subjects", "organisations", "evidence")
        self.marks: dict[str, dict[str | None, dict[str, Instant]]] = {name: {} for name in names}

    def add(self, file: "_File", path: Path, table: dict[str, Any]) -> None:
        digests = _listed(table, "evidence_sha256")
        digests += [
            hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
            for text in _listed(table, "evidence")
        ]
        lists = {
            "tokens": _listed(table, "token_id", "token_ids"),
            "subjects": _listed(table, "subject", "subjects"),
            "organisations": _listed(table, "org_id", "org_ids"),
            "evidence": digests,
        }
        if not any(lists.values()):
            file.complain(path, "revokes nothing: name token_id, subject, org_id or evidence, one or a list")
        issuer = table.get("issuer")
        if lists["subjects"] and issuer is None:
            file.complain(path, "a subject means somebody to its issuer only: name the issuer")
        since = file.instant(path, table, "from", ALWAYS)
        for name, keys in lists.items():
            marks = self.marks[name].setdefault(issuer, {}) if keys else {}
            for key in keys:
                marks[key] = min(since, marks.get(key, since))


def _listed(table: dict[str, Any], *names: str) -> list[str]:
    found: list[str] = []
    for name in names:
        value = table.get(name, [])
        found += [value] if isinstance(value, str) else value
    return found


# ------------------------------------------------------------ what both files are read with


class _File:
    """One document of the right shape; `problems` gathers what is wrong with it besides."""

    def __init__(self, text: str, name: str, schema: dict[str, Any], timezone: str) -> None:
        source = _parse_json(text, name) if name.endswith(".json") else parse(text, name)
        self.name, self.document, self.lines = source
        self.problems = sorted(
            complaint(name, error, self.lines)
            for error in Draft202012Validator(schema).iter_errors(_abridged(self.document))
        )
        self.finish()
        self._zone = self._read_zone(self.document.get("timezone", timezone))

    def complain(self, path: Path, what: str, value: object = None) -> None:
        line = self.lines.of(path, value)
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        self.problems.append(f"{self.name}{f':{line}' if line else ''}: {where}: {what}")

    def finish(self) -> None:
        """Raise `PolicyError` if anything is wrong so far."""
        if self.problems:
            raise PolicyError(self.problems)

    def in_vocabulary(self, path: Path, values: list[str], words: frozenset[str]) -> None:
        for value in values:
            if value not in words:
                self.complain(
                    path, f"{value!r} is not in the policy's vocabulary{nearest(value, words)}", value
                )

    def instant(
        self, path: Path, table: dict[str, Any], key: str, default: Instant, *, later: bool = False
    ) -> Instant:
        """`later`: of a midnight that comes twice, the second."""
        if key not in table:
            return default
        try:
            return parse_instant(table[key], self._zone, end=later)
        except ValueError as error:
            self.complain((*path, key), str(error))
            return default

    def span(
        self,
        path: Path,
        table: dict[str, Any],
        start: str,
        end: str,
        *,
        later_start: bool = False,
        later_end: bool = False,
    ) -> tuple[Instant, Instant]:
        since = self.instant(path, table, start, ALWAYS, later=later_start)
        until = self.instant(path, table, end, FOREVER, later=later_end)
        if until <= since:
            self.complain((*path, end), f"{end} is not after {start}")
        return since, until

    def _read_zone(self, name: str) -> ZoneInfo:
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.complain(("timezone",), f"{name!r} is not an IANA time zone such as America/New_York")
            return ZoneInfo("UTC")


def _parse_json(text: str, name: str) -> Source:
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise PolicyError([f"{name}: not valid JSON: {error}"]) from None
    if not isinstance(document, dict):
        raise PolicyError([f"{name}: not a JSON object"])
    return Source(name, document)


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"the member {name!r} is there twice")
        members[name] = value
    return members


def _is_claim(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_CLAIM


def _is_org_id(value: Any) -> bool:
    return isinstance(value, str) and _ORG_ID.fullmatch(value) is not None


_ORG_ID = re.compile(ORG_ID["pattern"].strip("^$"))
_PLAIN: dict[str, Callable[[Any], bool]] = {
    "token_id": _is_claim,
    "subject": _is_claim,
    "org_id": _is_org_id,
    "evidence": _is_claim,
    "from": lambda value: isinstance(value, str),
    "issuer": lambda value: isinstance(value, str) and 0 < len(value) <= MAX_WORDS,
    "reason": lambda value: isinstance(value, str) and 0 < len(value) <= MAX_WORDS,
}
_PLAIN_LISTS = {"token_ids": _is_claim, "subjects": _is_claim, "org_ids": _is_org_id}


def _abridged(document: dict[str, Any]) -> dict[str, Any]:
    """The document without revocations, if all of them are as simple as most are and plainly right.

    A schema takes seconds over a hundred thousand; where anything is wrong, it is shown all of them.
    """
    tables = document.get("revocation")
    if not isinstance(tables, list) or not all(map(_is_plain, tables)):
        return document
    return {key: value for key, value in document.items() if key != "revocation"}


def _is_plain(table: Any) -> bool:
    return isinstance(table, dict) and all(
        _PLAIN[key](value)
        if key in _PLAIN
        else key in _PLAIN_LISTS and isinstance(value, list) and value and all(map(_PLAIN_LISTS[key], value))
        for key, value in table.items()
    )
