"""An issuer whose key endpoint is a real server, and a proxy's view of it."""

from collections.abc import AsyncIterator

import pytest

from proxy.authn.keys import RemoteKeys
from tests.authn.issuers import KeyServer, key_server
from tests.authn.tokens import ISSUER, FixedClock


@pytest.fixture
async def issuer() -> AsyncIterator[KeyServer]:
    async with key_server() as server:
        yield server


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def source(issuer: KeyServer, clock: FixedClock) -> RemoteKeys:
    return RemoteKeys(ISSUER, issuer.url, clock, cooldown=30, timeout=2, stale_after=3600)
