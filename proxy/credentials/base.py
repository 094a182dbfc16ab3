"""What every credential is: field lines that one call is given on its way to the face API."""

from typing import Protocol

from proxy.messages import Headers, RequestHead
from proxy.policy.callers import Instant
from proxy.policy.model import Permit


class Credential(Protocol):
    """The face API's own key, in the form that it wants to see."""

    wants_body: bool
    """Whether the fields depend on the body; then every call is collected whole before it goes on."""

    def fields(
        self,
        head: RequestHead,
        forwarded: list[tuple[bytes, bytes]],
        host: bytes,
        body: bytes | None,
        now: Instant,
        permit: Permit,
    ) -> Headers:
        """The lines to put in last, in place of forwarded ones of the same names.

        `head`: the call as it goes on. `forwarded`: the caller's fields that go with it, names lower case,
        framing and our own lines not included. `host`: the value of its Host field. `body`: all of it as it
        goes on, None unless wanted. `now`: wall time. `permit`: what lets it go on.

        Raises `CredentialUnavailable`; then the call is refused instead of sent.
        """
