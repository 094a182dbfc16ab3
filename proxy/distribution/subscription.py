"""Follows the policy at an address: what is in force, what was last known, and how asking for it went.

What is verified and newer is offered to whoever decides by it, who may refuse it; whatever goes wrong, the
policy in force stays.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping

from proxy.authn.keyset import KeySet
from proxy.distribution.address import Address
from proxy.distribution.bundle import Bundle, read
from proxy.distribution.results import Result
from proxy.distribution.store import Store
from proxy.errors import ConfigurationError, PolicyRefused, SignatureInvalid

log = logging.getLogger("moratorium.distribution")

Take = Callable[[Bundle], Awaitable[None]]
"""Go on under this bundle. Raises `ConfigurationError`, and then nothing has changed."""


class Subscription:
    """`bundle` is what is in force, None before there is any. `max_age` 0: it never gets too old."""

    def __init__(
        self,
        address: Address,
        keys: KeySet,
        store: Store | None,
        clock: Callable[[], float],
        *,
        poll_seconds: float = 60.0,
        max_age: float = 0.0,
    ) -> None:
        self._keys = keys
        self.bundle: Bundle | None = None
        self.last_success = 0.0
        self._results = dict.fromkeys(Result, 0)
        self.refused = False
        self._known: Bundle | None = None
        self._address = address
        self._store = store
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._max_age = max_age
        self._tag: str | None = None
        self._failures = 0
        self._why = "not asked yet"
        self._unsaved = False

    def __repr__(self) -> str:
        serial = self.bundle.serial if self.bundle is not None else "none"
        return f"<Subscription {self._address!r} serial {serial}>"

    # ------------------------------------------------------------ getting one

    async def begin(self, take: Take) -> None:
        """What was kept, and then what the address has now: a moratorium may have begun since."""
        await self.restore(take)
        await self.poll(take)

    def renew(self, address: Address, keys: KeySet) -> None:
        """From now on ask here, and believe these; what the address has is verified anew."""
        self._address, self._keys, self._tag = address, keys, None

    async def restore(self, take: Take) -> None:
        """Begin with what was kept on disk if it verifies; its serial counts even if it is refused."""
        try:
            stored = self._store.read() if self._store is not None else None
            if stored is None:
                return
            self._known = read(stored.content, self._keys)
            await take(self._known)
        except (OSError, SignatureInvalid, ConfigurationError) as error:
            self.refused = True
            self._why = f"the stored policy: {_said(error)}"
            log.error("stored policy refused", extra={"why": self._why})
            return
        self.bundle, self.last_success = self._known, stored.confirmed_at
        log.info("stored policy taken", extra={"serial": self.bundle.serial})

    async def poll(self, take: Take) -> None:
        """Ask once, and take what is new and good. Never raises for what the address could answer."""
        try:
            result = await self._ask(take)
        except PolicyRefused as error:
            result, self._why = Result(error.result), error.why
            self._failures += 1
            self.refused = self.refused or result is not Result.UNAVAILABLE
            log.warning("policy not taken", extra={"result": result, "why": error.why})
        else:
            self.refused, self._failures = False, 0
            self.last_success = self._clock()
            await self._keep(result)
        self._results[result] += 1

    async def poll_forever(self, take: Take) -> None:
        """Ask again and again; after a failure soon, then less and less often, up to the usual interval."""
        while True:
            await asyncio.sleep(self.pause())
            await self.poll(take)

    def pause(self) -> float:
        """For how long not to ask: never the same, so that a thousand of us do not ask at once."""
        usual = self._poll_seconds
        longest = min(usual, 2.0**self._failures) if self._failures else usual
        return longest * random.uniform(0.5 if self._failures else 0.8, 1.0)  # noqa: S311  (no secret)

    async def _ask(self, take: Take) -> Result:
        answer = await self._address.get(self._tag)
        if answer is None:
            return Result.UNCHANGED
        try:
            bundle = read(answer.content, self._keys)
        except SignatureInvalid as error:
            raise PolicyRefused(Result.UNVERIFIED, error.why) from None
        self._refuse_older(bundle)
        if self.bundle is not None and bundle.payload == self.bundle.payload:
            self._tag = answer.tag
            return Result.UNCHANGED
        try:
            await take(bundle)
        except ConfigurationError as error:
            why = f"serial {bundle.serial}: {_said(error)}"
            raise PolicyRefused(Result.INVALID, why) from None
        self.bundle = self._known = bundle
        self._tag, self._unsaved = answer.tag, True
        log.info("policy taken", extra={"serial": bundle.serial})
        return Result.NEW

    def _refuse_older(self, bundle: Bundle) -> None:
        known = self._known
        if known is None or bundle.serial > known.serial or bundle.payload == known.payload:
            return
        if bundle.serial == known.serial:
            why = f"serial {bundle.serial} was known with other content"
        else:
            why = f"serial {bundle.serial} after {known.serial}"
        raise PolicyRefused(Result.ROLLED_BACK, why)

    async def _keep(self, result: Result) -> None:
        if self._store is None or self.bundle is None:
            return
        try:
            if self._unsaved:
                await asyncio.to_thread(self._store.write, self.bundle.content, self.last_success)
                self._unsaved = False
            else:
                self._store.confirm(self.last_success)
        except OSError as error:
            # It is in force all the same: to hold it back could only weaken what is enforced.
            self._unsaved = True
            log.error("policy not stored", extra={"why": error.strerror, "result": result})

    # ------------------------------------------------------------ how it stands

    def counts(self) -> Mapping[str, int]:
        """How often asking ended how."""
        return {str(result): count for result, count in self._results.items()}

    def fault(self) -> str | None:
        """Why calls are not decided, or by a policy too old to vouch for; None: all is well."""
        if self.bundle is None:
            return f"no policy yet: {self._why}"
        age = self._clock() - self.last_success
        if not self._max_age or 0 <= age < self._max_age:
            return None
        if not self.last_success:
            return f"serial {self.bundle.serial} was never confirmed: {self._why}"
        return f"serial {self.bundle.serial} was last confirmed {age:.0f} s ago: {self._why}"


def _said(error: Exception) -> str:
    if isinstance(error, ConfigurationError):
        return "; ".join(error.problems)
    return getattr(error, "strerror", None) or str(error)
