"""Registry and revocations at the door of a running proxy: each refusal, and changes without a restart."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from proxy.assembly.files import standing_texts_of
from proxy.assembly.standing import describe, make_standing
from proxy.cli.main import main
from proxy.errors import PolicyError
from proxy.policy.document import build, parse
from proxy.settings import read_settings
from proxy.testing import TokenMint
from tests.harness.client import Answer, call
from tests.harness.process import serving, value, write_env
from tests.harness.proxy import MORATORIUM, Proxy, running_proxy, write_settings
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until

REGISTRY = """
schema = 1
[[organisation]]
id = "org-1"
org_types = ["commercial"]
[[organisation]]
id = "old"
org_types = ["commercial"]
valid_until = 2020-07-01
[[organisation]]
id = "firm"
org_types = ["commercial"]
contractor = true
[[organisation]]
id = "lab"
org_types = ["research"]
parents = ["pd-7"]
[[organisation]]
id = "pd-7"
org_types = ["police"]
"""
NOTHING = "schema = 1\n"
OFTEN = "0.03"


@contextlib.asynccontextmanager
async def proxy_with(folder: Path, **texts: str) -> AsyncIterator[Proxy]:
    """A proxy with these files, which it looks at often."""
    named: dict[str, Any] = {}
    for name, text in texts.items():
        write(folder, name, text)
        named[f"{name}_file"] = str(folder / name)
    async with running_proxy(watch_seconds=OFTEN, **named) as proxy:
        yield proxy


def write(folder: Path, name: str, text: str) -> None:
    """At one stroke, as editors and ConfigMaps do it."""
    new = folder / f"{name}.new"
    new.write_text(text, "utf-8")
    new.replace(folder / name)


async def search(proxy: Proxy, token: str | None = None, **claims: Any) -> Answer:
    fields = [("Authorization", f"Bearer {token}")] if token else [proxy.bearer(**claims)]
    return await call(proxy.port, "POST", "/v1/search", fields, b"{}")


async def reloaded(proxy: Proxy, before: object) -> None:
    await until(lambda: proxy.application.enforcer.rules is not before, "the reload")


# ------------------------------------------------------------ each refusal


@pytest.mark.parametrize(
    ("claims", "status", "reason"),
    [
        ({"org_id": "org-2"}, 403, "org-not-registered"),
        ({"org_id": "old"}, 403, "org-registration-expired"),
        ({"org_id": "org-1", "org_type": "press"}, 403, "org-disagrees"),
        ({"org_id": "firm"}, 403, "delegation-missing"),
        ({"org_id": "org-1", "jti": "lost"}, 401, "token-revoked"),
        ({"org_id": "lab", "org_type": "research"}, 451, "moratorium"),
        ({"org_id": "org-1"}, 200, "not-bound"),
    ],
    ids=lambda part: str(part) if isinstance(part, str) else "",
)
async def test_a_caller_is_judged_by_what_the_files_say(
    claims: dict[str, Any], status: int, reason: str, tmp_path: Path
) -> None:
    revocations = 'schema = 1\n[[revocation]]\ntoken_id = "lost"\n'
    async with proxy_with(tmp_path, registry=REGISTRY, revocations=revocations) as proxy:
        answer = await search(proxy, **claims)

        assert (answer.status, proxy.reasons()) == (status, [reason])


async def test_a_suspended_caller_is_told_the_notice_and_the_lifting_date(tmp_path: Path) -> None:
    revocations = """
