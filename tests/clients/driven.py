"""Clients that can be asked to call: programs that go on reading calls, commands that make one call each."""

import asyncio
import contextlib
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.clients.cases import Saw

PATIENCE = 60.0
"""Seconds; a client that has not given up by then counts as one that does not."""
TRYING = "(still trying)"
LARGE_BYTES = 17 * 1024 * 1024
Asked = dict[str, Any]


class Driven(Protocol):
    """A client at work."""

    version: str

    async def ask(self, asked: Asked) -> tuple[Saw, float]:
        """One call; what the client saw, and the seconds that it took."""


@dataclass
class Program:
    """A script of `tests/clients/scripts`, which answers line by line."""

    process: asyncio.subprocess.Process
    version: str = ""

    async def ask(self, asked: Asked) -> tuple[Saw, float]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        try:
            async with asyncio.timeout(PATIENCE):
                said = await self.read()
        except TimeoutError:
            return Saw(TRYING, "", 0, ""), PATIENCE
        return Saw(said["kind"], said["code"], said["status"], said["says"]), float(said["seconds"])

    async def read(self) -> dict[str, Any]:
        """The next line that it says. Fails with what it complained of if there is none."""
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = await self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the client ended: {(await self.process.stderr.read()).decode()[-3000:]}")
        said: dict[str, Any] = json.loads(line)
        return said


@contextlib.asynccontextmanager
async def program(
    words: Sequence[str], environment: Mapping[str, str], folder: Path
) -> AsyncIterator[Program]:
    """Start it, and end it however it fares."""
    process = await asyncio.create_subprocess_exec(
        *words,
        env=dict(environment),
        cwd=folder,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1024 * 1024,
    )
    try:
        running = Program(process)
        running.version = (await running.read())["version"]
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def run(
    words: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> tuple[int, str, str, float]:
    """One command: status, standard output, standard error, seconds. Status -1: it was not over in time."""
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *words,
        env=dict(environment),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return -1, "", "", PATIENCE
    return process.returncode or 0, out.decode(), err.decode(), time.perf_counter() - began


@dataclass
class AwsCli:
    """The AWS command line: everything in its environment, images in files."""

    path: str
    environment: Mapping[str, str]
    version: str = ""
    said: re.Pattern[str] = re.compile(
        r"An error occurred \((\w+)\) when calling the \w+ operation[^:]*: (.*)"
    )

    async def ask(self, asked: Asked) -> tuple[Saw, float]:
        environment = {
            **self.environment,
            "AWS_ENDPOINT_URL_REKOGNITION": asked["endpoint"],
            "AWS_SESSION_TOKEN": asked["token"],
        }
        images = [
            word
            for name in ("source", "target")
            for word in (f"--{name}-image-bytes", f"fileb://{asked[name]}")
        ]
        words = [self.path, "rekognition", "compare-faces", *images, "--output", "json"]
        status, out, err, seconds = await run(words, environment)
        if status == 0:
            return Saw("", "", 200, f"{json.loads(out)['FaceMatches'][0]['Similarity']:.1f}"), seconds
        if status == -1:
            return Saw(TRYING, "", 0, ""), seconds
        found = self.said.search(err)
        code, says = (found[1], found[2]) if found else ("", err.strip())
        return Saw(f"exit status {status}", code, 0, says), seconds


@dataclass
class Curl:
    """curl as the pages show it, against DeepFace."""

    environment: Mapping[str, str]
    folder: Path
    version: str = ""
    last_body: bytes = field(default=b"", repr=False)

    async def ask(self, asked: Asked) -> tuple[Saw, float]:
        body, answer = self.folder / "body.json", self.folder / "answer"
        images = {"img1": "data:image/jpeg;base64,AAAA", "img2": "data:image/jpeg;base64,AAAA"}
        if asked["large"]:
            images["img1"] += "A" * LARGE_BYTES
        body.write_text(json.dumps(images), "utf-8")
        answer.unlink(missing_ok=True)
        words = [
            *("curl", "-sS", "-o", str(answer), "-w", "%{http_code}"),
            *("-H", f"Authorization: Bearer {asked['token']}", "-H", "Content-Type: application/json"),
            *("--data-binary", f"@{body}", f"{asked['endpoint']}/verify"),
        ]
        status, out, err, seconds = await run(words, self.environment)
        self.last_body = answer.read_bytes() if answer.exists() else b""
        code = int(out or 0)
        if status:
            return Saw(f"exit status {status}", "", code, err.strip()), seconds
        members = json.loads(self.last_body)
        if code == 200:
            return Saw("", "", code, str(members["verified"])), seconds
        return Saw("(status)", str(members.get("title", "")), code, str(members.get("message", ""))), seconds
