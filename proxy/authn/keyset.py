"""An issuer's public keys, checked once when they are read: kind, size, use, and which algorithms fit.

Binding algorithms to keys here is what makes key confusion impossible later (RFC 8725 section 3.1).
"""

import json
from typing import Any, NamedTuple

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from proxy.errors import KeySetInvalid

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

SUPPORTED = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric only. There is no setting that adds another."""

_RSA = frozenset(a for a in SUPPORTED if a[:2] in ("RS", "PS"))
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
_MIN_RSA_BITS = 2048
_MAX_KEYS = 100


class VerificationKey(NamedTuple):
    """One key: its id (None: from a PEM file, fits any id) and the algorithms it may verify."""

    kid: str | None
    algorithms: frozenset[str]
    public: PublicKey


class KeySet(NamedTuple):
    """All usable keys of one issuer."""

    keys: tuple[VerificationKey, ...]

    def find(self, kid: str | None, algorithm: str) -> list[VerificationKey]:
        """The keys that a token's header may mean: the one of that id, else those without one.

        Without an id in the header, a set that holds one fitting key is enough. Several keys come back only
        for PEM files, which hold the old and the new key while they are rotated.
        """
        fitting = [key for key in self.keys if algorithm in key.algorithms]
        if kid is None and len(fitting) == 1:
            return fitting
        named = [key for key in fitting if key.kid == kid] if kid is not None else []
        return named or [key for key in fitting if key.kid is None]


EMPTY = KeySet(())


def parse_keys(content: bytes) -> KeySet:
    """Read a JWK set (RFC 7517), a single JWK, or PEM public keys.

    Raises `KeySetInvalid` when nothing usable is in it, or when two keys share an id.
    """
    if content.lstrip().startswith(b"-----BEGIN"):
        keys = [_from_pem(block) for block in _pem_blocks(content)]
    else:
        keys = [key for jwk in _jwks(content) if (key := _from_jwk(jwk)) is not None]
    if not keys:
        raise KeySetInvalid("no usable public signing key (RSA from 2048 bits, P-256/384/521, Ed25519)")
    kids = [key.kid for key in keys if key.kid]
    if len(set(kids)) != len(kids):
        raise KeySetInvalid("two keys share one kid")
    return KeySet(tuple(keys))


def _jwks(content: bytes) -> list[Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise KeySetInvalid("neither PEM nor JSON") from None
    if isinstance(document, dict) and "kty" in document:
        return [document]
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise KeySetInvalid("not a JWK set: an object with a list named keys is expected")
    if len(document["keys"]) > _MAX_KEYS:
        raise KeySetInvalid(f"more than {_MAX_KEYS} keys")
    return list(document["keys"])


def _from_jwk(jwk: Any) -> VerificationKey | None:
    """A usable key, or None: sets hold encryption keys and kinds we do not know, which are no fault."""
    if not isinstance(jwk, dict) or jwk.get("kty") not in ("RSA", "EC", "OKP") or "d" in jwk:
        return None
    purposes = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(purposes, list) or "verify" not in purposes:
        return None
    kid, algorithm = jwk.get("kid"), jwk.get("alg")
    if not isinstance(kid, str | None) or not isinstance(algorithm, str | None):
        return None
    try:
        public = jwt.PyJWK(jwk).key
    except (jwt.PyJWTError, UnsupportedAlgorithm, NotImplementedError, ValueError, TypeError, KeyError):
        return None
    algorithms = _algorithms_of(public)
    if algorithm is not None:
        algorithms &= {algorithm}
    return VerificationKey(kid or "", algorithms, public) if algorithms else None


def _pem_blocks(content: bytes) -> list[bytes]:
    head = b"-----BEGIN"
    return [head + block for block in content.split(head)[1:]]


def _from_pem(block: bytes) -> VerificationKey:
    if b"PRIVATE" in block.partition(b"\n")[0]:
        raise KeySetInvalid("a private key does not belong here: give the public key")
    try:
        public = load_pem_public_key(block)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeySetInvalid("a PEM block is not a public key (BEGIN PUBLIC KEY)") from None
    algorithms = _algorithms_of(public)
    if not algorithms or not isinstance(public, PublicKey):
        raise KeySetInvalid("a key is too short or of a kind that is not supported")
    return VerificationKey(None, algorithms, public)


def _algorithms_of(public: object) -> frozenset[str]:
    if isinstance(public, rsa.RSAPublicKey) and public.key_size >= _MIN_RSA_BITS:
        return _RSA
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.name in _CURVES:
        return frozenset({_CURVES[public.curve.name]})
    if isinstance(public, ed25519.Ed25519PublicKey):
        return frozenset({"EdDSA"})
    return frozenset()
