"""The demo's set-up: issuer, face server and proxy, started together and ended together.

The issuer runs in this process, the other two as real processes, as they would anywhere else.
"""

import asyncio
import json
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy.demo.callers import BANK, INVESTIGATING
from proxy.demo.calls import example_request
from proxy.demo.children import Child, StartError, child
from proxy.demo.issuer import AUDIENCE, ISSUER, published
from proxy.testing import TokenMint

POLICY = "policies/amazon-2020.toml"

# The proxy's own defaults, so that they can be typed from memory.
TRAFFIC_PORT = 8080
METRICS_PORT = 9464

# Tokens for trying things by hand, and how long they last.
BY_HAND = {"bank": BANK, "sheriff": INVESTIGATING}
BY_HAND_SECONDS = 8 * 3600

Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Stage:
    """Where everything is."""

    proxy: str
    metrics: str
    faces: str
    audit: Path
    folder: Path
    mint: TokenMint


@asynccontextmanager
async def stage(env: Mapping[str, str], *, usual_ports: bool, report: Report) -> AsyncIterator[Stage]:
    """Start everything, and end it when the block is left. `report` hears what is up, after how long."""
    folder = Path(tempfile.mkdtemp(prefix="moratorium-demo-"))
    mint = TokenMint(ISSUER, AUDIENCE)
    try:
        async with AsyncExitStack() as stack:
            jwks_url = await stack.enter_async_context(published(mint))
            set_up = Stage(
                proxy=_loopback(_port(TRAFFIC_PORT, usual_ports)),
                metrics=_loopback(_port(METRICS_PORT, usual_ports)),
                faces=_loopback(_port(0, False)),
                audit=folder / "audit.ndjson",
                folder=folder,
                mint=mint,
            )
            await _start(stack, set_up, jwks_url, env, report)
            _write_examples(set_up)
            yield set_up
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _start(
    stack: AsyncExitStack, set_up: Stage, jwks_url: str, env: Mapping[str, str], report: Report
) -> None:
    foreign = {name: value for name, value in env.items() if not name.startswith("MORATORIUM_")}
    faces_command = [sys.executable, "-m", "proxy.demo.faceserver", "--port", set_up.faces.rpartition(":")[2]]
    proxy_command = [sys.executable, "-m", "proxy", "serve"]
    proxy_env = {**foreign, **settings(set_up, jwks_url)}
    faces = await stack.enter_async_context(child("face server", faces_command, foreign, set_up.folder))
    proxy = await stack.enter_async_context(child("proxy", proxy_command, proxy_env, set_up.folder))
    waiting = [
        _await(faces, f"{set_up.faces}/healthz", f"face recogniser (dlib)  {set_up.faces}", report),
        _await(proxy, f"{set_up.metrics}/readyz", f"moratorium              {set_up.proxy}", report),
    ]
    tasks = [asyncio.ensure_future(each) for each in waiting]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _await(started: Child, url: str, title: str, report: Report) -> None:
    report(title, await started.answers(url))


def settings(set_up: Stage, jwks_url: str) -> dict[str, str]:
    """The proxy's settings, in its own words."""
    return {
        "MORATORIUM_LISTEN": set_up.proxy.removeprefix("http://"),
        "MORATORIUM_METRICS_LISTEN": set_up.metrics.removeprefix("http://"),
        "MORATORIUM_UPSTREAM": set_up.faces,
        "MORATORIUM_BACKEND": "aws-rekognition",
        "MORATORIUM_JWT_ISSUER": ISSUER,
        "MORATORIUM_JWT_AUDIENCE": AUDIENCE,
        "MORATORIUM_JWT_JWKS_URL": jwks_url,
        "MORATORIUM_POLICY_FILE": str(policy_file()),
        "MORATORIUM_AUDIT_FILE": str(set_up.audit),
        "MORATORIUM_LOG_LEVEL": "warning",
    }


def policy_file() -> Path:
    """Amazon's 2020 promise: in a checkout under config, in an installed wheel under proxy/share."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package.parent / "config", package / "share"):
        if (folder / POLICY).is_file():
            return folder / POLICY
    raise StartError(
        f"the policy {POLICY} is neither in {package.parent / 'config'} nor in {package / 'share'}"
    )


def _write_examples(set_up: Stage) -> None:
    """Tokens and a request body, so that a line of curl is short enough to read."""
    for name, claims in BY_HAND.items():
        token = set_up.mint.token(expires_in=BY_HAND_SECONDS, **claims)
        (set_up.folder / f"{name}.jwt").write_text(token)
    (set_up.folder / "compare.json").write_text(json.dumps(example_request()))


def _loopback(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _port(usual: int, wanted: bool) -> int:
    """The usual port if it is wanted and free, otherwise any free one."""
    for port in (usual, 0) if wanted else (0,):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            bound: int = trial.getsockname()[1]
            return bound
    raise StartError("no free port on 127.0.0.1")
