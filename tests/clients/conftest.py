"""One stand for all that speaks AWS here: starting it takes longer than most of what is asked of it."""

from collections.abc import AsyncIterator

import pytest

from tests.clients.dialects import AWS
from tests.clients.stand import DOWN, WELL, Stand, stand


@pytest.fixture(scope="session")
async def aws(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stand]:
    """The stand-in for Rekognition, and the proxies before it that it takes no minute to try."""
    async with stand(AWS, tmp_path_factory.mktemp("aws"), names=(WELL, DOWN)) as built:
        yield built
