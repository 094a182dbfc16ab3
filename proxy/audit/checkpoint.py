"""Signs where a chain stands, and says whether such a signature is good. Ed25519 (RFC 8032), nothing else.

What is signed is the canonical form of the whole record but for `signature`: its place, its time, and by
`prev` everything before it. Pure.
"""

import base64
import binascii
from hashlib import sha256
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from proxy.audit.chain import line_of
from proxy.errors import KeySetInvalid

SIGNATURE = "signature"


class Signer:
    """A private key. `name` is what its signatures are found by, `public` its public half, base64url."""

    def __init__(self, private_pem: bytes) -> None:
        """Raises `KeySetInvalid`."""
        try:
            key = load_pem_private_key(private_pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeySetInvalid("not a PEM private key without a passphrase") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise KeySetInvalid("not an Ed25519 key")
        self._key = key
        public = key.public_key()
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = _encode(raw)
        self.public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.name = name_of(raw)

    def __repr__(self) -> str:
        return f"<Signer {self.name}>"

    def signed(self, fields: dict[str, Any]) -> bytes:
        """The line of these members with the signature over them."""
        return line_of({**fields, SIGNATURE: _encode(self._key.sign(line_of(fields)[:-1]))})


class Verifier:
    """A public key that signatures are checked with."""

    def __init__(self, raw: bytes) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(raw)
        self.public = _encode(raw)
        self.name = name_of(raw)

    def __repr__(self) -> str:
        return f"<Verifier {self.name}>"

    @classmethod
    def of_pem(cls, public_pem: bytes) -> "Verifier":
        """Raises `KeySetInvalid`."""
        try:
            key = load_pem_public_key(public_pem)
        except (ValueError, UnsupportedAlgorithm):
            raise KeySetInvalid("not a PEM public key") from None
        if not isinstance(key, Ed25519PublicKey):
            raise KeySetInvalid("not an Ed25519 key")
        return cls(key.public_bytes(Encoding.Raw, PublicFormat.Raw))

    @classmethod
    def of_text(cls, public: object) -> "Verifier | None":
        """From what an `open` record says; None when that is no key."""
        raw = _decode(public)
        return cls(raw) if raw is not None and len(raw) == 32 else None

    def vouches(self, fields: dict[str, Any]) -> bool:
        """Whether these members hold this key's signature over all others."""
        signature = _decode(fields.get(SIGNATURE))
        if signature is None:
            return False
        rest = {name: value for name, value in fields.items() if name != SIGNATURE}
        try:
            self._key.verify(signature, line_of(rest)[:-1])
        except InvalidSignature:
            return False
        return True


def name_of(raw: bytes) -> str:
    """A key by the beginning of its digest."""
    return sha256(raw).hexdigest()[:16]


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: object) -> bytes | None:
    """Only its one spelling: another one would be another line that is signed just as well."""
    if not isinstance(text, str):
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw if _encode(raw) == text else None
