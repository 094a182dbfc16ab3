"""Several issuers at the door of a running proxy: each one's keys, outages and entitlements are its own."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxy.testing import TokenMint
from tests.authn.issuers import KeyServer, key_server
from tests.authn.test_discovery import running
from tests.authn.tokens import mint as dev_mint
from tests.harness.client import call
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.waiting import until

ONE, OTHER = "https://one.test", "https://other.test"
DAY = 24 * 3600.0


def published(*mints: TokenMint) -> bytes:
    return json.dumps({"keys": [key for mint in mints for key in mint.jwks()["keys"]]}).encode()


def table(issuer: str, keys: str, **more: str) -> str:
    lines = [f'issuer = "{issuer}"', keys, 'audiences = ["face-api"]']
    return "\n".join(["[[issuer]]", *lines, *(f"{key} = {value}" for key, value in more.items()), ""])


@dataclass
class Stage:
    """Two issuers, the proxy that believes them, and the file that says so."""

    proxy: Proxy
    one: TokenMint
    other: TokenMint
    first: KeyServer
    second: KeyServer
    file: Path

    async def status(self, mint: TokenMint, org_type: str = "commercial") -> int:
        """Of a call under a fresh token."""
        return await self.status_of(mint.token(org_type))

    async def status_of(self, token: str) -> int:
        fields = [("Authorization", f"Bearer {token}")]
        return (await call(self.proxy.port, "POST", "/v1/search", fields, b"{}")).status

    def reason(self) -> str:
        """Of the last decision."""
        return self.proxy.reasons()[-1]

    async def ready(self) -> tuple[int, str]:
        answer = await call(self.proxy.metrics_port, "GET", "/readyz")
        return answer.status, answer.body.decode()

    async def metric(self, line: str) -> bool:
        return f"\n{line}\n" in await self.proxy.metrics()


def mint(issuer: str, kid: str = "k1") -> TokenMint:
    return TokenMint(issuer, "face-api", algorithm="EdDSA", kid=kid)


@asynccontextmanager
async def staged(
    folder: Path, other: str = "", *, watch_seconds: str = "0", jwt_stale_seconds: str = ""
) -> AsyncIterator[Stage]:
    """`other`: more lines of the second issuer's table."""
    first, second = mint(ONE), mint(OTHER)
    async with key_server() as here, key_server() as there:
        here.body, there.body = published(first), published(second)
        file = folder / "issuers.toml"
        file.write_text(
            "schema = 1\n"
            + table(ONE, f'jwks_url = "{here.url}"')
            + table(OTHER, f'jwks_url = "{there.url}"')
            + other
        )
        async with running_proxy(
            mint=first,
            jwt_issuer="",
            jwt_audience="",
            jwt_key_file="",
            issuers_file=str(file),
            watch_seconds=watch_seconds,
            jwt_stale_seconds=jwt_stale_seconds,
        ) as proxy:
            second.clock = proxy.clock
            yield Stage(proxy, first, second, here, there, file)


