"""Small makers of tokens, good and hostile. Signatures are genuine unless a maker's name says otherwise."""

import functools
import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms
from jwt.exceptions import InvalidKeyError

from proxy.authn.keyset import KeySet, parse_keys
from proxy.authn.verifier import NeedKey, Trust, verify
from proxy.policy.callers import Caller, Instant
from proxy.policy.model import Policy, Refusal
from proxy.policy.reasons import Reason
from proxy.testing import Algorithm, TokenMint

NOW: Instant = 1_800_000_000.0
ISSUER = "https://issuer.test"
AUDIENCE = "face-api"
LEEWAY = 30.0

POLICY = Policy(
    moratoria=(),
    org_types=frozenset({"police", "commercial", "child-safety"}),
    purposes=frozenset({"missing-child"}),
    org_subtypes=frozenset({"municipal", "sheriff"}),
)
DETAILED = replace(
    POLICY, circumstances={"media": frozenset({"camera", "other"}), "urgent": frozenset({"yes"})}
)
"""The same, with words for what issuers may say of a call."""
TRUST = Trust(ISSUER, frozenset({AUDIENCE}), leeway=LEEWAY)
EVERY_ALGORITHM = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey


class FixedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: Instant = NOW) -> None:
        self.now = now

    def __call__(self) -> Instant:
        return self.now


@functools.cache
def _mint(algorithm: Algorithm) -> TokenMint:
    return TokenMint(ISSUER, AUDIENCE, algorithm=algorithm, clock=FixedClock())


def mint(algorithm: Algorithm = "ES256") -> TokenMint:
    """One issuer for each kind of key; making RSA keys takes time."""
    return _mint(algorithm)


_CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "secp256k1": ec.SECP256K1(),
}


@functools.cache
def private_key(kind: str) -> Any:
    """A private key by the name of its curve or its size."""
    if kind in _CURVES:
        return ec.generate_private_key(_CURVES[kind])
    match kind:
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
        case "Ed448":
            return ed448.Ed448PrivateKey.generate()
        case _:
            return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("RSA-")))


def key_for(algorithm: str) -> Any:
    """A private key that fits the algorithm."""
    kinds = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
    return private_key(kinds.get(algorithm, "RSA-2048"))


def pem(public: PublicKey, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> bytes:
    return public.public_bytes(Encoding.PEM, form)


def jwks(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


def jwk(algorithm: Algorithm = "ES256", **changes: Any) -> dict[str, Any]:
    """A published key of `mint`, with members added or replaced."""
    return {**mint(algorithm).jwks()["keys"][0], **changes}


def jwk_of(key: Any, **changes: Any) -> dict[str, Any]:
    """Any key, public or private, as a JWK with the id `k1`."""
    for algorithm in (RSAAlgorithm, ECAlgorithm, OKPAlgorithm):
        try:
            members = algorithm.to_jwk(key, as_dict=True)
        except (InvalidKeyError, AttributeError):
            continue
        return {**without(members, "key_ops"), "kid": "k1", **changes}
    raise TypeError(type(key))


def without(members: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}


KEYS = parse_keys(jwks(jwk()))


def b64(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")


def part(value: Any) -> bytes:
    """One segment: bytes as they are, anything else as JSON."""
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


def claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token, with some added or replaced."""
    return {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "iat": int(NOW),
        "exp": int(NOW) + 300,
        "org_type": "commercial",
        "org_id": "org-1",
        **changes,
    }


def header(**changes: Any) -> dict[str, Any]:
    return {"alg": "ES256", "typ": "JWT", "kid": "dev-1", **changes}


def signed(head: Any, body: Any, *, key: Any = None, algorithm: str = "ES256") -> bytes:
    """Any header over any payload with a genuine signature, made by `algorithm` whatever the header says."""
    text = part(head) + b"." + part(body)
    signer = get_default_algorithms()[algorithm]
    return text + b"." + b64(signer.sign(text, mint().key if key is None else key))


def good(**changes: Any) -> bytes:
    """A good token, except for the claims that are named."""
    return signed(header(), claims(**changes))


def forged(head: Any, body: Any, signature: bytes = b"forged") -> bytes:
    return part(head) + b"." + part(body) + b"." + b64(signature)


def hmac_signed(head: Any, body: Any, secret: bytes, digest: str = "sha256") -> bytes:
    """What key confusion makes: an HMAC under something that everybody knows."""
    text = part(head) + b"." + part(body)
    return text + b"." + b64(hmac.new(secret, text, getattr(hashlib, digest)).digest())


def judged(
    token: bytes, trust: Trust = TRUST, keys: KeySet = KEYS, now: Instant = NOW
) -> Caller | Reason | NeedKey:
    """What `verify` says; of a refusal only the reason."""
    outcome = verify(token, {trust.issuer: trust}, {trust.issuer: keys}, POLICY, now)
    return outcome.reason if isinstance(outcome, Refusal) else outcome
