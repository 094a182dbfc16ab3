"""A worker's counts of decisions, in memory that its parent holds as well.

So what it had counted is known to the last decision, also when it was killed between two snapshots.

Telling the parent of each decision would cost a system call each; leaving half a second of them uncertain
with each kill would hide what `moratorium audit reconcile` is to find. Adding to a number here costs 50 ns
more than to one of Python's own.

A page for what is counted where, then one cell for each series: its count, and its name as JSON. Counting is
adding to a number in this memory; nobody is told, and nothing is locked, for one process writes.
"""

import mmap
import os
from ctypes import sizeof
from dataclasses import dataclass, field

import orjson

from proxy.metrics import Series, Tally

CELL = 256
CELLS = 4096
SIZE = CELL * (CELLS + 1)
_COUNT = sizeof(Tally)
_CHAIN = slice(8, 40)
_USED = slice(0, 8)


def make_memory() -> int:
    """A descriptor of so much memory, all zero, to be handed on. Raises `OSError`."""
    fd = os.memfd_create("moratorium-counts")
    os.ftruncate(fd, SIZE)
    return fd


@dataclass
class Cells:
    """One side's view of it; the descriptor can be closed then."""

    memory: mmap.mmap
    used: int = field(default=0, init=False)

    @classmethod
    def of(cls, fd: int) -> "Cells":
        return cls(mmap.mmap(fd, SIZE))

    # ------------------------------------------------------------ the worker's side

    def tally(self, series: Series) -> Tally:
        """A cell for this series; without room for one, a number that only snapshots tell of."""
        name = orjson.dumps([*map(str, series)])
        if self.used == CELLS or len(name) > CELL - _COUNT:
            return Tally()
        self.used += 1
        at = CELL * self.used
        self.memory[at + _COUNT : at + _COUNT + len(name)] = name
        self.memory[_USED] = self.used.to_bytes(8, "little")
        return Tally.from_buffer(self.memory, at)

    def name(self, chain: str) -> None:
        """Say whose decisions these are."""
        self.memory[_CHAIN] = chain.encode().ljust(_CHAIN.stop - _CHAIN.start, b"\0")

    # ------------------------------------------------------------ the parent's side

    def chain(self) -> str:
        """Empty until the worker has said it."""
        return self.memory[_CHAIN].rstrip(b"\0").decode()

    def counts(self) -> dict[tuple[str, ...], int]:
        """The count of each series, those left out in which nobody has counted."""
        counts = {}
        for number in range(1, int.from_bytes(self.memory[_USED], "little") + 1):
            cell = self.memory[CELL * number : CELL * (number + 1)]
            name = cell[_COUNT:].rstrip(b"\0")
            if count := Tally.from_buffer_copy(cell).count:
                counts[tuple(orjson.loads(name))] = count
        return counts
