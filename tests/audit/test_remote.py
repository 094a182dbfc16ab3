"""A witness at an address hears of each head, late if it must, and no call waits for it. Against real TLS."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from proxy.assembly.audit import make_witness
from proxy.audit import remote
from proxy.audit.findings import Flaw
from proxy.audit.remote import RemoteWitness
from proxy.errors import SettingsError
from proxy.settings import read_settings
from tests.audit.logs import Writer, found, lines
from tests.harness.process import serving
from tests.harness.proxy import running_proxy
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until

SEARCH = ("POST", "/v1/search", b"{}")
AUTHORITY = trustme.CA()


class Listener:
    """An HTTPS server that keeps what it is told. `answer`: None for 204, or what it does instead."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.asked: list[web.Request] = []
        self.answer: Callable[[], Awaitable[web.Response]] | None = None
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/heads?key=PLANTED"

    async def up(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._hear)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        AUTHORITY.issue_cert("localhost").configure_cert(context)
        site = web.TCPSite(self._runner, "localhost", self.port, ssl_context=context, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def down(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _hear(self, request: web.Request) -> web.StreamResponse:
        line = await request.read()
        self.asked.append(request)
        if self.answer is not None:
            return await self.answer()
        self.heard.append(line)
        return web.Response(status=204)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    await listener.up()
    yield listener
    await listener.down()


@contextlib.asynccontextmanager
async def sending(listener: Listener, **how: Any) -> AsyncIterator[RemoteWitness]:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    how = {"context": context, "least_pause": 0.01, **how}
    witness = RemoteWitness(listener.url, lambda: 7.0, **how)
    task = asyncio.get_running_loop().create_task(witness.send_forever())
    yield witness
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def wrote(path: Path, witness: RemoteWitness, decisions: int = 12) -> list[bytes]:
    """A whole log under this witness: heads stand at its lines 6, 11 and 15."""
    Writer(path, witness=witness).begin().decide(decisions).close()
    return lines(path)


async def test_it_hears_the_newest_head_and_that_shows_a_cut(listener: Listener, tmp_path: Path) -> None:
    async with sending(listener) as witness:
        log = wrote(tmp_path / "audit", witness)
        await until(lambda: log[-1] in listener.heard and witness.last_success, "the close")

    request = listener.asked[-1]
    assert (request.method, request.content_type) == ("POST", "application/json")
    assert request.headers["User-Agent"].startswith("moratorium/")
    assert (witness.failures, witness.last_success) == (0, 7.0)
    assert found(log, witness=listener.heard) == []
    assert [flaw for flaw, *_ in found(log[:-1], witness=listener.heard)] == [Flaw.CUT_OFF]


async def test_what_was_told_while_it_was_down_it_hears_when_it_is_up(
    listener: Listener, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await listener.down()
    async with sending(listener) as witness:
        log = wrote(tmp_path / "audit", witness)
        await until(lambda: witness.failures > 2, "tried again")
        await listener.up()
        await until(lambda: listener.heard, "heard")

    assert listener.heard == [log[-1]]
    said = [record.message for record in caplog.records]
    assert said.count("audit witness not told") == 1
    assert "PLANTED" not in caplog.text
    assert "PLANTED" not in repr([witness, [record.__dict__ for record in caplog.records]])


async def _status(number: int, **fields: str) -> web.Response:
    return web.Response(status=number, headers=fields, body=b"x" * 100_000)


async def _slow() -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


@pytest.mark.parametrize(
    "answer",
    [lambda: _status(500), lambda: _status(302, Location="/elsewhere"), lambda: _status(401), _slow],
    ids=["500", "redirect", "401", "slow"],
)
async def test_what_is_no_success_is_sent_again(
    listener: Listener, tmp_path: Path, answer: Callable[[], Awaitable[web.Response]]
) -> None:
    listener.answer = answer
    async with sending(listener, seconds=0.1) as witness:
        log = wrote(tmp_path / "audit", witness)
        await until(lambda: witness.failures > 1, "failures")
        assert listener.heard == []
        assert {request.path for request in listener.asked} == {"/heads"}
        listener.answer = None
        await until(lambda: listener.heard == [log[-1]], "heard")


async def test_any_success_will_do_and_its_body_does_not_matter(listener: Listener, tmp_path: Path) -> None:
    answer = web.StreamResponse(status=202)

    async def begin_and_stop() -> web.Response:
        await answer.prepare(listener.asked[-1])
        await answer.write(b"x" * 100_000)
        await asyncio.sleep(30)
        return web.Response()

    listener.answer = begin_and_stop
    async with sending(listener) as witness:
        wrote(tmp_path / "audit", witness)
        await until(lambda: witness.last_success, "heard")

    assert witness.failures == 0


async def test_a_certificate_of_somebody_else_is_not_spoken_with(listener: Listener, tmp_path: Path) -> None:
    async with sending(listener, context=ssl.create_default_context()) as witness:
        wrote(tmp_path / "audit", witness)
        await until(lambda: witness.failures, "refused")

    assert listener.asked == []


async def test_a_head_that_was_told_while_another_was_sent_is_sent_too(
    listener: Listener, tmp_path: Path
) -> None:
    go = asyncio.Event()

    async def wait() -> web.Response:
        await go.wait()
        return web.Response()

    listener.answer = wait
    async with sending(listener) as witness:
        writer = Writer(tmp_path / "audit", witness=witness).begin().decide(6)
        await until(lambda: listener.asked, "the first")
        writer.decide(6).close()
        listener.answer = None
        go.set()
        await until(lambda: listener.heard, "the second")

    assert listener.heard == lines(tmp_path / "audit")[-1:]


def settings_of(listener: Listener, folder: Path) -> dict[str, Any]:
    AUTHORITY.cert_pem.write_to_path(str(folder / "ca.pem"))
    (folder / "token").write_text("s3cret\n")
    return {
        "audit_witness": listener.url,
        "audit_witness_ca_file": str(folder / "ca.pem"),
        "audit_witness_token_file": str(folder / "token"),
        "audit_checkpoint_records": "3",
    }


async def test_a_proxy_tells_it_and_says_goodbye(listener: Listener, tmp_path: Path) -> None:
    async with running_proxy(**settings_of(listener, tmp_path)) as proxy:
        for _ in range(4):
            assert (await proxy.call(*SEARCH)).status == 200
        await until(lambda: listener.heard, "a checkpoint")
        (tmp_path / "token").write_text("another\n")
        await proxy.application.stop()
        log = lines(proxy.audit_file)

    assert listener.heard[-1] == log[-1]
    assert [r.headers["Authorization"] for r in (listener.asked[0], listener.asked[-1])] == [
        "Bearer s3cret",
        "Bearer another",
    ]
    assert found(log, key=None, witness=listener.heard) == []
    cut = found(log[:-1], key=None, witness=listener.heard)
    assert [flaw for flaw, *_ in cut] == [Flaw.CUT_OFF]


async def test_calls_do_not_wait_for_it_and_neither_does_the_end(
    listener: Listener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "LAST_SECONDS", 0.1)
    listener.answer = _slow
    async with running_proxy(**settings_of(listener, tmp_path)) as proxy:
        for _ in range(20):
            assert (await proxy.call(*SEARCH)).status == 200
        await until(lambda: listener.asked, "asked")

        # All went on while the one question was open.
        assert len(proxy.upstream.messages) == 20
        assert len(listener.asked) == 1
        assert found(proxy.audit_file, key=None) == []


async def test_each_worker_tells_of_its_own_chain(listener: Listener, tmp_path: Path) -> None:
    given = settings_of(listener, tmp_path)
    async with RecordingUpstream() as upstream, serving(tmp_path, upstream, workers="2", **given) as served:
        assert await served.end() == 0
        log = lines(served.folder / "audit.jsonl")

    ends = [line for line in log if b'"kind":"close"' in line]
    assert len(ends) == 2
    assert {*ends} <= {*listener.heard}


def problems_of(**given: str) -> Sequence[str]:
    needed = {"UPSTREAM": "http://127.0.0.1:1", "BACKEND": "generic", "BLOCKED_ORG_TYPES": "police"}
    issuer = {"JWT_ISSUER": "https://i.test", "JWT_AUDIENCE": "a", "JWT_KEY_FILE": "/k"}
    environ = {f"MORATORIUM_{name.upper()}": value for name, value in (needed | issuer | given).items()}
    try:
        make_witness(read_settings(environ), float)
    except SettingsError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"audit_witness": "http://far.example/heads"}, "this machine only"),
        ({"audit_witness": "https://me:word@far.example/heads"}, "without credentials"),
        ({"audit_witness": "/a/file", "audit_witness_token_file": "/t"}, "needs an https address"),
        ({"audit_witness": "http://127.0.0.1/", "audit_witness_ca_file": "/c"}, "plain http"),
        ({"audit_witness": "https://far.example/", "audit_witness_ca_file": "/no/c"}, "WITNESS_CA_FILE"),
        ({"audit_witness": "https://far.example/", "audit_witness_token_file": "/no/t"}, "/no/t: No such"),
    ],
)
def test_wrong_settings_are_refused(given: dict[str, str], says: str) -> None:
    (problem,) = problems_of(**given)

    assert says in problem


def test_right_ones_are_not() -> None:
    assert problems_of(audit_witness="http://127.0.0.1:9/heads") == []
    assert problems_of(audit_witness="https://far.example/heads") == []
