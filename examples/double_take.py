"""Double Take, which recognises faces for home cameras: the backend of docs/guides/add-a-backend.md."""

from proxy.backends.base import Denial, Native, as_json, problem
from proxy.backends.paths import ByPath
from proxy.messages import Slot


class DoubleTake(ByPath):
    """Its own token would be bare; ours comes behind `Bearer`. Its errors are `{"error": ...}`."""

    name = "double-take"
    package = "examples"
    table = "double_take"
    slots: tuple[Slot, ...] = (Slot(b"authorization", b"Bearer"),)
    forwards: frozenset[bytes] = frozenset(
        {b"content-type", b"content-encoding", b"accept", b"accept-encoding"}
    )
    block_statuses: tuple[int, ...] = (451, 403)

    def native(self, denial: Denial) -> Native:
        return as_json(b"application/json", {"error": denial.message, **problem(denial)})