async def test_callers_of_both_issuers_are_served(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        assert (await stage.status(stage.one), await stage.status(stage.other)) == (200, 200)
        assert (await stage.status(stage.one, "police"), await stage.status(stage.other, "police")) == (
            451,
            451,
        )
        assert (await stage.ready())[0] == 200
        for issuer in (ONE, OTHER):
            assert await stage.metric(
                f'moratorium_jwks_fetch_total{{issuer="{issuer}",result="success"}} 1.0'
            )
            assert await stage.metric(
                f'moratorium_jwks_fetch_total{{issuer="{issuer}",result="failure"}} 0.0'
            )


async def test_the_key_of_one_issuer_never_verifies_the_tokens_of_another(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        swapped = TokenMint(OTHER, "face-api", algorithm="EdDSA", key=stage.one.key, clock=stage.proxy.clock)
        swapped.kid = stage.other.kid
        assert await stage.status(swapped) == 401
        assert stage.reason() == "token-signature"

        swapped.kid = "only-the-first-has-it"
        stage.first.body = published(stage.one, swapped)
        await stage.proxy.application.keys.refresh()
        assert await stage.status(swapped) == 401
        assert stage.reason() == "token-key-unknown"

        stranger = TokenMint("https://third.test", "face-api", key=stage.one.key, algorithm="EdDSA")
        stranger.clock, stranger.kid = stage.proxy.clock, stage.one.kid
        assert await stage.status(stranger) == 401
        assert stage.reason() == "token-issuer"


async def test_an_issuer_asserts_no_organisation_type_that_it_is_not_entitled_to(tmp_path: Path) -> None:
    async with staged(tmp_path, other='org_types = ["commercial", "school"]\n') as stage:
        assert await stage.status(stage.other) == 200
        assert await stage.status(stage.other, "police") == 403
        assert stage.reason() == "org-type-not-entitled"
        assert await stage.status_of(stage.other.token(["school", "police"])) == 403
        assert await stage.status(stage.one, "police") == 451
        assert await stage.status(stage.other, "nonsense") == 403
        assert stage.reason() == "org-type-unknown"


async def test_an_outage_ends_in_503_for_the_callers_of_that_issuer_alone(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        keys, clock = stage.proxy.application.keys, stage.proxy.clock
        long = stage.one.token("commercial", expires_in=10 * 86400)
        assert await stage.status_of(long) == 200
        start = clock.now
        stage.first.status = 500

        clock.now = start + DAY - 1
        await keys.refresh()
        assert (await stage.status_of(long), await stage.status(stage.one)) == (200, 200)
        assert (await stage.ready())[0] == 200

        clock.now = start + DAY
        assert (await stage.status_of(long), await stage.status(stage.one)) == (503, 503)
        assert stage.reason() == "keys-unavailable"
        assert await stage.status(stage.other) == 200
        status, body = await stage.ready()
        assert status == 503
        assert ONE in body and OTHER not in body  # noqa: PT018

        stage.first.status = 200
        await keys.refresh()
        assert (await stage.status_of(long), (await stage.ready())[0]) == (200, 200)


async def test_how_long_old_keys_are_used_is_a_setting(tmp_path: Path) -> None:
    async with staged(tmp_path, jwt_stale_seconds="60") as stage:
        stage.first.status = 500
        stage.proxy.clock.now += 60
        await stage.proxy.application.keys.refresh()

        assert (await stage.status(stage.one), await stage.status(stage.other)) == (503, 200)


async def test_an_issuer_that_was_never_reached_keeps_us_from_being_ready(tmp_path: Path) -> None:
    file = tmp_path / "issuers.toml"
    async with key_server() as server:
        server.body = published(one := mint(ONE))
        file.write_text(
            "schema = 1\n"
            + table(ONE, f'jwks_url = "{server.url}"')
            + table(OTHER, 'jwks_url = "http://127.0.0.1:1/"')
        )
        async with running_proxy(
            mint=one, jwt_issuer="", jwt_audience="", jwt_key_file="", issuers_file=str(file)
        ) as proxy:
            stage = Stage(proxy, one, mint(OTHER), server, server, file)
            stage.other.clock = proxy.clock
            assert (await stage.status(one), await stage.status(stage.other)) == (200, 503)
            assert (await stage.ready())[0] == 503


async def test_keys_are_rotated_under_load_without_one_refused_good_token(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        signing = [stage.one]
        statuses: list[int] = []
        done = False

        async def ask() -> None:
            while not done:
                statuses.append(await stage.status(signing[0]))

        callers = [asyncio.create_task(ask()) for _ in range(8)]
        for turn in range(4):
            fresh = mint(ONE, f"new-{turn}")
            fresh.clock = stage.proxy.clock
            before = len(statuses)
            # Published a moment before it signs; the old one stays as long as its last tokens do.
            stage.first.body = published(signing[0], fresh)
            signing[0] = fresh
            await until(lambda seen=before: len(statuses) > seen + 24, "calls under the new key")  # type: ignore[misc]
        done = True
        await asyncio.gather(*callers)

        assert set(statuses) == {200}
        assert len(stage.first.requests) == 5
        assert len(stage.second.requests) == 1


async def test_a_withdrawn_key_is_worth_nothing_even_for_a_token_seen_before(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        token = stage.one.token("commercial")
        others = stage.other.token("commercial")
        assert (await stage.status_of(token), await stage.status_of(others)) == (200, 200)
        stage.first.body = published(mint(ONE, "k2"))
        await stage.proxy.application.keys.refresh()

        assert (await stage.status_of(token), await stage.status_of(others)) == (401, 200)


async def test_a_key_that_is_added_leaves_verified_tokens_as_they_are(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        token = stage.one.token("commercial")
        await stage.status_of(token)
        tokens = stage.proxy.application.enforcer.rules.tokens
        misses = tokens.misses
        stage.first.body = published(stage.one, mint(ONE, "k2"))
        await stage.proxy.application.keys.refresh()

        assert await stage.status_of(token) == 200
        assert tokens.misses == misses


@pytest.mark.parametrize("alone", [True, False], ids=["one issuer", "two issuers"])
async def test_a_flood_of_made_up_key_ids_stops_nobody_else(tmp_path: Path, *, alone: bool) -> None:
    async with staged(tmp_path) as stage:
        forged = stage.one if alone else stage.other
        server = stage.first if alone else stage.second
        token = stage.one.token("commercial")
        await stage.status_of(token)
        garbage = []
        for n in range(60):
            forged.kid = f"made-up-{n}"
            garbage.append(forged.token("commercial"))
        forged.kid = "k1"
        statuses = await asyncio.gather(*map(stage.status_of, garbage))

        assert set(statuses) <= {401, 503}
        assert len(server.requests) <= 1 + 5
        assert await stage.status_of(token) == 200
        assert await stage.status(stage.one) == 200


async def test_an_issuer_that_is_found_by_its_name_serves_until_it_lies(tmp_path: Path) -> None:
    file = tmp_path / "issuers.toml"
    async with running() as provider:
        file.write_text("schema = 1\n" + table(provider.issuer, "discovery = true"))
        named = TokenMint(provider.issuer, "face-api", key=dev_mint().key, kid="dev-1")
        async with running_proxy(
            mint=named, jwt_issuer="", jwt_audience="", jwt_key_file="", issuers_file=str(file)
        ) as proxy:
            assert (await proxy.call("POST", "/v1/search", b"{}")).status == 200

            provider.document = {"issuer": "https://victim.test"}
            proxy.clock.now += DAY
            await proxy.application.keys.refresh()
            assert (await proxy.call("POST", "/v1/search", b"{}")).status == 503
            assert proxy.reasons()[-1] == "keys-unavailable"
            ready = await call(proxy.metrics_port, "GET", "/readyz")
            assert (ready.status, "the document is about another issuer" in ready.body.decode()) == (
                503,
                True,
            )


# ------------------------------------------------------------ reload


async def test_a_reload_takes_an_issuer_in_and_another_out(tmp_path: Path) -> None:
    async with staged(tmp_path, watch_seconds="0.03") as stage:
        asked = len(stage.second.requests)
        third = mint("third")
        third.clock = stage.proxy.clock
        (tmp_path / "third.json").write_bytes(published(third))
        stage.file.write_text(
            "schema = 1\n"
            + table(OTHER, f'jwks_url = "{stage.second.url}"')
            + table("third", 'key_file = "third.json"')
        )
        await until(lambda: [*stage.proxy.application.keys.times()] == [OTHER, "third"], "the reload")

        assert await stage.status(third) == 200
        assert await stage.status(stage.other) == 200
        assert await stage.status(stage.one) == 401
        assert stage.reason() == "token-issuer"
        assert len(stage.second.requests) == asked + 1

        fourth = mint("third", "k2")
        fourth.clock = stage.proxy.clock
        (tmp_path / "third.json").write_bytes(published(fourth))
        held = stage.proxy.application.identity
        await until(lambda: stage.proxy.application.identity is not held, "the reload")
        assert (await stage.status(fourth), await stage.status(third)) == (200, 401)


BROKEN = {
    "not TOML": "schema =",
    "unknown key": "schema = 1\n" + table(ONE, "discovery = true", typo="1"),
    "no issuer": "schema = 1",
    "a key file that is not there": "schema = 1\n" + table(ONE, 'key_file = "nowhere.json"'),
    "a key file without keys": "schema = 1\n" + table(ONE, 'key_file = "issuers.toml"'),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
async def test_a_bad_issuers_file_leaves_all_as_it_was(tmp_path: Path, content: str) -> None:
    async with staged(tmp_path) as stage:
        stage.file.write_text(content)
        await stage.proxy.application.reload()

        assert await stage.metric("moratorium_config_last_reload_successful 0.0")
        assert (await stage.status(stage.one), await stage.status(stage.other)) == (200, 200)
        stage.first.body = published(fresh := mint(ONE, "k2"))
        fresh.clock = stage.proxy.clock
        assert await stage.status(fresh) == 200


async def test_after_a_refused_reload_a_good_one_is_taken_up_whole(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        policy = stage.proxy.policy_file.read_text("utf-8")
        good = stage.file.read_text("utf-8")
        stage.file.write_text(good.replace(OTHER, "https://renamed.test"))
        stage.proxy.policy_file.write_text("schema =")
        await stage.proxy.application.reload()
        assert (await stage.status(stage.one), await stage.status(stage.other)) == (200, 200)

        stage.proxy.policy_file.write_text(policy)
        await stage.proxy.application.reload()
        assert (await stage.status(stage.one), await stage.status(stage.other)) == (200, 401)


async def test_a_reload_keeps_the_keys_of_an_issuer_that_is_down(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        stage.first.status = 500
        await stage.proxy.application.reload()

        assert await stage.metric("moratorium_config_last_reload_successful 1.0")
        assert (await stage.status(stage.one), await stage.status(stage.other)) == (200, 200)
