"""What every backend is: where its clients put a token, what its calls mean, how it says no."""

import json
import re
from typing import Any, NamedTuple, Protocol

from proxy.messages import Headers, RequestHead, Slot
from proxy.policy.model import Authority, Refusal
from proxy.policy.operations import Operation
from proxy.policy.reasons import Reason

NEVER_FORWARDED = frozenset(
    {
        # framing and the connection
        b"host", b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"te", b"trailer",
        b"upgrade", b"expect", b"proxy-authorization", b"proxy-connection", b"authorization",
        # another method or path than the one that was judged (threat T14)
        b"x-http-method-override", b"x-http-method", b"x-method-override", b"x-original-url",
        b"x-original-uri", b"x-rewrite-url", b"x-envoy-original-path", b"x-forwarded-uri",
        b"x-forwarded-path", b"x-forwarded-prefix", b"x-forwarded-method",
        # somebody else's word for who calls (threat T60); ours are set by the relay
        b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip",
        b"x-request-id", b"x-decision-id", b"traceparent", b"tracestate",
    }
)  # fmt: skip
"""Request header fields that no list may name and no setting may add, as `-` and `_` spell them."""


class Denial(NamedTuple):
    """A refusal as it is told to the caller, before a backend puts it into its own words.

    `until` is RFC 3339 text, absent when the end is open; `authority` says whose rule it is. Nothing in here
    comes from the request.
    """

    status: int
    reason: Reason
    message: str
    decision_id: str
    policy_id: str | None = None
    until: str | None = None
    authority: Authority | None = None


class Native(NamedTuple):
    """The backend's own error: extra header fields (content type included) and a body."""

    headers: Headers
    body: bytes


class Sketch(NamedTuple):
    """What the head alone says of a call whose body can say more.

    Whatever the body says, the operation has every class of `least` and none that `most` has not, or it is
    unknown.
    """

    least: Operation
    most: Operation
    required: bool = False
    """Whether the body must be read even if both are decided alike: it can hold what is refused."""


class Backend(Protocol):
    """One face API dialect."""

    name: str
    slots: tuple[Slot, ...]
    """Where a token may sit; none of these fields is ever forwarded."""
    reads: frozenset[bytes]
    """Request header fields that `classify` looks at, lower case; no other field may matter to it."""
    forwards: frozenset[bytes]
    """Request header fields that go upstream, lower case. All others stay here."""
    block_statuses: tuple[int, ...]
    """Statuses for a block that its SDKs understand, the preferred one first."""

    def operations(self) -> tuple[Operation, ...]:
        """Every operation in the table, for metrics and `moratorium backends`."""

    def classify(self, head: RequestHead) -> Operation | Refusal | Sketch:
        """What the call is; `UNKNOWN_OPERATION` when the table does not say.

        Only `generic` is asked about WebSockets: none of the others has any.
        """

    def read(self, head: RequestHead, body: bytes) -> Operation | Refusal:
        """What a call is for which `classify` gave a sketch; `body` is whole, as it goes upstream."""

    def upgrades(self, head: RequestHead) -> bool:
        """Whether this call may become a WebSocket."""

    def native(self, denial: Denial) -> Native:
        """The answer that this backend's SDKs turn into their own exception."""


# Segments of unreserved characters (RFC 3986 2.3), none of them "." or "..", none of them empty, no percent
# encoding: whatever else a path can be written as has a second spelling somewhere (threats T1 to T7).
_CANONICAL = re.compile(rb"/|(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)+/?")


def canonical(head: RequestHead) -> Refusal | None:
    """Refuse a path that has another spelling."""
    if not _CANONICAL.fullmatch(head.path):
        return Refusal(Reason.TARGET_NOT_CANONICAL)
    return None


def problem(denial: Denial) -> dict[str, Any]:
    """The members of RFC 9457 (problem details) and ours. Other dialects carry them as extras."""
    members: dict[str, Any] = {
        "type": f"urn:moratorium:reason:{denial.reason}",
        "title": str(denial.reason),
        "status": denial.status,
        "detail": denial.message,
        "decision_id": denial.decision_id,
    }
    if denial.policy_id is not None:
        members["policy_id"] = denial.policy_id
    if denial.until is not None:
        members["until"] = denial.until
    if denial.authority is not None:
        words = ("authority", denial.authority.name), ("citation", denial.authority.citation)
        members |= {name: said for name, said in (*words, ("source", denial.authority.url)) if said}
    return members


def as_json(content_type: bytes, members: dict[str, Any], *extra: tuple[bytes, bytes]) -> Native:
    """A JSON error body with its content type."""
    body = json.dumps(members, separators=(",", ":")).encode()
    return Native(((b"Content-Type", content_type), *extra), body)
