"""The soak in small: the same program, so that it cannot rot between the long runs."""

from pathlib import Path

from tests.soak.checks import checks
from tests.soak.soak import soaked

SECONDS = 3.5
SEED = 20200610
MOST_GROWTH = 48.0


async def test_some_seconds_of_mixed_traffic_leave_nothing_behind(tmp_path: Path) -> None:
    async with soaked(SECONDS, SEED, tmp_path, lambda _share, _says: None) as soak:
        found = await checks(soak, MOST_GROWTH)

        broken = [check for check in found if not check.holds]
        assert not broken, (broken, soak.ledger.words, soak.proxy.complaints()[:5])
