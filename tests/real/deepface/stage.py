"""The set-up: the server, and before it two proxies, of which one lets calls name their image."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from proxy.testing import TokenMint
from tests.harness.proxy import write_settings
from tests.real.deepface.bodies import Body
from tests.real.deepface.server import DeepFace, deepface
from tests.soak.process import ProxyProcess, proxy_process

ROOT = Path(__file__).resolve().parents[3]
POLICIES = [ROOT / "config" / "policies" / f"{name}.toml" for name in ("amazon-2020", "eu-ai-act-5-1-f")]
INLINE, ANY = "inline-only", "any"
DIRECT = "direct-"
"""How the request id of a call begins that was made to the server itself."""
# Slow machines, three faces in one call.
_SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """What a client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def decision_id(self) -> str:
        return self.headers.get("X-Decision-Id", "")

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Stage:
    """Everything that runs, and what it leaves behind in `folder`. `proxied`: calls made to the proxies."""

    server: DeepFace
    proxies: Mapping[str, ProxyProcess]
    mint: TokenMint
    folder: Path
    session: aiohttp.ClientSession
    proxied: int = 0

    async def through(
        self, bearer: str, path: str, body: Body | None, *, media: str = INLINE, method: str = "POST"
    ) -> Answer:
        """A call to the proxy."""
        self.proxied += 1
        return await self._call(f"http://127.0.0.1:{self.proxies[media].port}{path}", method, bearer, body)

    async def direct(self, path: str, body: Body | None, *, bearer: str = "", method: str = "POST") -> Answer:
        """A call to the server itself, with its key unless another credential is given."""
        key = bearer or self.server.key
        mark = {"X-Request-Id": f"{DIRECT}{uuid.uuid4()}"}
        return await self._call(f"{self.server.url}{path}", method, key, body, mark)

    async def _call(
        self, url: str, method: str, bearer: str, body: Body | None, more: Mapping[str, str] | None = None
    ) -> Answer:
        headers = {**(more or {})}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        if body is not None:
            headers["Content-Type"] = body.media_type
        content = body.content if body is not None else None
        async with self.session.request(method, url, data=content, headers=headers) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    def records(self) -> list[dict[str, Any]]:
        """What both proxies have recorded of decisions."""
        lines = [
            line
            for media in self.proxies
            for line in (self.folder / media / "audit.jsonl").read_text("utf-8").splitlines()
        ]
        return [record for record in map(json.loads, lines) if "decision" in record]

    def complaints(self) -> list[str]:
        """What the proxies' logs tell of faults."""
        return [line for proxy in self.proxies.values() for line in proxy.complaints()]


@contextlib.asynccontextmanager
async def staged(python: Path, folder: Path) -> AsyncIterator[Stage]:
    """Start all of it, and end it with the block. `python` is the interpreter that has deepface."""
    mint = TokenMint()
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(deepface(python, folder / "deepface"))
        key_file = folder / "server.key"
        _write_key(key_file, server.key)
        proxies = {}
        for media in (INLINE, ANY):
            settings = _settings(folder / media, server, mint, media, key_file)
            proxies[media] = await stack.enter_async_context(proxy_process(folder / media, settings))
        session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_SECONDS), connector=aiohttp.TCPConnector(force_close=True)
        )
        await stack.enter_async_context(session)
        yield Stage(server, proxies, mint, folder, session)


def _write_key(file: Path, key: str) -> None:
    file.touch(mode=0o600)
    file.write_text(key, "utf-8")


def _settings(folder: Path, server: DeepFace, mint: TokenMint, media: str, key: Path) -> dict[str, str]:
    folder.mkdir()
    return write_settings(
        folder,
        server.port,
        mint,
        "deepface",
        policy_file=",".join(map(str, POLICIES)),
        media=media,
        upstream_key_file=str(key),
    )
