"""Operation tables as data: which method and path is which operation, and what can add to its classes."""

import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from proxy.backends.asks import NOTHING, Asks, Unreadable, values_at
from proxy.backends.base import Sketch, canonical
from proxy.backends.bodies import Format, format_of, read_body
from proxy.backends.query import read_query
from proxy.backends.rows import Row, read_row
from proxy.backends.strict import media_type
from proxy.messages import RequestHead
from proxy.policy.model import Refusal
from proxy.policy.operations import UNKNOWN_OPERATION, Operation
from proxy.policy.reasons import Reason

_BY_REFERENCE = Refusal(Reason.MEDIA_BY_REFERENCE)
_KEY_IN_PATH = Refusal(
    Reason.CREDENTIALS_AMBIGUOUS, "Tokens and keys are taken from the header, not from the path."
)
_PLACEHOLDER = re.compile(r"\{([A-Za-z]+)(%?)\}")
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+"
# A name that people choose: also blanks and other scripts, but nothing that means something in a path.
_NAME = (
    r"(?!\.{1,2}(?:/|\Z))(?:[A-Za-z0-9._~-]"
    r"|%(?:2[0-246-9A-Ca-c]|3[AaC-Ec-e]|40|5[BbDd]|[89A-Fa-f][0-9A-Fa-f]))+"
)


class Table:
    """The rows of one backend, from the folder `tables` of a package.

    `inline_only`: media that a call only names are refused.
    """

    def __init__(self, name: str, *, inline_only: bool = False, package: str = "proxy.backends") -> None:
        document = _document(name, package)
        self.inline_only = inline_only
        self.rows: list[Row] = []
        self._formats = frozenset(map(Format, document.get("formats", ("json",))))
        self._exact: dict[tuple[bytes, bytes], Row] = {}
        self._patterns: dict[tuple[bytes, int], list[tuple[re.Pattern[bytes], Row]]] = {}
        asks = {word: Asks.of(row) for word, row in document.get("asks", {}).items()}
        for entry in document["operation"]:
            row = read_row(entry, asks, document.get("query", ()))
            self.rows.append(row)
            for path in entry.get("paths", [entry["path"]] if "path" in entry else []):
                for prefix in document.get("prefixes", [""]):
                    self._add(entry["method"].encode(), prefix + path, row)

    def _add(self, method: bytes, path: str, row: Row) -> None:
        if "{" not in path:
            self._exact[method, path.encode()] = row
        else:
            found = self._patterns.setdefault((method, path.count("/")), [])
            found.append((_pattern(path), row))

    def operations(self) -> tuple[Operation, ...]:
        return tuple(row.most for row in self.rows)

    def find(self, head: RequestHead) -> Row | Refusal | None:
        """The row of this method and path; None when there is none."""
        path = head.path
        row = self._exact.get((head.method, path))
        if row is not None:
            return row
        for pattern, row in self._patterns.get((head.method, path.count(b"/")), ()):
            if pattern.fullmatch(path):
                return row
        return canonical(head)

    def classify(self, head: RequestHead) -> Operation | Refusal | Sketch:
        """What the head says of the call."""
        query = read_query(head.query) if b"?" in head.target else {}
        row = self.find(head)
        if isinstance(row, Refusal):
            return row
        if isinstance(query, Refusal):
            return query
        return UNKNOWN_OPERATION if row is None else self.judge(row, head, query)

    def judge(self, row: Row, head: RequestHead, query: Mapping[str, str]) -> Operation | Refusal | Sketch:
        """What the head of a call says that is known to be this row."""
        if row.key_in_path:
            return _KEY_IN_PATH
        if len(head.values(b"content-type")) > 1:
            # Which of two a server reads is its own choice.
            return Refusal(Reason.REQUEST_AMBIGUOUS, "Content-Type is sent twice.")
        asked = row.queried(query)
        if asked is None:
            return UNKNOWN_OPERATION
        kind = media_type(head)
        found = self._format(kind)
        look = self.inline_only and bool(row.references)
        if look and row.references.told_by(kind, is_read=found is not None):
            return _BY_REFERENCE
        must_read = look and not row.references.json
        least, most = row.asking(asked), row.asking(asked.union(*row.most_of(found)))
        if found is None or (least == most and not must_read):
            # In any other format the body counts as asking for everything.
            return most
        return Sketch(least, most, required=must_read)

    def _format(self, kind: bytes) -> Format | None:
        """The format of the body if this backend takes it, and it can be read here."""
        found = format_of(kind)
        return found if found in self._formats else None

    def read(self, head: RequestHead, body: bytes) -> Operation | Refusal:
        """What the body says of a call for which there was a sketch."""
        row = self.find(head)
        query = read_query(head.query)
        if isinstance(row, Refusal) or isinstance(query, Refusal) or row is None:
            return UNKNOWN_OPERATION
        return self.judge_body(row, head, query, body)

    def judge_body(
        self, row: Row, head: RequestHead, query: Mapping[str, str], body: bytes
    ) -> Operation | Refusal:
        """What the body says of a call that is known to be this row."""
        found = self._format(media_type(head))
        if found is None:
            return UNKNOWN_OPERATION
        document = read_body(found, head, body)
        if isinstance(document, Refusal):
            return document
        asked = row.queried(query) or NOTHING
        try:
            if self.inline_only and row.references.named_in(document):
                return _BY_REFERENCE
            for path, asks in row.said_in(found).items():
                asked = asked.union(*map(asks.asked_by, values_at(document, path)))
        except Unreadable as error:
            return error.refusal()
        return UNKNOWN_OPERATION if not asked else row.asking(asked)


def _document(name: str, package: str) -> dict[str, Any]:
    text = resources.files(package).joinpath(f"tables/{name}.toml").read_text("utf-8")
    return tomllib.loads(text)


def _pattern(path: str) -> re.Pattern[bytes]:
    parts = _PLACEHOLDER.split(path)
    text = re.escape(parts[0])
    for percent, literal in zip(parts[2::3], parts[3::3], strict=True):
        text += (_NAME if percent else _SEGMENT) + re.escape(literal)
    return re.compile(text.encode())
