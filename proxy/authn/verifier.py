"""From a token's bytes to a `Caller`, a `Refusal` or the wish for a key. Pure: `now` comes in.

The signature is checked by PyJWT's algorithms. Its `decode` is not used: it reads the clock itself, accepts
`exp` as a string, lets the last of two equal members win, and costs several times the signature. What is
checked here, and why, follows RFC 7519, RFC 8725 and RFC 9068.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from jwt.algorithms import get_default_algorithms

from proxy.authn.claims import ClaimPaths, caller_of
from proxy.authn.compact import Compact, media_type, take_apart
from proxy.authn.delegation import nameless
from proxy.authn.keyset import EMPTY, SUPPORTED, KeySet
from proxy.authn.shapes import seconds
from proxy.authn.standing import NO_STANDING, Standing
from proxy.authn.subject import SubjectKey
from proxy.policy.callers import Caller, Instant
from proxy.policy.model import Policy, Refusal
from proxy.policy.reasons import Reason

_ANY = frozenset(SUPPORTED)
_ALGORITHMS = {name: algorithm for name, algorithm in get_default_algorithms().items() if name in SUPPORTED}

ACCESS_TOKEN = "at+jwt"  # noqa: S105
"""The type of an access token that follows RFC 9068."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What is expected of one issuer's tokens. Any one of the audiences will do.

    `org_types`: the organisation types that this issuer may assert; None for every known one. `token_types`:
    accepted values of the header's `typ`; a token without one counts as `JWT`. With `at+jwt` alone, tokens
    must have every claim that RFC 9068 section 2.2 demands.
    """

    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str] = frozenset({"RS256", "ES256", "EdDSA"})
    leeway: float = 30.0
    claims: ClaimPaths = field(default_factory=ClaimPaths)
    org_types: frozenset[str] | None = None
    token_types: frozenset[str] = frozenset({"jwt", ACCESS_TOKEN})
    strict: bool = field(init=False)

    def __post_init__(self) -> None:
        token_types = frozenset(map(media_type, self.token_types))
        object.__setattr__(self, "algorithms", self.algorithms & _ANY)
        object.__setattr__(self, "token_types", token_types)
        object.__setattr__(self, "strict", token_types == {ACCESS_TOKEN})


Trusts = Mapping[str, Trust]
"""By issuer, exactly as `iss` says it."""

KeySets = Mapping[str, KeySet]
"""The keys at hand by issuer. One that is not there has none that may be used now."""


class NeedKey(NamedTuple):
    """The token names a key that is not at hand. Ask its issuer, then ask again."""

    issuer: str
    kid: str | None


def verify(
    token: bytes,
    trusts: Trusts,
    keys: KeySets,
    policy: Policy,
    now: Instant,
    *,
    standing: Standing = NO_STANDING,
    subject_key: SubjectKey | None = None,
) -> Caller | Refusal | NeedKey:
    """Judge one token at `now`, by the trust and the keys of the issuer that it names, and no other's.

    `standing`: what is known of organisations and tokens besides. `subject_key`: what the subject's digest is
    made with. Never raises for anything that a caller could send.
    """
    parts = take_apart(token)
    if isinstance(parts, Refusal):
        return parts
    trust = _trust_in(parts, trusts)
    if isinstance(trust, Refusal):
        return trust
    algorithm, kid, _ = parts.header
    candidates = keys.get(trust.issuer, EMPTY).find(kid, algorithm)
    if not candidates:
        return NeedKey(trust.issuer, kid)
    verify_with = _ALGORITHMS[algorithm].verify
    if not any(verify_with(parts.signed, key.public, parts.signature) for key in candidates):
        return Refusal(Reason.TOKEN_SIGNATURE)
    return _believed(parts.payload, trust, policy, now, standing, subject_key)


def _trust_in(parts: Compact, trusts: Trusts) -> Trust | Refusal:
    """The trust in the issuer that the token names, if it may have signed such a token at all.

    Before the signature, so that a stranger's token cannot make us ask an issuer for his key.
    """
    issuer = parts.payload.get("iss")
    trust = trusts.get(issuer) if isinstance(issuer, str) else None
    header = parts.header
    if header.algorithm not in (_ANY if trust is None else trust.algorithms):
        return Refusal(Reason.TOKEN_ALGORITHM)
    if trust is None:
        return Refusal(Reason.TOKEN_ISSUER)
    if header.type not in trust.token_types:
        return Refusal(Reason.TOKEN_TYPE)
    return trust


def _believed(
    payload: dict[str, Any],
    trust: Trust,
    policy: Policy,
    now: Instant,
    standing: Standing,
    subject_key: SubjectKey | None,
) -> Caller | Refusal:
    """The caller that claims with a good signature speak for."""
    valid_until = _check_claims(payload, trust, now)
    if isinstance(valid_until, Refusal):
        return valid_until
    caller = caller_of(payload, trust.claims, policy, trust.issuer, valid_until)
    if isinstance(caller, Refusal):
        return caller
    if subject_key is not None and "sub" in payload:
        caller = caller._replace(subject_digest=subject_key.digest(trust.issuer, payload["sub"]))
    if trust.org_types is not None and not trust.org_types.issuperset(caller.org_types):
        return Refusal(Reason.ORG_TYPE_NOT_ENTITLED, caller=caller)
    if standing is not NO_STANDING:
        judged = standing.judge(caller, payload.get("jti"), payload.get("sub"), now)
        if isinstance(judged, Refusal):
            return judged._replace(caller=caller)
        caller = judged
    if (caller.on_behalf_of is not None or caller.actors) and nameless(caller):
        return Refusal(Reason.TOKEN_CLAIMS, "An organisation that is behind the call has no type.")
    return caller


_TEXTS = ("jti", "sub", "client_id")
# RFC 9068 section 2.2, besides those that every token must have.
_DEMANDED = ("jti", "sub", "client_id", "iat")


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
    for name in _TEXTS:
        if name in payload and not isinstance(payload[name], str):
            return Refusal(Reason.TOKEN_CLAIMS, f"The claim {name} is not a string.")
    if trust.strict and not all(payload.get(name) for name in _DEMANDED):
        return Refusal(Reason.TOKEN_CLAIMS, "A claim is missing that every access token must have.")

    times = {name: seconds(payload[name]) for name in ("exp", "nbf", "iat") if name in payload}
    if "exp" not in times or None in times.values():
        return Refusal(Reason.TOKEN_CLAIMS, "exp is missing, or a time is not a finite number.")
    expires = times["exp"]
    assert expires is not None  # noqa: S101
    valid_until = expires + trust.leeway
    if now >= valid_until:
        return Refusal(Reason.TOKEN_EXPIRED)
    for since in (times.get("nbf"), times.get("iat")):
        if since is not None and now < since - trust.leeway:
            return Refusal(Reason.TOKEN_NOT_YET_VALID)
    return valid_until
