"""What every client connection shares: the enforcer, the pool, the limits, the clock, the shared buffer."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from proxy.enforcer import Enforcer
from proxy.pipeline import Rules
from proxy.policy.callers import Instant
from proxy.relay.framing import ResponseHead
from proxy.relay.limits import Limits
from proxy.relay.pool import BUFFER_SIZE, Pool

SAMPLE_SECONDS = 10.0


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
    hear: Callable[[bytes], None] = lambda _date: None
    """Is told the face API's `Date` now and then."""
    tell_addresses: bool = False
    """Whether the face API learns the callers' addresses (Forwarded)."""
    connections: set[Connection] = field(default_factory=set)
    draining: bool = False
    held_bytes: int = 0
    """Of bodies that are collected before their calls go on."""
    array: bytearray = field(default_factory=lambda: bytearray(BUFFER_SIZE))
    buffer: memoryview = field(init=False)
    _next_sample: float = 0.0

    def sample(self, head: ResponseHead) -> None:
        """Hear what the face API's clock says, at most once in a while."""
        now = self.now()
        if now >= self._next_sample:
            self._next_sample = now + SAMPLE_SECONDS
            for name, value in head.headers:
                if name == b"date":
                    self.hear(value)

    def over(self, rules: Rules | None, holds_until: Instant) -> bool:
        """Whether a decision no longer holds: its time is over at any instant that it may be, or the rules
        that it was made under are (a reload, a revocation)."""
        enforcer = self.enforcer
        if enforcer.rules is not rules:
            return True
        now = enforcer.clock()
        return any(instant >= holds_until for instant in (now, *enforcer.doubts(now)))

    def __post_init__(self) -> None:
        self.buffer = memoryview(self.array)
