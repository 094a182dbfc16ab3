"""One process of clients: calls on many connections, until standard input ends. It notes each answer.

`python -m tests.proof.client '{"port": ..., ...}'`. Each line of the notes is the id of an answer and what it
said; each line of standard output is what there has been so far. A connection that breaks is made again.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import uvloop

from tests.proof.kinds import Kind, read

CONNECTIONS = 12
PAUSE_SECONDS = 0.05
TELL_SECONDS = 0.1
PATIENCE_SECONDS = 20.0
UNWRITABLE = "audit-unwritable"


@dataclass
class Clients:
    """`wrong`: answers that this kind of call must not have."""

    port: int
    pause: float
    kinds: dict[str, Kind]
    notes: TextIO
    had: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    unwritable: int = 0
    unanswered: int = 0
    over: bool = False

    def end(self) -> None:
        """No further calls; those under way are waited for."""
        self.over = True

    async def one(self, rng: random.Random) -> None:
        """One connection after another."""
        names, weights = [*self.kinds], [kind.weight for kind in self.kinds.values()]
        while not self.over:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            try:
                while not self.over:
                    (name,) = rng.choices(names, weights)
                    writer.write(rng.choice(self.kinds[name].raw))
                    if not await self._answer(name, reader):
                        break
                    if self.pause:
                        await asyncio.sleep(rng.uniform(0, 2 * self.pause))
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                self.unanswered += 1
            finally:
                writer.close()

    async def _answer(self, name: str, reader: asyncio.StreamReader) -> bool:
        """Note one; whether the connection goes on."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head[:-4].split(b"\r\n")[1:])
            body = await reader.readexactly(int(fields[b"content-length"]))
        says = "allowed" if b"x-echo" in fields else str(json.loads(body)["title"])
        self.notes.write(f"{fields[b'x-decision-id'].decode()} {says}\n")
        self.had[name] += 1
        if says == UNWRITABLE:
            self.unwritable += 1
        elif says != self.kinds[name].says:
            self.wrong[f"{name}: {says}"] += 1
        return fields.get(b"connection") != b"close"

    def tell(self) -> None:
        said = {
            "answers": self.had.total(), "unwritable": self.unwritable, "unanswered": self.unanswered,
            "had": self.had, "wrong": self.wrong,
        }  # fmt: skip
        sys.stdout.write(f"{json.dumps(said)}\n")
        sys.stdout.flush()


async def work(clients: Clients, seed: str) -> None:
    """Until all is done; tells every now and then how far it is."""
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), clients.end)
    lots = random.Random(seed)  # noqa: S311  (seeded, no secret)
    seeds = [lots.getrandbits(64) for _ in range(CONNECTIONS)]
    each = [asyncio.ensure_future(clients.one(random.Random(seed))) for seed in seeds]  # noqa: S311
    working = asyncio.gather(*each)
    while not working.done():
        await asyncio.wait({working}, timeout=TELL_SECONDS)
        clients.tell()
        if clients.over:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
    await working


def main(words: dict[str, str]) -> None:
    with Path(words["notes"]).open("w") as notes:
        clients = Clients(int(words["port"]), float(words["pause"]), read(Path(words["kinds"])), notes)
        uvloop.run(work(clients, words["seed"]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
