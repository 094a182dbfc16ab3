"""The DeepFace API server: method and path name the operation; errors are `{"message": ...}`."""

from proxy.backends.base import Denial, Native, as_json, problem
from proxy.backends.paths import ByPath
from proxy.messages import Slot


class DeepFace(ByPath):
    """Preset `deepface`."""

    name = "deepface"
    table = "deepface"
    slots: tuple[Slot, ...] = (Slot(b"authorization", b"Bearer"),)
    forwards: frozenset[bytes] = frozenset(
        {b"content-type", b"content-encoding", b"accept", b"accept-encoding"}
    )
    block_statuses: tuple[int, ...] = (451, 403)

    def native(self, denial: Denial) -> Native:
        return as_json(b"application/json", {"message": denial.message, **problem(denial)})
