"""From policy documents (TOML, or the env shorthand as the same shape) to a `Policy`.

Collects every problem before it gives up; each says file, line, key, what was found and what is expected.
Reading files is not done here.
"""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from proxy.errors import PolicyError
from proxy.policy.callers import FOREVER, Instant
from proxy.policy.complaints import complaint
from proxy.policy.model import Mode, Policy
from proxy.policy.positions import Lines
from proxy.policy.reader import Reader
from proxy.policy.schema import SCHEMA
from proxy.policy.vocabulary import vocabulary_of


def _pattern(_validator: Any, pattern: str, value: object, _schema: Any) -> Iterator[ValidationError]:
    """What `$` means in JSON Schema: the very end. Python's lets one line break pass, into header fields."""
    if isinstance(value, str) and (value.endswith("\n") or not re.search(pattern, value)):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_VALIDATOR = extend(Draft202012Validator, {"pattern": _pattern})(SCHEMA)  # type: ignore[no-untyped-call]


class Source(NamedTuple):
    """One document: what messages call it, what it says, and on which lines."""

    name: str
    document: dict[str, Any]
    lines: Lines = Lines()


def parse(text: str, name: str) -> Source:
    """Read TOML. `name` is what messages call the file.

    Raises `PolicyError` with the line that tomllib names.
    """
    try:
        return Source(name, _plain(tomllib.loads(text)), Lines(text))
    except tomllib.TOMLDecodeError as error:
        raise PolicyError([f"{name}: not valid TOML: {error}"]) from None


def build(
    *sources: Source,
    mode: Mode = Mode.ENFORCE,
    unknown_operation: Literal["refuse", "allow"] = "refuse",
    timezone: str = "UTC",
    known_at: Instant = FOREVER,
    backend: str | None = None,
) -> Policy:
    """Check documents and make one policy of all their moratoria.

    `timezone` is used where a document names none. `known_at`: as it was known then; what was recorded later
    is left out. `backend`: moratoria about other backends only are left out.

    Raises `PolicyError` listing every problem.
    """
    problems = [
        complaint(source.name, error, source.lines)
        for source in sources
        for error in _VALIDATOR.iter_errors(source.document)
    ]
    if problems:
        raise PolicyError(sorted(problems))
    vocabulary = vocabulary_of(source.document for source in sources)
    seen: set[str] = set()
    readers = [
        Reader(source.name, source.document, source.lines, vocabulary, timezone, known_at, seen)
        for source in sources
    ]
    moratoria = [moratorium for reader in readers for moratorium in reader.moratoria()]
    policy = Policy(
        moratoria=tuple(m for m in moratoria if backend is None or not m.backends or backend in m.backends),
        org_types=vocabulary.org_types,
        purposes=vocabulary.purposes,
        mode=mode,
        unknown_operation=unknown_operation,
        routes=tuple(route for reader in readers for route in reader.routes()),
        revision=hashlib.sha256(revised(sources, timezone)).hexdigest(),
        org_subtypes=vocabulary.org_subtypes,
        circumstances=vocabulary.circumstances,
    )
    found = [problem for reader in readers for problem in reader.problems]
    if found:
        raise PolicyError(found)
    return policy


def zone_of(source: Source, timezone: str) -> ZoneInfo:
    """Where a checked document's dates are read."""
    return ZoneInfo(source.document.get("timezone", timezone))


def revised(sources: Sequence[Source], timezone: str) -> bytes:
    """What the revision is the SHA-256 of."""
    documents = [source.document for source in sources]
    said = documents[0] if len(documents) == 1 else documents
    return json.dumps([said, timezone], sort_keys=True).encode()


def _plain(value: Any) -> Any:
    """TOML's dates as the ISO text that JSON Schema (and so the editor) knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value
