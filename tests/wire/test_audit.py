"""What a running proxy leaves behind: a chain that verifies, the ends of calls, no call without a record."""

import asyncio
import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

from tests.audit.logs import found
from tests.harness.proxy import Proxy, running_proxy

SEARCH = ("POST", "/v1/search", b"{}")


def of_kind(proxy: Proxy, kind: str) -> list[dict[str, Any]]:
    proxy.application.archive.look()
    records = map(json.loads, proxy.audit_file.read_bytes().splitlines())
    return [record for record in records if record["kind"] == kind]


async def test_the_chain_of_a_whole_life_verifies() -> None:
    async with running_proxy() as proxy:
        for caller in ("commercial", "police", None):
            await proxy.call(*SEARCH, caller=caller)
        await proxy.application.reload()
        await proxy.call(*SEARCH)
        await proxy.application.stop()

        kinds = [json.loads(line)["kind"] for line in proxy.audit_file.read_bytes().splitlines()]
        assert kinds == [
            "open", "decision", "decision", "decision", "outcomes", "policy", "decision", "outcomes", "close",
        ]  # fmt: skip
        assert found(proxy.audit_file, key=None) == []


async def test_a_reload_says_under_which_policy_calls_go_on() -> None:
    async with running_proxy() as proxy:
        await proxy.application.reload()

        (record,) = of_kind(proxy, "policy")
        assert record["old"] == record["new"] == proxy.application.enforcer.rules.policy.revision


async def test_a_forwarded_call_has_its_end_recorded() -> None:
    async with running_proxy() as proxy:
        allowed = await proxy.call("POST", "/v1/search", b"0123456789")
        await proxy.call(*SEARCH, caller="police")

        (record,) = of_kind(proxy, "outcomes")
        (end,) = record["calls"]
        assert end["id"] == proxy.audit()[0]["id"]
        assert (end["status"], end["request_bytes"], end["complete"]) == (200, 10, True)
        assert end["response_bytes"] == len(allowed.body)
        assert end["microseconds"] > 0


async def test_the_ends_of_calls_need_not_be_recorded() -> None:
    async with running_proxy(audit_outcomes="false") as proxy:
        await proxy.call(*SEARCH)

        assert of_kind(proxy, "outcomes") == []


async def test_calls_that_wait_for_the_disk_share_a_sync() -> None:
    async with running_proxy(audit_durability="synced") as proxy:
        answers = await asyncio.gather(*(proxy.call(*SEARCH) for _ in range(20)))

        assert {answer.status for answer in answers} == {200}
        assert len(proxy.audit()) == len(proxy.upstream.messages) == 20
        assert 0 < proxy.application.audit.disk.syncs <= 20


async def test_a_denial_does_not_wait_for_the_disk() -> None:
    async with running_proxy(audit_durability="synced") as proxy:
        answer = await proxy.call(*SEARCH, caller="police")

        assert answer.status == 451
        assert proxy.application.audit.disk.syncs == 0


@contextlib.contextmanager
def cannot_sync(proxy: Proxy) -> Iterator[None]:
    """A pipe takes records and is on no disk (EINVAL)."""
    descriptor = proxy.application.audit.sink.descriptor
    assert descriptor is not None
    reader, writer = os.pipe()
    os.dup2(writer, descriptor)
    try:
        yield
    finally:
        os.close(reader)
        os.close(writer)


async def test_a_call_whose_record_does_not_reach_the_disk_does_not_go_on() -> None:
    async with running_proxy(audit_durability="synced") as proxy:
        with cannot_sync(proxy):
            answer = await proxy.call(*SEARCH)

        assert (answer.status, answer.json()["title"]) == (503, "audit-unwritable")
        assert proxy.upstream.messages == []
        assert "moratorium_audit_failures_total 1.0" in await proxy.metrics()


async def test_such_a_call_goes_on_if_that_is_set() -> None:
    async with running_proxy(audit_durability="synced", on_audit_failure="allow-and-count") as proxy:
        with cannot_sync(proxy):
            answer = await proxy.call(*SEARCH)

        assert answer.status == 200
        assert "moratorium_audit_failures_total 1.0" in await proxy.metrics()


async def test_a_proxy_that_was_started_again_names_what_it_found(tmp_path: Any) -> None:
    file = tmp_path / "audit.jsonl"
    for _ in range(3):
        async with running_proxy(audit_file=str(file)) as proxy:
            await proxy.call(*SEARCH)

    records = [json.loads(line) for line in file.read_bytes().splitlines()]
    opened = [record for record in records if record["kind"] == "open"]
    closed = [record for record in records if record["kind"] == "close"]
    assert opened[0]["after"] is None
    assert [record["after"]["id"] for record in opened[1:]] == [record["chain"] for record in closed[:2]]
    assert found(file, key=None) == []
