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
from typing import Any, cast

Bytes = bytes | memoryview
QUEUE_BYTES = 64 * 1024
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """The writing side of a transport."""

    __slots__ = ("_descriptor", "_poll", "_tls", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        sock = transport.get_extra_info("socket")
        self._tls = transport.get_extra_info("ssl_object")
        self._descriptor = -1 if self._tls is not None or sock is None else sock.fileno()
        self._poll: select.poll | None = None
        if self._tls is not None:
            _bound(transport)

    def quiet(self) -> bool:
        """Whether the connection is open and nothing waits to be read from it, as the kernel knows now."""
        if self._transport.is_closing() or (self._tls is not None and self._undelivered()):
            return False
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)
        return not self._poll.poll(0)

    def _undelivered(self) -> bool:
        """Whether the TLS layer has read something that it has not passed on yet."""
        return bool(self._tls.pending() or cast("Any", self._transport).get_read_buffer_size())

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


def _bound(transport: asyncio.Transport) -> None:
    """Make the TLS layer hold no more than a plain transport would.

    By default it queues 512 KiB. It also reads ahead while reading is paused, and when the other side then
    closes, it throws away what it has read: so the socket is paused as soon as anything is waiting.
    """
    transport.set_write_buffer_limits(high=QUEUE_BYTES)
    cast("Any", transport).set_read_buffer_limits(high=1, low=0)


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
