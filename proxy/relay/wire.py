"""Writes to one connection: at once and without a copy where the socket takes it, queued where it does not.

Going around the transport is safe only while its own queue is empty and it is not closing: after that the
descriptor may be somebody else's.
"""

import asyncio
import os
import select
import socket
import struct
from collections.abc import Iterable

Bytes = bytes | memoryview
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """The writing side of a transport."""

    __slots__ = ("_descriptor", "_poll", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        sock = transport.get_extra_info("socket")
        encrypted = transport.get_extra_info("sslcontext") is not None
        self._descriptor = -1 if encrypted or sock is None else sock.fileno()
        self._poll: select.poll | None = None

    def quiet(self) -> bool:
        """Whether the connection is open and nothing waits to be read from it, as the kernel knows now."""
        if self._transport.is_closing():
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    def hung_up(self) -> bool:
        """Whether the other side has closed or reset, read or not."""
        if self._transport.is_closing():
            return False
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))

    def send(self, *parts: Bytes) -> None:
        """Send these, in order. Their memory may be used for something else when this returns."""
        transport = self._transport
        if transport.is_closing():
            return
        sent = 0
        if self._descriptor >= 0 and not transport.get_write_buffer_size():
            try:
                sent = os.writev(self._descriptor, parts)
            except BlockingIOError:
                sent = 0
            except OSError:
                transport.abort()
                return
            if sent == (len(parts[0]) if len(parts) == 1 else sum(map(len, parts))):
                return
        transport.write(_rest(parts, sent))

    def close(self) -> None:
        """End in good order once what is queued has been sent."""
        self._transport.close()

    def end(self) -> bool:
        """Say that nothing more will be sent, and go on reading; False where there is no such thing."""
        if self._transport.is_closing() or not self._transport.can_write_eof():
            return False
        self._transport.write_eof()
        return True

    def abort(self) -> None:
        """End now; what is queued is lost."""
        self._transport.abort()

    def reset(self) -> None:
        """End with a reset: after a mere end, HTTP/1.0 would take half an answer for a whole one."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None and not self._transport.is_closing():
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()


def _rest(parts: Iterable[Bytes], sent: int) -> bytes:
    """A copy of all but the first `sent` bytes."""
    kept = []
    for part in parts:
        if sent >= len(part):
            sent -= len(part)
        else:
            kept.append(part[sent:] if sent else part)
            sent = 0
    return b"".join(kept)
