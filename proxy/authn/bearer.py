"""Finds the caller's token in a request head: in exactly one of the places where clients put a credential.

Only header fields are read. Two tokens, or one slot sent twice, is ambiguity and refused (threat T36).
"""

from proxy.messages import RequestHead, Slot
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason


def find_token(head: RequestHead, slots: tuple[Slot, ...]) -> bytes | Refusal:
    """The one token in `head`, not yet looked into.

    A field that holds another scheme (an SDK's own signature in `Authorization`) is no token. A slot's
    scheme is compared without case, as RFC 9110 section 11.1 says.
    """
    found: bytes | None = None
    for slot in slots:
        values = head.values(slot.header)
        if len(values) > 1:
            return Refusal(Reason.CREDENTIALS_AMBIGUOUS, f"The {slot.header.decode()} field is sent twice.")
        token = token_of(values[0], slot.scheme) if values else None
        if token is None:
            continue
        if found is not None:
            return Refusal(Reason.CREDENTIALS_AMBIGUOUS)
        found = token
    return found if found is not None else Refusal(Reason.TOKEN_MISSING)


def token_of(value: bytes, scheme: bytes | None) -> bytes | None:
    if scheme is None:
        return value or None
    name, space, token = value.partition(b" ")
    if not space or name.lower() != scheme.lower():
        return None
    return token
