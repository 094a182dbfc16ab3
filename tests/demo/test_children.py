"""What people read when a part of the demo does not start, and that nothing of it stays behind."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from proxy.demo.children import Child, StartError, child

NOWHERE = "http://127.0.0.1:9/healthz"


async def start_error(command: list[str], folder: Path) -> str:
    with pytest.raises(StartError) as caught:
        async with child("thing", command, os.environ, folder) as thing:
            await thing.answers(NOWHERE)
    return str(caught.value)


async def test_an_early_end_is_told_with_the_last_lines(tmp_path: Path) -> None:
    says = await start_error([sys.executable, "-c", "print('no key'); raise SystemExit(3)"], tmp_path)

    assert says == "thing ended with status 3; its last lines:\n  no key"


async def test_silence_is_told_too(tmp_path: Path) -> None:
    says = await start_error([sys.executable, "-c", "raise SystemExit(4)"], tmp_path)

    assert says == "thing ended with status 4; it said nothing"


async def test_a_child_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.demo.children.STOP_SECONDS", 0.2)
    ready = tmp_path / "thing.log"
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); "

    async with child("thing", [sys.executable, "-c", deaf + "time.sleep(99)"], os.environ, tmp_path) as thing:
        await asyncio.to_thread(_until_written, ready)

    assert _status(thing) == -9


def _until_written(file: Path) -> None:
    while not file.stat().st_size:
        pass


def _status(thing: Child) -> int | None:
    return thing._running.returncode
