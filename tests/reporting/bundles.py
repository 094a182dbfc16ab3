"""Evidence bundles: of logs with several organisations in them, and what the script in them says."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from proxy.audit.checkpoint import Signer
from proxy.audit.record import Template
from proxy.cli import main
from proxy.cli.audit.export import OFFLINE, SCRIPT
from proxy.pipeline import refused
from proxy.policy.callers import Caller, Principal
from proxy.policy.model import Mode, Refusal
from proxy.policy.reasons import Reason
from tests.audit.logs import NOW, OTHER_PEM, PEM, Writer

VERIFY = OFFLINE / SCRIPT


def caller(organisation: str, **parts: Any) -> Caller:
    return Caller("https://issuer.test", ("police",), organisation, **parts)


def party(organisation: str) -> Principal:
    return Principal(("police",), organisation)


class Traffic(Writer):
    """A process that many organisations call."""

    def call(self, who: Caller, *, ends: bool = False, revision: str = "r") -> str:
        """One recorded call; the id of its decision."""
        self.count += 1
        self.now += 1
        known: Any = {"revision": revision, "mode": Mode.ENFORCE, "instance": "w1", "backend": "generic"}
        verdict = refused(Refusal(Reason.UPGRADE_REFUSED), NOW, who)
        name = f"{self.journal.chain.id}-{self.count:04x}"
        self.journal.write(Template(verdict, chain=self.journal.chain.id, **known), name.encode(), self.now)
        if ends:
            self.journal.outcome(name.encode(), (200, 10, 20, 0.5, True))
        return name


def log_of(folder: Path) -> Path:
    """A folder with one file of two processes, and the keys beside it; the second process never ends well."""
    logs = folder / "logs"
    logs.mkdir()
    for name, pem in (("public.pem", PEM), ("other.pem", OTHER_PEM)):
        (folder / name).write_bytes(Signer(pem).public_pem)
    one, two = (Traffic(logs / "audit.jsonl", outcomes=True, checkpoint_records=9).begin() for _ in range(2))
    for number in range(40):
        (one, two)[number % 2].call(caller(f"org-{number % 3}"), ends=number % 4 < 2)
    one.journal.flush(one.now)
    one.call(caller("org-0"), ends=True)
    one.journal.flush(one.now)
    one.close()
    two.call(caller("org-0"))
    return logs


def export(folder: Path, *words: object, out: str = "bundle") -> tuple[int, Path]:
    """Of the log in this folder, with its key; exit code and bundle."""
    known = ["audit", "export", folder / "logs", "--key", folder / "public.pem", "--out", folder / out]
    return main([*map(str, [*known, *words])]), folder / out


def asked(bundle: Path, *words: object, script: Path | None = None) -> tuple[int, str]:
    """What the script says of a bundle, alone with an interpreter."""
    command = [sys.executable, "-I", str(script or bundle / SCRIPT), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == "", done.stderr
    return done.returncode, done.stdout


def part(bundle: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (bundle / name).read_bytes().splitlines()]


def rewrite(bundle: Path, name: str, change: Callable[[list[bytes]], Sequence[bytes] | None]) -> None:
    """Put other lines in the place of these."""
    lines = (bundle / name).read_bytes().splitlines(keepends=True)
    changed = change(lines)
    (bundle / name).write_bytes(b"".join(lines if changed is None else changed))
