"""The form of a distributed policy: its files, a serial number and a date, signed as one. Pure.

`{"payload": base64url, "signature": header..signature}`; the payload is canonical JSON (RFC 8785).
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from proxy.authn.detached import decode, encode, read_object, sign_detached, verify_detached
from proxy.authn.keyset import KeySet
from proxy.errors import SignatureInvalid

KIND = "moratorium-bundle+jws"
MAX_BYTES = 4 * 1024 * 1024
MAX_SERIAL = 2**53 - 1

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.toml")


class Bundle(NamedTuple):
    """One published state of a policy. `content` is what was signed, with its signature, byte for byte."""

    serial: int
    published: str
    files: Mapping[str, str]
    payload: bytes
    content: bytes


def make(
    serial: int, published: str, files: Mapping[str, str], private_pem: bytes, kid: str | None = None
) -> Bundle:
    """Sign these files.

    Raises `SignatureInvalid` for a serial, date or name that no reader accepts, `KeySetInvalid` for the key.
    """
    payload = _canonical({"serial": serial, "published": published, "files": dict(files)})
    signature = sign_detached(payload, KIND, private_pem, kid)
    content = json.dumps({"payload": encode(payload), "signature": signature}, indent=1).encode() + b"\n"
    return _bundle_of(payload, content)


def read(content: bytes, keys: KeySet) -> Bundle:
    """The bundle, when one of the keys has signed it.

    Raises `SignatureInvalid`.
    """
    payload, signature = _parts(content)
    verify_detached(signature, payload, KIND, keys)
    return _bundle_of(payload, content)


def read_unverified(content: bytes) -> Bundle:
    """The bundle, whoever has signed it: to be looked at, never to be decided by.

    Raises `SignatureInvalid` when it is none.
    """
    return _bundle_of(_parts(content)[0], content)


def _parts(content: bytes) -> tuple[bytes, str]:
    if len(content) > MAX_BYTES:
        raise SignatureInvalid(f"larger than {MAX_BYTES} bytes")
    document = read_object(content)
    payload, signature = document.get("payload"), document.get("signature")
    if len(document) != 2 or not isinstance(payload, str) or not isinstance(signature, str):
        raise SignatureInvalid("an object with payload and signature, and nothing else, is expected")
    return decode(payload), signature


def _bundle_of(payload: bytes, content: bytes) -> Bundle:
    said = read_object(payload)
    serial, published, files = said.get("serial"), said.get("published"), said.get("files")
    if len(said) != 3 or not isinstance(published, str) or not isinstance(files, dict):
        raise SignatureInvalid("the payload has to hold serial, published and files, and nothing else")
    if type(serial) is not int or not 0 < serial <= MAX_SERIAL:
        raise SignatureInvalid(f"serial has to be a whole number from 1 to {MAX_SERIAL}")
    if not _is_instant(published):
        raise SignatureInvalid("published has to be a date and time with an offset (RFC 3339)")
    if not files or not all(_NAME.fullmatch(name) and isinstance(text, str) for name, text in files.items()):
        raise SignatureInvalid("files has to hold texts under plain names that end in .toml")
    # One spelling only, so that equal content is equal bytes.
    if _canonical(said) != payload:
        raise SignatureInvalid("the payload is not canonical JSON (RFC 8785)")
    return Bundle(serial, published, files, payload, content)


def _canonical(value: dict[str, Any]) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise SignatureInvalid("a text holds half a surrogate pair") from None


def _is_instant(text: str) -> bool:
    try:
        return _INSTANT.fullmatch(text) is not None and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
