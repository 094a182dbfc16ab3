"""Remembers which unknown key ids an issuer was asked for, and bounds how many more it is."""

from proxy.policy.callers import ALWAYS, Instant

UNKNOWN_IDS_AT_ONCE = 5
"""Fetches for key ids never heard of that an issuer is asked within one cooldown."""
MAX_SOUGHT = 1000


class Sought:
    """Which unknown key ids were asked for lately, and how many more may be."""

    def __init__(self, cooldown: float) -> None:
        self._cooldown = cooldown
        self._at: dict[str | None, Instant] = {}
        self._left = float(UNKNOWN_IDS_AT_ONCE)
        self._counted_at: Instant = ALWAYS

    def settled(self, kid: str | None, now: Instant) -> bool:
        """Whether the id was asked for within the cooldown. A clock that stepped back unsettles it."""
        at = self._at.get(kid)
        return at is not None and 0 <= now - at < self._cooldown

    def take(self, kid: str | None, now: Instant) -> bool:
        """Note that the id is asked for now; False when too many are."""
        since = now - self._counted_at
        more = UNKNOWN_IDS_AT_ONCE if since < 0 else since / self._cooldown * UNKNOWN_IDS_AT_ONCE
        left = min(float(UNKNOWN_IDS_AT_ONCE), self._left + more)
        self._counted_at = now
        self._left = left - 1 if left >= 1 else left
        if left < 1:
            return False
        while len(self._at) >= MAX_SOUGHT:
            del self._at[next(iter(self._at))]
        self._at.pop(kid, None)
        self._at[kid] = now
        return True
