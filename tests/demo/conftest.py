"""A face server for the tests of the demo: a real process, as the demo itself runs it."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.demo.children import child


@pytest.fixture(scope="session")
async def faces(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The URL of a running face server."""
    folder = tmp_path_factory.mktemp("faces")
    port_file = folder / "port"
    command = [sys.executable, "-m", "proxy.demo.faceserver", "--port-file", str(port_file)]
    async with child("face server", command, os.environ, folder) as server:
        port = await asyncio.to_thread(_port, port_file)
        await server.answers(f"http://127.0.0.1:{port}/healthz")
        yield f"http://127.0.0.1:{port}"


def _port(file: Path) -> int:
    deadline = time.monotonic() + 60
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return int(file.read_text())
