"""Clients that stall or leave, and calls for which the face API breaks."""

import asyncio
import socket
import struct

from tests.harness.client import RawClient, request
from tests.soak.ledger import SurpriseError
from tests.soak.visit import Visit

RESET = struct.pack("ii", 1, 0)


async def breaks(visit: Visit) -> None:
    """The face API fails before an answer has begun."""
    status, hows = visit.rng.choice([(502, ("reset", "close", "garbage")), (504, ("hang",))])
    async with visit.connected() as client:
        await client.send(visit.get(visit.rng.choice(hows)))
        await visit.expect(client, status)
        await client.send(visit.get())
        await visit.expect(client, 200)


async def breaks_off(visit: Visit) -> None:
    """The face API fails in the middle of an answer."""
    async with visit.connected() as client:
        await client.send(visit.get(visit.rng.choice(["half", "half-reset", "half-hang"])))
        await visit.cut(client)


async def breaks_uploads(visit: Visit) -> None:
    """The face API answers, or goes away, before it has the body."""
    how, statuses = visit.rng.choice([("early", (413, 502)), ("reset-body", (502,))])
    async with visit.connected() as client:
        await client.send(visit.detect(how, fields=[("Content-Length", "300000")]))
        sending = asyncio.ensure_future(visit.send_in_time(client, bytes(300_000), 0.3))
        try:
            await visit.expect(client, *statuses)
        finally:
            sending.cancel()
            await asyncio.wait({sending})


async def slow_sender(visit: Visit) -> None:
    """In time, though hardly."""
    async with visit.connected() as client:
        whole = visit.detect(body=b"slowly does it")
        size = -(-len(whole) // 8)
        for start in range(0, len(whole), size):
            await client.send(whole[start : start + size])
            await asyncio.sleep(0.12)
        await visit.expect(client, 200, took=14)


async def stalls(visit: Visit) -> None:
    """Not in time: in the head, or in the body."""
    async with visit.connected() as client:
        if visit.rng.random() < 0.5:
            await client.send(visit.get()[:40])
        else:
            await client.send(visit.detect(fields=[("Content-Length", "10")]) + b"abc")
        await visit.expect(client, 408)


async def idles(visit: Visit) -> None:
    """Keeps a connection until it is closed."""
    async with visit.connected() as client:
        await client.send(visit.get())
        await visit.expect(client, 200)
        if await client.remainder():
            raise SurpriseError("bytes that nobody asked for")


async def slow_reader(visit: Visit) -> None:
    """Takes a large answer in small sips, so that the proxy has to hold the face API back."""
    size = visit.rng.randint(1_000_000, 6_000_000)
    loop = asyncio.get_running_loop()
    visit.ledger.calls[visit.kind] += 1
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", visit.port))
        await loop.sock_sendall(sock, visit.get("big", size=size))
        await asyncio.sleep(visit.rng.uniform(0, 0.3))
        seen = await loop.sock_recv(sock, 1024)
        if seen.startswith(b"HTTP/1.1 502"):
            visit.ledger.raced += 1
            return
        taken = len(seen) - seen.index(b"\r\n\r\n") - 4
        while taken < size and (data := await loop.sock_recv(sock, 32 * 1024)):
            taken += len(data)
    if taken != size:
        raise SurpriseError(f"{taken} of {size} bytes came")
    visit.ledger.answers[visit.kind] += 1


async def leaves(visit: Visit) -> None:
    """At any moment: in the head, in the body, before, in or after the answer; politely, or with a reset."""
    visit.ledger.calls[visit.kind] += 1
    client = await RawClient.connect(visit.port)
    size = visit.rng.choice([0, 1000, 300_000])
    how = visit.rng.choice(["plain", "hang", "half-hang", "dribble", "slow-read", "chunked"])
    fields = [visit.bearer(visit.rng.choice(["commercial", "police"])), ("Content-Length", str(size))]
    path = visit.rng.choice(["/v1/detect", "/v1/search"])
    whole = request("POST", f"{path}?how={how}&size=500000", fields) + bytes(size)
    sending = asyncio.ensure_future(client.send(whole[: visit.rng.randint(0, len(whole))]))
    if visit.rng.random() < 0.3:
        await client.send(whole)
    await asyncio.wait({sending}, timeout=visit.rng.uniform(0, 0.1))
    await asyncio.sleep(visit.rng.choice([0, 0, 0.01, 0.1]))
    sending.cancel()
    await asyncio.wait({sending})
    visit.rng.choice([client.abort, client.reset])()
