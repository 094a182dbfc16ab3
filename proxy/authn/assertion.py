"""Our own word about a caller, signed: short tokens for the face API, and the keys to check them with."""

import hashlib
import json
from base64 import urlsafe_b64encode
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm

from proxy.errors import KeySetInvalid
from proxy.policy.callers import Instant

SECONDS = 60
TYPE = "moratorium-assertion+jwt"


class Signer:
    """Signs as `issuer` for `audience` with a P-256 or Ed25519 key."""

    def __init__(self, pem: bytes, issuer: str, audience: str) -> None:
        """Raises `KeySetInvalid`."""
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeySetInvalid("is not a PEM private key without a password") from None
        if isinstance(key, ed25519.Ed25519PrivateKey):
            self._algorithm, said = "EdDSA", OKPAlgorithm.to_jwk(key.public_key())
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            self._algorithm, said = "ES256", ECAlgorithm.to_jwk(key.public_key())
        else:
            raise KeySetInvalid("is neither an Ed25519 nor a P-256 key")
        self._key = key
        self._issuer, self._audience = issuer, audience
        public = {name: value for name, value in json.loads(said).items() if name in ("kty", "crv", "x", "y")}
        self._kid = _thumbprint(public)
        self.jwk = {**public, "kid": self._kid, "alg": self._algorithm, "use": "sig"}

    def __repr__(self) -> str:
        return f"<Signer {self._issuer} {self._kid}: ***>"

    def sign(self, decision_id: str, claims: dict[str, Any], now: Instant) -> str:
        """A token that is good for this call and for a minute."""
        issued_at = int(now)
        about = {
            "iss": self._issuer,
            "aud": self._audience,
            "iat": issued_at,
            "exp": issued_at + SECONDS,
            "jti": decision_id,
        }
        return jwt.encode(
            {**claims, **about},
            self._key,
            algorithm=self._algorithm,
            headers={"kid": self._kid, "typ": TYPE},
        )

    def jwks(self) -> dict[str, Any]:
        """The public half (RFC 7517)."""
        return {"keys": [self.jwk]}


def _thumbprint(public: dict[str, str]) -> str:
    """RFC 7638."""
    canonical = json.dumps(public, sort_keys=True, separators=(",", ":")).encode()
    return urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
