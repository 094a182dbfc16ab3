"""The development issuer on its own: its keys, and tokens that verify with them."""

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest

from proxy.demo.children import child
from proxy.demo.issuer import AUDIENCE, ISSUER, JWKS_PATH, TOKEN_PATH, published
from proxy.testing import TokenMint

COMMAND = [sys.executable, "-m", "proxy.demo.issuer"]


@pytest.fixture
def port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        free: int = trial.getsockname()[1]
        return free


async def get(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.json(content_type=None) if answer.status == 200 else None


async def test_within_the_demo_it_publishes_and_does_not_sign() -> None:
    mint = TokenMint()
    async with published(mint) as url:
        assert await get(url) == (200, mint.jwks())
        assert (await get(url.replace(JWKS_PATH, TOKEN_PATH)))[0] == 404


async def test_alone_it_signs_what_it_is_asked_to(tmp_path: Path, port: int) -> None:
    async with child("issuer", [*COMMAND, "--port", str(port)], os.environ, tmp_path) as issuer:
        await issuer.answers(f"http://127.0.0.1:{port}{JWKS_PATH}")
        _, keys = await get(f"http://127.0.0.1:{port}{JWKS_PATH}")
        asked = ["org_type=police", "org_type=child-safety", "org_id=icmec", "case_id=CR-1"]
        done = subprocess.run(  # noqa: ASYNC221
            [*COMMAND, "--port", str(port), *asked], capture_output=True, text=True, check=True
        )

    key = jwt.PyJWK(keys["keys"][0])
    claims = jwt.decode(done.stdout.strip(), key, audience=AUDIENCE, issuer=ISSUER)
    assert claims["org_type"] == ["police", "child-safety"]
    assert (claims["org_id"], claims["case_id"]) == ("icmec", "CR-1")


def test_asking_nobody_is_told(port: int) -> None:
    done = subprocess.run(
        [*COMMAND, "--port", str(port), "org_type=police"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert f"nothing answers on port {port}" in done.stderr
