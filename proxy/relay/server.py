"""The traffic listener: accepts, enforces deadlines, drains."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Sequence

from proxy.relay.context import Context
from proxy.relay.downstream import Downstream
from proxy.relay.listener import Listener, PlainListener, TlsListener, TurnedAway, bind

log = logging.getLogger("moratorium.server")

SWEEP_SECONDS = 0.5
UNREAD_SECONDS = 0.1


class RelayServer:
    """Listens on one address until it is drained.

    `tls` may be replaced: handshakes that begin from then on use the new one. Connections beyond `ceiling`
    are closed without an answer, because there is no descriptor for one.
    """

    def __init__(
        self, context: Context, *, tls: ssl.SSLContext | None = None, ceiling: int = 1 << 30
    ) -> None:
        self.context = context
        self.tls = tls
        self._ceiling = ceiling
        self._listeners: list[Listener] = []
        self._lost: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<RelayServer connections {len(self.context.connections)} {self.context.pool!r}>"

    @property
    def port(self) -> int:
        """The port that was bound; useful when 0 was asked for."""
        return int(self._listeners[0].sock.getsockname()[1])

    async def start(self, host: str, port: int) -> None:
        """Bind and listen. Raises `OSError`."""
        await self.start_on(bind(host, port))

    async def start_on(self, listening: Sequence[socket.socket]) -> None:
        """Take connections from sockets that others may be taking them from as well."""
        for sock in listening:
            listener = PlainListener(sock, self._connection) if self.tls is None else self._tls_listener(sock)
            self._listeners.append(listener)
            await listener.tend()

    def stop_on(self, listening: Sequence[socket.socket]) -> None:
        """Take no more from these; who waits there is left to the others."""
        for listener in [one for one in self._listeners if one.sock in listening]:
            self._listeners.remove(listener)
            listener.close()

    def _tls_listener(self, sock: socket.socket) -> Listener:
        limits = self.context.limits
        return TlsListener(
            sock,
            lambda: Downstream(self.context),
            context=self._tls_now,
            handshake_seconds=limits.head_seconds,
            shutdown_seconds=limits.body_seconds,
            spawn=self.context.spawn,
            has_room=self._has_room,
            failed=self._handshake_failed,
        )

    def _tls_now(self) -> ssl.SSLContext:
        assert self.tls is not None  # noqa: S101
        return self.tls

    def _connection(self) -> asyncio.BaseProtocol:
        return Downstream(self.context) if self._has_room(0) else TurnedAway()

    def _has_room(self, more: int) -> bool:
        if len(self.context.connections) + more < self._ceiling:
            return True
        self.context.enforcer.metrics.turned_away += 1
        self._lost["no file descriptors to spare"] += 1
        return False

    def _handshake_failed(self, why: str) -> None:
        self.context.enforcer.metrics.handshakes_failed += 1
        self._lost[f"handshake failed: {why}"] += 1

    def _tell_lost(self) -> None:
        """One line for all of a kind: a stranger must not be able to fill the log."""
        for why, count in self._lost.items():
            log.warning("connections lost", extra={"why": why, "count": count})
        self._lost.clear()

    async def sweep_forever(self) -> None:
        """End what has passed its deadline. One timer for all is cheaper than one for each call."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self.context.now()
            for connection in [*self.context.connections]:
                connection.sweep(now)
            self.context.pool.sweep()
            self._tell_lost()
            if not self.context.draining:
                for listener in [*self._listeners]:
                    await listener.tend()

    async def drain(self, seconds: float) -> None:
        """Take no more connections, let the calls under way end, cut what is left after `seconds`."""
        self.context.draining = True
        for listener in self._listeners:
            listener.close()
        # A connection is not idle whose request has come and has not been read yet.
        unread = min(seconds, UNREAD_SECONDS)
        await asyncio.sleep(unread)
        for connection in [*self.context.connections]:
            connection.close_if_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds - unread):
                while self.context.connections:  # noqa: ASYNC110  (polled once, at the end of a life)
                    await asyncio.sleep(0.02)
        for connection in [*self.context.connections]:
            connection.abort()
        self.context.pool.close()
