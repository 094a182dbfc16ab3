"""Clients that speak TLS with the proxy: who may, with what, and what becomes of those that do not."""

import asyncio
import contextlib
import ssl
import warnings
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.harness.client import AnswerCutError, RawClient, call, request
from tests.harness.process import serving
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import RecordingUpstream, reply
from tests.harness.waiting import PATIENCE, until
from tests.tls.parts import (
    BOUND,
    MEGABYTE,
    STRANGER,
    behind_tls,
    ca_file,
    client,
    issue,
    queued,
    serial,
    write,
)
from tests.wire.calls import HEAD, at_rest, detect, get, gone, half, hang


async def refused(port: int, tls: ssl.SSLContext) -> bool:
    """Whether a client with this context gets no answer. With TLS 1.3 it is told only after its handshake."""
    try:
        async with RawClient.to(port, tls=tls) as caller:
            await caller.send(request("GET", "/v1/version"))
            await caller.answer()
    except (OSError, AnswerCutError):
        return True
    return False


async def handshake_failures(proxy: Proxy) -> float:
    (line,) = [
        line
        for line in (await proxy.metrics()).splitlines()
        if line.startswith("moratorium_tls_handshake_failures_total")
    ]
    return float(line.split()[1])


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_calls_over_tls_are_judged_and_forwarded_like_others(
    newest: ssl.TLSVersion, tmp_path: Path
) -> None:
    async with behind_tls(tmp_path) as proxy, RawClient.to(proxy.port, tls=client(newest=newest)) as caller:
        for _ in range(3):
            await caller.send(get(proxy))
            assert (await caller.answer()).status == 200
        await caller.send(request("POST", "/v1/search", [proxy.bearer("police")], b"picture"))
        assert (await caller.answer()).status == 451

        tls = caller._writer.get_extra_info("ssl_object")
        assert (tls.version(), tls.selected_alpn_protocol()) == (newest.name.replace("_", "."), "http/1.1")
        assert proxy.reasons() == ["not-bound"] * 3 + ["moratorium"]
        assert (await call(proxy.metrics_port, "GET", "/readyz")).status == 200
        assert "moratorium_tls_certificate_end_timestamp_seconds 1" in await proxy.metrics()


async def test_versions_before_1_2_are_not_spoken(tmp_path: Path) -> None:
    old = client()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with behind_tls(tmp_path) as proxy:
        assert await refused(proxy.port, old)
        assert await handshake_failures(proxy) == 1


async def test_a_large_body_waits_for_a_face_api_that_does_not_read_and_comes_through_whole(
    tmp_path: Path,
) -> None:
    body = MEGABYTE * 24
    async with (
        RecordingUpstream(reads=False) as upstream,
        behind_tls(tmp_path, upstream=upstream, max_body_bytes="32MiB") as proxy,
        RawClient.to(proxy.port, tls=client()) as caller,
    ):
        await caller.send(detect(proxy, length=len(body)))
        await until(lambda: upstream.connections, "the connection")
        sending = asyncio.ensure_future(caller.send(body))
        await asyncio.sleep(0.2)
        assert queued(proxy) < BOUND
        (connection,) = proxy.application.relay.context.connections
        assert "call" in repr(connection)
        assert not connection._body.done  # type: ignore[attr-defined]
        upstream.connections[0].read_on()
        await sending

        assert (await caller.answer()).status == 200
        assert upstream.messages[0].body == body


async def test_a_large_answer_waits_for_a_client_that_does_not_read_and_comes_through_whole(
    tmp_path: Path,
) -> None:
    body = MEGABYTE * 12
    async with (
        RecordingUpstream(lambda _: reply(body)) as upstream,
        behind_tls(tmp_path, upstream=upstream) as proxy,
    ):
        caller = await RawClient.connect(proxy.port, tls=client(), buffer=1024)
        await caller.send(get(proxy))
        await until(lambda: upstream.messages, "the call")
        await asyncio.sleep(0.2)
        assert queued(proxy) < BOUND

        assert (await caller.answer()).body == body
        await caller.close()


async def test_a_refusal_reaches_a_client_that_sends_everything_first(tmp_path: Path) -> None:
    async with behind_tls(tmp_path) as proxy, RawClient.to(proxy.port, tls=client()) as caller:
        await caller.send(detect(proxy, length=8 << 20, org_type="martian") + MEGABYTE * 8)
        assert (await caller.answer()).status == 403
        await caller.send(detect(proxy, length=32 << 20) + MEGABYTE * 8)
        assert (await caller.answer()).status == 413


