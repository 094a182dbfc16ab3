"""Whole proxies that follow an address: from no policy to one, to the next, and through an outage."""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.distribution.publishing import PUBLISHED, SCHOOLS, Publisher, Site, site, subscribe
from tests.harness.client import call
from tests.harness.process import POLICY, Served, serving, value
from tests.harness.proxy import ROUTES, Proxy, running_proxy
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until
from tests.tls.parts import ca_file, issue, server

PUBLISHER = Publisher()
SEARCH = ("POST", "/v1/search", b"{}")
OFTEN = "0.1"
SELDOM = "86400"
NOWHERE = "http://127.0.0.1:9/policy.json"


async def statuses(proxy: Proxy) -> tuple[int, int]:
    """What police and schools are answered."""
    return (
        (await proxy.call(*SEARCH, caller="police")).status,
        (await proxy.call(*SEARCH, caller="school")).status,
    )


async def readiness(proxy: Proxy) -> tuple[int, str]:
    answer = await call(proxy.metrics_port, "GET", "/readyz")
    return answer.status, answer.json()["components"]["policy"]


async def says(proxy: Proxy, line: str) -> None:
    """Wait until the metrics say this."""
    for _ in range(200):
        if line in (await proxy.metrics()).splitlines():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited in vain for {line}")


@contextlib.asynccontextmanager
async def following(folder: Path, poll: str = OFTEN, **overrides: str) -> AsyncIterator[tuple[Site, Proxy]]:
    """A proxy before whose start serial 5 was published: police are blocked."""
    async with site() as there:
        there.publish(PUBLISHER.bundle(5))
        settings = subscribe(folder, PUBLISHER, there.url, policy_poll_seconds=poll, **overrides)
        async with running_proxy(**settings) as proxy:
            yield there, proxy


async def test_a_published_policy_is_in_force_from_the_first_call_and_so_is_the_next_one(
    tmp_path: Path,
) -> None:
    async with following(tmp_path) as (there, proxy):
        assert await statuses(proxy) == (451, 200)
        assert "moratorium_policy_serial 5.0" in await proxy.metrics()

        there.publish(PUBLISHER.bundle(6, SCHOOLS))
        await says(proxy, "moratorium_policy_serial 6.0")
        assert await statuses(proxy) == (200, 451)
        assert [record["policy_serial"] for record in proxy.audit()] == [5, 5, 6, 6]
        assert 'moratorium_policy_fetch_total{result="new"} 2.0' in await proxy.metrics()
        assert await readiness(proxy) == (200, "ok")


async def test_answers_and_records_name_the_revision_that_decided(tmp_path: Path) -> None:
    async with following(tmp_path, SELDOM) as (_, proxy):
        answers = [await proxy.call(*SEARCH, caller=caller) for caller in ("police", "school")]
        revision = proxy.application.enforcer.rules.policy.revision

        assert [answer.values(b"x-policy-revision") for answer in answers] == [[revision[:12].encode()]] * 2
        assert {record["policy"] for record in proxy.audit()} == {revision}


