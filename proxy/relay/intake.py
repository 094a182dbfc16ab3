"""Finds request heads in what has come on one connection."""

from proxy.messages import RequestHead
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason
from proxy.relay.framing import END_OF_HEAD, parse_request

TLS_HANDSHAKE = 0x16
"""The first byte of a client that speaks TLS. There is no end of a head to wait for."""


class HeadReader:
    """Reads one head after the other. `end` is where the last one ended."""

    __slots__ = ("_last_head", "_last_raw", "_limit", "_scanned", "end")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._scanned = 0
        self._last_raw = b""
        self._last_head: RequestHead | Refusal = Refusal(Reason.REQUEST_MALFORMED)
        self.end = 0

    def read(self, source: bytes | bytearray, start: int, size: int) -> RequestHead | Refusal | None:
        """The head that begins at `start`, of `size` bytes in all; None when its end has not come yet."""
        # What was looked at before is not looked at again, or a slow head would cost its square.
        end = source.find(END_OF_HEAD, start + max(0, self._scanned - 3), size)
        length = (size if end < 0 else end) - start
        if length > self._limit:
            return Refusal(Reason.HEAD_TOO_LARGE)
        if end < 0:
            if source[start] == TLS_HANDSHAKE:
                return Refusal(Reason.REQUEST_MALFORMED, "This port does not speak TLS.")
            self._scanned = length
            return None
        self._scanned = 0
        self.end = end + len(END_OF_HEAD)
        raw = bytes(memoryview(source)[start : self.end])
        # A head equal to the last one is the last one: reading is a pure function of the bytes.
        if raw != self._last_raw:
            self._last_head, self._last_raw = parse_request(raw), raw
        return self._last_head
