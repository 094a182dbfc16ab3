"""The way in: makes bench/.venv from the hashed lock, then goes on in it as bench.cli.

Needs nothing but Python 3.11, so that it can be started by any interpreter.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = HERE / "requirements.lock"


def install() -> None:
    """Make the environment, unless it is there and from this very lock."""
    stamp = VENV / f".bench-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    if stamp.exists():
        return
    sys.stderr.write("[1/2] creating bench/.venv\n")
    uv = shutil.which("uv")
    if uv:
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, VENV], check=True)
        how = [uv, "pip", "install", "--quiet", "--python", str(PYTHON)]
    else:
        subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
        how = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    sys.stderr.write("[2/2] installing the peers and the plotter (about 100 MB)\n")
    subprocess.run([*how, "--require-hashes", "-r", LOCK], check=True)
    stamp.touch()


def main() -> None:
    try:
        install()
    except subprocess.CalledProcessError as error:
        sys.stderr.write(f"bench/.venv could not be made: {error}\n")
        sys.exit(3)
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    os.execve(PYTHON, [str(PYTHON), "-m", "bench.cli", *sys.argv[1:]], environment)  # noqa: S606


if __name__ == "__main__":
    main()
