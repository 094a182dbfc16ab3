"""The client's end of a connection as something to write to, to throttle, to give time, and to end well."""

import asyncio
import math

from proxy.relay.context import Context
from proxy.relay.wire import Bytes, Wire

NEVER = math.inf


class ClientSide:
    """Owns the transport, its throttle and its deadline; knows nothing of requests."""

    __slots__ = ("_context", "_transport", "_wire", "deadline", "patience", "reading", "write_paused")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._wire: Wire | None = None
        self.reading = True
        self.write_paused = False
        self.patience = context.limits.body_seconds
        self.deadline = NEVER

    def opened(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._wire = Wire(transport)

    def lost(self) -> None:
        self._transport = self._wire = None

    def write(self, *parts: Bytes) -> None:
        """Send these; the client has `patience` seconds to take them."""
        if self._wire is not None:
            self._wire.send(*parts)
            self.deadline = self._context.now() + self.patience

    def within(self, seconds: float) -> None:
        """Something has to happen in this time."""
        self.deadline = self._context.now() + seconds

    def throttle(self, *, reading: bool) -> bool:
        """Stop or go on reading; says whether that was a change."""
        transport = self._transport
        if reading is self.reading or transport is None or transport.is_closing():
            return False
        self.reading = reading
        if reading:
            transport.resume_reading()
        else:
            transport.pause_reading()
        return True

    def has_left_unseen(self) -> bool:
        """Whether the client has left while we do not read, so that nobody tells us."""
        return not self.reading and self._wire is not None and self._wire.hung_up()

    def close(self) -> None:
        """End in good order."""
        if self._wire is not None:
            self._wire.close()

    def linger(self, *, nothing_more: bool) -> None:
        """Close, but not with a reset: what the client is still sending would destroy the answer.

        `nothing_more`: it is known that nothing is being sent.
        """
        wire = self._wire
        if wire is None:
            return
        if nothing_more or not wire.end():
            wire.close()
            return
        self.throttle(reading=True)
        self.within(self._context.limits.linger_seconds)

    def cut(self) -> None:
        """End what the client must not take for complete."""
        if self._wire is not None:
            self._wire.reset()

    def abort(self) -> None:
        """End without a word."""
        if self._wire is not None:
            self._wire.abort()
