"""A signature that travels beside what it signs: a compact JWS without its payload (RFC 7515 appendix F).

What may verify and how is said by the pinned key alone; the header only has to agree. Pure.
"""

import base64
import binascii
import json
import re
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from jwt.algorithms import get_default_algorithms

from proxy.authn.keyset import KeySet, parse_keys
from proxy.errors import KeySetInvalid, SignatureInvalid

ALGORITHMS = ("EdDSA", "ES256", "RS256")
"""One for each kind of key, so that a key says how it signs."""

_FORM = re.compile(r"([A-Za-z0-9_-]+)\.\.([A-Za-z0-9_-]+)")
_MAX_SIGNATURE = 4096
_ALGORITHMS = {name: algorithm for name, algorithm in get_default_algorithms().items() if name in ALGORITHMS}


def parse_signing_keys(content: bytes) -> KeySet:
    """The public keys, PEM or JWK set, that can verify with one of `ALGORITHMS`.

    Raises `KeySetInvalid` when there is none.
    """
    fitting = [
        key._replace(algorithms=key.algorithms.intersection(ALGORITHMS)) for key in parse_keys(content).keys
    ]
    if not all(key.algorithms for key in fitting):
        raise KeySetInvalid("a key is neither Ed25519 nor P-256 nor RSA, or not for EdDSA, ES256 or RS256")
    return KeySet(tuple(fitting))


def verify_detached(signature: str, payload: bytes, kind: str, keys: KeySet) -> None:
    """Check that one of the keys has signed these very bytes, as something of this kind (`typ`).

    Raises `SignatureInvalid`.
    """
    match = _FORM.fullmatch(signature) if len(signature) <= _MAX_SIGNATURE else None
    if match is None:
        raise SignatureInvalid("not a detached JWS: header..signature is expected")
    header = read_object(decode(match[1]))
    # Nothing else: no extension to understand, no unencoded payload, no key that travels with the signature.
    if header.get("typ") != kind or not {"alg", "typ"} <= header.keys() <= {"alg", "typ", "kid"}:
        raise SignatureInvalid(f"the header has to hold alg, typ ({kind}) and perhaps kid, and nothing else")
    algorithm, kid = header["alg"], header.get("kid")
    if not isinstance(algorithm, str) or not isinstance(kid, str | None):
        raise SignatureInvalid("alg and kid are strings")
    candidates = keys.find(kid, algorithm)
    if not candidates:
        raise SignatureInvalid("none of the keys is of this kid and algorithm")
    signed, raw = match[1].encode() + b"." + encode(payload).encode(), decode(match[2])
    if not any(_ALGORITHMS[algorithm].verify(signed, key.public, raw) for key in candidates):
        raise SignatureInvalid("the signature is of none of the keys, or of other content")


def sign_detached(payload: bytes, kind: str, private_pem: bytes, kid: str | None = None) -> str:
    """Sign with a PEM private key that is not encrypted; its kind says by which algorithm.

    Raises `KeySetInvalid`.
    """
    try:
        key: Any = load_pem_private_key(private_pem, password=None)
        public = _public_pem(key)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeySetInvalid("not a PEM private key without a passphrase") from None
    (found,) = parse_signing_keys(public).keys
    (algorithm,) = found.algorithms
    header = {"alg": algorithm, "typ": kind} | ({"kid": kid} if kid is not None else {})
    first = encode(json.dumps(header, separators=(",", ":")).encode())
    signed = first.encode() + b"." + encode(payload).encode()
    return f"{first}..{encode(_ALGORITHMS[algorithm].sign(signed, key))}"


def encode(raw: bytes) -> str:
    """As base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """From base64url without padding, and only its one canonical spelling.

    Raises `SignatureInvalid`.
    """
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise SignatureInvalid("not base64url") from None
    if encode(raw) != text:
        raise SignatureInvalid("not base64url without padding")
    return raw


def read_object(raw: bytes) -> dict[str, Any]:
    """One JSON object that no two readers could understand differently.

    Raises `SignatureInvalid`.
    """
    try:
        value = _JSON.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise SignatureInvalid("not a JSON object in which each member is there once") from None
    if not isinstance(value, dict):
        raise SignatureInvalid("not a JSON object")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError
    return members


def _no_constant(_name: str) -> Any:
    raise ValueError


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def _public_pem(key: Any) -> bytes:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem
