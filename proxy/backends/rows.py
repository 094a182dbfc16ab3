"""The rows of an operation table: what one operation does, asks for and takes."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from proxy.backends.asks import Asks, Terms, made, texts, values_at
from proxy.backends.bodies import Format
from proxy.backends.strict import Upload
from proxy.policy.operations import Medium, Operation

_INLINE = frozenset({b"application/octet-stream", b"multipart/form-data"})


class References(NamedTuple):
    """Where a call can name its media instead of sending them.

    `always`: it cannot send them. `json`: whatever it sends as JSON is a reference. `members`: members of the
    body that are one. `inline`: members or fields of it that are none if they are files or begin so.
    """

    always: bool
    json: bool
    members: tuple[str, ...]
    inline: Mapping[str, str]

    def __bool__(self) -> bool:
        return bool(self.always or self.json or self.members or self.inline)

    def told_by(self, kind: bytes, *, is_read: bool) -> bool:
        """Whether the body's media type is enough to say that media are named, or that nobody can tell."""
        if self.json:
            return kind not in _INLINE
        return self.always or not is_read

    def named_in(self, document: Mapping[str, Any]) -> bool:
        """Whether this body names media. Raises `Unreadable`."""
        if any(value is not None for path in self.members for value in values_at(document, path)):
            return True
        return any(
            not _is_inline(value, beginning)
            for path, beginning in self.inline.items()
            for value in values_at(document, path)
        )


def _is_inline(value: Any, beginning: str) -> bool:
    if isinstance(value, Upload):
        return True
    return all(text is None or text.startswith(beginning) for text in texts(value))


class Row(NamedTuple):
    """One operation. `query`: the parameters it may have, with what they ask for.

    `body`: what the members of a body in JSON or MessagePack ask for, `form`: what the fields of a form do.
    """

    name: str
    terms: Terms
    media: frozenset[Medium]
    is_result: bool
    query: Mapping[str, Asks | None]
    body: Mapping[str, Asks]
    form: Mapping[str, Asks]
    references: References
    key_in_path: bool

    def asking(self, terms: Terms) -> Operation:
        return made(self.name, terms, self.media, self.is_result)

    @property
    def most(self) -> Operation:
        """The operation if everything is asked for."""
        asks = [asks for asks in self.query.values() if asks is not None]
        return self.asking(self.terms.union(*(ask.most for ask in asks), *self.most_of(None)))

    def queried(self, query: Mapping[str, str]) -> Terms | None:
        """What head and query ask for; None if there is a parameter that is not known here."""
        asked = self.terms
        if not query.keys() <= self.query.keys():
            return None
        for name, asks in self.query.items():
            if asks is not None:
                asked |= asks.listed(query.get(name))
        return asked

    def said_in(self, found: Format) -> Mapping[str, Asks]:
        """What a body in this format can ask for, and where."""
        return self.form if found.is_form else self.body

    def most_of(self, found: Format | None) -> list[Terms]:
        """All that a body in this format can ask for; of None, in any."""
        asks = self.said_in(found).values() if found else (*self.body.values(), *self.form.values())
        return [ask.most for ask in asks]


def read_row(entry: Mapping[str, Any], asks: Mapping[str, Asks], everywhere: list[str]) -> Row:
    """From a table's row. `everywhere`: parameters that each operation of the table may have."""
    named = dict.fromkeys(everywhere, "")
    query = entry.get("query", {})
    named |= query if isinstance(query, dict) else dict.fromkeys(query, "")
    refers = entry.get("reference", "")
    body = entry.get("body", {})
    return Row(
        name=entry["name"],
        terms=frozenset(entry["classes"]),
        media=frozenset(map(Medium, entry.get("media", ()))),
        is_result=entry.get("result", False),
        query={name: asks[word] if word else None for name, word in named.items()},
        body={path: asks[word] for path, word in body.items()},
        form={name: asks[word] for name, word in entry.get("form", body).items()},
        references=References(
            always=refers == "always",
            json=refers == "json",
            members=tuple(refers) if isinstance(refers, list) else (),
            inline=entry.get("inline", {}),
        ),
        key_in_path=entry.get("key_in_path", False),
    )
