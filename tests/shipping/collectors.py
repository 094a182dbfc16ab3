"""The collectors that are on PATH, each with a file of `config/shipping` in which only places are changed."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.shipping.receiver import Receiver

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "config" / "shipping"
AUDIT, HOME = "/var/log/moratorium", "/srv/audit"
SERVER = (
    ("host: audit.example.org", "host: 127.0.0.1"), ("port: 443", "port: {port}"), ("tls: on", "tls: off"),
    ("endpoint: https://audit.example.org", "endpoint: http://127.0.0.1:{port}"),
)  # fmt: skip
"""What stands for the server in a configuration, and what takes its place."""
SECONDS_TO_STOP = 40


@dataclass(frozen=True)
class Kind:
    """A collector: its program, its configuration, the folder of its state there, and the option for it."""

    program: str
    config: str
    state: str
    option: str

    @property
    def name(self) -> str:
        return self.config.removesuffix(".yaml")

    @property
    def sends(self) -> bool:
        """To a server, instead of writing files."""
        return self.name.endswith("-http")

    @property
    def path(self) -> str | None:
        return shutil.which(self.program)

    def text(self, audit: Path, state: Path, home: Path, port: int) -> str:
        """The configuration with other folders, and with a server at this port."""
        text = (CONFIGS / self.config).read_text("utf-8")
        for old, new in ((AUDIT, audit), (self.state, state), (HOME, home)):
            text = text.replace(old, str(new))
        for name, other in SERVER:
            text = text.replace(name, other.format(port=port))
        return text


KINDS = (
    Kind("fluent-bit", "fluent-bit.yaml", "/var/lib/fluent-bit", "-c"),
    Kind("fluent-bit", "fluent-bit-http.yaml", "/var/lib/fluent-bit", "-c"),
    Kind("vector", "vector.yaml", "/var/lib/vector", "--config"),
    Kind("otelcol-contrib", "otelcol.yaml", "/var/lib/otelcol", "--config"),
    Kind("otelcol-contrib", "otelcol-http.yaml", "/var/lib/otelcol", "--config"),
)


@dataclass
class Collector:
    """One that runs, or does not for the moment. Its folders outlive it."""

    kind: Kind
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    receiver: Receiver = field(init=False)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True)
        self.receiver = Receiver(self.home)

    @property
    def audit(self) -> Path:
        return self.folder / "audit"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def log(self) -> Path:
        return self.folder / "collector.log"

    def start(self) -> None:
        state = self.folder / "state"
        for folder in (self.audit, state):
            folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / self.kind.config
        config.write_text(self.kind.text(self.audit, state, self.home, self.receiver.port), "utf-8")
        path = self.kind.path
        assert path is not None
        with self.log.open("ab") as log:
            # In the group of this program: whoever ends it ends the collector too.
            self.process = subprocess.Popen(
                [path, self.kind.option, str(config)],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(os.environ),
            )  # fmt: skip

    def end(self, number: signal.Signals) -> None:
        """SIGTERM: in good order. SIGKILL: not."""
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(number)
            try:
                process.wait(SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def close(self) -> None:
        """For good."""
        self.end(signal.SIGTERM)
        self.receiver.close()

    def arrived(self) -> list[bytes]:
        """All whole lines that are home, file by file."""
        return [
            line
            for path in sorted(self.home.rglob("*"))
            if path.is_file()
            for line in path.read_bytes().splitlines(keepends=True)
            if line.endswith(b"\n")
        ]
