"""Azure Face: method and path name the operation, the query says what detection hands out.

The token travels as the subscription key (`AzureKeyCredential`), so client code does not change. Only a
nested `error` object reaches the SDKs' exceptions, and only 401 is taken for a fault of the credential.
"""

from proxy.backends.base import Denial, Native, as_json, problem
from proxy.backends.paths import ByPath
from proxy.messages import Slot
from proxy.policy.reasons import Reason

# Microsoft's own refusal of a feature that a customer is not approved for has this code and inner code.
_BY_REASON = {
    Reason.MORATORIUM: ("InvalidRequest", "UnsupportedFeature"),
    Reason.MEDIA_BY_REFERENCE: ("InvalidRequest", "InvalidURL"),
    Reason.BODY_TOO_LARGE: ("InvalidRequest", "InvalidImageSize"),
}
_BY_STATUS = {
    401: "401",
    403: "Forbidden",
    408: "OperationTimeOut",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "OperationTimeOut",
}


class AzureFace(ByPath):
    """Preset `azure-face`."""

    name = "azure-face"
    table = "azure_face"
    slots: tuple[Slot, ...] = (Slot(b"ocp-apim-subscription-key"), Slot(b"authorization", b"Bearer"))
    forwards: frozenset[bytes] = frozenset(
        {
            b"content-type", b"content-encoding", b"accept", b"accept-encoding", b"client-request-id",
            b"x-ms-client-request-id",
        }
    )  # fmt: skip
    block_statuses: tuple[int, ...] = (451, 403)

    def native(self, denial: Denial) -> Native:
        code, inner = _BY_REASON.get(denial.reason, (_BY_STATUS.get(denial.status, "BadArgument"), ""))
        error: dict[str, object] = {"code": code, "message": denial.message}
        if inner:
            error["innererror"] = {"code": inner, "message": denial.message}
        return as_json(
            b"application/json",
            {"error": error, **problem(denial)},
            (b"x-ms-error-code", code.encode()),
        )
