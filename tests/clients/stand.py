"""A face API of one dialect with two proxies in front of it: one that reaches it and one that does not."""

import contextlib
import json
import os
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from proxy.testing import TokenMint
from tests.clients.dialects import Canned, Dialect
from tests.harness.proxy import write_settings
from tests.soak.process import proxy_process

POLICY = Path(__file__).parents[2] / "config" / "policies" / "amazon-2020.toml"
LARGEST = 32 * 1024 * 1024
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


@dataclass
class FaceApi:
    """Answers every call alike. `leaked`: calls that still carried a JWT; `strange`: those without the key."""

    dialect: Dialect
    throttles: bool = False
    calls: int = 0
    leaked: int = 0
    strange: int = 0
    port: int = 0
    answered: list[bytes] = field(default_factory=list)

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
    """`port`: the proxy before the face API; `dark_port`: the one whose face API is down."""

    dialect: Dialect
    face_api: FaceApi
    mint: TokenMint
    port: int
    dark_port: int
    records_files: tuple[Path, Path]
    token_file: Path
    credentials_port: int

    def records(self) -> list[dict[str, Any]]:
        """What both proxies have decided so far."""
        return [json.loads(line) for file in self.records_files for line in _lines(file)]


def _lines(file: Path) -> list[str]:
    return file.read_text("utf-8").splitlines() if file.exists() else []


@contextlib.asynccontextmanager
async def stand(dialect: Dialect, folder: Path, face_port: int | None = None) -> AsyncIterator[Stand]:
    """Start all of it. `face_port`: a face API that is running already, instead of the one here."""
    face_api = FaceApi(dialect)
    async with contextlib.AsyncExitStack() as stack:
        if face_port is None:
            face_port = face_api.port = await stack.enter_async_context(_listening(face_api))
        # Bound and never listening: whoever connects is refused, and nobody else can take the port.
        silent = stack.enter_context(socket.socket())
        silent.bind(("127.0.0.1", 0))
        mint = TokenMint()
        token_file, credentials_port = folder / "token", _free_port()
        token_file.write_text(mint.token(), "utf-8")
        fetched = {
            "MORATORIUM_AWS_CREDENTIALS_LISTEN": f"127.0.0.1:{credentials_port}",
            "MORATORIUM_AWS_CREDENTIALS_TOKEN_FILE": str(token_file),
        }
        places, ports = [], []
        for name, upstream in (("up", face_port), ("down", int(silent.getsockname()[1]))):
            place = folder / name
            place.mkdir()
            settings = write_settings(
                place, upstream, mint, dialect.backend, POLICY.read_text("utf-8"), jwt_leeway="0"
            )
            wanted = fetched if name == "up" and dialect.backend == "aws-rekognition" else {}
            # Nobody's own AWS settings, but those of the dialect.
            cleared = {key: "" for key in os.environ if key.startswith("AWS_")}
            running = await stack.enter_async_context(
                proxy_process(place, {**cleared, **settings, **dialect.settings, **wanted})
            )
            places.append(place / "audit.jsonl")
            ports.append(running.port)
        yield Stand(
            dialect, face_api, mint, ports[0], ports[1], (places[0], places[1]), token_file, credentials_port
        )


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
