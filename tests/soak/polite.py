"""Clients that keep to the protocol: calls let through, blocked or rejected, one or many at a time."""

import asyncio

from tests.harness.client import request
from tests.soak.visit import Visit

BIG = 2_000_000
MOST = 4_000_000
"""The proxy's limit for a body in these runs."""


async def allowed(visit: Visit) -> None:
    """Several calls on one connection."""
    async with visit.connected() as client:
        for _ in range(visit.rng.randint(1, 8)):
            await client.send(visit.get())
            await visit.expect(client, 200)


async def new_tokens(visit: Visit) -> None:
    """A token that nobody has seen, for each call."""
    async with visit.connected() as client:
        for _ in range(visit.rng.randint(1, 4)):
            await client.send(visit.get(fresh=True))
            await visit.expect(client, 200)


async def blocked(visit: Visit) -> None:
    """Denied, with a body that is read and thrown away, and served again on the same connection."""
    async with visit.connected() as client:
        for _ in range(visit.rng.randint(1, 4)):
            await client.send(visit.search(bytes(visit.rng.choice([0, 4, 4, 100_000, BIG]))))
            await visit.expect(client, 451)
            await client.send(visit.get())
            await visit.expect(client, 200)


async def rejected(visit: Visit) -> None:
    """One of the many ways to be refused."""
    bearer = visit.bearer()
    expired = ("Authorization", f"Bearer {visit.issuer.mint.token(expires_in=-100)}")
    unknown = ("Authorization", f"Bearer {visit.issuer.stranger()}")
    martian = ("Authorization", f"Bearer {visit.issuer.mint.token('martian')}")
    raw, statuses = visit.rng.choice(
        [
            (request("GET", "/v1/version"), (401,)),
            (request("GET", "/v1/version", [expired]), (401,)),
            (request("GET", "/v1/version", [unknown]), (401, 503)),
            (request("GET", "/v1/version", [martian]), (403,)),
            (request("GET", "/v1/version", [bearer, bearer]), (400,)),
            (request("GET", "/v1/other", [bearer]), (403,)),
            (request("GET", "/v1//version", [bearer]), (400,)),
            (request("GET", "/v1/version", [bearer, ("Upgrade", "h2c")]), (400,)),
            (request("GET", "/v1/version", [bearer, ("Content-Length", "x")]), (400,)),
            (request("GET", "/v1/version", [bearer, ("X", "y" * 70_000)]), (431,)),
            (request("POST", "/v1/detect", [bearer, ("Content-Length", str(MOST + 1))]), (413,)),
            (b"PRI * HTTP/2.0\r\n\r\n", (505,)),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", (400,)),
        ]
    )
    async with visit.connected() as client:
        await client.send(raw)
        await visit.expect(client, *statuses)


async def uploads(visit: Visit) -> None:
    """Large bodies, with a length or in chunks, with or without waiting for a 100."""
    async with visit.connected() as client:
        size = visit.rng.randint(100_000, BIG)
        how = visit.rng.choice(["plain", "plain", "slow-read"])
        if visit.rng.random() < 0.5:
            await client.send(visit.detect(how, fields=[("Content-Length", str(size))]))
            await visit.send_in_time(client, bytes(size), visit.rng.choice([0, 0, 0.5]))
        else:
            await client.send(visit.detect(how, fields=[("Transfer-Encoding", "chunked")]))
            left = size
            while left:
                piece = min(left, visit.rng.randint(1, 60_000))
                await client.send(b"%x\r\n%b\r\n" % (piece, bytes(piece)))
                left -= piece
            await client.send(b"0\r\n\r\n")
        await visit.expect(client, 200, took=size)


async def waits_for_100(visit: Visit) -> None:
    """The body is sent when it is asked for, which the face API does and a denial does not."""
    fields = [("Expect", "100-continue"), ("Content-Length", "5")]
    async with visit.connected() as client:
        if visit.rng.random() < 0.3:
            await client.send(request("POST", "/v1/search", [visit.bearer("police"), *fields]))
            await visit.expect(client, 451)
            return
        await client.send(visit.detect(fields=fields))
        await asyncio.sleep(0.02)
        await client.send(b"12345")
        await visit.expect(client, 200, took=5)


async def pipelined(visit: Visit) -> None:
    """Many calls in one piece, answered in order."""
    wanted = [visit.rng.choice([200, 200, 451]) for _ in range(visit.rng.randint(2, 40))]
    whole = b"".join(visit.get() if status == 200 else visit.search() for status in wanted)
    async with visit.connected() as client:
        await client.send(whole)
        for status in wanted:
            await visit.expect(client, status)


async def old_protocol(visit: Visit) -> None:
    """HTTP/1.0, which gets no chunks."""
    how = visit.rng.choice(["plain", "chunked", "until-close"])
    async with visit.connected() as client:
        await client.send(visit.get(how).replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1))
        await visit.expect(client, 200)


async def odd_answers(visit: Visit) -> None:
    """What the face API sends is unusual; the call, and the next one, have their own answers all the same."""
    odd = ("chunked", "until-close", "interim", "stray", "last", "no-more", "dribble")
    async with visit.connected() as client:
        for _ in range(visit.rng.randint(1, 3)):
            await client.send(visit.get(visit.rng.choice(odd)))
            await visit.expect(client, 200)
            await client.send(visit.get())
            await visit.expect(client, 200)
