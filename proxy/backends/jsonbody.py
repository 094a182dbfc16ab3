"""Strict reading of JSON bodies: what two parsers could read differently is refused, not read."""

import json
from typing import Any, NoReturn

from proxy.messages import RequestHead
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason

MAX_DEPTH = 32
MAX_PIECES = 10_000
_BOM = b"\xef\xbb\xbf"


class _Ambiguous(ValueError):
    """Says why, in words that hold nothing of the body."""


def media_type(head: RequestHead) -> bytes:
    """The media type of the body in lower case, without its parameters; empty when none is stated."""
    stated = head.values(b"content-type")
    return stated[0].partition(b";")[0].strip().lower() if stated else b""


def is_json(kind: bytes) -> bool:
    """Whether servers read this media type as JSON (RFC 6839 section 3.1)."""
    return kind in (b"application/json", b"application/x-amz-json-1.1") or kind.endswith(b"+json")


def read_object(head: RequestHead, body: bytes) -> dict[str, Any] | Refusal:
    """The JSON object in the body, if every parser must read it alike (RFC 8259, RFC 7493)."""
    try:
        _check_fields(head)
        return _parse(body)
    except _Ambiguous as error:
        return Refusal(Reason.REQUEST_AMBIGUOUS, str(error))


def _check_fields(head: RequestHead) -> None:
    if head.values(b"content-encoding"):
        raise _Ambiguous("The body is compressed, and what it says matters.")
    stated = head.values(b"content-type")
    parameters = stated[0].partition(b";")[2].strip().lower() if len(stated) == 1 else b"?"
    if parameters not in (b"", b"charset=utf-8", b'charset="utf-8"'):
        raise _Ambiguous("The body's character set is not UTF-8.")


def _parse(body: bytes) -> dict[str, Any]:
    if body.startswith(_BOM):
        raise _Ambiguous("The JSON begins with a byte order mark.")
    # Images are long strings without any of these, so a real call stays far below.
    if len(body) - len(body.translate(None, b"{[,")) > MAX_PIECES:
        raise _Ambiguous("The JSON has more members than any call has.")
    try:
        text = body.decode("utf-8")
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise _Ambiguous("The body is not UTF-8.") from None
    except RecursionError:
        raise _Ambiguous("The JSON is nested too deeply.") from None
    except _Ambiguous:
        raise
    except ValueError:
        raise _Ambiguous("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise _Ambiguous("The JSON is not an object.")
    _check_depth(found)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Ambiguous("A JSON member is there twice.")
    if any("\0" in name for name in members):
        # Where strings end at a NUL, this is another name.
        raise _Ambiguous("The name of a JSON member holds a NUL.")
    return members


def _no_constant(_word: str) -> NoReturn:
    raise _Ambiguous("The JSON holds NaN or Infinity.")


def _check_depth(document: dict[str, Any]) -> None:
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        level = [inner for value in level for inner in _inside(value) if isinstance(inner, dict | list)]
        if not level:
            return
    raise _Ambiguous("The JSON is nested too deeply.")


def _inside(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
