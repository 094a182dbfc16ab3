"""Idle connections to the one upstream, the warmest first; and how new ones are made."""

import asyncio
import ssl
from collections.abc import Callable

from proxy.errors import UpstreamUnreachable
from proxy.relay.upstream import Upstream

BUFFER_SIZE = 128 * 1024


class Pool:
    """Implements `proxy.relay.upstream.Keeper`.

    One read buffer serves all connections: what is read is used up before the next read (one thread).
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        connect_seconds: float,
        idle_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.buffer = memoryview(bytearray(BUFFER_SIZE))
        self._host = host
        self._port = port
        self._tls = tls
        self._connect_seconds = connect_seconds
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._idle: list[Upstream] = []
        self._all: set[Upstream] = set()

    def __repr__(self) -> str:
        return f"<Pool {self._host}:{self._port} idle {len(self._idle)} of {len(self._all)}>"

    def take(self) -> Upstream | None:
        """An idle connection, or None: then `connect`."""
        while self._idle:
            upstream = self._idle.pop()
            if upstream.usable() and self._clock() - upstream.idle_since < self._idle_seconds:
                return upstream
            upstream.abandon()
        return None

    async def connect(self) -> Upstream:
        """A new connection.

        Raises `UpstreamUnreachable`.
        """
        loop = asyncio.get_running_loop()
        upstream = Upstream(self)
        try:
            async with asyncio.timeout(self._connect_seconds):
                await loop.create_connection(lambda: upstream, self._host, self._port, ssl=self._tls)
        except asyncio.CancelledError:
            upstream.abandon()  # it may have been made in this very moment
            raise
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise UpstreamUnreachable(f"{self._host}:{self._port}: {why}") from None
        self._all.add(upstream)
        return upstream

    def give_back(self, upstream: Upstream) -> None:
        upstream.idle_since = self._clock()
        self._idle.append(upstream)

    def forget(self, upstream: Upstream) -> None:
        self._all.discard(upstream)
        if upstream in self._idle:
            self._idle.remove(upstream)

    def sweep(self) -> None:
        """Close what has been idle too long."""
        now = self._clock()
        for upstream in [u for u in self._idle if now - u.idle_since >= self._idle_seconds]:
            upstream.abandon()

    def close(self) -> None:
        for upstream in [*self._all]:
            upstream.abandon()
