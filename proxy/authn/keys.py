"""Fetches and keeps an issuer's keys: from a URL or a file, refreshed ahead, and once per unknown key id.

The keys at hand go on when the issuer cannot be reached, for a bounded time; after that nothing can be
judged, which is a failure (503), never a denial.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import aiohttp

from proxy.authn.keyset import EMPTY, KeySet, parse_keys
from proxy.errors import KeySetInvalid, KeysUnavailable

log = logging.getLogger("moratorium.keys")

MAX_BYTES = 1024 * 1024


class KeySource(Protocol):
    """Where an issuer's keys come from."""

    issuer: str
    last_success: float

    @property
    def keys(self) -> KeySet:
        """The keys at hand. Raises `KeysUnavailable` when there are none that may still be used."""

    async def refresh(self) -> None:
        """Get the keys now. Raises `KeysUnavailable`; the old ones stay."""

    async def seek(self) -> None:
        """A token names a key we do not have: refresh, unless that was done just now."""


class FileKeys:
    """Keys from a PEM or JWK file. Read at start and at every refresh."""

    def __init__(self, issuer: str, path: Path, clock: Callable[[], float]) -> None:
        self.issuer = issuer
        self.last_success = 0.0
        self._path = path
        self._clock = clock
        self._keys = EMPTY
        self._stamp: tuple[int, int] = (0, 0)

    @property
    def keys(self) -> KeySet:
        return self._keys

    async def refresh(self) -> None:
        try:
            # Stamped before it is read: what is written meanwhile must look newer, not known.
            status = os.stat(self._path)
            self._keys = parse_keys(self._path.read_bytes())
        except (OSError, KeySetInvalid) as error:
            raise KeysUnavailable(self.issuer, f"{self._path}: {_why(error)}") from None
        self._stamp = (status.st_mtime_ns, status.st_ino)
        self.last_success = self._clock()

    async def seek(self) -> None:
        """Read again if the file has changed since."""
        try:
            status = os.stat(self._path)
        except OSError as error:
            raise KeysUnavailable(self.issuer, f"{self._path}: {_why(error)}") from None
        if self._stamp != (status.st_mtime_ns, status.st_ino):
            await self.refresh()


class RemoteKeys:
    """Keys from a JWKS URL: one fetch at a time, no redirects, bounded in size and time."""

    def __init__(
        self,
        issuer: str,
        url: str,
        clock: Callable[[], float],
        *,
        cooldown: float = 30.0,
        timeout: float = 5.0,
        stale_after: float = 24 * 3600.0,
    ) -> None:
        self.issuer = issuer
        self.last_success = 0.0
        self._url = url
        self._clock = clock
        self._cooldown = cooldown
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._stale_after = stale_after
        self._keys = EMPTY
        self._last_try = 0.0
        self._failure: str | None = "not fetched yet"
        self._under_way: asyncio.Future[None] | None = None

    @property
    def keys(self) -> KeySet:
        if self._failure is not None:
            age = self._clock() - self.last_success
            if not self._keys.keys or not 0 <= age < self._stale_after:
                raise KeysUnavailable(self.issuer, self._failure)
        return self._keys

    async def refresh(self) -> None:
        if self._under_way is None:
            self._under_way = asyncio.ensure_future(self._fetch())
            self._under_way.add_done_callback(self._landed)
        # Shielded: one waiting caller who leaves must not cancel the fetch for the others.
        await asyncio.shield(self._under_way)

    async def seek(self) -> None:
        """A flood of made-up key ids costs the issuer one request per cooldown (threat T40)."""
        since = self._clock() - self._last_try
        if self._under_way is None and 0 <= since < self._cooldown:
            if self._failure is not None:
                raise KeysUnavailable(self.issuer, self._failure)
            return
        await self.refresh()

    def _landed(self, fetch: asyncio.Future[None]) -> None:
        self._under_way = None
        if not fetch.cancelled():
            fetch.exception()  # seen: whoever waits gets it, and nobody need wait

    async def _fetch(self) -> None:
        self._last_try = self._clock()
        try:
            self._keys = parse_keys(await self._download())
        except (aiohttp.ClientError, TimeoutError, OSError, KeySetInvalid, ValueError) as error:
            self._failure = f"{self._url}: {_why(error)}"
            log.warning("keys not fetched", extra={"issuer": self.issuer, "why": self._failure})
            raise KeysUnavailable(self.issuer, self._failure) from None
        self._failure = None
        self.last_success = self._clock()

    async def _download(self) -> bytes:
        async with (
            aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(self._url, allow_redirects=False, headers={"Accept": "application/json"}) as answer,
        ):
            if answer.status != 200:
                raise KeySetInvalid(f"status {answer.status} instead of 200")
            content = await answer.content.read(MAX_BYTES + 1)
            while len(content) <= MAX_BYTES and (more := await answer.content.read(MAX_BYTES + 1)):
                content += more
            if len(content) > MAX_BYTES:
                raise KeySetInvalid(f"larger than {MAX_BYTES} bytes")
            return content


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
