"""Every asynchronous test runs on uvloop, as the proxy does."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Hook of pytest-asyncio."""
    return {"uvloop": uvloop.new_event_loop}
