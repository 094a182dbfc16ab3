"""A policy in force, an issuer and a clock that stand still, so that the same bytes always mean the same."""

import functools
import json
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ed25519

from proxy.authn.keyset import parse_keys
from proxy.authn.verifier import KeySets, Trust
from proxy.backends.registry import NAMES, make_backend
from proxy.pipeline import Rules
from proxy.policy.document import build, parse
from proxy.testing import TokenMint
from tests.harness.proxy import IN_FORCE, MORATORIUM, ROUTES, FixedClock

NOW = FixedClock.at(IN_FORCE).now
MINT = TokenMint(
    algorithm="EdDSA", key=ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), clock=lambda: NOW
)
KEYS: KeySets = {MINT.issuer: parse_keys(json.dumps(MINT.jwks()).encode())}
_OTHER_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"1" * 32)
_STRANGER = TokenMint(algorithm="EdDSA", key=_OTHER_KEY, kid="?", clock=lambda: NOW)
_FORGER = TokenMint(algorithm="EdDSA", key=_OTHER_KEY, clock=lambda: NOW)
TOKENS = {
    b"<police>": MINT.token("police", jti="1").encode(),
    b"<commercial>": MINT.token("commercial", jti="2").encode(),
    b"<expired>": MINT.token("police", jti="3", expires_in=-1000).encode(),
    b"<forged>": _FORGER.token("commercial", jti="5").encode(),
    b"<stranger>": _STRANGER.token("police", jti="4").encode(),
}
"""What may stand in an input for a token, which would be long and have to be made anew with every key."""


@dataclass(frozen=True)
class World:
    """Everything that a decision depends on, but the head."""

    name: str
    rules: Rules = field(repr=False)


@functools.cache
def world(backend: str, unknown: str = "refuse") -> World:
    """`unknown`: what becomes of unknown operations of callers that no moratorium binds."""
    text = MORATORIUM + (ROUTES if backend == "generic" else "")
    policy = build(parse(text, "fuzz"), unknown_operation="allow" if unknown == "allow" else "refuse")
    trust = Trust(MINT.issuer, frozenset({MINT.audience}))
    return World(backend, Rules(make_backend(backend, policy.routes), policy, {trust.issuer: trust}))


def worlds() -> list[World]:
    return [world(name) for name in NAMES]


def with_tokens(raw: bytes) -> bytes:
    """The input as it goes over the wire."""
    for name, token in TOKENS.items():
        raw = raw.replace(name, token)
    return raw
