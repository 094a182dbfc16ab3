"""Listening sockets: who takes connections from them, and with how many hands.

When accepting fails for lack of descriptors, uvloop drops whoever is waiting, and once its one reserve is
lost it either asks the kernel again without a pause or closes the listener for good without a word. So it
is given a duplicate of the socket, which is taken away while there are no descriptors: who is waiting then
waits in the kernel, and the listener itself is never lost.
"""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from proxy.relay.descriptors import are_left

log = logging.getLogger("moratorium.listener")

BACKLOG = 1024
BATCH = 64
"""Connections that are taken in one go before others have their turn."""
ENOUGH = 8
"""Free descriptors with which taking connections begins: resting frees one already."""

Factory = Callable[[], asyncio.BaseProtocol]
Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


def bind(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """A listening socket for each address of the host. Raises `OSError`.

    `shared`: among all sockets that are bound like this the kernel deals out the connections.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((family, address) for family, *_, address in found):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
            sock.setblocking(False)
    except OSError:
        for sock in sockets:
            sock.close()
        raise
    return sockets


class Listener(Protocol):
    """Takes connections from one socket."""

    sock: socket.socket

    async def tend(self) -> None:
        """Now and then: rest while there are no descriptors, go on when there are."""

    def close(self) -> None:
        """Take no more, for good."""


class TurnedAway(asyncio.Protocol):
    """A connection there is no room for, not even for saying so."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class PlainListener:
    """Lets uvloop take the connections: nothing is faster."""

    def __init__(self, sock: socket.socket, factory: Factory) -> None:
        self.sock = sock
        self._factory = factory
        self._copy: socket.socket | None = None
        self._server: asyncio.Server | None = None

    async def tend(self) -> None:
        if self.sock.fileno() < 0:
            return
        if self._copy is not None:
            if self._copy.fileno() < 0:
                self._rest("the event loop has closed the listener")
            elif not are_left(1):
                self._rest("no file descriptors left")
        elif are_left(ENOUGH):
            with contextlib.suppress(OSError):
                copy = self.sock.dup()
                server = await asyncio.get_running_loop().create_server(
                    self._factory, sock=copy, backlog=BACKLOG
                )
                self._server, self._copy = server, copy
                if self.sock.fileno() < 0:
                    self._drop()  # closed meanwhile

    def _rest(self, why: str) -> None:
        log.error("taking no connections for now", extra={"why": why})
        self._drop()

    def _drop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._server = self._copy = None

    def close(self) -> None:
        self._drop()
        self.sock.close()


class TlsListener:
    """Takes the connections itself: a handshake is counted, has a time limit, and tells why it failed.

    `context` may be replaced at any time; handshakes that begin from then on use the new one.
    """

    def __init__(
        self,
        sock: socket.socket,
        factory: Factory,
        *,
        context: Callable[[], ssl.SSLContext],
        handshake_seconds: float,
        shutdown_seconds: float,
        spawn: Spawn,
        has_room: Callable[[int], bool],
        failed: Callable[[str], None],
    ) -> None:
        self.sock = sock
        self._factory = factory
        self._context = context
        self._handshake_seconds = handshake_seconds
        self._shutdown_seconds = shutdown_seconds
        self._spawn = spawn
        self._has_room = has_room
        self._failed = failed
        self._shaking: set[asyncio.Task[None]] = set()
        self._taking = False

    async def tend(self) -> None:
        if not self._taking and self.sock.fileno() >= 0 and are_left(ENOUGH):
            asyncio.get_running_loop().add_reader(self.sock.fileno(), self._take)
            self._taking = True

    def _take(self) -> None:
        for _ in range(BATCH):
            try:
                client, _address = self.sock.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                log.error("taking no connections for now", extra={"why": error.strerror})
                self._rest()
                return
            if not self._has_room(len(self._shaking)):
                client.close()
                continue
            client.setblocking(False)
            task = self._spawn(self._shake_hands(client))
            self._shaking.add(task)
            task.add_done_callback(self._shaking.discard)

    async def _shake_hands(self, client: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._factory,
                client,
                ssl=self._context(),
                ssl_handshake_timeout=self._handshake_seconds,
                ssl_shutdown_timeout=self._shutdown_seconds,
            )
        except ssl.SSLError as error:
            self._failed(error.reason or str(error))
        except OSError as error:
            self._failed(type(error).__name__)

    def _rest(self) -> None:
        if self._taking:
            asyncio.get_running_loop().remove_reader(self.sock.fileno())
            self._taking = False

    def close(self) -> None:
        """Handshakes under way may end: who has got so far is served."""
        self._rest()
        self.sock.close()
