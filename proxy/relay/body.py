"""A request body as it comes: how much of it is still to come, by when, and what came after it."""

from proxy.messages import BodyLength, Chunked
from proxy.relay.chunks import ChunkReader
from proxy.relay.limits import Limits


class BodyTooLarge(ValueError):
    """A body without a declared length went over the limit."""


class BodyReader:
    """Takes bytes off the wire, gives out payload until the body has ended; `rest` is what follows it."""

    __slots__ = ("_chunks", "_left", "_limit", "_since", "_taken", "rest")

    def __init__(self, length: BodyLength, limit: int, now: float) -> None:
        self._chunks = ChunkReader() if isinstance(length, Chunked) else None
        self._left = length if isinstance(length, int) else 0
        self._limit = limit
        self._since = now
        self._taken = 0
        self.rest = b""

    @property
    def done(self) -> bool:
        return self._chunks.done if self._chunks is not None else self._left == 0

    @property
    def left(self) -> int:
        """How much of it is known to be still to come."""
        return self._left

    def feed(self, data: memoryview) -> bytes | memoryview:
        """The payload in `data`; a part of `data` itself where the length is declared.

        Raises `ChunkError` or `BodyTooLarge`.
        """
        if self._chunks is None:
            payload = data[: self._left]
            self._left -= len(payload)
            self._taken += len(payload)
            if self._left == 0:
                self.rest = bytes(data[len(payload) :])
            return payload
        whole = b"".join(self._chunks.feed(bytes(data)))
        self._taken += len(whole)
        if self._taken > self._limit:
            raise BodyTooLarge
        self.rest = self._chunks.rest
        return whole

    def deadline(self, now: float, limits: Limits) -> float:
        """When the next piece must be here; after the last one, the answer.

        The pieces must also come at a rate, or a byte now and then could hold a call for ever.
        """
        if self.done:
            return now + limits.response_seconds
        due = self._since + self._taken / limits.body_rate if limits.body_rate else now
        return min(now, due) + limits.body_seconds

    def held_up(self, now: float, limits: Limits) -> None:
        """Until now we did not read: that time is not the client's."""
        if not self.done and limits.body_rate:
            self._since = now - self._taken / limits.body_rate


NO_BODY = BodyReader(0, 0, 0.0)
"""A body that has ended: nothing is ever fed to it."""
