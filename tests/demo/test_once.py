"""The whole demo, as a user runs it: every row as expected, and nothing left behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.demo.callers import CAST

SECONDS = 60
DEMO = [sys.executable, "-m", "proxy", "demo"]


@pytest.mark.real
def test_the_demo_comes_out_as_expected(tmp_path: Path) -> None:
    done = subprocess.run(
        [*DEMO, "--once"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"All {len(CAST)} outcomes are as expected" in done.stdout
    assert "Token seen upstream: never" in done.stdout
    assert "5 let through, 5 seen by the face server: all agree." in done.stdout
    assert "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    for caller in CAST:
        wanted = (caller.who, caller.asks, caller.expected.decision, caller.expected.reason)
        assert any(all(part in line for part in wanted) for line in lines), caller.who
    assert list(tmp_path.iterdir()) == []


@pytest.mark.real
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_demo_stays_up_until_it_is_told_to_end(tmp_path: Path, ending: signal.Signals) -> None:
    output = tmp_path / "output"
    folder = tmp_path / "folder"
    folder.mkdir()
    with (
        output.open("w") as file,
        subprocess.Popen(
            DEMO, env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.PIPE, stderr=file, text=True
        ) as running,
    ):
        assert running.stdout is not None
        said = next((line for line in running.stdout if "until Ctrl-C" in line), "")
        running.send_signal(ending)
        rest = running.stdout.read()

    assert said, output.read_text()
    assert running.returncode == 0, rest
    assert list(folder.iterdir()) == []