async def test_an_answer_that_breaks_off_is_seen_to_be_incomplete(tmp_path: Path) -> None:
    async with (
        RecordingUpstream(half) as upstream,
        behind_tls(tmp_path, upstream=upstream) as proxy,
        RawClient.to(proxy.port, tls=client()) as caller,
    ):
        await caller.send(get(proxy))
        await until(lambda: upstream.messages, "the call")
        upstream.connections[0].close()
        with pytest.raises(AnswerCutError):
            await caller.answer()


@pytest.mark.parametrize("politely", [True, False])
async def test_a_call_whose_client_leaves_is_cancelled_upstream(politely: bool, tmp_path: Path) -> None:
    async with RecordingUpstream(hang) as upstream, behind_tls(tmp_path, upstream=upstream) as proxy:
        caller = await RawClient.connect(proxy.port, tls=client())
        await caller.send(get(proxy))
        await until(lambda: upstream.messages, "the call")
        await caller.close() if politely else caller.abort()

        await gone(upstream)
        await at_rest(proxy)


async def test_draining_lets_calls_end_and_closes_the_rest(tmp_path: Path) -> None:
    async with (
        RecordingUpstream(hang) as upstream,
        behind_tls(tmp_path, upstream=upstream) as proxy,
        RawClient.to(proxy.port, tls=client()) as idle,
        RawClient.to(proxy.port, tls=client()) as busy,
    ):
        await busy.send(get(proxy))
        await until(lambda: upstream.messages, "the call")
        draining = asyncio.ensure_future(proxy.application.relay.drain(PATIENCE))
        assert await idle.remainder() == b""
        assert await refused(proxy.port, client())
        upstream.connections[0].send(HEAD + b"0123456789")
        assert (await busy.answer()).status == 200
        await draining


# ------------------------------------------------------------ who may


async def test_mutual_tls_lets_in_only_those_with_a_certificate_by_the_right_authority(
    tmp_path: Path,
) -> None:
    async with behind_tls(tmp_path, tls_client_ca_file=ca_file(tmp_path)) as proxy:
        assert await refused(proxy.port, client())
        assert await refused(proxy.port, client(issue("caller.test", ca=STRANGER)))
        assert await refused(proxy.port, client(issue("caller.test", expired=True)))
        async with RawClient.to(proxy.port, tls=client(issue("caller.test"))) as caller:
            await caller.send(get(proxy))
            assert (await caller.answer()).status == 200
            await caller.send(request("GET", "/v1/faces/a"))
            assert (await caller.answer()).status == 401

        assert await handshake_failures(proxy) == 3
        assert proxy.reasons() == ["not-bound", "token-missing"]


# ------------------------------------------------------------ certificates that change


async def shown(proxy: Proxy) -> int:
    async with RawClient.to(proxy.port, tls=client()) as caller:
        return serial(caller)


async def test_new_files_hold_for_new_connections_and_old_connections_go_on(tmp_path: Path) -> None:
    async with behind_tls(tmp_path) as proxy, RawClient.to(proxy.port, tls=client()) as old:
        first = await shown(proxy)
        write(tmp_path, "proxy", issue("proxy.test"))
        assert await shown(proxy) == first
        await proxy.application.reload()

        assert await shown(proxy) != first
        assert serial(old) == first
        await old.send(get(proxy))
        assert (await old.answer()).status == 200


async def test_changed_files_are_noticed(tmp_path: Path) -> None:
    async with behind_tls(tmp_path, watch_seconds="0.05") as proxy:
        first = await shown(proxy)
        write(tmp_path, "proxy", issue("proxy.test"))
        reloaded = proxy.application.relay.tls
        await until(lambda: proxy.application.relay.tls is not reloaded, "the reload")

        assert await shown(proxy) != first