schema = 1
[[suspension]]
org_id = "org-1"
until = 2020-08-01T00:00:00Z
reason = "never told"
notice = "Write to desk@operator.test."
"""
    async with proxy_with(tmp_path, revocations=revocations) as proxy:
        answer = await search(proxy)
        body = json.loads(answer.body)

        assert (answer.status, body["title"]) == (403, "org-suspended")
        assert "until 2020-08-01T00:00:00Z. Write to desk@operator.test." in body["detail"]
        assert b"never told" not in answer.body
        assert proxy.upstream.messages == []

        proxy.clock.set("2020-08-01T00:00:00Z")
        assert (await search(proxy)).status == 200


async def test_a_revoked_token_asks_for_another(tmp_path: Path) -> None:
    revocations = '{"schema": 1, "revocation": [{"subject": "user-1", "issuer": "https://issuer.test"}]}'
    write(tmp_path, "r.json", revocations)
    async with running_proxy(revocations_file=str(tmp_path / "r.json")) as proxy:
        answer = await search(proxy, sub="user-1")

        assert b'error_description="token-revoked"' in dict(answer.headers)[b"www-authenticate"]
        assert (await search(proxy, sub="user-2")).status == 200


# ------------------------------------------------------------ changes


@pytest.mark.parametrize(
    ("revocations", "reason"),
    [
        ('[[revocation]]\ntoken_id = "t-1"', "token-revoked"),
        ('[[revocation]]\nsubject = "user-1"\nissuer = "https://issuer.test"', "token-revoked"),
        ('[[revocation]]\norg_id = "org-1"', "token-revoked"),
        ('[[suspension]]\norg_id = "org-1"', "org-suspended"),
    ],
    ids=["token", "subject", "organisation", "suspension"],
)
async def test_a_remembered_token_is_refused_at_the_next_call_after_a_change(
    revocations: str, reason: str, tmp_path: Path
) -> None:
    async with proxy_with(tmp_path, revocations=NOTHING) as proxy:
        token = proxy.mint.token(jti="t-1", sub="user-1")
        for _ in range(2):
            assert (await search(proxy, token)).status == 200
        assert "moratorium_token_cache_hits_total 1.0" in await proxy.metrics()

        before = proxy.application.enforcer.rules
        write(tmp_path, "revocations", f"{NOTHING}{revocations}\n")
        await reloaded(proxy, before)
        await search(proxy, token)
        assert proxy.reasons() == ["not-bound", "not-bound", reason]

        before = proxy.application.enforcer.rules
        write(tmp_path, "revocations", NOTHING)
        await reloaded(proxy, before)
        assert (await search(proxy, token)).status == 200


async def test_an_organisation_that_is_taken_out_of_the_registry_is_refused_at_the_next_call(
    tmp_path: Path,
) -> None:
    async with proxy_with(tmp_path, registry=REGISTRY) as proxy:
        token = proxy.mint.token()
        assert (await search(proxy, token)).status == 200

        before = proxy.application.enforcer.rules
        write(tmp_path, "registry", REGISTRY.replace("org-1", "org-2"))
        await reloaded(proxy, before)
        await search(proxy, token)
        assert proxy.reasons()[-1] == "org-not-registered"


@pytest.mark.parametrize("broken", ["schema = 2\n", "[[suspension]]\n", None], ids=["shape", "cut", "gone"])
async def test_a_broken_file_leaves_the_old_one_in_force(broken: str | None, tmp_path: Path) -> None:
    suspended = 'schema = 1\n[[suspension]]\norg_id = "org-1"\n'
    async with proxy_with(tmp_path, revocations=suspended, registry=REGISTRY) as proxy:
        before = proxy.application.enforcer.rules
        if broken is None:
            (tmp_path / "revocations").unlink()
        else:
            write(tmp_path, "revocations", broken)
        for _ in range(200):
            if "moratorium_config_last_reload_successful 0.0" in await proxy.metrics():
                break
            await asyncio.sleep(0.02)

        assert "moratorium_config_last_reload_successful 0.0" in await proxy.metrics()
        await search(proxy)
        assert proxy.reasons() == ["org-suspended"]

        write(tmp_path, "revocations", NOTHING)
        await reloaded(proxy, before)
        assert "moratorium_config_last_reload_successful 1.0" in await proxy.metrics()
        assert (await search(proxy)).status == 200


async def test_a_remembered_token_is_refused_from_the_instant_of_a_suspension(tmp_path: Path) -> None:
    revocations = 'schema = 1\n[[suspension]]\norg_id = "org-1"\nfrom = 2020-07-01T12:00:05Z\n'
    async with proxy_with(tmp_path, revocations=revocations) as proxy:
        token = proxy.mint.token()
        assert (await search(proxy, token)).status == 200
        proxy.clock.set("2020-07-01T12:00:04Z")
        assert (await search(proxy, token)).status == 200
        proxy.clock.set("2020-07-01T12:00:05Z")
        assert (await search(proxy, token)).status == 403


async def test_all_workers_take_up_a_change(tmp_path: Path) -> None:
    file = tmp_path / "revocations"
    write(tmp_path, "revocations", NOTHING)
    async with (
        RecordingUpstream() as upstream,
        serving(tmp_path, upstream, workers="2", watch_seconds=OFTEN, revocations_file=str(file)) as served,
    ):
        assert {(await served.call()).status for _ in range(8)} == {200}
        write(tmp_path, "revocations", f"{NOTHING}[[suspension]]\norg_id = 'org-1'\n")
        await until(lambda: served.said("reloaded") == 1, "the reload")
        assert {(await served.call()).status for _ in range(8)} == {403}

        write(tmp_path, "revocations", "schema = 2\n")
        await until(
            lambda: served.said("reload refused, the old configuration stays") == 1, "the refused reload"
        )
        assert {(await served.call()).status for _ in range(8)} == {403}
        assert value(await served.scrape(), "moratorium_config_last_reload_successful") == 0


# ------------------------------------------------------------ from settings


def settings_for(folder: Path, **texts: str) -> Any:
    for name, text in texts.items():
        write(folder, name, text)
    return read_settings(
        {
            "MORATORIUM_UPSTREAM": "http://127.0.0.1:1",
            "MORATORIUM_BACKEND": "deepface",
            "MORATORIUM_JWT_ISSUER": "https://issuer.test",
            "MORATORIUM_JWT_AUDIENCE": "face-api",
            "MORATORIUM_JWT_JWKS_URL": "https://issuer.test/keys",
            "MORATORIUM_BLOCKED_ORG_TYPES": "police",
            **{f"MORATORIUM_{name.upper()}_FILE": str(folder / name) for name in texts},
        }
    )


def test_what_is_wrong_with_both_files_is_told_at_once(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, registry="schema = 2\n", revocations="schema = 3\n")

    with pytest.raises(PolicyError) as caught:
        make_standing(settings, build(parse(MORATORIUM, "p")), standing_texts_of(settings))
    assert [problem.rpartition("/")[2] for problem in caught.value.problems] == [
        "registry:1: schema: 2 found, 1 expected",
        "revocations:1: schema: 3 found, 1 expected",
    ]


def test_files_that_cannot_be_read_are_told_at_once(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, registry="", revocations="")
    (tmp_path / "registry").unlink()
    (tmp_path / "revocations").write_bytes(b"\xff")

    with pytest.raises(PolicyError) as caught:
        standing_texts_of(settings)
    assert [problem.rpartition("/")[2] for problem in caught.value.problems] == [
        "registry: No such file or directory",
        "revocations: not UTF-8 text",
    ]


def test_what_is_said_of_both_files_names_what_can_have_no_effect(tmp_path: Path) -> None:
    revocations = """schema = 1
