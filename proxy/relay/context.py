"""What every client connection shares: the enforcer, the pool, the limits, the clock, the shared buffer."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from proxy.enforcer import Enforcer
from proxy.policy.callers import Instant
from proxy.relay.limits import Limits
from proxy.relay.pool import BUFFER_SIZE, Pool


class Connection(Protocol):
    """A client connection as the server sees it."""

    def sweep(self, now: float) -> None:
        """Now and then: end what has passed its deadline, or whose client has left unseen."""

    def close_if_idle(self) -> None:
        """Close unless a call is under way."""

    def abort(self) -> None:
        """Cut it."""


@dataclass(eq=False)
class Context:
    """One for each process. `now` is monotonic; wall time belongs to the enforcer.

    The read buffer is shared by all connections: what is read is used up before the next read (one thread).
    """

    enforcer: Enforcer
    pool: Pool
    limits: Limits
    host: bytes
    now: Callable[[], float]
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    trusts: Callable[[str], bool] = lambda _address: False
    """Whether a peer's address is that of a configured proxy, whose trail is continued."""
    tell_addresses: bool = False
    """Whether the face API learns the callers' addresses (Forwarded)."""
    connections: set[Connection] = field(default_factory=set)
    draining: bool = False
    array: bytearray = field(default_factory=lambda: bytearray(BUFFER_SIZE))
    buffer: memoryview = field(init=False)

    def over(self, holds_until: Instant) -> bool:
        """Whether a decision no longer holds, by wall time."""
        return self.enforcer.clock() >= holds_until

    def __post_init__(self) -> None:
        self.buffer = memoryview(self.array)
