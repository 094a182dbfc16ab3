"""A value that people must not see: shown as `***` wherever it is printed by accident."""

import hmac
import re

from proxy.errors import CredentialUnavailable

SHOWN = "***"

# One field value (RFC 9110 section 5.5) without anything that two readers could split differently.
_VALUE = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")


class Secret:
    """Made from text, given out by `reveal` alone."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return SHOWN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def reveal(self) -> bytes:
        """The value itself, for the wire and for nothing else."""
        return self._value.encode("ascii")


def secret_of(text: str) -> Secret:
    """What stands in a file or was printed by a command, as one field can hold it; the last line end is not
    part of it.

    Raises `CredentialUnavailable`.
    """
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        raise CredentialUnavailable("it is empty")
    if not _VALUE.fullmatch(value):
        raise CredentialUnavailable("it is not one line of printable ASCII")
    return Secret(value)
