"""All issuers' keys: which may be used now, and whom to ask for one that is not at hand.

Each issuer's keys are its own, and so are its outages.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Protocol

from proxy.authn.keyset import KeySet
from proxy.authn.sources import KeySource
from proxy.errors import KeysUnavailable
from proxy.policy.callers import ALWAYS, FOREVER, Instant

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Keys(Protocol):
    """What an enforcer asks for keys."""

    def view(self, now: Instant) -> Mapping[str, KeySet]:
        """The keys by issuer that may be used at `now`; the same object while nothing has changed."""

    async def seek(self, issuer: str, kid: str | None) -> None:
        """A token names a key that we do not have: ask its issuer, if there is reason to.

        Raises `KeysUnavailable` when nobody can say whether the issuer has it.
        """


class KeyRing:
    """One source for each issuer. Until `begin`, every look is a new one."""

    def __init__(self, sources: Iterable[KeySource]) -> None:
        self.sources = {source.issuer: source for source in sources}
        self._listening = False
        self._keepers: list[asyncio.Task[None]] = []
        self._view: Mapping[str, KeySet] = {}
        self._since: Instant = FOREVER
        self._until: Instant = ALWAYS

    def __repr__(self) -> str:
        return f"<KeyRing {', '.join(self.sources)}>"

    def begin(self) -> None:
        """From now on this ring, and no other with some of the same sources, hears when keys change."""
        for source in self.sources.values():
            source.heard_by(self._changed)
        self._listening = True

    def view(self, now: Instant) -> Mapping[str, KeySet]:
        """The keys by issuer that may be used at `now`; the same object while nothing has changed."""
        if self._since <= now < self._until:
            return self._view
        return self._look(now)

    def _changed(self) -> None:
        self._since, self._until = FOREVER, ALWAYS

    def _look(self, now: Instant) -> Mapping[str, KeySet]:
        usable: dict[str, KeySet] = {}
        since, until = ALWAYS, FOREVER
        for issuer, source in self.sources.items():
            held = source.held
            if held.may_be_used(now):
                usable[issuer] = held.keys
            edges = (held.since, held.until)
            since = max(since, *(edge for edge in (ALWAYS, *edges) if edge <= now))
            until = min(until, *(edge for edge in (FOREVER, *edges) if edge > now))
        if self._listening:
            self._since, self._until = since, until
        same = usable.keys() == self._view.keys() and all(
            keys is self._view[issuer] for issuer, keys in usable.items()
        )
        if not same:
            self._view = usable
        return self._view

    async def seek(self, issuer: str, kid: str | None) -> None:
        """Ask the issuer for a key. One that a reload has taken away is asked nothing.

        Raises `KeysUnavailable`.
        """
        source = self.sources.get(issuer)
        if source is not None:
            await source.seek(kid)

    async def refresh(self) -> list[KeysUnavailable]:
        """Get all keys now, each issuer's for itself; gives what went wrong."""
        outcomes = await asyncio.gather(*map(_try, self.sources.values()))
        return [fault for fault in outcomes if fault is not None]

    def keep(self, spawn: Spawn) -> None:
        """Begin, and have each issuer's keys refreshed ahead of time, again and again, until `end`."""
        self.begin()
        self._keepers = [spawn(_keep_forever(source)) for source in self.sources.values()]

    def end(self) -> None:
        """Refresh no more: another ring takes over."""
        for keeper in self._keepers:
            keeper.cancel()

    def fault(self, now: Instant) -> str | None:
        """Whose keys may not be used at `now`, and why."""
        faults = [
            f"keys of {issuer}: {source.held.why or 'no keys yet'}"
            for issuer, source in self.sources.items()
            if not source.held.may_be_used(now)
        ]
        return "; ".join(faults) or None

    def times(self) -> dict[str, Instant]:
        """When each issuer's keys were last had; 0 for never."""
        return {issuer: source.last_success for issuer, source in self.sources.items()}

    def fetches(self) -> dict[str, tuple[int, int]]:
        """For each issuer, how often its keys were had, and how often not."""
        return {issuer: (source.fetched, source.failed) for issuer, source in self.sources.items()}


async def _keep_forever(source: KeySource) -> None:
    while True:
        # Shortened by chance, so that not all proxies of an issuer ask at once.
        await asyncio.sleep(source.pause() * random.uniform(0.8, 1.0))  # noqa: S311  (no secret)
        await _try(source)


async def _try(source: KeySource) -> KeysUnavailable | None:
    try:
        await source.refresh()
    except KeysUnavailable as error:
        return error
    return None


def withdrawn(before: Mapping[str, KeySet], after: Mapping[str, KeySet]) -> bool:
    """Whether a key that could be used before can no longer be."""
    for issuer, held in before.items():
        left = after[issuer].keys if issuer in after else ()
        if left is not held.keys and not all(key in left for key in held.keys):
            return True
    return False
