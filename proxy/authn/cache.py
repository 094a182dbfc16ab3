"""Verified tokens, kept until the instant at which they would be refused, and not a moment longer.

Keyed by the token's digest, so that no token lies in memory. Only callers are kept: a refused token is
judged anew each time, or somebody could fill the cache with garbage.
"""

import hashlib
from typing import NamedTuple

from cachetools import TLRUCache

from proxy.policy.callers import Caller, Instant


class _Entry(NamedTuple):
    caller: Caller
    made_at: Instant


class TokenCache:
    """A bounded map from token to caller. Time comes in with every call."""

    def __init__(self, size: int = 10_000) -> None:
        self._now: Instant = 0.0
        self._last = (b"", b"")
        self._entries: TLRUCache[bytes, _Entry] = TLRUCache(
            size, ttu=lambda _key, entry, _now: entry.caller.valid_until, timer=self._timer
        )
        self.hits = 0
        self.misses = 0

    def __repr__(self) -> str:
        return f"<TokenCache {len(self._entries)} of {self._entries.maxsize:g}>"

    def _timer(self) -> Instant:
        return self._now

    def get(self, token: bytes, now: Instant) -> Caller | None:
        """The caller, unless unknown, too old, or kept at a moment that the clock has stepped back behind."""
        self._now = now
        digest = hashlib.sha256(token).digest()
        self._last = (token, digest)
        entry = self._entries.get(digest)
        if entry is None or now < entry.made_at or now >= entry.caller.valid_until:
            self.misses += 1
            return None
        self.hits += 1
        return entry.caller

    def put(self, token: bytes, caller: Caller, now: Instant) -> None:
        self._now = now
        last, digest = self._last
        if last is not token:
            digest = hashlib.sha256(token).digest()
        self._last = (b"", b"")
        self._entries[digest] = _Entry(caller, now)

    def clear(self) -> None:
        """Forget everything: a key was withdrawn, or the vocabulary changed."""
        self._entries.clear()
