"""Whose token it is, as a keyed digest: records of one person can be told to be that, and nobody is named.

A digest without a key would name everybody whose subject can be guessed.
"""

import hmac

LEAST = 32
"""A key of fewer bytes than the digest has is easier to guess than need be (RFC 2104 section 3)."""


class SubjectKey:
    """The key of HMAC-SHA256 (RFC 2104). Raises `ValueError` with a sentence when it is too short."""

    __slots__ = ("_keyed",)

    def __init__(self, key: bytes) -> None:
        if len(key) < LEAST:
            raise ValueError(f"the key has {len(key)} bytes, and must have {LEAST} or more")
        # Copied for each digest, which spares setting the key up anew.
        self._keyed = hmac.new(key, digestmod="sha256")

    def __repr__(self) -> str:
        return "<SubjectKey>"

    def digest(self, issuer: str, subject: str) -> str:
        """Of a subject of this issuer, in hexadecimal."""
        keyed = self._keyed.copy()
        keyed.update(b"\0".join(text.encode("utf-8", "surrogatepass") for text in (issuer, subject)))
        return keyed.hexdigest()
