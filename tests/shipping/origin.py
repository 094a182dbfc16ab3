"""Where the lines come from: a real journal in files that a real archive cuts and packs."""

import gzip
from pathlib import Path

from proxy.audit.archive import Archive, Keeping
from proxy.audit.segments import closed
from tests.audit.logs import Writer

TORN = b'{"actors":null,"backend":"generic","case_sha256":null,"chain":"'
"""What a process that was killed leaves behind: no whole line."""
WITHIN_A_CHARACTER = TORN + "Ü".encode()[:1]
"""Not even whole UTF-8, which nothing can hold that sends JSON."""


class Origin(Writer):
    """One proxy's folder. `now` is the clock's, and moves on by a second with each decision."""

    def __init__(self, folder: Path, *, compress: bool, now: float | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "audit.jsonl"
        super().__init__(self.path, outcomes=True)
        self.now = now or self.now
        self.archive = Archive(self.journal, lambda: self.now, Keeping(compress=compress))
        self.archive.open(version="1", policy="p")

    def cut(self) -> None:
        """Close the file and begin another."""
        fd = self.journal.sink.descriptor
        assert fd is not None
        self.now += 1
        self.archive.cut(self.path, fd, self.now)

    def ends_of_calls(self, count: int) -> None:
        """One record of so many, as after a disk that was full."""
        for number in range(count):
            facts = (200, 10**12 + number, 10**12 + number, 1e6, True)
            self.journal.outcome(b"%032x-%016x" % (number, number), facts)
        self.journal.flush(self.now)

    def killed(self, fragment: bytes) -> "Origin":
        """The process dies within a line and leaves this of it. Gives the one that is started after it."""
        self.journal.sink.close()
        with self.path.open("ab") as file:
            file.write(fragment)
        return Origin(self.path.parent, compress=False, now=self.now + 1)

    def lines(self) -> list[bytes]:
        """Everything that is in the folder, whole lines only."""
        found: list[bytes] = []
        for path in [*closed(self.path), self.path]:
            whole = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            found += [line for line in whole.splitlines(keepends=True) if line.endswith(b"\n")]
        return found