@pytest.mark.parametrize(
    ("policy", "result"), [("schema = 2\n", "invalid"), (POLICY.replace("search", "serch"), "invalid")]
)
async def test_a_policy_that_is_no_longer_valid_leaves_the_old_one_and_is_told(
    policy: str, result: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with following(tmp_path) as (there, proxy):
        there.publish(PUBLISHER.bundle(6, policy))
        await says(proxy, "moratorium_config_last_reload_successful 0.0")

        assert await statuses(proxy) == (451, 200)
        assert "moratorium_policy_serial 5.0" in await proxy.metrics()
        assert "policy.toml" in str(getattr(caplog.records[-1], "why", "")) or caplog.records
        assert f'moratorium_policy_fetch_total{{result="{result}"}} 0.0' not in await proxy.metrics()
        await proxy.application.reload()
        assert "moratorium_config_last_reload_successful 0.0" in await proxy.metrics()

        there.publish(PUBLISHER.bundle(6, SCHOOLS))
        await says(proxy, "moratorium_config_last_reload_successful 1.0")
        assert await statuses(proxy) == (200, 451)


async def test_without_any_policy_every_call_is_refused_until_there_is_one(tmp_path: Path) -> None:
    async with site() as there:
        there.status = 500
        settings = subscribe(tmp_path, PUBLISHER, there.url, policy_poll_seconds=OFTEN, mode="shadow")
        async with running_proxy(**settings) as proxy:
            for caller in ("police", "school", None):
                answer = await proxy.call(*SEARCH, caller=caller)
                assert (answer.status, answer.values(b"retry-after")) == (503, [b"5"])
                assert answer.values(b"x-policy-revision") == []
            assert proxy.upstream.messages == []
            assert proxy.reasons() == ["policy-unavailable"] * 3
            status, why = await readiness(proxy)
            assert (status, why[:15]) == (503, "no policy yet: ")
            assert "status 500 instead of 200" in why
            metrics = await proxy.metrics()
            assert "moratorium_policy_serial 0.0" in metrics
            assert "moratorium_policy_last_success_timestamp_seconds 0.0" in metrics
            assert "moratorium_policy_info{" not in metrics

            there.publish(PUBLISHER.bundle(5))
            await says(proxy, "moratorium_policy_serial 5.0")
            assert (await proxy.call(*SEARCH, caller="school")).status == 200
            assert await readiness(proxy) == (200, "ok")


async def test_a_cold_start_while_the_address_is_down_goes_on_with_what_was_kept(tmp_path: Path) -> None:
    async with following(tmp_path, SELDOM):
        pass
    async with running_proxy(**subscribe(tmp_path, PUBLISHER, NOWHERE)) as proxy:
        assert await statuses(proxy) == (451, 200)
        assert (await readiness(proxy))[0] == 200

    (tmp_path / "bundle.json").write_bytes(Publisher().bundle(7, SCHOOLS).content)
    async with running_proxy(**subscribe(tmp_path, PUBLISHER, NOWHERE)) as proxy:
        assert await statuses(proxy) == (503, 503)
        assert (await readiness(proxy))[0] == 503


async def test_too_old_a_policy_takes_readiness_away_and_goes_on_deciding(tmp_path: Path) -> None:
    async with following(tmp_path, policy_max_age_seconds="300") as (there, proxy):
        there.status, there.tag = 500, None
        await says(proxy, 'moratorium_policy_fetch_total{result="unavailable"} 1.0')
        assert (await readiness(proxy))[0] == 200
        proxy.clock.now += 300

        status, why = await readiness(proxy)
        assert status == 503
        assert "serial 5 was last confirmed 300 s ago" in why
        assert await statuses(proxy) == (451, 200)

        there.status = 200
        for _ in range(200):
            if (await readiness(proxy))[0] == 200:
                break
            await asyncio.sleep(0.02)
        assert await readiness(proxy) == (200, "ok")


async def test_a_reload_keeps_the_bundle_and_takes_the_new_keys(tmp_path: Path) -> None:
    successor = Publisher()
    async with following(tmp_path) as (there, proxy):
        (tmp_path / "publisher.pem").write_bytes(b"nonsense")
        await proxy.application.reload()
        assert "moratorium_config_last_reload_successful 0.0" in await proxy.metrics()
        assert await statuses(proxy) == (451, 200)

        (tmp_path / "publisher.pem").write_bytes(PUBLISHER.public_pem() + successor.public_pem())
        await proxy.application.reload()
        assert "moratorium_config_last_reload_successful 1.0" in await proxy.metrics()
        assert await statuses(proxy) == (451, 200)
        there.publish(successor.bundle(6, SCHOOLS))
        await says(proxy, "moratorium_policy_serial 6.0")


async def test_the_address_may_be_one_with_tls(tmp_path: Path) -> None:
    async with site(server(issue("127.0.0.1"))) as there:
        there.publish(PUBLISHER.bundle(5))
        settings = subscribe(tmp_path, PUBLISHER, there.url, policy_ca_file=ca_file(tmp_path))
        async with running_proxy(**settings) as proxy:
            assert await statuses(proxy) == (451, 200)


async def test_several_files_of_a_bundle_are_one_policy(tmp_path: Path) -> None:
    other = (
        'schema = 1\n[[moratorium]]\nid = "b"\nbinds.org_types = ["school"]\ncovers.classes = ["search"]\n'
    )
    async with following(tmp_path) as (there, proxy):
        there.publish(PUBLISHER.bundle(6, other=other))
        await says(proxy, "moratorium_policy_serial 6.0")

        assert await statuses(proxy) == (451, 451)


async def test_a_config_map_that_is_swapped_is_taken_up_whole(tmp_path: Path) -> None:
    """As a kubelet does it: two files under a folder of their own, one link moved, the old folder removed."""

    def version(name: str, policy: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "policy.toml").write_text(policy)
        (folder / "routes.toml").write_text("schema = 1\nmoratorium = []\n" + ROUTES)

    version("..2026_01_01_00_00_00.1", POLICY)
    (tmp_path / "..data").symlink_to("..2026_01_01_00_00_00.1")
    for name in ("policy.toml", "routes.toml"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    files = f"{tmp_path}/policy.toml,{tmp_path}/routes.toml"
    async with running_proxy(policy_file=files, watch_seconds="0.03") as proxy:
        assert await statuses(proxy) == (451, 200)
        before = proxy.application.enforcer.rules

        version("..2026_01_02_00_00_00.2", SCHOOLS)
        (tmp_path / "..data_tmp").symlink_to("..2026_01_02_00_00_00.2")
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        for name in ("policy.toml", "routes.toml"):
            (tmp_path / "..2026_01_01_00_00_00.1" / name).unlink()
        (tmp_path / "..2026_01_01_00_00_00.1").rmdir()
        await until(lambda: proxy.application.enforcer.rules is not before, "the reload")

        assert await statuses(proxy) == (200, 451)
        assert "moratorium_config_last_reload_successful 1.0" in await proxy.metrics()


# ------------------------------------------------------------ workers


async def all_statuses(served: Served) -> set[tuple[int, int]]:
    return {((await served.call("police")).status, (await served.call("school")).status) for _ in range(8)}


async def shown(served: Served, name: str, expected: float) -> None:
    for _ in range(300):
        if value(await served.scrape(), name) == expected:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited in vain for {name} {expected}")


async def test_all_workers_go_on_under_what_their_parent_has_fetched(tmp_path: Path) -> None:
    async with site() as there, RecordingUpstream() as upstream:
        there.status = 500
        settings = subscribe(tmp_path, PUBLISHER, there.url, policy_poll_seconds=OFTEN, workers="2")
        async with serving(tmp_path, upstream, **settings) as served:
            assert await all_statuses(served) == {(503, 503)}
            ready = await served.probe("readyz")
            assert (ready.status, ready.json()["components"]["policy"][:13]) == (503, "no policy yet")

            there.publish(PUBLISHER.bundle(5))
            await shown(served, "moratorium_policy_serial", 5)
            assert await all_statuses(served) == {(451, 200)}
            assert (await served.probe("readyz")).status == 200

            there.publish(PUBLISHER.bundle(6, "schema = 2\n"))
            await shown(served, "moratorium_config_last_reload_successful", 0)
            assert await all_statuses(served) == {(451, 200)}

            there.publish(PUBLISHER.bundle(7, SCHOOLS))
            await shown(served, "moratorium_policy_serial", 7)
            assert await all_statuses(served) == {(200, 451)}
            os.kill(served.workers()[0], 9)
            await until(lambda: served.said("worker ended, another takes its place"), "the end to be seen")
            for _ in range(500):
                if (await served.probe("readyz")).status == 200:
                    break
                await asyncio.sleep(0.02)
            assert await all_statuses(served) == {(200, 451)}
            assert len({record["policy"] for record in served.audit()}) == 3
            taken = [line["serial"] for line in served.log if line["message"] == "policy taken"]
            assert taken == [5, 7]
            assert value(await served.scrape(), "moratorium_policy_fetch_total", result="new") == 2
            assert json.loads((tmp_path / "bundle.json").read_bytes()) == json.loads(there.content)
            assert await served.end() == 0


def test_the_date_of_publishing_is_of_the_form_that_is_read() -> None:
    assert PUBLISHER.bundle(5).published == PUBLISHED
