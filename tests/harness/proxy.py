"""`async with running_proxy(...) as proxy:` is a whole Application: real sockets, policy and audit file."""

import asyncio
import contextlib
import dataclasses
import json
import signal
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from proxy.app import Application
from proxy.assembly.distribution import make_subscription
from proxy.assembly.policy import policy_at_hand
from proxy.relay import server
from proxy.settings import read_settings
from proxy.testing import TokenMint
from tests.audit.valid import records_wrong
from tests.harness.client import Answer, Fields, call
from tests.harness.upstream import RecordingUpstream

IN_FORCE = "2020-07-01T12:00:00Z"
MORATORIUM = """
schema = 1
[[moratorium]]
id = "pause-2020"
title = "No police use of face comparison"
binds.org_types = ["police"]
covers.classes = ["compare", "search", "enroll", "template"]
window = [{ start = "2020-06-10T00:00:00Z", end = "2021-06-10T00:00:00Z" }]
"""
ROUTES = """
[[route]]
methods = ["POST", "PUT"]
path = "/v1/search"
classes = ["search"]
[[route]]
methods = ["POST", "PUT", "PATCH"]
path = "/v1/detect"
classes = ["detect"]
[[route]]
methods = ["GET", "HEAD"]
path = "/v1/faces/{id}"
classes = ["gallery"]
[[route]]
methods = ["DELETE"]
path = "/v1/faces/{id}"
classes = ["erase"]
[[route]]
methods = ["GET", "HEAD", "OPTIONS"]
path = "/v1/version"
classes = ["meta"]
"""
RECORDS = 20
"""So many of each test's records are held against their form."""
SWEEP_SECONDS = 0.05
LINGER_SECONDS = 0.3


@dataclass
class FixedClock:
    """Wall time that moves only when told to."""

    now: float

    @classmethod
    def at(cls, text: str) -> "FixedClock":
        """From RFC 3339 text, such as 2020-06-10T00:00:00Z."""
        return cls(datetime.fromisoformat(text).timestamp())

    def __call__(self) -> float:
        return self.now

    def set(self, text: str) -> None:
        self.now = self.at(text).now


@dataclass
class Proxy:
    """A running proxy and what stands around it. `faults`: exceptions that nobody was meant to see."""

    application: Application
    upstream: RecordingUpstream
    mint: TokenMint
    clock: FixedClock
    audit_file: Path
    policy_file: Path
    port: int
    metrics_port: int
    faults: list[dict[str, Any]]

    def audit(self) -> list[dict[str, Any]]:
        """The record of every decision so far, in order."""
        lines = self.audit_file.read_text("utf-8").splitlines()
        return [record for record in map(json.loads, lines) if record["kind"] == "decision"]

    def reasons(self) -> list[str]:
        """The reason of every record so far."""
        return [record["reason"] for record in self.audit()]

    async def metrics(self) -> str:
        """What Prometheus would read."""
        return (await call(self.metrics_port, "GET", "/metrics")).body.decode()

    def bearer(self, org_type: str = "commercial", **claims: Any) -> tuple[str, str]:
        """A field line with a fresh token in the place that every backend knows."""
        return ("Authorization", f"Bearer {self.mint.token(org_type, **claims)}")

    async def call(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        *,
        caller: str | None = "commercial",
        fields: Fields = (),
    ) -> Answer:
        """One request by a caller of this type (None: without a token), on a connection of its own."""
        token = [self.bearer(caller)] if caller is not None else []
        return await call(self.port, method, target, [*token, *fields], body)


@contextlib.asynccontextmanager
async def running_proxy(
    *,
    backend: str = "generic",
    policy: str = MORATORIUM,
    upstream: RecordingUpstream | None = None,
    at: str = IN_FORCE,
    mint: TokenMint | None = None,
    **overrides: str,
) -> AsyncIterator[Proxy]:
    """Start a proxy, and stop it at the end; fail if it met a fault that it did not handle, or wrote a record
    that has not the published form.

    `policy` is TOML; the generic backend gets `ROUTES` unless the policy has routes of its own. `upstream` is
    started when it is not yet; left out, it is an ordinary one. `overrides` are settings without their
    prefix: `body_seconds="0.2"`.
    """
    clock = FixedClock.at(at)
    mint = mint or TokenMint(clock=clock)
    mint.clock = clock
    async with contextlib.AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="moratorium-")))
        upstream = upstream or RecordingUpstream()
        if not upstream.port:
            await stack.enter_async_context(upstream)
        environ = write_settings(folder, upstream.port, mint, backend, policy, **overrides)
        application = _application(environ, clock)
        faults = _watch_faults(stack)
        await application.start()
        stack.push_async_callback(application.stop)
        _give_signals_back()
        ports = application.relay.port, _metrics_port(application)
        files = folder / "audit.jsonl", folder / "policy.toml"
        yield Proxy(application, upstream, mint, clock, *files, *ports, faults)
        assert records_wrong(files[0], RECORDS) == []
    assert not faults, faults


def write_settings(
    folder: Path,
    upstream_port: int,
    mint: TokenMint,
    backend: str = "generic",
    policy: str = MORATORIUM,
    **overrides: str,
) -> dict[str, str]:
    """Write what settings name into the folder; the variables to start a proxy with, here or as a process."""
    if backend == "generic" and "[[route]]" not in policy:
        policy += ROUTES
    (folder / "keys.json").write_text(json.dumps(mint.jwks()), "utf-8")
    (folder / "policy.toml").write_text(policy, "utf-8")
    environ = {
        "UPSTREAM": f"http://127.0.0.1:{upstream_port}",
        "BACKEND": backend,
        "LISTEN": "127.0.0.1:0",
        "METRICS_LISTEN": "127.0.0.1:0",
        "JWT_ISSUER": mint.issuer,
        "JWT_AUDIENCE": mint.audience,
        "JWT_KEY_FILE": str(folder / "keys.json"),
        "POLICY_FILE": str(folder / "policy.toml"),
        "AUDIT_FILE": str(folder / "audit.jsonl"),
        "DRAIN_SECONDS": "0",
    } | {name.upper(): value for name, value in overrides.items()}
    return {f"MORATORIUM_{name}": value for name, value in environ.items()}


def _application(environ: dict[str, str], clock: FixedClock) -> Application:
    settings = read_settings(environ)
    application = Application(
        settings,
        policy_at_hand(settings, None),
        lambda: read_settings(environ),
        clock,
        subscription=make_subscription(settings, clock),
    )
    # Not settings, and much too patient for a test.
    context = application.relay.context
    context.limits = dataclasses.replace(context.limits, linger_seconds=LINGER_SECONDS)
    server.SWEEP_SECONDS = SWEEP_SECONDS
    return application


def _watch_faults(stack: contextlib.AsyncExitStack) -> list[dict[str, Any]]:
    """An exception in a protocol's callback goes to the loop, not to the test; here it fails the test."""
    loop = asyncio.get_running_loop()
    faults: list[dict[str, Any]] = []
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _loop, context: faults.append(context))
    stack.callback(loop.set_exception_handler, before)
    return faults


def _give_signals_back() -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.remove_signal_handler(number)


def _metrics_port(application: Application) -> int:
    runner = application._health
    assert runner is not None
    return int(runner.addresses[0][1])
