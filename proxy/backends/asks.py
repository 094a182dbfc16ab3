"""What the parameters of a call add to its classes, and where in a body they stand.

A term is a class, or `analyze` with one trait: `detect`, `analyze.age`.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from proxy.backends.strict import Beginning
from proxy.policy.model import Refusal
from proxy.policy.operations import UNKNOWN_OPERATION, Medium, Operation, OperationClass, Trait, operation
from proxy.policy.reasons import Reason

Terms = frozenset[str]
NOTHING: Terms = frozenset()
_UNKNOWN = str(OperationClass.UNKNOWN)


class Asks(NamedTuple):
    """What a parameter asks for: left out, with a value that is known, with any other.

    `is_flag`: in a body only a flag counts as a value, and no text that looks like one. `dropped`: in a body
    a text is a list with commas, once these characters are out of it; None if it is one value.
    """

    absent: Terms
    values: Mapping[str, Terms]
    otherwise: Terms
    is_flag: bool = False
    dropped: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Asks":
        """From a table's row. What `otherwise` leaves out is everything that the known values ask for."""
        values = {value: frozenset(terms) for value, terms in row["values"].items()}
        absent = frozenset(row.get("absent", ()))
        every = absent.union(*values.values())
        otherwise = frozenset(row.get("otherwise", every))
        return cls(absent, values, otherwise, row.get("flag", False), row.get("commas"))

    @property
    def most(self) -> Terms:
        """Everything that it can ask for, as far as is known."""
        return self.absent.union(self.otherwise, *self.values.values()) - {_UNKNOWN}

    def asked(self, said: str | None) -> Terms:
        """What one value asks for; None where the parameter is left out."""
        return self.absent if said is None else self.values.get(said, self.otherwise)

    def listed(self, said: str | None) -> Terms:
        """The same of a list of values with commas between them. An empty one counts as left out."""
        if not said:
            return self.absent
        return NOTHING.union(*(self.asked(one) for one in said.split(",")))

    def asked_by(self, value: Any) -> Terms:
        """What a member or a field of a body asks for; None where it is left out."""
        if self.is_flag and not (value is None or isinstance(value, bool)):
            return self.otherwise
        return NOTHING.union(*map(self._asked_by_text, texts(value)))

    def _asked_by_text(self, said: str | None) -> Terms:
        if isinstance(said, Beginning):
            return self.otherwise
        if said is None or self.dropped is None:
            return self.asked(said)
        return self.listed(said.translate(dict.fromkeys(map(ord, self.dropped))))


@functools.lru_cache(maxsize=2048)
def made(name: str, terms: Terms, media: frozenset[Medium], is_result: bool) -> Operation:
    """The operation that asks for these terms; unknown if any of them is, or if there are none to judge."""
    if _UNKNOWN in terms:
        return UNKNOWN_OPERATION
    classes = {OperationClass(term.partition(".")[0]) for term in terms}
    named = {Trait(term.partition(".")[2]) for term in terms if "." in term}
    traits = frozenset() if str(OperationClass.ANALYZE) in terms else frozenset(named)
    return operation(name, *classes, traits=traits, media=media, is_result=is_result)


class Unreadable(Exception):
    """A body has another shape than its API documents, or a name that others might read as known."""

    def refusal(self) -> Refusal:
        return Refusal(Reason.REQUEST_AMBIGUOUS, "The body has another shape than the face API documents.")


def texts(value: Any) -> Iterable[str | None]:
    """The texts in a value: numbers and flags as JSON writes them, the members of a list one by one.

    Of an object its members' names; None for what is left out or empty.
    """
    if isinstance(value, dict):
        return value or (None,)
    if isinstance(value, list):
        return map(_text, value) if value else (None,)
    return (_text(value),)


def values_at(document: Any, path: str) -> Iterator[Any]:
    """Every value at `path`, such as `requests[].image.source`; None for each place where it is missing.

    Raises `Unreadable`.
    """
    name, _, rest = path.partition(".")
    each = name.endswith("[]")
    value = _member(document, name.removesuffix("[]"))
    if value is None:
        yield None
    elif each:
        if not isinstance(value, list):
            raise Unreadable
        for one in value or (None,):
            yield from values_at(one, rest) if rest and one is not None else (one,)
    elif rest:
        yield from values_at(value, rest)
    else:
        yield value


def _member(document: Any, name: str) -> Any:
    if not isinstance(document, dict):
        raise Unreadable
    near = _folded(name)
    if any(_folded(other) == near and other != name for other in document):
        raise Unreadable
    return document.get(name)


@functools.lru_cache(maxsize=4096)
def _folded(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return "?"  # an object, a list, a fraction, bytes, a file: no table has it
