"""A request body as it comes: how much of it is still to come, and what came after it."""

from proxy.messages import BodyLength, Chunked
from proxy.relay.chunks import ChunkReader


class BodyTooLarge(ValueError):
    """A body without a declared length went over the limit."""


class BodyReader:
    """Takes bytes off the wire, gives out payload until the body has ended; `rest` is what follows it."""

    __slots__ = ("_chunks", "_left", "_limit", "rest")

    def __init__(self, length: BodyLength, limit: int) -> None:
        self._chunks = ChunkReader() if isinstance(length, Chunked) else None
        self._left = length if isinstance(length, int) else 0
        self._limit = limit
        self.rest = b""

    @property
    def done(self) -> bool:
        return self._chunks.done if self._chunks is not None else self._left == 0

    def feed(self, data: bytes) -> bytes:
        """The payload in `data`.

        Raises `ChunkError` or `BodyTooLarge`.
        """
        if self._chunks is None:
            payload = data[: self._left]
            self._left -= len(payload)
            self.rest = data[len(payload) :]
            return payload
        payload = b"".join(self._chunks.feed(data))
        self._limit -= len(payload)
        if self._limit < 0:
            raise BodyTooLarge
        self.rest = self._chunks.rest
        return payload
