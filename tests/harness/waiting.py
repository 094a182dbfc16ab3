"""Waiting for something to become true, bounded, without guessing how long it takes."""

import asyncio
from collections.abc import Callable

PATIENCE = 5.0
"""Seconds after which a test that waits has failed. Nothing that works takes nearly as long."""


async def until(holds: Callable[[], object], what: str = "the condition") -> None:
    """Return as soon as `holds()` is true; fail when it is not within `PATIENCE`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE
    while not holds():
        if loop.time() > end:
            raise AssertionError(f"waited in vain for {what}")
        await asyncio.sleep(0.002)
