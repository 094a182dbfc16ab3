"""One issuer for all cases."""

import json

import pytest

from proxy.testing import TokenMint


@pytest.fixture(scope="session")
def mint() -> TokenMint:
    return TokenMint()


@pytest.fixture(scope="session")
def jwks(mint: TokenMint) -> bytes:
    return json.dumps(mint.jwks()).encode()
