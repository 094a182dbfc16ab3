"""Tells the face API in a signed token for whom a call was let through, and by which decision."""

from typing import Any

from proxy.authn.assertion import Signer
from proxy.errors import CredentialUnavailable
from proxy.messages import Headers, RequestHead
from proxy.policy.callers import Instant
from proxy.policy.model import Permit


class Assertion:
    """The organisation and the purpose, never the person: the face API has no use for who it was."""

    wants_body = False

    def __init__(self, signer: Signer, header: bytes) -> None:
        self._signer, self._header = signer, header

    def __repr__(self) -> str:
        return f"<Assertion {self._header.decode()} {self._signer!r}>"

    def fields(
        self,
        head: RequestHead,
        forwarded: list[tuple[bytes, bytes]],
        host: bytes,
        body: bytes | None,
        now: Instant,
        permit: Permit,
    ) -> Headers:
        del head, forwarded, host, body
        token = self._signer.sign(permit.decision_id.decode("ascii"), claims_of(permit), now)
        return ((self._header, token.encode("ascii")),)


def claims_of(permit: Permit) -> dict[str, Any]:
    """What a decision is about, in the claims that callers' own tokens have by default."""
    caller = permit.verdict.caller
    if caller is None:
        raise CredentialUnavailable("nobody is known for whom the call is made")
    types = caller.org_types
    said = {
        "org_type": types[0] if len(types) == 1 else list(types),
        "org_id": caller.org_id,
        "purpose": caller.purpose,
        "reason": str(permit.verdict.reason),
        "policy_revision": permit.revision,
    }
    return {name: value for name, value in said.items() if value}
