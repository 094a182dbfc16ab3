"""Workers are killed and files are cut: afterwards every answer has its record, and the log verifies."""

import asyncio
import os
import signal
from pathlib import Path

from proxy.audit.segments import closed
from tests.audit.logs import PEM, records, verified
from tests.harness.process import serving
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until


async def test_kills_and_rotations_leave_a_log_that_verifies(tmp_path: Path) -> None:
    key = tmp_path / "audit.pem"
    key.write_bytes(PEM)
    async with (
        RecordingUpstream() as upstream,
        serving(
            tmp_path,
            upstream,
            workers="2",
            audit_key_file=str(key),
            audit_rotate_bytes="20000",
            audit_compress="false",
        ) as served,
    ):
        file, ids = served.folder / "audit.jsonl", set[str]()

        async def call(times: int) -> None:
            for answer in await asyncio.gather(*(served.call() for _ in range(times))):
                ids.update(value.decode() for value in answer.values(b"x-decision-id"))

        await call(60)
        await until(lambda: bool(closed(file)), "a file to be closed")
        (first, *_) = served.workers()
        os.kill(first, signal.SIGKILL)
        await until(lambda: first not in served.workers() and len(served.workers()) == 2, "another worker")
        # A process is there before it has begun to write.
        await until(lambda: len({r["chain"] for r in records(*closed(file), file)}) == 3, "a third chain")
        await call(60)
        assert await served.end() == 0

        files = [*closed(file), file]
        whole = verified(*files)
        assert whole.findings == []
        assert len(whole.seals.keys) == 3
        assert {r["id"] for r in records(*files) if r["kind"] == "decision"} == ids
        assert len(ids) == len(upstream.messages) == 120
