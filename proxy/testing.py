"""For tests, demonstrations and embedders: a development issuer that mints tokens and publishes its keys.

Its keys are made on the spot and live in memory, unless a key file is handed in. Never point a production
proxy at such an issuer.
"""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any, Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

Algorithm = Literal["RS256", "ES256", "EdDSA"]
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def new_private_key(algorithm: Algorithm) -> PrivateKey:
    """A fresh key of the kind that the algorithm signs with."""
    match algorithm:
        case "RS256":
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case "EdDSA":
            return ed25519.Ed25519PrivateKey.generate()


class TokenMint:
    """Mints tokens as the issuer `issuer` for `audience`. `clock` gives seconds since the epoch."""

    def __init__(
        self,
        issuer: str = "https://issuer.test",
        audience: str = "face-api",
        *,
        algorithm: Algorithm = "ES256",
        key: PrivateKey | None = None,
        kid: str = "dev-1",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self.audience = audience
        self.algorithm = algorithm
        self.key = key or new_private_key(algorithm)
        self.kid = kid
        self.clock = clock

    @classmethod
    def from_pem(cls, pem: bytes, **options: Any) -> "TokenMint":
        """A mint on an existing private key; the algorithm follows from the key's kind."""
        key = load_pem_private_key(pem, password=None)
        if isinstance(key, rsa.RSAPrivateKey):
            return cls(key=key, algorithm="RS256", **options)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return cls(key=key, algorithm="ES256", **options)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return cls(key=key, algorithm="EdDSA", **options)
        raise ValueError("the key must be RSA, P-256 or Ed25519")

    def private_pem(self) -> bytes:
        """The private key as PKCS 8, for a key file."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def jwks(self) -> dict[str, Any]:
        """The public key as a JWK set (RFC 7517)."""
        public = self.key.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            jwk = RSAAlgorithm.to_jwk(public)
        elif isinstance(public, ec.EllipticCurvePublicKey):
            jwk = ECAlgorithm.to_jwk(public)
        else:
            jwk = OKPAlgorithm.to_jwk(public)
        # PyJWT names key_ops; `use` says the same (RFC 7517 section 4.3 advises against both).
        fields = {k: v for k, v in json.loads(jwk).items() if k != "key_ops"}
        return {"keys": [{**fields, "kid": self.kid, "alg": self.algorithm, "use": "sig"}]}

    def token(
        self,
        org_type: str | list[str] | None = "commercial",
        org_id: str | None = "org-1",
        *,
        expires_in: float = 300,
        headers: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A signed token. Further claims and header members are added or replace the usual ones; a None takes
        one out."""
        now = int(self.clock())
        payload: dict[str, Any] = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": f"user-of-{org_id}",
            "jti": secrets.token_hex(8),
            "iat": now,
            "exp": int(now + expires_in),
            "org_type": org_type,
            "org_id": org_id,
            **claims,
        }
        payload = {name: value for name, value in payload.items() if value is not None}
        members = {"typ": "JWT", "kid": self.kid, **(headers or {})}
        # PyJWT leaves out a type that is None, and takes no other member that is.
        members = {name: value for name, value in members.items() if value is not None or name == "typ"}
        return jwt.encode(payload, self.key, algorithm=self.algorithm, headers=members)
