"""The AWS clients before the demo's face server, which finds real faces in real photographs."""

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import aiohttp

from proxy.demo.children import child
from tests.clients.cases import Case
from tests.clients.dialects import AWS
from tests.clients.listed import Client, driven
from tests.clients.stand import WELL, stand
from tests.clients.trial import outcomes

ALIKE = 80.0
LOADING_SECONDS = 60


class Real(NamedTuple):
    """What one client saw: the similarity of two photographs."""

    title: str
    saw: str
    seconds: float


async def compared(clients: Iterable[Client], cache: Path) -> tuple[list[Real], list[str]]:
    """One comparison by each of those that speak Rekognition, and everything that went wrong."""
    found, wrong = [], []
    with tempfile.TemporaryDirectory(prefix="moratorium-clients-") as name:
        folder = Path(name)
        port_file = folder / "port"
        command = [sys.executable, "-m", "proxy.demo.faceserver", "--port-file", str(port_file)]
        async with child("face server", command, os.environ, folder) as server:
            async with asyncio.timeout(LOADING_SECONDS):
                while not port_file.exists():  # noqa: ASYNC110  (another process makes it)
                    await asyncio.sleep(0.05)
            port = int(port_file.read_text("utf-8"))
            await server.answers(f"http://127.0.0.1:{port}/healthz")
            async with stand(AWS, folder, port, (WELL,)) as built:
                for client in clients:
                    if client.dialect is not AWS or client.environment or client.fetches:
                        continue
                    async with driven(client, cache, built, folder) as running:
                        async for outcome in outcomes(client, running, built, folder, [Case.ALLOWED]):
                            saw = outcome.saw
                            found.append(Real(f"{client.title} {running.version}", saw.says, outcome.seconds))
                            if saw.kind or float(saw.says) < ALIKE:
                                wrong.append(f"{client.name}, a real recogniser: {saw}")
            if leaked := (await _counted(port))["tokens_seen"]:
                wrong.append(f"the face server has seen {leaked} callers' tokens")
    return found, wrong


async def _counted(port: int) -> dict[str, int]:
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/_calls") as answer:
        members: dict[str, int] = await answer.json()
        return members
