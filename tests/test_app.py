"""The whole proxy, running: probes, reload, keys that come and go, records that cannot be written."""

import asyncio

import pytest
from aiohttp import web

from proxy.testing import TokenMint
from tests.harness.client import call
from tests.harness.proxy import MORATORIUM, ROUTES, Proxy, running_proxy

SEARCH = ("POST", "/v1/search", b"{}")


async def ready(proxy: Proxy) -> tuple[int, dict[str, str]]:
    answer = await call(proxy.metrics_port, "GET", "/readyz")
    return answer.status, answer.json()["components"]


async def test_a_well_proxy_is_alive_started_and_ready() -> None:
    async with running_proxy() as proxy:
        for probe in ("healthz", "startupz", "readyz"):
            assert (await call(proxy.metrics_port, "GET", f"/{probe}")).status == 200
        assert await ready(proxy) == (200, {"policy": "ok", "keys": "ok", "audit": "ok"})


async def test_no_path_of_the_traffic_port_is_free_of_a_token() -> None:
    async with running_proxy() as proxy:
        for path in ("/healthz", "/readyz", "/metrics", "/"):
            assert (await proxy.call("GET", path, caller=None)).status == 401


async def test_a_call_that_cannot_be_recorded_is_not_forwarded_and_recovers_by_itself() -> None:
    async with running_proxy(audit_file="/dev/full") as proxy:
        answer = await proxy.call(*SEARCH)

        assert answer.status == 503
        assert answer.json()["title"] == "audit-unwritable"
        assert proxy.upstream.messages == []
        metrics = await proxy.metrics()
        assert "moratorium_audit_failures_total 1.0" in metrics
        assert 'reason="audit-unwritable"} 1.0' in metrics

        status, components = await ready(proxy)
        assert (status, components["audit"]) == (503, "/dev/full: No space left on device")

        proxy.application.audit.sink._path = str(proxy.audit_file)
        proxy.application.archive.reopen()

        assert (await proxy.call(*SEARCH)).status == 200
        assert (await ready(proxy))[0] == 200


async def test_the_operator_may_choose_to_go_on_without_records() -> None:
    async with running_proxy(audit_file="/dev/full", on_audit_failure="allow-and-count") as proxy:
        assert (await proxy.call(*SEARCH)).status == 200
        assert (await proxy.call(*SEARCH, caller="police")).status == 451
        assert "moratorium_audit_failures_total 2.0" in await proxy.metrics()


async def test_a_fault_of_ours_lets_nothing_through_and_is_told_counted_and_recorded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_question: object) -> None:
        raise ZeroDivisionError

    async with running_proxy() as proxy:
        monkeypatch.setattr(type(proxy.application.enforcer.rules.backend), "classify", broken)
        answer = await proxy.call(*SEARCH)

        assert (answer.status, answer.json()["title"]) == (503, "internal-error")
        assert proxy.reasons() == ["internal-error"]
        assert proxy.upstream.messages == []
        assert 'reason="internal-error"} 1.0' in await proxy.metrics()


async def test_a_reload_brings_a_new_policy_at_once() -> None:
    async with running_proxy() as proxy:
        assert (await proxy.call(*SEARCH, caller="school")).status == 200

        proxy.policy_file.write_text((MORATORIUM + ROUTES).replace('"police"', '"school"'))
        await proxy.application.reload()

        assert (await proxy.call(*SEARCH, caller="school")).status == 451
        assert (await proxy.call(*SEARCH, caller="police")).status == 200
        assert "moratorium_config_last_reload_successful 1.0" in await proxy.metrics()


async def test_a_broken_policy_changes_nothing_and_shows() -> None:
    async with running_proxy() as proxy:
        proxy.policy_file.write_text("schema = 2\n")
        await proxy.application.reload()

        assert (await proxy.call(*SEARCH, caller="police")).status == 451
        assert "moratorium_config_last_reload_successful 0.0" in await proxy.metrics()


