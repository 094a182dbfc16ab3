"""Tokens that a command prints: every form in which clouds' tools print them, and every way to fail."""

import sys
from pathlib import Path

import pytest

from proxy.credentials.command import TokenCommand, read_token
from proxy.errors import CredentialUnavailable
from tests.harness.client import call
from tests.harness.proxy import FixedClock, running_proxy
from tests.harness.waiting import until

NOW = 1_600_000_000.0


@pytest.mark.parametrize(
    ("output", "until"),
    [
        ("tok\n", NOW + 300),
        ('{"access_token": "tok", "expires_in": 3599, "token_type": "Bearer"}', NOW + 3599),
        ('{"access_token": "tok", "expires_in": "3599"}', NOW + 3599),
        ('{"access_token": "tok", "expires_on": "1600003600", "resource": "x"}', NOW + 3600),
        ('{"accessToken": "tok", "expiresOn": "2020-09-13 15:26:40", "expires_on": 1600003600}', NOW + 3600),
        ('{"token": "tok", "expiration": "2020-09-13T13:26:40Z"}', NOW + 3600),
        ('{"status": {"token": "tok", "expirationTimestamp": "2020-09-13T14:26:40+01:00"}}', NOW + 3600),
        ('{"token": "tok", "expiry": "2020-09-13T13:26:40"}', NOW + 300),
    ],
)
def test_a_token_is_found_with_its_end(output: str, until: float) -> None:
    got = read_token(output, NOW, 300)

    assert (got.value.reveal(), got.until) == (b"tok", until)


@pytest.mark.parametrize(
    ("output", "complaint"),
    [
        ("", "it is empty"),
        ("first line\nSECRET\n", "it is not one line of printable ASCII"),
        ('{"access_token": "SECRET"', "what was printed is neither a token nor JSON"),
        ('{"error": "SECRET"}', "the JSON has none of access_token, accessToken, token, id_token"),
        ('{"token": "SECRET\\nX: y"}', "it is not one line of printable ASCII"),
    ],
)
def test_what_holds_no_token_is_refused_without_quoting_it(output: str, complaint: str) -> None:
    with pytest.raises(CredentialUnavailable) as caught:
        read_token(output, NOW, 300)
    assert caught.value.why == complaint


def command(script: str, clock: FixedClock | None = None, seconds: float = 5.0) -> TokenCommand:
    words = [sys.executable, "-S", "-c", script]
    return TokenCommand(words, b"Authorization", b"Bearer", clock or FixedClock(NOW), seconds=seconds)


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("print('SECRET'); raise SystemExit(3)", "ended with status 3"),
        ("print('x' * 70000)", "printed more than 65536 bytes"),
        ("import sys; sys.stdout.buffer.write(b'\\xff')", "printed something that is not ASCII"),
        ('import sys; print(\'{"token": "t", "expires_on": 5}\')', "what was got has ended already"),
    ],
)
async def test_a_command_that_fails_is_told_and_gives_nothing(script: str, complaint: str) -> None:
    credential = command(script)
    await credential.refresh()

    assert credential.failed is not None
    assert credential.failed.endswith(complaint)
    assert credential.fault(NOW) == credential.failed


async def test_a_command_that_does_not_exist_is_told() -> None:
    credential = TokenCommand(["/nowhere/gcloud"], b"A", b"", FixedClock(NOW))
    await credential.refresh()

    assert credential.failed == "gcloud: No such file or directory"


async def test_a_command_that_hangs_is_ended_with_all_it_has_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    child = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); "
    credential = command(f"{child}open({str(pid)!r}, 'w').write(str(p.pid)); p.wait()", seconds=0.5)
    await credential.refresh()

    assert credential.failed == "nothing came within 0.5 s"
    await until(lambda: not _lives(int(pid.read_text("utf-8"))), "the end of what it had started")


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").split()[2] != "Z"
    except FileNotFoundError:
        return False


async def test_the_old_token_goes_on_until_its_end_when_no_new_one_comes(tmp_path: Path) -> None:
    file, clock = tmp_path / "token", FixedClock(NOW)
    file.write_text('{"token": "tok", "expires_in": 60}', "utf-8")
    credential = command(f"print(open({str(file)!r}).read())", clock)
    await credential.refresh()
    file.unlink()
    clock.now += 59
    await credential.refresh()

    assert credential.at_hand(clock.now).reveal() == b"tok"
    with pytest.raises(CredentialUnavailable):
        credential.at_hand(NOW + 60)


@pytest.mark.parametrize(("life", "pause"), [(86400, 3600), (3600, 3300), (600, 400), (60, 40), (1, 1)])
async def test_a_token_is_got_anew_ahead_of_its_end(life: int, pause: float) -> None:
    clock = FixedClock(NOW)
    credential = command(f'print(\'{{"token": "t", "expires_in": {life}}}\')', clock)
    await credential.refresh()

    assert credential.pause() == pytest.approx(pause)


async def test_failures_are_tried_again_soon_and_then_less_often() -> None:
    credential = command("raise SystemExit(1)")
    pauses = []
    for _ in range(3):
        await credential.refresh()
        pauses.append(credential.pause())

    assert pauses == [2, 4, 8]


def token_command(file: Path) -> str:
    return f"cat {file}"


async def test_calls_carry_the_token_and_wait_for_none(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("tok-1\n", "utf-8")
    async with running_proxy(upstream_auth="bearer", upstream_token_command=token_command(file)) as proxy:
        await until(lambda: proxy.application.upstream.fault(proxy.clock()) is None, "the first token")
        await proxy.call("POST", "/v1/detect", b"{}")

        assert proxy.upstream.messages[0].values(b"authorization") == [b"Bearer tok-1"]


async def test_without_a_token_calls_are_refused_and_the_proxy_is_not_ready(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    async with running_proxy(upstream_auth="bearer", upstream_token_command=token_command(missing)) as proxy:
        refreshed = proxy.application.upstream.refreshed
        assert refreshed is not None
        await until(lambda: refreshed.failed != "not there yet", "the first try")
        answer = await proxy.call("POST", "/v1/detect", b"{}")
        probe = await call(proxy.metrics_port, "GET", "/readyz")

        assert (answer.status, answer.values(b"retry-after"), probe.status) == (503, [b"5"], 503)
        assert b'"credential": "cat ended with status 1"' in probe.body
        assert proxy.reasons()[-1] == "credential-unavailable"
        assert proxy.upstream.messages == []


async def test_a_reload_keeps_the_token_at_hand(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("tok-1\n", "utf-8")
    async with running_proxy(upstream_auth="bearer", upstream_token_command=token_command(file)) as proxy:
        await until(lambda: proxy.application.upstream.fault(proxy.clock()) is None, "the first token")
        file.unlink()
        await proxy.application.reload()
        await proxy.call("POST", "/v1/detect", b"{}")

        assert proxy.application.metrics.reload_successful == 1
        assert proxy.upstream.messages[0].values(b"authorization") == [b"Bearer tok-1"]
