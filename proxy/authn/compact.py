"""A JWT in compact form (RFC 7515 section 7.1) taken apart: canonical, with one reading only.

PyJWT takes a signature segment with padding (CVE-2026-102269), which gives one token two spellings, and of
two members with one name the last; neither is accepted here. What a header may hold follows RFC 8725.
"""

import binascii
import json
import re
from functools import lru_cache
from typing import Any, NamedTuple

from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason

MAX_TOKEN = 16 * 1024

_COMPACT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# RFC 7516 section 7.1; the second part is empty where the key is agreed on directly.
_ENCRYPTED = re.compile(rb"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*){4}")
# In the order in which they are named: what changes how the rest is to be read comes first.
_NEVER: tuple[tuple[Reason, tuple[str, ...]], ...] = (
    (Reason.TOKEN_CRITICAL, ("crit", "b64")),
    (Reason.TOKEN_KEY_INCLUDED, ("jku", "jwk", "x5u", "x5c")),
    (Reason.TOKEN_NESTED, ("cty", "zip", "enc")),
)
_NEVER_AT_ALL = frozenset(name for _, names in _NEVER for name in names)


class Header(NamedTuple):
    """What of a token's header matters. `type`: in lower case, without `application/`."""

    algorithm: str
    kid: str | None
    type: str


class Compact(NamedTuple):
    """A token's parts; its signature covers `signed`."""

    signed: bytes
    signature: bytes
    header: Header
    payload: dict[str, Any]


def take_apart(token: bytes) -> Compact | Refusal:
    """Read a token without believing any of it."""
    if len(token) > MAX_TOKEN:
        return Refusal(Reason.TOKEN_TOO_LARGE)
    if not _COMPACT.fullmatch(token):
        encrypted = token.count(b".") == 4 and _ENCRYPTED.fullmatch(token)
        return Refusal(Reason.TOKEN_NESTED if encrypted else Reason.TOKEN_MALFORMED)
    signed, _, last = token.rpartition(b".")
    first, _, middle = signed.partition(b".")
    header = (_known_header if len(first) <= _MAX_KNOWN_HEADER else _read_header)(first)
    if isinstance(header, Refusal):
        return header
    payload = _object(middle)
    if isinstance(payload, Refusal):
        return payload
    signature = _decode(last)
    if signature is None:
        return Refusal(Reason.TOKEN_MALFORMED)
    return Compact(signed, signature, header, payload)


def media_type(value: str) -> str:
    """Spell a `typ` as it is compared: without case, and without the prefix of RFC 7515 section 4.1.9."""
    return value.lower().removeprefix("application/")


def _read_header(segment: bytes) -> Header | Refusal:
    header = _object(segment)
    if isinstance(header, Refusal):
        return header
    if not _NEVER_AT_ALL.isdisjoint(header):
        return Refusal(next(reason for reason, names in _NEVER if any(name in header for name in names)))
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str):
        return Refusal(Reason.TOKEN_ALGORITHM)
    if not isinstance(kind, str):
        return Refusal(Reason.TOKEN_TYPE)
    if not isinstance(kid, str | None):
        return Refusal(Reason.TOKEN_MALFORMED, "The key id in the header is not a string.")
    return Header(algorithm, kid, media_type(kind))


# All tokens of an issuer have the same few headers, and reading one is a pure function of its bytes.
_known_header = lru_cache(maxsize=256)(_read_header)
_MAX_KNOWN_HEADER = 512

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
# The last character may hold unused bits; they must be zero, or one token would have several spellings.
_LAST_OF_TWO, _LAST_OF_THREE = b"AQgw", b"AEIMQUYcgkosw048"


def _decode(segment: bytes) -> bytes | None:
    """Canonical base64url without padding (RFC 7515 section 2), or None. The alphabet was checked before."""
    match len(segment) % 4:
        case 0:
            padding = b""
        case 2 if segment[-1] in _LAST_OF_TWO:
            padding = b"=="
        case 3 if segment[-1] in _LAST_OF_THREE:
            padding = b"="
        case _:
            return None
    return binascii.a2b_base64(segment.translate(_TO_STANDARD) + padding)


class _AmbiguousError(Exception):
    """JSON that two readers could understand differently."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _AmbiguousError
    return members


def _no_constant(_name: str) -> Any:
    raise ValueError


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _object(segment: bytes) -> dict[str, Any] | Refusal:
    raw = _decode(segment)
    if raw is None:
        return Refusal(Reason.TOKEN_MALFORMED)
    try:
        value = _JSON.decode(raw.decode("utf-8"))
    except _AmbiguousError:
        return Refusal(Reason.TOKEN_AMBIGUOUS)
    except (ValueError, RecursionError):
        return Refusal(Reason.TOKEN_MALFORMED)
    return value if isinstance(value, dict) else Refusal(Reason.TOKEN_MALFORMED)