async def test_a_rotated_audit_file_is_left_alone_and_a_new_one_begun() -> None:
    async with running_proxy() as proxy:
        await proxy.call(*SEARCH)
        old = proxy.audit_file.rename(proxy.audit_file.with_suffix(".old"))
        proxy.application.archive.reopen()
        await proxy.call(*SEARCH)

        assert [file.read_bytes().count(b'"kind":"decision"') for file in (old, proxy.audit_file)] == [1, 1]


async def test_a_window_opens_under_a_running_proxy_and_a_cached_token() -> None:
    async with running_proxy(at="2020-06-09T23:59:59Z") as proxy:
        token = proxy.mint.token("police", expires_in=3600)
        fields = [("Authorization", f"Bearer {token}")]
        before = await call(proxy.port, *SEARCH[:2], fields, SEARCH[2])
        proxy.clock.set("2020-06-10T00:00:00Z")
        after = await call(proxy.port, *SEARCH[:2], fields, SEARCH[2])

        assert (before.status, after.status) == (200, 451)
        assert proxy.application.enforcer.rules.tokens.hits == 1


class Issuer:
    """A JWKS endpoint that can be taken away and whose keys can change."""

    def __init__(self, *mints: TokenMint) -> None:
        self.mints = list(mints)
        self.up = True
        self.requests = 0
        self.url = ""

    async def __aenter__(self) -> "Issuer":
        async def keys(_request: web.Request) -> web.Response:
            self.requests += 1
            if not self.up:
                raise web.HTTPServiceUnavailable
            return web.json_response({"keys": [key for mint in self.mints for key in mint.jwks()["keys"]]})

        app = web.Application()
        app.router.add_get("/jwks", keys)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/jwks"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._runner.cleanup()


async def test_a_rotated_key_is_fetched_once_and_no_good_token_refused() -> None:
    first, second = TokenMint(kid="one"), TokenMint(kid="two")
    async with (
        Issuer(first) as issuer,
        running_proxy(mint=first, jwt_key_file="", jwt_jwks_url=issuer.url) as proxy,
    ):
        assert (await proxy.call(*SEARCH)).status == 200
        issuer.mints = [first, second]
        second.clock = proxy.clock
        proxy.clock.now += 31
        tokens = [second.token("commercial") for _ in range(10)]
        answers = await asyncio.gather(
            *(call(proxy.port, *SEARCH[:2], [("Authorization", f"Bearer {t}")], b"{}") for t in tokens)
        )

        assert {200} == {answer.status for answer in answers}
        assert issuer.requests == 2


async def test_only_an_issuer_that_answers_can_disown_a_key() -> None:
    known, stranger = TokenMint(kid="one"), TokenMint(kid="two")
    async with (
        Issuer(known) as issuer,
        running_proxy(mint=known, jwt_key_file="", jwt_jwks_url=issuer.url) as proxy,
    ):
        stranger.clock = proxy.clock
        fields = [("Authorization", f"Bearer {stranger.token()}")]
        proxy.clock.now += 31
        answered = await call(proxy.port, *SEARCH[:2], fields, SEARCH[2])
        proxy.clock.now += 31
        issuer.up = False
        silent = await call(proxy.port, *SEARCH[:2], fields, SEARCH[2])

        assert (answered.status, silent.status) == (401, 503)
        assert proxy.reasons() == ["token-key-unknown", "keys-unavailable"]
        assert (await proxy.call(*SEARCH)).status == 200


async def test_an_unreachable_issuer_is_a_failure_and_not_a_denial_until_it_is_back() -> None:
    mint = TokenMint()
    async with Issuer(mint) as issuer:
        issuer.up = False
        async with running_proxy(mint=mint, jwt_key_file="", jwt_jwks_url=issuer.url) as proxy:
            status, components = await ready(proxy)
            assert status == 503
            assert "status 503 instead of 200" in components["keys"]
            assert (await proxy.call(*SEARCH)).status == 503
            assert (await proxy.call(*SEARCH, caller=None)).status == 401

            issuer.up = True
            await proxy.application.keys.refresh()

            assert (await ready(proxy))[0] == 200
            assert (await proxy.call(*SEARCH)).status == 200
