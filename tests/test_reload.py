"""Files that change are noticed: once each, when they are whole, and a broken one changes nothing."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from proxy.errors import SettingsError
from proxy.testing import TokenMint
from proxy.watch import Watch, watch_forever
from tests.harness.client import call
from tests.harness.process import POLICY, Served, serving, value, write_env
from tests.harness.proxy import MORATORIUM, ROUTES, Proxy, running_proxy
from tests.harness.upstream import RecordingUpstream
from tests.harness.waiting import until

SEARCH = ("POST", "/v1/search", b"{}")
OFTEN = "0.03"
A_FEW_LOOKS = 0.2
FAILED = "moratorium_config_last_reload_successful 0.0"
SUCCESSFUL = "moratorium_config_last_reload_successful 1.0"


def schools(policy: str = MORATORIUM) -> str:
    return (policy + ROUTES).replace('"police"', '"school"')


def replace(path: Path, content: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(content, "utf-8")
    new.replace(path)


# ------------------------------------------------------------ looking


def test_a_change_is_due_when_it_has_come_to_rest(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text("a")
    watch = Watch()
    watch.follow([file])

    assert not watch.due()
    file.write_text("ab")
    assert not watch.due()
    file.write_text("abc")
    assert not watch.due()
    assert watch.due()
    watch.take()
    assert not watch.due()


def test_a_file_that_goes_away_and_one_that_comes_are_changes(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.write_text("a")
    watch = Watch(here)
    watch.follow([there])

    here.unlink()
    assert [watch.due(), watch.due()] == [False, True]
    watch.take()
    there.write_text("b")
    assert [watch.due(), watch.due()] == [False, True]


def test_a_change_of_inode_alone_is_a_change(tmp_path: Path) -> None:
    file, other = tmp_path / "policy", tmp_path / "other"
    for path in (file, other):
        path.write_text("same size")
        os.utime(path, (1000, 1000))
    watch = Watch(file)

    other.replace(file)
    assert [watch.due(), watch.due()] == [False, True]


def test_a_config_map_that_is_swapped_is_a_change(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "policy.toml").write_text("same size")
    (tmp_path / "..data").symlink_to("v1")
    (tmp_path / "policy.toml").symlink_to("..data/policy.toml")
    watch = Watch()
    watch.follow([tmp_path / "policy.toml"])

    (tmp_path / "..new").symlink_to("v2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert [watch.due(), watch.due()] == [False, True]


def test_a_file_that_changes_between_two_readings_is_not_missed(tmp_path: Path) -> None:
    file, other = tmp_path / "policy", tmp_path / "other"
    file.write_text("a")
    watch = Watch()
    watch.follow([file])

    file.write_text("read before this was written")
    watch.follow([file, other])
    assert [watch.due(), watch.due()] == [False, True]


async def test_each_change_is_taken_up_once_however_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    file.write_text("a")
    watch = Watch(file)
    times: list[int] = []

    async def reload() -> None:
        watch.take()
        times.append(1)

    task = asyncio.ensure_future(watch_forever(watch, 0.01, reload))
    file.write_text("broken")
    await until(lambda: times, "the reload")
    await asyncio.sleep(0.1)
    task.cancel()

    assert len(times) == 1


# ------------------------------------------------------------ one process


async def status(proxy: Proxy, caller: str) -> int:
    return (await proxy.call(*SEARCH, caller=caller)).status


async def metric(proxy: Proxy, line: str) -> None:
    """Wait until the metrics say this."""
    for _ in range(200):
        if line in await proxy.metrics():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited in vain for {line}")


async def test_a_new_policy_file_is_in_force_without_a_signal() -> None:
    async with running_proxy(watch_seconds=OFTEN) as proxy:
        assert (await status(proxy, "school"), await status(proxy, "police")) == (200, 451)
        before = proxy.application.enforcer.rules
        replace(proxy.policy_file, schools())
        await until(lambda: proxy.application.enforcer.rules is not before, "the reload")

        assert (await status(proxy, "school"), await status(proxy, "police")) == (451, 200)
        assert SUCCESSFUL in await proxy.metrics()


async def test_a_broken_policy_file_is_refused_once_and_mended_without_a_signal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_proxy(watch_seconds=OFTEN) as proxy:
        replace(proxy.policy_file, "schema = 2\n")
        await metric(proxy, FAILED)
        await asyncio.sleep(A_FEW_LOOKS)

        assert sum("reload refused" in record.message for record in caplog.records) == 1
        assert (await status(proxy, "school"), await status(proxy, "police")) == (200, 451)

        replace(proxy.policy_file, schools())
        await metric(proxy, SUCCESSFUL)
        assert (await status(proxy, "school"), await status(proxy, "police")) == (451, 200)


async def test_a_policy_file_that_has_gone_leaves_the_policy_in_force() -> None:
    async with running_proxy(watch_seconds=OFTEN) as proxy:
        proxy.policy_file.unlink()
        await metric(proxy, FAILED)

        assert await status(proxy, "police") == 451


async def test_nothing_is_watched_when_that_is_switched_off() -> None:
    async with running_proxy(watch_seconds="0") as proxy:
        replace(proxy.policy_file, schools())
        await asyncio.sleep(A_FEW_LOOKS)

        assert await status(proxy, "police") == 451
        await proxy.application.reload()
        assert await status(proxy, "police") == 200


async def test_a_new_key_file_is_taken_up_and_a_broken_one_refuses_the_policy_as_well() -> None:
    first, second = TokenMint(kid="one"), TokenMint(kid="two")
    async with running_proxy(mint=first, watch_seconds=OFTEN) as proxy:
        second.clock = proxy.clock
        keys = proxy.policy_file.parent / "keys.json"
        before = proxy.application.keys.times()
        proxy.clock.now += 1
        replace(keys, json.dumps(second.jwks()))
        await until(lambda: proxy.application.keys.times() != before, "the new keys")

        async def answer(mint: TokenMint) -> int:
            fields = [("Authorization", f"Bearer {mint.token('school')}")]
            return (await call(proxy.port, *SEARCH[:2], fields, SEARCH[2])).status

        assert (await answer(first), await answer(second)) == (401, 200)

        replace(keys, "{}")
        replace(proxy.policy_file, schools())
        await metric(proxy, FAILED)
        assert await answer(second) == 200

        replace(keys, json.dumps(first.jwks()))
        await metric(proxy, SUCCESSFUL)
        assert (await answer(first), await answer(second)) == (451, 401)


async def test_no_counter_goes_back_at_a_reload() -> None:
    async with running_proxy() as proxy:
        for _ in range(3):
            await status(proxy, "police")
        await proxy.application.reload()

        assert "moratorium_token_cache_misses_total 3.0" in await proxy.metrics()


@pytest.mark.parametrize("name", ["workers", "watch_seconds"])
async def test_what_needs_a_restart_refuses_the_reload(name: str) -> None:
    async with running_proxy() as proxy:
        application = proxy.application
        changed = {name: 7}
        with pytest.raises(SettingsError, match="needs a restart"):
            await application.prepare(
                type(application.settings)(**{**vars(application.settings), **changed}),
                application.enforcer.rules.policy,
            )


# ------------------------------------------------------------ the env file, and workers


async def changed(served: Served, times: int, message: str = "reloaded") -> None:
    await until(lambda: served.said(message) == times, message)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_the_env_file_is_watched_and_so_is_the_policy_that_it_names(
    workers: str, tmp_path: Path
) -> None:
    env = tmp_path / "moratorium.env"
    async with (
        RecordingUpstream() as upstream,
        serving(tmp_path, upstream, env_file=env, workers=workers, watch_seconds=OFTEN) as served,
    ):
        settings = dict(line.split("=", 1) for line in env.read_text("utf-8").splitlines())
        other = tmp_path / "other.toml"
        write_env(env, settings | {"MORATORIUM_POLICY_FILE": str(other)})
        await changed(served, 1, "reload refused, the old configuration stays")
        assert {(await served.call("police")).status for _ in range(8)} == {451}
        assert value(await served.scrape(), "moratorium_config_last_reload_successful") == 0

        replace(other, schools(POLICY))
        await changed(served, 1)
        assert {(await served.call("school")).status for _ in range(8)} == {451}
        assert {(await served.call("police")).status for _ in range(8)} == {200}

        write_env(env, settings | {"MORATORIUM_LISTEN": "127.0.0.1:1"})
        await changed(served, 2, "reload refused, the old configuration stays")
        assert {(await served.call("school")).status for _ in range(8)} == {451}

        write_env(env, settings)
        await changed(served, 2)
        assert {(await served.call("police")).status for _ in range(8)} == {451}
        assert value(await served.scrape(), "moratorium_config_last_reload_successful") == 1
