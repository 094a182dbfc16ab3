"""The DeepFace API server: method and path name the operation; errors are `{"message": ...}`."""

from proxy.backends.base import Denial, Native, as_json, canonical, load_table, problem
from proxy.messages import RequestHead, Slot
from proxy.policy.model import Refusal
from proxy.policy.operations import UNKNOWN_OPERATION, Operation


class DeepFace:
    """Preset `deepface`."""

    name = "deepface"
    slots: tuple[Slot, ...] = (Slot(b"authorization", b"Bearer"),)
    reads: frozenset[bytes] = frozenset()
    forwards: frozenset[bytes] = frozenset(
        {b"content-type", b"content-encoding", b"accept", b"accept-encoding"}
    )
    block_statuses: tuple[int, ...] = (451, 403)

    def __init__(self) -> None:
        self._operations: dict[tuple[bytes, bytes], Operation] = {
            (row["method"].encode(), row["path"].encode()): row["operation"] for row in load_table("deepface")
        }

    def operations(self) -> tuple[Operation, ...]:
        return tuple(self._operations.values())

    def classify(self, head: RequestHead) -> Operation | Refusal:
        # The table has no operation with a query, so a target with one is not in it.
        return canonical(head) or self._operations.get((head.method, head.target), UNKNOWN_OPERATION)

    def upgrades(self, _head: RequestHead) -> bool:
        return False

    def native(self, denial: Denial) -> Native:
        return as_json(b"application/json", {"message": denial.message, **problem(denial)})
