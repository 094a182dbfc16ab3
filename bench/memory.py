"""How much memory a target adds: slow uploads, uploads into an upstream that stalls, idle connections."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator

from bench.checks import Broken, call
from bench.processes import MIB, Process
from bench.targets import Running
from bench.tokens import Credentials

UPLOADS = 64
UPLOAD_SIZE = 10 * MIB
PIECE = 64 * 1024
SLOW_SECONDS = 8.0
STALLED_SECONDS = 4.0
IDLE = 2000
OPENING_AT_ONCE = 50


def memory_row(name: str, running: Running, upstream: Process, credentials: Credentials) -> float:
    """Measure one of m1 (MiB), m2 (MiB), m3 (KiB per connection) on a target that was just started."""
    for size in (1024, MIB):
        for _ in range(5):  # so that what is loaded at the first call is not counted
            status, _body = call(running.port, credentials.allowed, b" " * size)
            if status != 200:
                raise Broken(f"{running.name} answers {status} before {name}")
    before = running.resident_bytes()
    if name == "m1":
        return (asyncio.run(_slow_uploads(running, credentials)) - before) / MIB
    if name == "m2":
        with _stalled(upstream):
            return (asyncio.run(_stalled_uploads(running, credentials)) - before) / MIB
    return (asyncio.run(_idle(running, credentials)) - before) / IDLE / 1024


def _head(token: str, size: int) -> bytes:
    return (
        "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-amz-json-1.1\r\n"
        f"X-Amz-Target: RekognitionService.CompareFaces\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Length: {size}\r\n\r\n"
    ).encode()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    """The status line of an answer that is read to its end."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.partition(b":")[2]))
    return head.partition(b"\r\n")[0]


async def _upload(port: int, token: str, seconds: float) -> bytes:
    """Send a large body, spread over some time; the status line of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(_head(token, UPLOAD_SIZE))
        pause = seconds / (UPLOAD_SIZE / PIECE)
        for _ in range(UPLOAD_SIZE // PIECE):
            writer.write(b"x" * PIECE)
            await writer.drain()
            await asyncio.sleep(pause)
        return await _answer(reader)
    finally:
        writer.transport.abort()


async def _highest(running: Running, until: "asyncio.Future[list[bytes]]", seconds: float) -> int:
    """The most memory seen until something ends or the time is over."""
    highest, left = 0, seconds
    while not until.done() and left > 0:
        highest = max(highest, running.resident_bytes())
        await asyncio.sleep(0.1)
        left -= 0.1
    return max(highest, running.resident_bytes())


async def _slow_uploads(running: Running, credentials: Credentials) -> int:
    uploads = asyncio.gather(
        *(_upload(running.port, credentials.allowed, SLOW_SECONDS) for _ in range(UPLOADS))
    )
    highest = await _highest(running, uploads, SLOW_SECONDS * 10)
    if not uploads.done():
        uploads.cancel()
        raise Broken(f"{running.name}: slow uploads did not end")
    lines = await uploads
    if any(b" 200 " not in line for line in lines):
        raise Broken(f"{running.name}: not all slow uploads were answered with 200")
    return highest


async def _stalled_uploads(running: Running, credentials: Credentials) -> int:
    uploads = asyncio.gather(*(_upload(running.port, credentials.allowed, 0.0) for _ in range(UPLOADS)))
    highest = await _highest(running, uploads, STALLED_SECONDS)
    if uploads.done():
        raise Broken(f"{running.name}: uploads ended although the upstream does not read")
    uploads.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await uploads
    return highest


@contextlib.contextmanager
def _stalled(upstream: Process) -> Iterator[None]:
    upstream.signal(signal.SIGUSR1)
    try:
        yield
    finally:
        upstream.signal(signal.SIGUSR2)


async def _idle(running: Running, credentials: Credentials) -> int:
    """Memory while many connections idle, each of which has made one call."""
    gate = asyncio.Semaphore(OPENING_AT_ONCE)
    request = _head(credentials.allowed, 1024) + b" " * 1024
    opened: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def one() -> None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
            opened.append((reader, writer))
            writer.write(request)
            if b" 200 " not in await _answer(reader):
                raise Broken(f"{running.name} refuses one of {IDLE} connections")

    try:
        await asyncio.gather(*(one() for _ in range(IDLE)))
        await asyncio.sleep(1.0)
        closed = sum(reader.at_eof() for reader, _ in opened)
        if closed:
            raise Broken(f"{running.name} has closed {closed} of {IDLE} idle connections")
        return running.resident_bytes()
    finally:
        for _, writer in opened:
            writer.transport.abort()
