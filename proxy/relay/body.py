"""A request body as it comes: how much of it is still to come, and what came after it."""

from proxy.messages import BodyLength, Chunked
from proxy.relay.chunks import ChunkReader


class BodyTooLarge(ValueError):
    """A body without a declared length went over the limit."""


class BodyReader:
    """Takes bytes off the wire, gives out payload until the body has ended; `rest` is what follows it."""

    __slots__ = ("_chunks", "_left", "_limit", "rest", "taken")

    def __init__(self, length: BodyLength, limit: int) -> None:
        self._chunks = ChunkReader() if isinstance(length, Chunked) else None
        self._left = length if isinstance(length, int) else 0
        self._limit = limit
        self.rest = b""
        self.taken = 0

    @property
    def done(self) -> bool:
        return self._chunks.done if self._chunks is not None else self._left == 0

    def feed(self, data: memoryview) -> bytes | memoryview:
        """The payload in `data`; a part of `data` itself where the length is declared.

        Raises `ChunkError` or `BodyTooLarge`.
        """
        if self._chunks is None:
            payload = data[: self._left]
            self._left -= len(payload)
            self.taken += len(payload)
            if self._left == 0:
                self.rest = bytes(data[len(payload) :])
            return payload
        whole = b"".join(self._chunks.feed(bytes(data)))
        self.taken += len(whole)
        if self.taken > self._limit:
            raise BodyTooLarge
        self.rest = self._chunks.rest
        return whole


NO_BODY = BodyReader(0, 0)
"""A body that has ended: nothing is ever fed to it."""
