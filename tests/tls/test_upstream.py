"""The face API behind TLS: who it must be, what is said when it is not, and that nothing else changes."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.harness.client import AnswerCutError, RawClient, request
from tests.harness.upstream import AwaitBody, Close, Message, RecordingUpstream, Send, Step
from tests.harness.waiting import PATIENCE, until
from tests.tls.parts import BOUND, CA, MEGABYTE, STRANGER, before_tls, issue, queued, server, whys, write
from tests.wire.calls import detect, get

FACE = ("GET", "/v1/faces/a")


def seen(upstream: RecordingUpstream, what: str) -> Any:
    """What the TLS layer of the face API knows of its first connection."""
    return upstream.connections[0]._transport.get_extra_info(what)


async def test_a_call_goes_on_over_tls_with_the_name_of_the_upstream_and_http_1(tmp_path: Path) -> None:
    names: list[str | None] = []
    tls = server(issue("localhost"))
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    async with RecordingUpstream(tls=tls) as upstream:
        address = f"https://localhost:{upstream.port}"
        async with before_tls(tmp_path, UPSTREAM=address) as (_, proxy):
            answer = await proxy.call("POST", "/v1/detect", b"picture")

        assert (answer.status, answer.body) == (200, b"ok")
        assert upstream.messages[0].body == b"picture"
        assert names == ["localhost"]
        assert seen(upstream, "ssl_object").selected_alpn_protocol() == "http/1.1"
        assert seen(upstream, "ssl_object").version() == "TLSv1.3"


async def test_the_face_api_need_not_trust_what_it_cannot_check(tmp_path: Path) -> None:
    """Without a certificate of ours, none is shown."""
    tls = server(issue("127.0.0.1"))
    tls.verify_mode = ssl.CERT_OPTIONAL
    CA.configure_trust(tls)
    async with before_tls(tmp_path, tls=tls) as (upstream, proxy):
        assert (await proxy.call(*FACE)).status == 200
        assert not seen(upstream, "peercert")


WRONG: dict[str, tuple[Callable[[], ssl.SSLContext], dict[str, str], str]] = {
    "an unknown authority": (
        lambda: server(issue("127.0.0.1", ca=STRANGER)),
        {},
        "certificate: unable to get local issuer certificate",
    ),
    "another host": (
        lambda: server(issue("127.0.0.2")),
        {},
        "certificate: IP address mismatch, certificate is not valid for '127.0.0.1'",
    ),
    "an expired certificate": (
        lambda: server(issue("127.0.0.1", expired=True)),
        {},
        "certificate: certificate has expired",
    ),
    "another name than was set": (
        lambda: server(issue("faces.test")),
        {"upstream_server_name": "other.test"},
        "certificate: Hostname mismatch, certificate is not valid for 'other.test'",
    ),
    "too old a version": (
        lambda: server(issue("127.0.0.1"), ssl.TLSVersion.TLSv1_2),
        {"upstream_tls_min_version": "1.3"},
        "the connection was closed before it was made",  # uvloop's servers do not say why, others do: below
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_face_api_that_is_not_who_it_should_be_is_502_and_gets_nothing(
    case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make, overrides, says = WRONG[case]
    async with before_tls(tmp_path, tls=make(), **overrides) as (upstream, proxy):
        answer = await proxy.call("POST", "/v1/detect", b"picture")

        assert answer.status == 502
        assert upstream.messages == []
        assert proxy.reasons() == ["not-bound", "upstream-unreachable"]
        assert says in whys(caplog.records)


async def test_what_the_face_api_has_against_a_handshake_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = server(issue("127.0.0.1"), ssl.TLSVersion.TLSv1_2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        async with before_tls(tmp_path, UPSTREAM=address, upstream_tls_min_version="1.3") as (_, proxy):
            refusing = asyncio.get_running_loop().run_in_executor(None, shake_hands_once, listener, tls)
            answer = await proxy.call(*FACE)
            await refusing

        assert answer.status == 502
        assert "TLS: TLSV1_ALERT_PROTOCOL_VERSION" in whys(caplog.records)


def shake_hands_once(listener: socket.socket, tls: ssl.SSLContext) -> None:
    """With a peer that sends an alert when a handshake fails, as most do."""
    with listener.accept()[0] as peer, contextlib.suppress(ssl.SSLError):
        tls.wrap_socket(peer, server_side=True)


async def test_a_face_api_without_tls_is_502(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with RecordingUpstream() as plain:
        async with before_tls(
            tmp_path, UPSTREAM=f"https://127.0.0.1:{plain.port}", connect_seconds="0.5"
        ) as (
            _,
            proxy,
        ):
            plain.connections.clear()
            asyncio.get_running_loop().call_later(
                0.1, lambda: plain.connections[0].send(b"HTTP/1.1 400 No\r\n")
            )
            assert (await proxy.call(*FACE)).status == 502

        assert plain.messages == []
        assert "TLS: WRONG_VERSION_NUMBER" in whys(caplog.records)


async def test_the_name_that_is_sent_and_checked_can_be_set(tmp_path: Path) -> None:
    names: list[str | None] = []
    tls = server(issue("faces.test"))
    tls.sni_callback = lambda _socket, name, _context: names.append(name)
    async with before_tls(tmp_path, tls=tls, upstream_server_name="faces.test") as (upstream, proxy):
        assert (await proxy.call(*FACE)).status == 200
        assert names == ["faces.test"]
        assert upstream.messages[0].values(b"host") == [b"127.0.0.1:%d" % upstream.port]


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_is_shown_where_one_is_set(
    newest: ssl.TLSVersion, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tls = server(issue("127.0.0.1"), newest)
    tls.verify_mode = ssl.CERT_REQUIRED
    CA.configure_trust(tls)
    ours = write(tmp_path, "ours", issue("proxy.test"))
    overrides = {f"upstream_client_{name}": file for name, file in ours.items()}
    async with before_tls(tmp_path, tls=tls, **overrides) as (upstream, proxy):
        assert (await proxy.call(*FACE)).status == 200
        assert seen(upstream, "peercert")["subjectAltName"] == (("DNS", "proxy.test"),)
    async with before_tls(tmp_path, tls=tls) as (upstream, proxy):
        assert (await proxy.call(*FACE)).status == 502
        assert upstream.messages == []


# ------------------------------------------------------------ connections that are kept


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_session_tickets_do_not_keep_a_connection_from_being_used_again(
    newest: ssl.TLSVersion, tmp_path: Path
) -> None:
    tls = server(issue("127.0.0.1"), newest)
    tls.num_tickets = 8
    async with before_tls(tmp_path, tls=tls) as (upstream, proxy), RawClient.to(proxy.port) as caller:
        for _ in range(5):
            await caller.send(get(proxy))
            assert (await caller.answer()).status == 200

        assert len(upstream.connections) == 1


async def test_an_idle_connection_that_the_face_api_has_closed_is_not_used_again(tmp_path: Path) -> None:
    async with before_tls(tmp_path, upstream_idle_seconds="60") as (upstream, proxy):
        for _ in range(3):
            assert (await proxy.call(*FACE)).status == 200
            upstream.connections[-1].close()

        assert len(upstream.connections) == 3


async def test_bytes_that_nobody_asked_for_reach_nobody(tmp_path: Path) -> None:
    async with before_tls(tmp_path, upstream_idle_seconds="60") as (upstream, proxy):
        await proxy.call(*FACE)
        upstream.connections[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        answer = await proxy.call(*FACE)

        assert answer.body == b"ok"
        await until(lambda: upstream.connections[0].closed, "the connection to close")


async def test_bytes_behind_an_answer_that_fills_the_buffer_are_not_the_next_answer(tmp_path: Path) -> None:
    """The TLS layer still holds them when the answer is complete and a pipelined call is waiting."""
    size = 128 * 1024
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    whole = head % (size - len(head % size)) + bytes(size - len(head % size))
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"

    def script(message: Message) -> Sequence[Step]:
        first = message.target == b"/v1/faces/first"
        return (AwaitBody(), Send(whole + evil if first else head % 2 + b"ok"))

    async with before_tls(tmp_path, script) as (_, proxy), RawClient.to(proxy.port) as caller:
        for _ in range(10):
            await caller.send(get(proxy, "first") + get(proxy, "second"))
            first, second = await caller.answer(), await caller.answer()

            assert (len(first.body), second.body) == (size - len(head % size), b"ok")


# ------------------------------------------------------------ bodies


async def test_a_large_upload_waits_for_a_face_api_that_does_not_read(tmp_path: Path) -> None:
    body = MEGABYTE * 12
    async with before_tls(tmp_path) as (upstream, proxy), RawClient.to(proxy.port) as caller:
        upstream.reads = False
        await caller.send(detect(proxy, length=len(body)))
        await until(lambda: upstream.connections, "the connection")
        sending = asyncio.ensure_future(caller.send(body))
        await asyncio.sleep(0.2)
        most = queued(proxy)
        assert not sending.done()
        upstream.connections[0].read_on()
        answer = await caller.answer()
        await sending

        assert (answer.status, upstream.messages[0].body == body) == (200, True)
        assert most < BOUND


async def test_a_large_answer_waits_for_a_client_that_does_not_read(tmp_path: Path) -> None:
    pieces = 40  # the kernel alone holds about 17 MB of them
    sent: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces * len(MEGABYTE)))
        for number in range(pieces):
            writer.write(MEGABYTE)
            await writer.drain()
            sent.append(number)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server(issue("127.0.0.1"))) as listener:
        address = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with before_tls(tmp_path, UPSTREAM=address) as (_, proxy):
            caller = await RawClient.connect(proxy.port, buffer=1024)
            await caller.send(request("GET", "/v1/faces/a", [proxy.bearer(), ("Connection", "close")]))
            await asyncio.sleep(0.3)
            sent_before, queued_before = len(sent), queued(proxy)
            async with asyncio.timeout(PATIENCE):
                received = bytearray()
                while data := await caller._reader.read(65536):
                    received += data
            await caller.close()

            assert 0 < sent_before < 30
            assert queued_before < BOUND
            assert received.partition(b"\r\n\r\n")[2] == MEGABYTE * pieces


async def test_an_answer_is_whole_though_its_connection_ends_while_the_client_does_not_read(
    tmp_path: Path,
) -> None:
    """What the TLS layer has read ahead is lost when it sees the end before anybody asked for it."""
    body = bytes(300_000)
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    loop = asyncio.get_running_loop()
    async with before_tls(tmp_path, lambda _: (AwaitBody(), Send(head + body))) as (upstream, proxy):
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            slow.setblocking(False)
            await loop.sock_connect(slow, ("127.0.0.1", proxy.port))
            await until(lambda: proxy.application.relay.context.connections, "the connection")
            (connection,) = proxy.application.relay.context.connections
            transport = connection._client._transport  # type: ignore[attr-defined]
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
            last = request("GET", "/v1/faces/a", [proxy.bearer(), ("Connection", "close")])
            await loop.sock_sendall(slow, last)
            await until(lambda: connection._client.write_paused, "the client to be too slow")  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)
            upstream.connections[0]._transport.abort()
            await asyncio.sleep(0.05)
            received = 0
            async with asyncio.timeout(PATIENCE):
                while data := await loop.sock_recv(slow, 65536):
                    received += len(data)

        assert received > len(body)
        assert proxy.reasons() == ["not-bound"]


@pytest.mark.parametrize("honest", [True, False])
async def test_an_end_that_tls_does_not_vouch_for_is_not_the_end_of_a_body(
    honest: bool, tmp_path: Path
) -> None:
    def script(_: Message) -> Sequence[Step]:
        begun = AwaitBody(), Send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        return (*begun, Close()) if honest else begun

    async with before_tls(tmp_path, script) as (upstream, proxy), RawClient.to(proxy.port) as caller:
        await caller.send(request("GET", "/v1/faces/a", [proxy.bearer()]))
        await until(lambda: upstream.messages, "the call")
        await asyncio.sleep(0.05)
        if honest:
            assert (await caller.answer()).body == b"half"
            return
        upstream.connections[0]._transport.abort()  # a mere end of file, as anybody on the way can send it
        with pytest.raises(AnswerCutError):
            await caller.answer()
        with contextlib.suppress(AnswerCutError):
            await caller.remainder()
