"""SIGTERM: no call is lost, nothing new begins, and it comes to an end."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.testing import TokenMint
from tests.harness.client import AnswerCutError, RawClient, call, request
from tests.harness.proxy import Proxy, running_proxy, write_settings
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import PATIENCE, until
from tests.wire.calls import HEAD, detect, get, gone, half, hang


@contextlib.asynccontextmanager
async def draining(proxy: Proxy, seconds: float = 30) -> AsyncIterator[None]:
    """Begin to drain; the drain must have ended by the end of the block."""
    task = asyncio.ensure_future(proxy.application.relay.drain(seconds))
    await asyncio.sleep(0)
    try:
        yield
        await until(task.done, "the drain to end")
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_call_under_way_ends_well_and_its_connection_closes() -> None:
    async with (
        RecordingUpstream(hang) as upstream,
        running_proxy(upstream=upstream) as proxy,
        RawClient.to(proxy.port) as client,
    ):
        await client.send(get(proxy))
        await until(lambda: upstream.messages, "the call to arrive")
        async with draining(proxy):
            upstream.connections[0].send(HEAD + b"0123456789")
            answer = await client.answer()

            assert (answer.status, answer.body) == (200, b"0123456789")
            assert answer.values(b"connection") == [b"close"]
            assert await client.remainder() == b""


async def test_a_call_whose_answer_has_begun_does_not_keep_its_connection() -> None:
    async with (
        RecordingUpstream(half) as upstream,
        running_proxy(upstream=upstream) as proxy,
        RawClient.to(proxy.port) as client,
    ):
        await client.send(get(proxy))
        await until(lambda: upstream.messages, "the call to arrive")
        answer = asyncio.ensure_future(client.answer())
        await asyncio.sleep(0.05)
        async with draining(proxy):
            upstream.connections[0].send(b"456789")

            assert (await answer).body == b"half456789"


async def test_an_upload_under_way_ends_well() -> None:
    async with running_proxy() as proxy, RawClient.to(proxy.port) as client:
        await client.send(detect(proxy, length=10) + b"01234")
        await until(lambda: proxy.upstream.messages, "the call to arrive")
        async with draining(proxy):
            await client.send(b"56789")

            assert (await client.answer()).status == 200
            assert proxy.upstream.complete[0].body == b"0123456789"


async def test_a_head_under_way_is_still_answered() -> None:
    async with running_proxy() as proxy, RawClient.to(proxy.port) as client:
        head = get(proxy)
        await client.send(head[:40])
        await proxy.call("GET", "/v1/faces/b")
        async with draining(proxy):
            await client.send(head[40:])
            answer = await client.answer()

            assert (answer.status, answer.values(b"connection")) == (200, [b"close"])


async def test_the_body_of_a_refused_call_does_not_keep_its_connection() -> None:
    async with running_proxy() as proxy, RawClient.to(proxy.port) as client:
        await client.send(detect(proxy, length=10, org_type="martian") + b"01234")
        assert (await client.answer()).status == 403
        async with draining(proxy):
            await client.send(b"56789")


async def test_idle_connections_close_and_new_ones_are_refused_at_once() -> None:
    async with (
        RecordingUpstream(hang) as upstream,
        running_proxy(upstream=upstream) as proxy,
        RawClient.to(proxy.port) as idle,
        RawClient.to(proxy.port) as busy,
    ):
        await idle.send(get(proxy, org_type="martian"))
        await idle.answer()
        await busy.send(get(proxy))
        await until(lambda: upstream.messages, "the call to arrive")
        async with draining(proxy):
            assert await idle.remainder() == b""
            with pytest.raises(OSError, match="refused"):
                await call(proxy.port, "GET", "/v1/version")
            assert (await call(proxy.metrics_port, "GET", "/readyz")).status == 503
            assert (await call(proxy.metrics_port, "GET", "/healthz")).status == 200
            upstream.connections[0].send(HEAD + b"0123456789")
            assert (await busy.answer()).status == 200


async def test_what_is_left_after_the_time_is_cut_and_cancelled() -> None:
    async with (
        RecordingUpstream(half) as upstream,
        running_proxy(upstream=upstream) as proxy,
        RawClient.to(proxy.port) as client,
    ):
        await client.send(get(proxy))
        await until(lambda: upstream.messages, "the call to arrive")
        async with draining(proxy, 0.1):
            with pytest.raises(AnswerCutError):
                await client.answer()
        await gone(upstream)


@pytest.mark.parametrize("times", [1, 2], ids=["once", "twice"])
async def test_a_process_told_to_stop_ends_its_call_and_exits_with_0(times: int, tmp_path: Path) -> None:
    mint = TokenMint()
    async with RecordingUpstream(hang) as upstream:
        settings = write_settings(tmp_path, upstream.port, mint, drain_seconds="20")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "proxy", "serve"),
            env={**os.environ, **settings},
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert process.stderr is not None
            async with asyncio.timeout(PATIENCE * 3):
                port = await _port(process.stderr)
            async with RawClient.to(port) as client:
                bearer = ("Authorization", f"Bearer {mint.token()}")
                await client.send(request("GET", "/v1/faces/a", [bearer]))
                await until(lambda: upstream.messages, "the call to arrive")
                for _ in range(times):
                    process.send_signal(signal.SIGTERM)
                await asyncio.sleep(0.05)
                upstream.connections[0].send(HEAD + b"0123456789")
                answer = await client.answer()
            async with asyncio.timeout(PATIENCE):
                code = await process.wait()

            assert (answer.status, code) == (200, 0)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _port(log: asyncio.StreamReader) -> int:
    """The port that the process says it serves on."""
    async for line in log:
        entry = json.loads(line)
        if entry["message"] == "serving":
            return int(entry["address"].rpartition(":")[2])
    raise AssertionError("the process ended without serving")
