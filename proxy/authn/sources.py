"""Where one issuer's keys come from, what of them is at hand, and keys that come from a file."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from proxy.authn.download import why
from proxy.authn.keyset import EMPTY, KeySet, parse_keys
from proxy.errors import KeySetInvalid, KeysUnavailable
from proxy.policy.callers import ALWAYS, FOREVER, Instant

log = logging.getLogger("moratorium.keys")

REFRESH_SECONDS = 300.0
"""Between two times of getting keys, when their issuer does not say how long they may be kept."""
MOST_RETRY = 60.0


class Held(NamedTuple):
    """The keys at hand, and the half-open span in which they may be used.

    `why`: what hindered the last try to get them.
    """

    keys: KeySet = EMPTY
    since: Instant = ALWAYS
    until: Instant = FOREVER
    why: str | None = None

    def may_be_used(self, now: Instant) -> bool:
        return bool(self.keys.keys) and self.since <= now < self.until


class KeySource(Protocol):
    """Where one issuer's keys come from."""

    issuer: str
    last_success: float
    held: Held
    fetched: int
    failed: int

    @property
    def keys(self) -> KeySet:
        """The keys at hand. Raises `KeysUnavailable` when there are none that may still be used."""

    def heard_by(self, changed: Callable[[], None]) -> None:
        """From now on call `changed` when `held` is another."""

    def same_place(self, other: "KeySource") -> bool:
        """Whether what is at hand here is what the other would get."""

    def count_on(self, other: "KeySource") -> None:
        """Take over the other's counts: they never go back."""

    def pause(self) -> float:
        """Seconds after which to refresh, counted from the last try."""

    async def refresh(self) -> None:
        """Get the keys now. Raises `KeysUnavailable`; the old ones stay."""

    async def seek(self, kid: str | None = None) -> None:
        """A token names a key we do not have: refresh, unless that was done for this id just now."""


class Source:
    """What all sources have."""

    def __init__(self, issuer: str, clock: Callable[[], float]) -> None:
        self.issuer = issuer
        self.last_success = 0.0
        self.held = Held(why="not fetched yet")
        self.fetched = 0
        self.failed = 0
        self._clock = clock
        self._failures = 0
        self._changed: Callable[[], None] = lambda: None

    @property
    def keys(self) -> KeySet:
        if not self.held.may_be_used(self._clock()):
            raise KeysUnavailable(self.issuer, self.held.why or "no keys yet")
        return self.held.keys

    def heard_by(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def count_on(self, other: KeySource) -> None:
        self.fetched, self.failed = other.fetched, other.failed

    def hold(self, held: Held) -> None:
        """Have these at hand from now on, and say so if they are others."""
        if held.keys == self.held.keys:
            # The same object for equal keys: whoever compares need not look into them.
            held = held._replace(keys=self.held.keys)
        if held != self.held:
            self.held = held
            self._changed()

    def succeeded(self, keys: KeySet) -> None:
        """Keys were had just now."""
        self.fetched += 1
        self._failures = 0
        self.last_success = self._clock()
        self.hold(Held(keys))

    def missed(self, held: Held) -> KeysUnavailable:
        """A try has failed; what is at hand besides the reason says `held`."""
        log.warning("keys not fetched", extra={"issuer": self.issuer, "why": held.why})
        self.failed += 1
        self._failures += 1
        self.hold(held)
        return KeysUnavailable(self.issuer, held.why or "")

    def retry(self) -> float | None:
        """Seconds until the next try after a failure; None when the last one did not fail."""
        return min(MOST_RETRY, 2.0**self._failures) if self._failures else None


class FileKeys(Source):
    """Keys from a PEM or JWK file, looked at again now and then, and when a key is lacking.

    `content`: what stood in it when it was read along with the rest of the configuration.
    """

    def __init__(
        self, issuer: str, path: Path, clock: Callable[[], float], content: bytes | None = None
    ) -> None:
        super().__init__(issuer, clock)
        self._path = path
        self._content = content
        self._stamp: tuple[int, int] = (0, 0)

    def __repr__(self) -> str:
        return f"<FileKeys {self.issuer} {self._path}>"

    def same_place(self, other: KeySource) -> bool:  # noqa: ARG002
        """Never: whoever asks has read the file anew."""
        return False

    def pause(self) -> float:
        return self.retry() or REFRESH_SECONDS

    async def refresh(self) -> None:
        try:
            if self._content is not None:
                keys, self._content = parse_keys(self._content), None
                self.succeeded(keys)
                return
            # Stamped before it is read: what is written meanwhile must look newer, not known.
            self._stamp = _stamp(self._path)
            keys = parse_keys(self._path.read_bytes())
        except (OSError, KeySetInvalid) as error:
            raise self.missed(self.held._replace(why=f"{self._path}: {why(error)}")) from None
        self.succeeded(keys)

    async def seek(self, kid: str | None = None) -> None:  # noqa: ARG002  (a file is looked at for any)
        """Read again if the file has changed since."""
        try:
            stamp = _stamp(self._path)
        except OSError as error:
            raise KeysUnavailable(self.issuer, f"{self._path}: {why(error)}") from None
        if self._stamp != stamp:
            await self.refresh()
        elif self.held.why is not None:
            raise KeysUnavailable(self.issuer, self.held.why)


def _stamp(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_mtime_ns, status.st_ino
