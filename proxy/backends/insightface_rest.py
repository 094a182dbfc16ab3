"""InsightFace-REST: method and path name the operation; errors are `{"detail": ...}`, as FastAPI has them."""

from proxy.backends.base import Denial, Native, as_json, problem
from proxy.backends.paths import ByPath
from proxy.messages import Slot


class InsightFaceRest(ByPath):
    """Preset `insightface-rest`. A body is JSON or MessagePack."""

    name = "insightface-rest"
    table = "insightface_rest"
    slots: tuple[Slot, ...] = (Slot(b"authorization", b"Bearer"),)
    forwards: frozenset[bytes] = frozenset(
        {b"content-type", b"content-encoding", b"accept", b"accept-encoding"}
    )
    block_statuses: tuple[int, ...] = (451, 403)

    def native(self, denial: Denial) -> Native:
        return as_json(b"application/json", problem(denial))
