"""Puts each client into an environment of its own in a cache folder, once for each set of versions."""

import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements"
PYTHON_SECONDS, NODE_SECONDS = 600, 600


class NotInstalledError(Exception):
    """The client cannot be had here. The text is for people."""


def install(wanted: str, cache: Path) -> None:
    """Raises `NotInstalledError`."""
    source, place = REQUIREMENTS / wanted, cache / wanted
    stamp = place / "installed"
    text = (source / "package.json" if source.is_dir() else source).read_text("utf-8")
    if stamp.exists() and stamp.read_text("utf-8") == text:
        return
    shutil.rmtree(place, ignore_errors=True)
    if source.is_dir():
        shutil.copytree(source, place)
        _run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"], place, NODE_SECONDS)
    else:
        place.mkdir(parents=True)
        _run([sys.executable, "-m", "venv", str(place)], place, PYTHON_SECONDS)
        pip = [str(place / "bin" / "pip"), "install", "-q", "--disable-pip-version-check"]
        _run([*pip, "-r", str(source)], place, PYTHON_SECONDS)
    stamp.write_text(text, "utf-8")


def _run(words: list[str], folder: Path, seconds: float) -> None:
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=seconds, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalledError(f"{words[0]}: {error}") from None
    if done.returncode:
        raise NotInstalledError(f"{words[0]}: status {done.returncode}: {done.stderr.strip()[-300:]}")
