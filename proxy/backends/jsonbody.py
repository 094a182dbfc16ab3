"""Strict reading of JSON bodies: what two parsers could read differently is refused, not read."""

import json
from typing import Any, NoReturn

from proxy.backends.strict import MAX_PIECES, Ambiguous, check_charset, check_depth, parameters, unique
from proxy.messages import RequestHead

_BOM = b"\xef\xbb\xbf"


def is_json(kind: bytes) -> bool:
    """Whether servers read this media type as JSON (RFC 6839 section 3.1)."""
    return kind in (b"application/json", b"application/x-amz-json-1.1") or kind.endswith(b"+json")


def read_json(head: RequestHead, body: bytes) -> dict[str, Any]:
    """The object in the body, if every parser must read it alike (RFC 8259, RFC 7493); else `Ambiguous`."""
    check_charset(parameters(head))
    if body.startswith(_BOM):
        raise Ambiguous("The JSON begins with a byte order mark.")
    # Images are long strings without any of these, so a real call stays far below.
    if len(body) - len(body.translate(None, b"{[,")) > MAX_PIECES:
        raise Ambiguous("The JSON has more members than any call has.")
    try:
        text = body.decode("utf-8")
        found = json.loads(text, object_pairs_hook=unique, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise Ambiguous("The body is not UTF-8.") from None
    except RecursionError:
        raise Ambiguous("The JSON is nested too deeply.") from None
    except Ambiguous:
        raise
    except ValueError:
        raise Ambiguous("The body is not JSON.") from None
    if not isinstance(found, dict):
        raise Ambiguous("The JSON is not an object.")
    check_depth(found)
    return found


def _no_constant(_word: str) -> NoReturn:
    raise Ambiguous("The JSON holds NaN or Infinity.")
