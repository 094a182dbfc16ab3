"""Amazon Rekognition (AWS JSON 1.1): one target header names the operation.

The caller's token travels as the SDK's session token (`AWS_SESSION_TOKEN`), so client code does not change.
Denials carry `__type` in the body: botocore ignores `x-amzn-ErrorType` for this protocol, the JavaScript SDK
takes either.
"""

from proxy.backends.base import Denial, Native, Sketch, as_json, problem
from proxy.backends.rows import Row
from proxy.backends.table import Table
from proxy.messages import RequestHead, Slot
from proxy.policy.model import Refusal
from proxy.policy.operations import UNKNOWN_OPERATION, Operation
from proxy.policy.reasons import Reason

CONTENT_TYPE = b"application/x-amz-json-1.1"
TARGET = b"x-amz-target"

# Names from the service model where one fits; the SDKs turn any other into a plain ClientError.
_ERROR_TYPES = {
    Reason.TOKEN_EXPIRED: "ExpiredTokenException",
    Reason.TOKEN_MISSING: "MissingAuthenticationTokenException",
    Reason.OPERATION_UNKNOWN: "UnknownOperationException",
    Reason.BODY_TOO_LARGE: "ImageTooLargeException",
    Reason.MEDIA_BY_REFERENCE: "AccessDeniedException",
}
_BY_STATUS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    451: "AccessDeniedException",
    502: "ServiceUnavailableException",
    503: "ServiceUnavailableException",
    504: "ServiceUnavailableException",
}


class AwsRekognition:
    """Preset `aws-rekognition`."""

    name = "aws-rekognition"
    slots: tuple[Slot, ...] = (Slot(b"x-amz-security-token"), Slot(b"authorization", b"Bearer"))
    reads: frozenset[bytes] = frozenset({TARGET, b"content-type", b"content-encoding"})
    forwards: frozenset[bytes] = frozenset(
        {b"content-type", b"content-encoding", b"accept", b"accept-encoding", TARGET}
    )
    block_statuses: tuple[int, ...] = (451, 403, 400)

    def __init__(self, *, inline_only: bool = False) -> None:
        self._table = Table("aws_rekognition", inline_only=inline_only)
        self._rows: dict[bytes, Row] = {
            f"RekognitionService.{row.name}".encode(): row for row in self._table.rows
        }

    def operations(self) -> tuple[Operation, ...]:
        return self._table.operations()

    def classify(self, head: RequestHead) -> Operation | Refusal | Sketch:
        targets = head.values(TARGET)
        types = head.values(b"content-type")
        if len(targets) > 1 or len(types) > 1:
            # Which of two a server reads is its own choice; Envoy's RBAC matches any of them.
            return Refusal(Reason.REQUEST_AMBIGUOUS, "X-Amz-Target or Content-Type is sent twice.")
        if head.target != b"/":
            return Refusal(Reason.TARGET_NOT_CANONICAL, "Rekognition is called at / and without a query.")
        if head.method != b"POST" or types != [CONTENT_TYPE] or not targets:
            return UNKNOWN_OPERATION
        row = self._rows.get(targets[0])
        return UNKNOWN_OPERATION if row is None else self._table.judge(row, head, {})

    def read(self, head: RequestHead, body: bytes) -> Operation | Refusal:
        row = self._rows.get(b"".join(head.values(TARGET)))
        return UNKNOWN_OPERATION if row is None else self._table.judge_body(row, head, {}, body)

    def upgrades(self, _head: RequestHead) -> bool:
        return False

    def native(self, denial: Denial) -> Native:
        kind = _ERROR_TYPES.get(denial.reason) or _BY_STATUS.get(denial.status, "ValidationException")
        return as_json(
            CONTENT_TYPE,
            {"__type": kind, "Message": denial.message, **problem(denial)},
            (b"x-amzn-ErrorType", kind.encode()),
            (b"x-amzn-RequestId", denial.decision_id.encode()),
        )
