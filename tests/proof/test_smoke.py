"""The proof run in small: the same program, so that it cannot rot between the long runs."""

from pathlib import Path

from tests.proof.checks import checks
from tests.proof.run import ran

CALLS = 1000
"""At least: they go on until all has happened."""
SEED = 20200610
ROTATE_BYTES = 100_000
PAUSE = 0.04


async def test_after_kills_and_a_full_disk_all_counts_agree(tmp_path: Path) -> None:
    nobody = lambda _share, _says: None  # noqa: E731
    async with ran(tmp_path, CALLS, SEED, nobody, mount=False, rotate_bytes=ROTATE_BYTES, pause=PAUSE) as run:
        broken = [check for check in await checks(run) if not check.holds]

    assert not broken, broken
