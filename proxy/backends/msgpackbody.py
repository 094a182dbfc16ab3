"""Strict reading of MessagePack bodies: what two parsers could read differently is refused, not read.

The only module that knows the msgpack library.
"""

from typing import Any

import msgpack

from proxy.backends.strict import MAX_PIECES, Ambiguous, check_depth, inside, parameters, unique
from proxy.messages import RequestHead

LONGEST_LIST = 1024
"""Members of one list or map. Room is made for as many as a header says, before any of them is there."""
_KNOWN = (type(None), bool, int, float, str, bytes, dict, list)


class _Pieces:
    """Counts what is in lists and maps while they are read: a piece can be one byte."""

    def __init__(self) -> None:
        self._found = 0

    def members(self, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
        self._count(len(pairs))
        if not all(isinstance(name, str) for name, _ in pairs):
            # Whether bytes are the same name as a text is up to the parser.
            raise Ambiguous("A name in the MessagePack is not text.")
        return unique(pairs)

    def items(self, values: list[Any]) -> list[Any]:
        self._count(len(values))
        return values

    def _count(self, more: int) -> None:
        self._found += more
        if self._found > MAX_PIECES:
            raise Ambiguous("The MessagePack has more members than any call has.")


def read_msgpack(head: RequestHead, body: bytes) -> dict[str, Any]:
    """The map in the body, if every parser must read it alike; else `Ambiguous`.

    Texts are UTF-8, bytes are bytes; names are text. A parameter of the media type is refused: the server
    that reads MessagePack compares the whole of the field.
    """
    if parameters(head):
        raise Ambiguous("The body's type has parameters.")
    pieces = _Pieces()
    try:
        found = msgpack.unpackb(
            body,
            object_pairs_hook=pieces.members,
            list_hook=pieces.items,
            max_array_len=LONGEST_LIST,
            max_map_len=LONGEST_LIST,
        )
    except Ambiguous:
        raise
    except (ValueError, RecursionError):
        # The library's errors are all of these: cut short, bytes after it, not UTF-8, too deep, too long.
        raise Ambiguous("The body is not MessagePack, or has too much in it.") from None
    if not isinstance(found, dict):
        raise Ambiguous("The MessagePack is not a map.")
    check_depth(found)
    _check_types(found)
    return found


def _check_types(document: dict[str, Any]) -> None:
    """Refuse extension types, timestamps among them."""
    level: list[Any] = [document]
    while level:
        values = [inner for value in level for inner in inside(value)]
        if not all(isinstance(value, _KNOWN) for value in values):
            raise Ambiguous("The MessagePack holds an extension type.")
        level = [value for value in values if isinstance(value, dict | list)]