suspension = [{ org_ids = ["pd-7", "pd-8"] }]
revocation = [{ token_ids = ["a", "b"], subject = "c", issuer = "https://other.test" }]
"""
    settings = settings_for(tmp_path, registry=REGISTRY, revocations=revocations)
    standing = make_standing(settings, build(parse(MORATORIUM, "p")), standing_texts_of(settings))

    assert describe(standing, settings, frozenset({"https://issuer.test"}), 1_600_000_000.0) == [
        ("registry", "ok", "5 organisations, 1 of them expired"),
        ("revocations", "ok", "2 organisations suspended now; 2 tokens, 1 subjects revoked"),
        ("revocations", "warning", "pd-8 is suspended, and not in the registry"),
        ("revocations", "warning", "https://other.test is not an issuer of yours"),
    ]


def test_without_the_files_nothing_is_known_or_said(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    standing = make_standing(settings, build(parse(MORATORIUM, "p")), standing_texts_of(settings))

    assert describe(standing, settings, frozenset(), 0.0) == []
    assert standing.registry is None


# ------------------------------------------------------------ verbs


def env_file(folder: Path, mint: TokenMint, **texts: str) -> str:
    """Settings as a file, for a verb of the command line."""
    named = {f"{name}_file": str(folder / name) for name in texts}
    for name, text in texts.items():
        write(folder, name, text)
    write_env(folder / "moratorium.env", write_settings(folder, 1, mint, **named))
    return str(folder / "moratorium.env")


def test_check_tells_what_is_wrong_with_both_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry = REGISTRY.replace('"research"', '"reserch"')
    file = env_file(tmp_path, TokenMint(), registry=registry, revocations="schema = 3\n")

    assert main(["check", "--env-file", file, "-o", "json"]) == 3
    said = [part["says"] for part in json.loads(capsys.readouterr().out) if part["part"] == "standing"]
    assert [text.rpartition(": ")[2] for text in said] == [
        "'reserch' is not in the policy's vocabulary; did you mean 'research'?",
        "3 found, 1 expected",
    ]


def test_check_says_what_stands_in_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = env_file(tmp_path, TokenMint(), registry=REGISTRY, revocations=NOTHING)

    assert main(["check", "--env-file", file, "-o", "json"]) == 0
    assert {"registry", "revocations"} <= {part["part"] for part in json.loads(capsys.readouterr().out)}


def test_explain_knows_what_the_files_say_of_a_token(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mint = TokenMint()
    file = env_file(tmp_path, mint, revocations='schema = 1\n[[revocation]]\ntoken_id = "lost"\n')
    words = ["explain", "--env-file", file, "--operation", "search", "-o", "json", "--token"]

    assert main([*words, mint.token(jti="lost")]) == 1
    assert json.loads(capsys.readouterr().out)["reason"] == "token-revoked"
    assert main([*words, mint.token(jti="found")]) == 0
