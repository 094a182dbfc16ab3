"""Idle connections to the face API, the warmest first; and how new ones are made."""

import asyncio
import errno
import ssl
from collections.abc import Callable

from proxy.errors import NoDescriptors, UpstreamUnreachable
from proxy.relay.addresses import Addresses
from proxy.relay.upstream import Upstream

BUFFER_SIZE = 128 * 1024


class Pool:
    """Implements `proxy.relay.upstream.Keeper`.

    One read buffer serves all connections: what is read is used up before the next read (one thread). `tls`
    may be replaced: connections made from then on use the new one. `server_name` is sent and checked.
    """

    def __init__(
        self,
        addresses: Addresses,
        port: int,
        *,
        tls: ssl.SSLContext | None,
        server_name: str,
        connect_seconds: float,
        idle_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.buffer = memoryview(bytearray(BUFFER_SIZE))
        self.tls = tls
        self._addresses = addresses
        self._port = port
        self._server_name = server_name
        self._connect_seconds = connect_seconds
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._idle: list[Upstream] = []
        self._all: set[Upstream] = set()
        addresses.on_change = self._retire

    def __repr__(self) -> str:
        return f"<Pool {self._addresses!r} port {self._port} idle {len(self._idle)} of {len(self._all)}>"

    def take(self) -> Upstream | None:
        """An idle connection, or None: then `connect`."""
        while self._idle:
            upstream = self._idle.pop()
            if upstream.usable() and self._clock() - upstream.idle_since < self._idle_seconds:
                return upstream
            upstream.abandon()
        return None

    async def connect(self) -> Upstream:
        """A new connection, to the first address that takes one. The time is shared out among them.

        Raises `UpstreamUnreachable`.
        """
        ends_at = self._clock() + self._connect_seconds
        try:
            async with asyncio.timeout(self._connect_seconds):
                addresses = await self._addresses.in_turn()
        except TimeoutError:
            raise UpstreamUnreachable("the name was not resolved in time") from None
        complaints = []
        for tried, address in enumerate(addresses):
            share = (ends_at - self._clock()) / (len(addresses) - tried)
            try:
                return await self._connect_to(address, share)
            except NoDescriptors:
                raise
            except UpstreamUnreachable as error:
                self._addresses.failed(address)
                complaints.append(error.why)
        raise UpstreamUnreachable("; ".join(complaints))

    async def _connect_to(self, address: str, seconds: float) -> Upstream:
        upstream = Upstream(self)
        upstream.address = address
        connected = False
        try:
            async with asyncio.timeout(seconds):
                await self._open(upstream, address)
            connected = True
        except OSError as error:
            why = f"{address} port {self._port}: {_reason(error)}"
            lacking = error.errno in (errno.EMFILE, errno.ENFILE)
            raise (NoDescriptors if lacking else UpstreamUnreachable)(why) from None
        finally:
            if not connected:
                upstream.abandon()  # it may have been made in the very moment of a timeout or a cancellation
        self._addresses.connected(address)
        self._all.add(upstream)
        return upstream

    async def _open(self, upstream: Upstream, address: str) -> None:
        loop = asyncio.get_running_loop()
        if self.tls is None:
            await loop.create_connection(lambda: upstream, address, self._port)
        else:
            await loop.create_connection(
                lambda: upstream,
                address,
                self._port,
                ssl=self.tls,
                server_hostname=self._server_name,
                ssl_handshake_timeout=self._connect_seconds,
            )

    def give_back(self, upstream: Upstream) -> None:
        upstream.idle_since = self._clock()
        self._idle.append(upstream)

    def forget(self, upstream: Upstream) -> None:
        self._all.discard(upstream)
        if upstream in self._idle:
            self._idle.remove(upstream)

    def _retire(self) -> None:
        """Leave the addresses that are no longer the face API's; calls under way there may end."""
        for upstream in [u for u in self._all if u.address not in self._addresses]:
            upstream.retired = True
            if upstream in self._idle:
                upstream.abandon()

    def sweep(self) -> None:
        """Close what has been idle too long; see whether the addresses still hold, while any is in use."""
        now = self._clock()
        for upstream in [u for u in self._idle if now - u.idle_since >= self._idle_seconds]:
            upstream.abandon()
        if self._all:
            self._addresses.refresh()

    def close(self) -> None:
        for upstream in [*self._all]:
            upstream.abandon()


def _reason(error: OSError) -> str:
    """For the log: what is wrong, in the words of whoever found it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, TimeoutError) and error.errno is None:
        return "no connection in time"
    return error.strerror or str(error) or "the connection was closed before it was made"
