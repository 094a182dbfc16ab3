"""Child processes of the demo: start one, wait until it answers, say why it did not, end it with its own."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

START_SECONDS = 60.0
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.05
_LAST_LINES = 15


class StartError(Exception):
    """Something of the demo did not start. The text is for people."""


class Child:
    """A running process, in a session of its own: Ctrl-C reaches the demo alone, which ends the rest."""

    def __init__(self, name: str, running: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._running = running
        self._log = log

    async def answers(self, url: str) -> float:
        """Wait until GET `url` gives 200; gives the seconds that took."""
        began = time.monotonic()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while not await _is_ok(session, url):
                if self._running.returncode is not None:
                    raise StartError(
                        f"{self.name} ended with status {self._running.returncode}{self._said()}"
                    )
                if time.monotonic() - began > START_SECONDS:
                    raise StartError(f"{self.name} gave no answer in {START_SECONDS:.0f} s{self._said()}")
                await asyncio.sleep(_POLL_SECONDS)
        return time.monotonic() - began

    async def stop(self) -> None:
        """End the process with SIGTERM, and whatever is left of its session with SIGKILL."""
        try:
            if self._running.returncode is None:
                self._running.send_signal(signal.SIGTERM)
            async with asyncio.timeout(STOP_SECONDS):
                await self._running.wait()
        except TimeoutError:
            # The kill below is the answer to a child that does not listen.
            pass
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._running.pid, signal.SIGKILL)
            await self._running.wait()

    def _said(self) -> str:
        lines = self._log.read_text("utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        return "; it said nothing" if not lines else "; its last lines:\n  " + "\n  ".join(lines)


@asynccontextmanager
async def child(
    name: str, command: Sequence[str], env: Mapping[str, str], folder: Path
) -> AsyncIterator[Child]:
    """Run a command for the length of a block. Its output goes to a file in `folder`."""
    log = folder / f"{name.replace(' ', '-')}.log"
    with log.open("wb") as output:
        running = await asyncio.create_subprocess_exec(
            *command,
            env=dict(env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    started = Child(name, running, log)
    try:
        yield started
    finally:
        await started.stop()


async def _is_ok(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
