"""A face API of one dialect behind proxies, one for each thing that can be the matter with them."""

import asyncio
import contextlib
import json
import os
import re
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from proxy.testing import TokenMint
from tests.clients.dialects import Canned, Dialect
from tests.harness.proxy import write_settings
from tests.soak.process import ProxyProcess, proxy_process

POLICY = Path(__file__).parents[2] / "config" / "policies" / "amazon-2020.toml"
WELL, DOWN, BLIND = NAMES = ("well", "down", "blind")
"""Nothing is the matter; its face API is down; its issuer is down, so that it can judge no token."""
LARGEST = 32 * 1024 * 1024
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


@dataclass
class FaceApi:
    """Answers every call alike. `leaked`: calls that still carried a JWT; `strange`: without the key."""

    dialect: Dialect
    throttles: bool = False
    calls: int = 0
    leaked: int = 0
    strange: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.calls += 1
        self.leaked += any(_JWT.search(value) for value in (*request.headers.values(), request.raw_path))
        if not self.dialect.accepts(request.method, request.path, request.headers, body):
            self.strange += 1
            return _response(self.dialect.refused)
        return _response(self.dialect.throttled if self.throttles else self.dialect.answer)


def _response(canned: Canned) -> web.Response:
    headers = {**canned.headers, "Content-Type": canned.content_type}
    return web.Response(body=canned.body, status=canned.status, headers=headers)


@dataclass
class Stand:
    """`proxies`: by what is the matter with them. `face_port`: where the face API is."""

    dialect: Dialect
    folder: Path
    face_api: FaceApi
    face_port: int
    mint: TokenMint = field(default_factory=TokenMint)
    proxies: dict[str, ProxyProcess] = field(default_factory=dict)
    credentials_port: int = field(default_factory=lambda: _free_port())

    @property
    def token_file(self) -> Path:
        """Where the sidecar finds the token that it hands out."""
        return self.folder / "token"

    def records(self) -> list[dict[str, Any]]:
        """What all proxies have decided so far."""
        files = [self.folder / name / "audit.jsonl" for name in self.proxies]
        lines = [json.loads(line) for file in files for line in _lines(file)]
        return [record for record in lines if "decision" in record]

    def settings(self, name: str, dead_port: int) -> dict[str, str]:
        """For the proxy of this name; nobody listens on `dead_port`."""
        place = self.folder / name
        place.mkdir()
        upstream = dead_port if name == DOWN else self.face_port
        policy = POLICY.read_text("utf-8")
        settings = write_settings(place, upstream, self.mint, self.dialect.backend, policy, jwt_leeway="0")
        if name == BLIND:
            settings["MORATORIUM_JWT_KEY_FILE"] = ""
            settings["MORATORIUM_JWT_JWKS_URL"] = f"http://127.0.0.1:{dead_port}/jwks.json"
        if name == WELL and self.dialect.backend == "aws-rekognition":
            settings["MORATORIUM_AWS_CREDENTIALS_LISTEN"] = f"127.0.0.1:{self.credentials_port}"
            settings["MORATORIUM_AWS_CREDENTIALS_TOKEN_FILE"] = str(self.token_file)
        # Nobody's own AWS settings, but those of the dialect.
        return {
            **{key: "" for key in os.environ if key.startswith("AWS_")},
            **settings,
            **self.dialect.settings,
        }


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines() if file.exists() else []


@contextlib.asynccontextmanager
async def stand(
    dialect: Dialect, folder: Path, face_port: int = 0, names: Sequence[str] = NAMES
) -> AsyncIterator[Stand]:
    """Start all of it. `face_port`: a face API that is running already, instead of the one here."""
    face_api = FaceApi(dialect)
    async with contextlib.AsyncExitStack() as stack:
        face_port = face_port or await stack.enter_async_context(_listening(face_api))
        # Bound and never listening: whoever connects is refused, and nobody else can take the port.
        silent = stack.enter_context(socket.socket())
        silent.bind(("127.0.0.1", 0))
        built = Stand(dialect, folder, face_api, face_port)
        built.token_file.write_text(built.mint.token(), "utf-8")
        dead_port = int(silent.getsockname()[1])
        started = [proxy_process(folder / name, built.settings(name, dead_port)) for name in names]
        running = await asyncio.gather(*map(stack.enter_async_context, started))
        built.proxies = dict(zip(names, running, strict=True))
        yield built


@contextlib.asynccontextmanager
async def _listening(face_api: FaceApi) -> AsyncIterator[int]:
    app = web.Application(client_max_size=LARGEST)
    app.router.add_route("*", "/{rest:.*}", face_api.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
