"""Operation tables as data: which method and path is which operation, and what can add to its classes."""

import re
import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any, NamedTuple

from proxy.backends.asks import NOTHING, Asks, Terms, Unreadable, made, texts_at, values_at
from proxy.backends.base import Sketch, canonical
from proxy.backends.jsonbody import is_json, media_type, read_object
from proxy.backends.query import read_query
from proxy.messages import RequestHead
from proxy.policy.model import Refusal
from proxy.policy.operations import UNKNOWN_OPERATION, Medium, Operation
from proxy.policy.reasons import Reason

_BY_REFERENCE = Refusal(Reason.MEDIA_BY_REFERENCE)
_KEY_IN_PATH = Refusal(
    Reason.CREDENTIALS_AMBIGUOUS, "Tokens and keys are taken from the header, not from the path."
)
_INLINE = frozenset({b"application/octet-stream", b"multipart/form-data"})
_PLACEHOLDER = re.compile(r"\{([A-Za-z]+)(%?)\}")
_SEGMENT = r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+"
# A name that people choose: also blanks and other scripts, but nothing that means something in a path.
_NAME = (
    r"(?!\.{1,2}(?:/|\Z))(?:[A-Za-z0-9._~-]"
    r"|%(?:2[0-246-9A-Ca-c]|3[AaC-Ec-e]|40|5[BbDd]|[89A-Fa-f][0-9A-Fa-f]))+"
)


class References(NamedTuple):
    """Where a call can name its media instead of sending them.

    `always`: it cannot send them. `json`: whatever it sends as JSON is a reference. `members`: JSON members
    that are one. `inline`: JSON members that are none if they begin so.
    """

    always: bool
    json: bool
    members: tuple[str, ...]
    inline: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.always or self.json or self.members or self.inline)

    def told_by(self, kind: bytes) -> bool:
        """Whether the body's media type is enough to say that media are named, or that nobody can tell."""
        if self.json:
            return kind not in _INLINE
        return self.always or not is_json(kind)


class Row(NamedTuple):
    """One operation. `query`: the parameters it may have, with what they ask for."""

    name: str
    terms: Terms
    media: frozenset[Medium]
    is_result: bool
    query: Mapping[str, Asks | None]
    body: Mapping[str, Asks]
    references: References
    key_in_path: bool

    def asking(self, terms: Terms) -> Operation:
        return made(self.name, terms, self.media, self.is_result)

    @property
    def most(self) -> Operation:
        """The operation if everything is asked for."""
        asks = [*self.body.values(), *(asks for asks in self.query.values() if asks is not None)]
        return self.asking(self.terms.union(*(ask.most for ask in asks)))


class Table:
    """The rows of one backend, from the folder `tables` of a package.

    `inline_only`: media that a call only names are refused.
    """

    def __init__(self, name: str, *, inline_only: bool = False, package: str = "proxy.backends") -> None:
        document = _document(name, package)
        self.inline_only = inline_only
        self.rows: list[Row] = []
        self._exact: dict[tuple[bytes, bytes], Row] = {}
        self._patterns: dict[tuple[bytes, int], list[tuple[re.Pattern[bytes], Row]]] = {}
        asks = {word: Asks.of(row) for word, row in document.get("asks", {}).items()}
        for entry in document["operation"]:
            row = _row(entry, asks, document.get("query", ()))
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
        asked = _queried(row, query)
        if asked is None:
            return UNKNOWN_OPERATION
        kind = media_type(head)
        look = self.inline_only and bool(row.references)
        if look and row.references.told_by(kind):
            return _BY_REFERENCE
        must_read = look and not row.references.json
        least, most = row.asking(asked), row.asking(asked.union(*(ask.most for ask in row.body.values())))
        if not is_json(kind) or (least == most and not must_read):
            # In any other format the body counts as asking for everything.
            return most
        return Sketch(least, most, required=must_read)

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
        document = read_object(head, body)
        if isinstance(document, Refusal):
            return document
        asked = _queried(row, query) or NOTHING
        try:
            if self.inline_only and _names_media(row.references, document):
                return _BY_REFERENCE
            for path, asks in row.body.items():
                for said in texts_at(document, path):
                    asked |= asks.asked(said)
        except Unreadable as error:
            return error.refusal()
        return UNKNOWN_OPERATION if not asked else row.asking(asked)


def _queried(row: Row, query: Mapping[str, str]) -> Terms | None:
    """What head and query ask for; None if there is a parameter that the row does not know."""
    asked = row.terms
    if not query.keys() <= row.query.keys():
        return None
    for name, asks in row.query.items():
        if asks is not None:
            asked |= asks.listed(query.get(name))
    return asked


def _names_media(references: References, document: Mapping[str, Any]) -> bool:
    if any(value is not None for path in references.members for value in values_at(document, path)):
        return True
    for path, beginning in references.inline.items():
        for said in texts_at(document, path):
            if said is not None and not said.startswith(beginning):
                return True
    return False


def _document(name: str, package: str) -> dict[str, Any]:
    text = resources.files(package).joinpath(f"tables/{name}.toml").read_text("utf-8")
    return tomllib.loads(text)


def _row(entry: Mapping[str, Any], asks: Mapping[str, Asks], everywhere: list[str]) -> Row:
    named = dict.fromkeys(everywhere, "")
    query = entry.get("query", {})
    named |= query if isinstance(query, dict) else dict.fromkeys(query, "")
    refers = entry.get("reference", "")
    return Row(
        name=entry["name"],
        terms=frozenset(entry["classes"]),
        media=frozenset(map(Medium, entry.get("media", ()))),
        is_result=entry.get("result", False),
        query={name: asks[word] if word else None for name, word in named.items()},
        body={path: asks[word] for path, word in entry.get("body", {}).items()},
        references=References(
            always=refers == "always",
            json=refers == "json",
            members=tuple(refers) if isinstance(refers, list) else (),
            inline=entry.get("inline", {}),
        ),
        key_in_path=entry.get("key_in_path", False),
    )


def _pattern(path: str) -> re.Pattern[bytes]:
    parts = _PLACEHOLDER.split(path)
    text = re.escape(parts[0])
    for percent, literal in zip(parts[2::3], parts[3::3], strict=True):
        text += (_NAME if percent else _SEGMENT) + re.escape(literal)
    return re.compile(text.encode())