@pytest.mark.parametrize("broken", ["the key of another", "no key", "no certificate", "an encrypted key"])
async def test_a_broken_pair_is_refused_and_the_old_one_stays(
    broken: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with behind_tls(tmp_path) as proxy:
        first = await shown(proxy)
        if broken == "the key of another":
            (tmp_path / "proxy.key").write_bytes(issue("proxy.test").private_key_pem.bytes())
            says = "key values mismatch"
        elif broken == "no key":
            (tmp_path / "proxy.key").unlink()
            says = "No such file or directory"
        elif broken == "no certificate":
            (tmp_path / "proxy.pem").write_text("nothing of the kind")
            says = "not pem"
        else:
            (tmp_path / "proxy.key").write_bytes(encrypted())
            says = "a key without a password is needed"
        await proxy.application.reload()

        assert await shown(proxy) == first
        assert "moratorium_config_last_reload_successful 0.0" in await proxy.metrics()
        (refusal,) = [r for r in caplog.records if "reload refused" in r.message]
        (problem,) = refusal.__dict__["problems"]
        assert problem.startswith("MORATORIUM_TLS_CERT_FILE: ")
        assert says in problem
        async with RawClient.to(proxy.port, tls=client()) as caller:
            await caller.send(get(proxy))
            assert (await caller.answer()).status == 200


def encrypted() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    how = serialization.BestAvailableEncryption(b"secret")
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


async def test_new_authorities_for_clients_hold_after_a_reload_also_for_those_that_come_back(
    tmp_path: Path,
) -> None:
    """A session that is taken up again would not show its certificate again."""
    async with behind_tls(tmp_path, tls_client_ca_file=ca_file(tmp_path)) as proxy:
        tls = client(issue("caller.test"))
        assert not await refused(proxy.port, tls)
        ca_file(tmp_path, STRANGER)
        await proxy.application.reload()

        assert await refused(proxy.port, tls)
        assert not await refused(proxy.port, client(issue("caller.test", ca=STRANGER)))


# ------------------------------------------------------------ the wrong language


async def test_plain_http_on_the_tls_port_is_closed_and_leaves_no_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with behind_tls(tmp_path) as proxy:
        for _ in range(20):
            async with RawClient.to(proxy.port) as caller:
                await caller.send(get(proxy))
                with contextlib.suppress(AnswerCutError):
                    assert b"HTTP" not in await caller.remainder()
        assert await handshake_failures(proxy) == 20
        await until(lambda: any(r.message == "connections lost" for r in caplog.records), "a line")
        await asyncio.sleep(0.1)

        assert proxy.upstream.connections == []
        assert all(r.exc_info is None for r in caplog.records)
        assert len([r for r in caplog.records if r.message == "connections lost"]) < 5
        assert "HTTP_REQUEST" in caplog.records[-1].__dict__["why"]
        assert not await refused(proxy.port, client())


async def test_tls_on_the_plain_port_is_400_at_once() -> None:
    async with running_proxy(head_seconds="60") as proxy:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hello = client().wrap_bio(incoming, outgoing, server_hostname="proxy.test")
        with contextlib.suppress(ssl.SSLWantReadError):
            hello.do_handshake()
        async with RawClient.to(proxy.port) as caller:
            await caller.send(outgoing.read())
            answer = await caller.answer()

        assert answer.status == 400
        assert answer.values(b"connection") == [b"close"]
        assert proxy.reasons() == ["request-malformed"]


@pytest.mark.parametrize("begins", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["nothing", "half a hello"])
async def test_a_handshake_has_to_end_in_time(begins: bytes, tmp_path: Path) -> None:
    async with behind_tls(tmp_path, head_seconds="0.2") as proxy, RawClient.to(proxy.port) as caller:
        await caller.send(begins)
        with contextlib.suppress(AnswerCutError):
            assert await caller.remainder() == b""

        assert await handshake_failures(proxy) == 1


async def test_handshakes_count_as_connections_and_those_beyond_the_descriptors_are_closed(
    tmp_path: Path,
) -> None:
    async with behind_tls(tmp_path, head_seconds="60") as proxy:
        proxy.application.relay._ceiling = 3
        silent = [await RawClient.connect(proxy.port) for _ in range(3)]
        async with RawClient.to(proxy.port) as fourth:
            with contextlib.suppress(AnswerCutError):
                assert await fourth.remainder() == b""
        assert "moratorium_connections_turned_away_total 1.0" in await proxy.metrics()
        for one in silent:
            one.abort()
        await until(lambda: not proxy.application.relay._listeners[0]._shaking, "the handshakes to end")  # type: ignore[attr-defined]

        assert not await refused(proxy.port, client())


async def test_workers_speak_tls_too_and_take_up_a_new_certificate(tmp_path: Path) -> None:
    files = {f"tls_{name}": file for name, file in write(tmp_path, "proxy", issue("proxy.test")).items()}
    settings: dict[str, Any] = files | {"workers": "2"}
    async with RecordingUpstream() as upstream, serving(tmp_path, upstream, **settings) as served:
        async with RawClient.to(served.port, tls=client()) as caller:
            first = serial(caller)
            await caller.send(request("POST", "/v1/detect", [served.bearer()], b"picture"))
            assert (await caller.answer()).status == 200
        write(tmp_path, "proxy", issue("proxy.test"))
        served.hang_up()
        await until(lambda: served.said("reloaded"), "the reload")
        for _ in range(8):
            async with RawClient.to(served.port, tls=client()) as caller:
                assert serial(caller) != first
