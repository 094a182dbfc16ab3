"""`./run python -m tests.soak.memory`: how much a process grows under four loads, each against its bound.

Each load has a process of its own, warmed up by ordinary calls, so that no load lives on what another freed.
"""

import asyncio
import contextlib
import resource
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import uvloop

from proxy.testing import TokenMint
from tests.harness.client import Fields, RawClient, call, request
from tests.harness.proxy import write_settings
from tests.soak.checks import MIB, Check
from tests.soak.disturbances import POLICY
from tests.soak.process import KIB, ProxyProcess, proxy_process
from tests.soak.report import say, tell_checks
from tests.soak.upstream import FaultyUpstream

MANY = 64
IDLE = 2000
BODY = 16 * MIB
WARM_UP_CALLS = 200
PIECE = bytes(16 * KIB)
SETTLING_SECONDS = 3.0


class Stage:
    """A warmed-up process and the peers around it. `clients` are closed at the end."""

    def __init__(self, proxy: ProxyProcess, upstream: FaultyUpstream, mint: TokenMint) -> None:
        self.proxy = proxy
        self.upstream = upstream
        self.bearer = ("Authorization", f"Bearer {mint.token('commercial', expires_in=3600)}")
        self.sockets: list[socket.socket] = []

    def get(self, query: str = "", fields: Fields = ()) -> bytes:
        return request("GET", f"/v1/faces/a?{query}", [self.bearer, *fields])

    async def connect(self) -> socket.socket:
        """A plain socket: it takes no more from the kernel than it is told to."""
        sock = socket.socket()
        self.sockets.append(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.proxy.port))
        return sock

    async def most(self, seconds: float = SETTLING_SECONDS) -> int:
        """The most memory that is seen in this time."""
        seen = self.proxy.memory()
        for _ in range(round(seconds / 0.1)):
            await asyncio.sleep(0.1)
            seen = max(seen, self.proxy.memory())
        return seen


class Load(NamedTuple):
    """A load and how many bytes the process may grow under it."""

    says: str
    bound: int
    put: Callable[[Stage], Awaitable[None]]


@contextlib.asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    mint = TokenMint()
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moratorium-memory-")))
        upstream = await stack.enter_async_context(FaultyUpstream())
        settings = write_settings(
            folder, upstream.port, mint, policy=POLICY, max_connections="5000", max_body_bytes=str(2 * BODY)
        )
        proxy = await stack.enter_async_context(proxy_process(folder, settings))
        stage = Stage(proxy, upstream, mint)
        async with RawClient.to(proxy.port) as client:
            for _ in range(WARM_UP_CALLS):
                await client.send(stage.get())
                await client.answer()
        yield stage
        for sock in stage.sockets:
            sock.close()


async def measure(load: Load) -> Check:
    async with staged() as stage:
        before = stage.proxy.memory()
        await load.put(stage)
        grown = await stage.most() - before
        answer = await call(stage.proxy.port, "GET", "/v1/nothing", [stage.bearer])
        alive = answer.status == 403
    return Check(
        f"{load.says}: MiB grown, at most {load.bound / MIB:.1f}",
        f"{grown / MIB:.1f}",
        alive and grown <= load.bound,
    )


# ------------------------------------------------------------ the loads


async def slow_uploads(stage: Stage) -> None:
    """Each sends a piece now and then of a body that would take minutes."""
    clients = [await stage.connect() for _ in range(MANY)]
    head = request("POST", "/v1/detect", [stage.bearer, ("Content-Length", str(BODY))])
    for client in clients:
        await asyncio.get_running_loop().sock_sendall(client, head)
    for _ in range(20):
        for client in clients:
            await asyncio.get_running_loop().sock_sendall(client, PIECE)
        await asyncio.sleep(0.1)


async def deaf_upstream(stage: Stage) -> None:
    """Uploads as fast as they are taken, to a face API that has stopped to read."""
    stage.upstream.stalled = True
    head = request("POST", "/v1/detect", [stage.bearer, ("Content-Length", str(BODY))])
    await _push([await stage.connect() for _ in range(MANY)], head + bytes(BODY))


async def _push(clients: list[socket.socket], data: bytes) -> None:
    """As much of the data to each as it takes within a while."""

    async def push(client: socket.socket) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SETTLING_SECONDS):
                await asyncio.get_running_loop().sock_sendall(client, data)

    await asyncio.gather(*map(push, clients))


async def idle_connections(stage: Stage) -> None:
    """Each has made one call and keeps its connection."""
    for _ in range(IDLE):
        client = await stage.connect()
        await asyncio.get_running_loop().sock_sendall(client, stage.get())
        answer = await asyncio.get_running_loop().sock_recv(client, 4 * KIB)
        assert answer.startswith(b"HTTP/1.1 200")


async def deaf_clients(stage: Stage) -> None:
    """Each asks for a large answer and does not read it."""
    for _ in range(MANY):
        client = await stage.connect()
        await asyncio.get_running_loop().sock_sendall(client, stage.get(f"how=big&size={BODY}"))


LOADS = (
    Load(f"{MANY} slow uploads", 4 * MIB, slow_uploads),
    Load(f"{MANY} uploads to a face API that does not read", 16 * MIB, deaf_upstream),
    Load(f"{IDLE} idle connections", IDLE * 20 * KIB, idle_connections),
    Load(f"{MANY} clients that do not read {BODY // MIB} MiB", 40 * MIB, deaf_clients),
)


def more_descriptors() -> None:
    """As many as this process may have; the proxy inherits the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def main() -> bool:
    checks = []
    for load in LOADS:
        checks.append(await measure(load))
        say(f"measured: {load.says}, {checks[-1].found} MiB")
    return tell_checks(checks)


if __name__ == "__main__":
    more_descriptors()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(0 if runner.run(main()) else 1)
