"""Google Cloud Vision over REST: the features in the body say what a call does.

A block is a 403: of 451 the client library makes a plain error, without the reason in it.
"""

from typing import Any

from proxy.backends.base import Denial, Native, as_json, problem
from proxy.backends.paths import ByPath
from proxy.messages import Slot

# google.rpc.Code, by the HTTP statuses that its definition gives.
_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    413: "OUT_OF_RANGE",
    451: "PERMISSION_DENIED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GoogleVision(ByPath):
    """Preset `google-vision`."""

    name = "google-vision"
    table = "google_vision"
    slots: tuple[Slot, ...] = (Slot(b"authorization", b"Bearer"), Slot(b"x-goog-api-key"))
    forwards: frozenset[bytes] = frozenset(
        {
            b"content-type", b"content-encoding", b"accept", b"accept-encoding", b"x-goog-user-project",
            b"x-goog-api-client", b"x-goog-request-params",
        }
    )  # fmt: skip
    block_statuses: tuple[int, ...] = (403,)

    def native(self, denial: Denial) -> Native:
        error: dict[str, Any] = {
            "code": denial.status,
            "status": _STATUSES.get(denial.status, "FAILED_PRECONDITION"),
            "message": denial.message,
            "details": [_error_info(denial)],
        }
        return as_json(b"application/json; charset=UTF-8", {"error": error, **problem(denial)})


def _error_info(denial: Denial) -> dict[str, Any]:
    """google.rpc.ErrorInfo: what the client library shows as `reason`, `domain` and `metadata`."""
    metadata = {"decision_id": denial.decision_id, "policy_id": denial.policy_id, "until": denial.until}
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": denial.reason.name,
        "domain": "moratorium",
        "metadata": {name: value for name, value in metadata.items() if value is not None},
    }
