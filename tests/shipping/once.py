"""The recipe of `docs/shipping.md`: of what came home it makes one log, each chain in its order."""

import re
import subprocess
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "shipping.md"


def recipe() -> str:
    """Its shell commands, as they stand in the page."""
    found = re.search(r"```sh\n(once\(\) \{.*?\n\})\n", PAGE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def once(files: list[Path], target: Path) -> None:
    """Run it over these files."""
    script = f'{recipe()}\nonce "$@"'
    with target.open("wb") as out:
        subprocess.run(["/bin/sh", "-euc", script, "once", *map(str, files)], stdout=out, check=True)
