"""Fetches and keeps an issuer's keys: refreshed ahead of time, and once per unknown key id.

The keys at hand go on when the issuer cannot be reached, for a bounded time; after that nothing can be
judged, which is a failure (503), never a denial.
"""

import asyncio
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from proxy.authn.discovery import find_keys
from proxy.authn.download import NotFetched, download, why
from proxy.authn.keyset import parse_keys
from proxy.authn.sought import Sought
from proxy.authn.sources import REFRESH_SECONDS, Held, KeySource, Source
from proxy.errors import KeySetInvalid, KeysUnavailable
from proxy.policy.callers import Instant

LEAST_REFRESH, MOST_REFRESH = 60.0, 1800.0
REDISCOVER_SECONDS = 3600.0


class RemoteKeys(Source):
    """Keys from a JWKS URL: one fetch at a time, no redirects, bounded in size and time.

    `url`: None for the one that the issuer's own discovery document names. `skew`: how far the issuer's clock
    was ahead of ours at the last answer, in seconds; `hear` is told of each.
    """

    def __init__(
        self,
        issuer: str,
        url: str | None,
        clock: Callable[[], float],
        *,
        cooldown: float = 30.0,
        timeout: float = 5.0,
        stale_after: float = 24 * 3600.0,
        insecure: bool = False,
        hear: Callable[[str, float], None] = lambda _issuer, _skew: None,
    ) -> None:
        super().__init__(issuer, clock)
        self.skew: float | None = None
        self._hear = hear
        self._url = url
        self._timeout = timeout
        self._stale_after = stale_after
        self._insecure = insecure
        self._place = issuer, url, stale_after, insecure
        self._max_age: float | None = None
        self._discovered: tuple[str, Instant] | None = None
        self._sought = Sought(cooldown)
        self._under_way: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<RemoteKeys {self.issuer} {self._url or 'by discovery'}>"

    def same_place(self, other: KeySource) -> bool:
        return isinstance(other, RemoteKeys) and self._place == other._place

    def pause(self) -> float:
        wanted = REFRESH_SECONDS if self._max_age is None else self._max_age
        return self.retry() or min(max(wanted, LEAST_REFRESH), MOST_REFRESH)

    async def refresh(self) -> None:
        if self._under_way is None:
            self._under_way = asyncio.ensure_future(self._fetch())
            self._under_way.add_done_callback(self._landed)
        # Shielded: one waiting caller who leaves must not cancel the fetch for the others.
        await asyncio.shield(self._under_way)

    async def seek(self, kid: str | None = None) -> None:
        """A flood of made-up key ids costs the issuer a few requests per cooldown (threat T40).

        An id that was asked for within the cooldown is settled. One that was not might be new, and must not
        be denied because of others: when it cannot be asked for now, nobody knows.
        """
        now = self._clock()
        if self._sought.settled(kid, now):
            if self._under_way is not None:
                await self.refresh()
            elif self.held.why is not None:
                raise KeysUnavailable(self.issuer, self.held.why)
            return
        if not self._sought.take(kid, now):
            raise KeysUnavailable(self.issuer, "asked for too many unknown key ids")
        if self._under_way is not None:
            # It began before this id was heard of: what it brings may be too old to hold the key.
            await asyncio.wait([self._under_way])
        await self.refresh()

    def _landed(self, fetch: asyncio.Future[None]) -> None:
        self._under_way = None
        if not fetch.cancelled():
            fetch.exception()  # seen: whoever waits gets it, and nobody need wait

    async def _fetch(self) -> None:
        url = self._url
        try:
            async with asyncio.timeout(self._timeout):
                url = url or await self._discover()
                answer = await download(url, self._timeout)
            keys = parse_keys(answer.content)
        except (NotFetched, TimeoutError, KeySetInvalid) as error:
            self._discovered = None
            reason = f"{url or 'discovery'}: {why(error)}"
            last = self.last_success
            raise self.missed(Held(self.held.keys, last, last + self._stale_after, reason)) from None
        self._max_age = answer.max_age
        self.skew = _skew(answer.date, self._clock())
        if self.skew is not None:
            self._hear(self.issuer, self.skew)
        self.succeeded(keys)

    async def _discover(self) -> str:
        now = self._clock()
        if self._discovered is None or not 0 <= now - self._discovered[1] < REDISCOVER_SECONDS:
            url = await find_keys(self.issuer, self._timeout, insecure=self._insecure)
            self._discovered = url, now
        return self._discovered[0]


def _skew(date: bytes | None, now: Instant) -> float | None:
    """How far the `Date` of an answer (RFC 9110 section 6.6.1) is ahead of our clock."""
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date.decode("ascii"))
    except ValueError:
        return None
    return moment.timestamp() - now if moment.tzinfo is not None else None
