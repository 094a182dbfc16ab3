"""Whom to believe, about what, and where each one's keys come from: reads an issuers file.

Every problem is reported at once, with file and line. Opening files is not done here.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator

from proxy.authn.addresses import is_safe
from proxy.authn.claims import ClaimPaths
from proxy.authn.issuers_schema import SCHEMA
from proxy.authn.verifier import Trust
from proxy.errors import PolicyError, SettingsError
from proxy.policy.complaints import complaint
from proxy.policy.document import parse

_VALIDATOR = Draft202012Validator(SCHEMA)
_SOURCES = ("discovery", "jwks_url", "key_file")


class Issuer(NamedTuple):
    """One issuer. Its keys are at `jwks_url` or in `key_file`; with neither, where it says itself."""

    trust: Trust
    jwks_url: str | None = None
    key_file: Path | None = None


def read_issuers(text: str, path: Path, *, insecure: bool = False) -> tuple[Issuer, ...]:
    """Read an issuers file that stands at `path`. `insecure`: keys may come over plain http.

    Raises `SettingsError` listing every problem.
    """
    try:
        source = parse(text, str(path))
    except PolicyError as error:
        raise SettingsError(error.problems) from None
    problems = [complaint(source.name, e, source.lines) for e in _VALIDATOR.iter_errors(source.document)]
    tables = [] if problems else source.document["issuer"]
    seen: set[str] = set()
    for index, table in enumerate(tables):
        for key, what in _contradictions(table, seen, insecure=insecure):
            line = source.lines.of(("issuer", index, key))
            problems.append(f"{source.name}:{line}: issuer[{index}].{key}: {what}")
        seen.add(table["issuer"])
    if problems:
        raise SettingsError(sorted(problems, key=_by_line))
    return tuple(_issuer(table, path.parent) for table in tables)


def key_files_in(text: str, path: Path) -> list[Path]:
    """The key files that an issuers file names, however little else is right with it."""
    try:
        tables = parse(text, str(path)).document.get("issuer")
    except PolicyError:
        return []
    if not isinstance(tables, list):
        return []
    files = [table.get("key_file") for table in tables if isinstance(table, dict)]
    return [path.parent / file for file in files if isinstance(file, str)]


def _contradictions(table: dict[str, Any], seen: set[str], *, insecure: bool) -> list[tuple[str, str]]:
    """What is wrong between members that are each right, with the member where to look."""
    issuer, found = table["issuer"], []
    if issuer in seen:
        found.append(("issuer", f"{issuer!r} is there twice"))
    given = [name for name in _SOURCES if name in table]
    if len(given) != 1:
        which = f"{' and '.join(given)} are set" if given else "none is set"
        found.append((given[-1] if given else "issuer", f"exactly one of {_CHOICE} is needed; {which}"))
    if "discovery" in table and not _is_address(issuer):
        found.append(("discovery", "the issuer's name is no http or https address without query"))
    elif "discovery" in table and not (is_safe(issuer) or insecure):
        found.append(("discovery", _OVER_HTTPS))
    if "jwks_url" in table and not _is_address(table["jwks_url"], query=True):
        found.append(("jwks_url", "is not an http or https address without credentials"))
    elif "jwks_url" in table and not (is_safe(table["jwks_url"]) or insecure):
        found.append(("jwks_url", _OVER_HTTPS))
    return found


_CHOICE = "discovery, jwks_url and key_file"
_OVER_HTTPS = "keys must come over https, or anybody on the way can replace them"


def _is_address(url: str, *, query: bool = False) -> bool:
    """An issuer that is found by its name has no query or fragment (RFC 8414 section 2)."""
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return whole and not (parts.username or parts.password or (not query and (parts.query or parts.fragment)))


def _issuer(table: dict[str, Any], folder: Path) -> Issuer:
    members: dict[str, Any] = {
        name: frozenset(table[name])
        for name in ("audiences", "algorithms", "token_types", "org_types")
        if name in table and name in _OF_TRUST
    }
    if "leeway" in table:
        members["leeway"] = float(table["leeway"])
    trust = Trust(table["issuer"], claims=ClaimPaths(**table.get("claims", {})), **members)
    file = table.get("key_file")
    return Issuer(trust, table.get("jwks_url"), folder / file if file is not None else None)


_OF_TRUST = {field.name for field in fields(Trust)}


def _by_line(problem: str) -> tuple[int, str]:
    """Problems in the order of the file. What has no line comes first."""
    number = problem.split(":", 2)[1]
    return (int(number) if number.isdigit() else 0, problem)
