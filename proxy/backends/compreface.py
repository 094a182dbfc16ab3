"""CompreFace: method and path name the operation; errors are `{"message": ..., "code": ...}`.

Its SDKs let callers set nothing but the key, so the token travels in `x-api-key`. They never look at a
status: the message has to say it all.
"""

from proxy.backends.base import Denial, Native, as_json, problem
from proxy.backends.paths import ByPath
from proxy.messages import Slot


class CompreFace(ByPath):
    """Preset `compreface`."""

    name = "compreface"
    table = "compreface"
    slots: tuple[Slot, ...] = (Slot(b"x-api-key"), Slot(b"authorization", b"Bearer"))
    forwards: frozenset[bytes] = frozenset(
        {b"content-type", b"content-encoding", b"accept", b"accept-encoding"}
    )
    block_statuses: tuple[int, ...] = (451, 403)

    def native(self, denial: Denial) -> Native:
        # Its own codes go up to 44, and none of them means that somebody may not.
        members = {"message": denial.message, "code": denial.status, **problem(denial)}
        return as_json(b"application/json", members)
