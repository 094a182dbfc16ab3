"""The traffic listener: accepts, enforces deadlines, drains."""

import asyncio
import contextlib

from proxy.relay.context import Context
from proxy.relay.downstream import Downstream

SWEEP_SECONDS = 0.5


class RelayServer:
    """Listens on one address until it is drained."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self._server: asyncio.Server | None = None

    def __repr__(self) -> str:
        return f"<RelayServer connections {len(self.context.connections)} {self.context.pool!r}>"

    @property
    def port(self) -> int:
        """The port that was bound; useful when 0 was asked for."""
        assert self._server is not None  # noqa: S101
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self, host: str, port: int) -> None:
        """Bind and listen. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Downstream(self.context), host, port, backlog=1024, reuse_address=True
        )

    async def sweep_forever(self) -> None:
        """End what has passed its deadline. One timer for all is cheaper than one for each call."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            now = self.context.now()
            for connection in [*self.context.connections]:
                connection.sweep(now)
            self.context.pool.sweep()

    async def drain(self, seconds: float) -> None:
        """Take no more connections, let the calls under way end, cut what is left after `seconds`."""
        self.context.draining = True
        if self._server is not None:
            self._server.close()
        for connection in [*self.context.connections]:
            connection.close_if_idle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.context.connections:  # noqa: ASYNC110  (polled once, at the end of a life)
                    await asyncio.sleep(0.02)
        for connection in [*self.context.connections]:
            connection.abort()
        self.context.pool.close()
