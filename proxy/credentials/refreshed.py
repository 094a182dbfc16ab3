"""What has to be got again before it ends: kept by one task, ahead of time, off the way of calls."""

import asyncio
import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

from proxy.errors import CredentialUnavailable
from proxy.messages import Headers, RequestHead
from proxy.policy.callers import FOREVER, Instant
from proxy.policy.model import Permit

log = logging.getLogger("moratorium.credentials")

T = TypeVar("T")
Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]

LEAST_PAUSE, MOST_PAUSE = 1.0, 3600.0
MOST_RETRY = 60.0
AHEAD = 300.0
"""Seconds before its end at which a credential is got anew; of a short one, the last third of its life."""


class Got(NamedTuple, Generic[T]):
    """A credential, and the first instant at which it can no longer be used."""

    value: T
    until: Instant = FOREVER


class Refreshed(ABC, Generic[T]):
    """Subclasses say how to `get` one, and in what lines it goes. `seconds`: how long getting may take."""

    wants_body: bool

    def __init__(self, clock: Callable[[], float], seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self._got: Got[T] | None = None
        self._at: Instant = 0.0
        self._why: str | None = "not there yet"
        self._failures = 0
        self._keeping: asyncio.Task[None] | None = None

    @abstractmethod
    async def get(self) -> Got[T]:
        """One that is fresh. Raises `CredentialUnavailable`."""

    @abstractmethod
    def fields(
        self,
        head: RequestHead,
        forwarded: list[tuple[bytes, bytes]],
        host: bytes,
        body: bytes | None,
        now: Instant,
        permit: Permit,
    ) -> Headers:
        """As every credential."""

    @abstractmethod
    def same_as(self, other: object) -> bool:
        """Whether the other would get the same."""

    def at_hand(self, now: Instant) -> T:
        """The one that is there. Raises `CredentialUnavailable` when there is none, or it has ended."""
        if self._got is None:
            raise CredentialUnavailable(self._why or "not there yet")
        if now >= self._got.until:
            raise CredentialUnavailable(f"it has ended, and no new one could be had: {self._why}")
        return self._got.value

    def fault(self, now: Instant) -> str | None:
        """Why calls cannot be given one."""
        try:
            self.at_hand(now)
        except CredentialUnavailable as error:
            return error.why
        return None

    @property
    def until(self) -> Instant | None:
        """When the one at hand ends; None: nobody knows, or there is none."""
        return self._got.until if self._got is not None and self._got.until != FOREVER else None

    @property
    def failed(self) -> str | None:
        """Why there was none the last time."""
        return self._why

    async def refresh(self, *, at_most: float = FOREVER) -> None:
        """Get one now; when that fails the old one stays, and the log says so."""
        seconds = min(self._seconds, at_most)
        try:
            async with asyncio.timeout(seconds):
                got = await self.get()
            if got.until <= self._clock():
                raise CredentialUnavailable("what was got has ended already")
        except TimeoutError:
            self._missed(f"nothing came within {seconds:g} s")
        except CredentialUnavailable as error:
            self._missed(error.why)
        else:
            self._got, self._at, self._why, self._failures = got, self._clock(), None, 0

    def _missed(self, why: str) -> None:
        self._why, self._failures = why, self._failures + 1
        log.warning("upstream credential not had", extra={"why": why})

    def pause(self) -> float:
        """Seconds until it should be got again."""
        if self._failures:
            return float(min(2**self._failures, MOST_RETRY))
        if self._got is None or self._got.until == FOREVER:
            return MOST_PAUSE
        life = self._got.until - self._at
        left = self._got.until - self._clock()
        return min(max(left - min(AHEAD, life / 3), LEAST_PAUSE), MOST_PAUSE)

    def keep(self, spawn: Spawn) -> None:
        """Get it again and again, in a task of its own."""
        if self._keeping is None:
            self._keeping = spawn(self._keep_forever())

    def end(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None

    async def _keep_forever(self) -> None:
        while True:
            if self._got is not None or self._failures:
                await asyncio.sleep(self.pause() * random.uniform(0.9, 1.0))  # noqa: S311  (no secret)
            await self.refresh()
