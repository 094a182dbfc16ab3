"""From a token's bytes to a `Caller`, a `Refusal` or the wish for a key. Pure: `now` comes in.

The signature is checked by PyJWT's algorithms. Its `decode` is not used: it reads the clock itself, accepts
`exp` as a string, lets the last of two equal members win, and costs several times the signature. What is
checked here, and why, follows RFC 7519, RFC 8725 and RFC 9068.
"""

import binascii
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from jwt.algorithms import get_default_algorithms

from proxy.authn.claims import ClaimPaths, caller_of
from proxy.authn.keyset import SUPPORTED, KeySet
from proxy.policy.callers import Caller, Instant
from proxy.policy.model import Policy, Refusal
from proxy.policy.reasons import Reason

MAX_TOKEN = 16 * 1024

# Compact serialisation only; PyJWT also takes padding (CVE-2026-102269), which gives one token two spellings.
_COMPACT = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# What a header may not hold: extensions to be understood (RFC 7515 4.1.11), unencoded payloads (RFC 7797),
# keys that travel with the token (RFC 8725 3.10), nesting, compression, encryption.
_HEADER_NEVER = ("crit", "b64", "jku", "jwk", "x5u", "x5c", "cty", "zip", "enc")
_HEADER_TYPES = ("jwt", "at+jwt", "application/at+jwt", "application/jwt")
_ALGORITHMS = {name: algorithm for name, algorithm in get_default_algorithms().items() if name in SUPPORTED}


@dataclass(frozen=True, slots=True)
class Trust:
    """What is expected of a token. Any one of the audiences will do."""

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset({"RS256", "ES256", "EdDSA"})
    leeway: float = 30.0
    claims: ClaimPaths = field(default_factory=ClaimPaths)


class NeedKey(NamedTuple):
    """The token names a key that is not at hand. Ask its issuer, then ask again."""

    issuer: str
    kid: str | None


class _Header(NamedTuple):
    """What of a token's header matters."""

    algorithm: str
    kid: str | None


class _Parts(NamedTuple):
    signed: bytes
    signature: bytes
    algorithm: str
    kid: str | None
    payload: dict[str, Any]


def verify(
    token: bytes, trust: Trust, keys: KeySet, policy: Policy, now: Instant
) -> Caller | Refusal | NeedKey:
    """Judge one token at `now`. Never raises for anything that a caller could send."""
    parts = _take_apart(token, trust)
    if isinstance(parts, Refusal):
        return parts
    candidates = keys.find(parts.kid, parts.algorithm)
    if not candidates:
        return NeedKey(trust.issuer, parts.kid)
    verify_with = _ALGORITHMS[parts.algorithm].verify
    if not any(verify_with(parts.signed, key.public, parts.signature) for key in candidates):
        return Refusal(Reason.TOKEN_SIGNATURE)
    valid_until = _check_claims(parts.payload, trust, now)
    if isinstance(valid_until, Refusal):
        return valid_until
    return caller_of(parts.payload, trust.claims, policy, trust.issuer, valid_until)


def _take_apart(token: bytes, trust: Trust) -> _Parts | Refusal:
    if len(token) > MAX_TOKEN or not _COMPACT.fullmatch(token):
        return Refusal(Reason.TOKEN_MALFORMED)
    signed, _, last = token.rpartition(b".")
    first, _, middle = signed.partition(b".")
    judge = _known_header if len(first) <= _MAX_KNOWN_HEADER else _judge_header
    header, payload, signature = judge(first, trust.algorithms), _object(middle), _decode(last)
    if payload is None or signature is None:
        return Refusal(Reason.TOKEN_MALFORMED)
    if isinstance(header, Refusal):
        return header
    # Before the signature, so that a stranger's token cannot make us ask our issuer for his key.
    if payload.get("iss") != trust.issuer:
        return Refusal(Reason.TOKEN_ISSUER)
    return _Parts(signed, signature, header.algorithm, header.kid, payload)


def _judge_header(segment: bytes, algorithms: frozenset[str]) -> _Header | Refusal:
    header = _object(segment)
    if header is None:
        return Refusal(Reason.TOKEN_MALFORMED)
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        return Refusal(Reason.TOKEN_ALGORITHM)
    if not isinstance(kid, str | None) or any(name in header for name in _HEADER_NEVER):
        return Refusal(Reason.TOKEN_MALFORMED, "The token's header holds what is not accepted.")
    if not isinstance(kind, str) or kind.lower() not in _HEADER_TYPES:
        return Refusal(Reason.TOKEN_MALFORMED, "The token is of another type.")
    return _Header(algorithm, kid)


# All tokens of an issuer have the same few headers, and judging one is a pure function of its bytes.
_known_header = lru_cache(maxsize=256)(_judge_header)
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


class _AmbiguousError(ValueError):
    """JSON that two readers could understand differently."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _AmbiguousError
    return members


def _no_constant(_name: str) -> Any:
    raise _AmbiguousError


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _object(segment: bytes) -> dict[str, Any] | None:
    raw = _decode(segment)
    if raw is None:
        return None
    try:
        value = _JSON.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _check_claims(payload: dict[str, Any], trust: Trust, now: Instant) -> Instant | Refusal:
    """Audience and times; gives the first instant at which the token is too old."""
    audience = payload.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(item, str) for item in audiences):
        return Refusal(
            Reason.TOKEN_CLAIMS, "The audience is missing, or neither a string nor a list of them."
        )
    if trust.audiences.isdisjoint(audiences):
        return Refusal(Reason.TOKEN_AUDIENCE)

    times = {name: _seconds(payload[name]) for name in ("exp", "nbf", "iat") if name in payload}
    if "exp" not in times or None in times.values():
        return Refusal(Reason.TOKEN_CLAIMS, "exp is missing, or a time is not a finite number.")
    expires = times["exp"]
    assert expires is not None  # noqa: S101
    valid_until = expires + trust.leeway
    if now >= valid_until:
        return Refusal(Reason.TOKEN_EXPIRED)
    for name in ("nbf", "iat"):
        since = times.get(name)
        if since is not None and now < since - trust.leeway:
            return Refusal(Reason.TOKEN_NOT_YET_VALID)
    return valid_until


def _seconds(value: Any) -> float | None:
    """A NumericDate (RFC 7519 section 2): a JSON number, finite and within what a clock can show."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # False for NaN and infinity too; compared before it is converted, since an integer can be too large.
    return float(value) if abs(value) < _MAX_TIME else None


_MAX_TIME = 253402300800  # the year 10000
