"""Where the face API is: the addresses behind its name, asked for again now and then, off the event loop.

A literal address is never asked for. What the resolver cannot say now, it said before: a failure keeps the
old addresses in use.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from proxy.errors import UpstreamUnreachable

log = logging.getLogger("moratorium.addresses")

Resolve = Callable[[str], Awaitable[list[str]]]
Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]

RETRY_SECONDS = 5.0
"""After a failure the resolver has a rest, so that not every call waits for it."""
PATIENCE_SECONDS = 1.0
"""How long a new connection waits for a newer answer while there is an old one."""
SHUN_SECONDS = 10.0
"""An address that could not be connected to is tried last for this long."""


async def resolve(host: str) -> list[str]:
    """Ask the system. Raises `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(sockaddr[0]) for *_, sockaddr in found]


class Addresses:
    """The addresses of one host. `on_change` is called when one of them is no longer there."""

    def __init__(
        self,
        host: str,
        *,
        seconds: float,
        clock: Callable[[], float],
        spawn: Spawn,
        resolve: Resolve = resolve,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._host = host
        self._seconds = seconds
        self._clock = clock
        self._spawn = spawn
        self._resolve = resolve
        self.on_change = on_change
        self._literal = _is_literal(host)
        self._known: tuple[str, ...] = (host,) if self._literal else ()
        self._ask_at = clock()
        self._why = ""
        self._task: asyncio.Task[None] | None = None
        self._asked_at = 0.0
        self._turn = 0
        self._shunned: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"<Addresses {self._host} {', '.join(self._known) or 'unknown'}>"

    def __contains__(self, address: str) -> bool:
        return address in self._known

    async def in_turn(self) -> list[str]:
        """All of them in the order in which to try them; each time another one is the first.

        Raises `UpstreamUnreachable` when none is known.
        """
        task = self.refresh()
        if task is not None:
            left = max(0.0, self._asked_at + PATIENCE_SECONDS - self._clock())
            await asyncio.wait({task}, timeout=left if self._known else None)
        known = self._known
        if not known:
            raise UpstreamUnreachable(f"{self._host}: {self._why or 'the name has no address'}")
        start = self._turn % len(known)
        self._turn += 1
        now = self._clock()
        turned = [*known[start:], *known[:start]]
        return sorted(turned, key=lambda address: self._shunned.get(address, 0.0) > now)

    def failed(self, address: str) -> None:
        """It could not be connected to."""
        self._shunned[address] = self._clock() + SHUN_SECONDS

    def connected(self, address: str) -> None:
        """It could."""
        self._shunned.pop(address, None)

    def refresh(self) -> asyncio.Task[None] | None:
        """Ask again if it is time to. The asking belongs to nobody: whoever waits for it may leave."""
        if self._literal or (self._task is None and self._clock() < self._ask_at):
            return None
        if self._task is None:
            self._asked_at = self._clock()
            self._task = self._spawn(self._ask())
        return self._task

    async def _ask(self) -> None:
        try:
            found = tuple(dict.fromkeys(await self._resolve(self._host)))
            if not found:
                raise OSError("the name has no address")
        except (OSError, UnicodeError) as error:
            self._why = getattr(error, "strerror", None) or str(error)
            self._ask_at = self._clock() + min(RETRY_SECONDS, self._seconds)
            log.warning("name not resolved", extra={"address": self._host, "why": self._why})
        else:
            self._ask_at = self._clock() + self._seconds
            if set(found) != set(self._known):
                log.info("name resolved", extra={"address": self._host, "addresses": list(found)})
            gone = set(self._known) - set(found)
            self._known = found
            self._shunned = {a: until for a, until in self._shunned.items() if a in found}
            if gone:
                self.on_change()
        finally:
            self._task = None


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
