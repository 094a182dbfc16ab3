"""The formats of bodies that can be read, and which media type is which."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from proxy.backends.jsonbody import is_json, read_json
from proxy.backends.msgpackbody import read_msgpack
from proxy.backends.multipartbody import read_multipart
from proxy.backends.strict import Ambiguous
from proxy.backends.urlencodedbody import read_urlencoded
from proxy.messages import RequestHead
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason


class Format(StrEnum):
    """How a body says what it says."""

    JSON = "json"
    MSGPACK = "msgpack"
    MULTIPART = "multipart"
    URLENCODED = "urlencoded"

    @property
    def is_form(self) -> bool:
        """Whether it has fields and files, not members."""
        return self in (Format.MULTIPART, Format.URLENCODED)


_BY_TYPE = {
    b"application/msgpack": Format.MSGPACK,
    b"multipart/form-data": Format.MULTIPART,
    b"application/x-www-form-urlencoded": Format.URLENCODED,
}
_READERS: Mapping[Format, Callable[[RequestHead, bytes], dict[str, Any]]] = {
    Format.JSON: read_json,
    Format.MSGPACK: read_msgpack,
    Format.MULTIPART: read_multipart,
    Format.URLENCODED: read_urlencoded,
}


def format_of(kind: bytes) -> Format | None:
    """The format of a media type in lower case; None if there is no reader of it."""
    return Format.JSON if is_json(kind) else _BY_TYPE.get(kind)


def read_body(found: Format, head: RequestHead, body: bytes) -> dict[str, Any] | Refusal:
    """What the body says by name, if every parser must read it alike.

    Texts, numbers, flags, lists and objects, as JSON has them; also bytes in MessagePack. In forms there are
    texts and `Upload` only; a text may be a `Beginning`.
    """
    try:
        return _READERS[found](head, body)
    except Ambiguous as error:
        return Refusal(Reason.REQUEST_AMBIGUOUS, str(error))
