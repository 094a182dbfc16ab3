"""Nothing of one call, connection or instant gets into another."""

import asyncio
import hashlib
from collections.abc import Sequence

from tests.harness.client import RawClient, request
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import AwaitBody, Message, Pause, RecordingUpstream, Send, Step
from tests.wire.calls import get

SIZE = 300_000


def pattern(name: str) -> bytes:
    """A body that nobody else has, and whose parts are all different."""
    digests = b"".join(hashlib.sha256(f"{name}-{number}".encode()).digest() for number in range(SIZE // 32))
    return digests[:SIZE]


async def one_caller(proxy: Proxy, number: int) -> None:
    async with RawClient.to(proxy.port) as client:
        for turn in range(2):
            sent = pattern(f"up-{number}-{turn}")
            fields = [proxy.bearer(), ("Idempotency-Key", f"{number}-{turn}")]
            whole = request("POST", "/v1/detect", fields, sent)
            for start in range(0, len(whole), 50_000):
                await client.send(whole[start : start + 50_000])
                await asyncio.sleep(0)
            await asyncio.sleep(0.01 * (number % 3))
            answer = await client.answer()

            assert answer.body == pattern(f"down-{number}-{turn}")


async def test_bodies_and_answers_of_many_callers_at_once_are_each_their_own() -> None:
    def script(message: Message) -> Sequence[Step]:
        name = message.values(b"idempotency-key")[0].decode()
        body = pattern(f"down-{name}")
        head = Send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        return AwaitBody(), head, Send(body[:100_000]), Pause(0.002), Send(body[100_000:])

    async with RecordingUpstream(script) as upstream, running_proxy(upstream=upstream) as proxy:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(one_caller(proxy, number))

        for message in upstream.messages:
            name = message.values(b"idempotency-key")[0].decode()
            assert message.body == pattern(f"up-{name}")
        assert len(upstream.complete) == 40


async def test_the_same_bytes_again_are_judged_by_the_clock_of_their_own_arrival() -> None:
    async with running_proxy(at="2020-06-09T23:59:59Z") as proxy, RawClient.to(proxy.port) as client:
        call = request("POST", "/v1/search", [proxy.bearer("police", expires_in=10**9)])
        statuses = []
        for instant in (
            "2020-06-09T23:59:59Z",
            "2020-06-10T00:00:00Z",
            "2021-06-09T23:59:59Z",
            "2021-06-10T00:00:00Z",
            "2020-06-10T00:00:00Z",
        ):
            proxy.clock.set(instant)
            await client.send(call)
            statuses.append((await client.answer()).status)

        assert statuses == [200, 451, 451, 200, 451]
        assert len(proxy.audit()) == 5


async def test_the_same_bytes_again_are_refused_once_their_token_has_expired() -> None:
    async with running_proxy() as proxy, RawClient.to(proxy.port) as client:
        call = request("GET", "/v1/faces/a", [proxy.bearer(expires_in=60)])
        statuses = []
        for later in (0, 60, 29.9, 0.1):
            proxy.clock.now += later
            await client.send(call)
            statuses.append((await client.answer()).status)

        assert statuses == [200, 200, 200, 401]


async def test_the_same_bytes_again_are_judged_by_a_new_policy() -> None:
    async with running_proxy() as proxy, RawClient.to(proxy.port) as client:
        call = request("POST", "/v1/search", [proxy.bearer("school")])
        await client.send(call)
        before = await client.answer()
        text = proxy.policy_file.read_text("utf-8")
        proxy.policy_file.write_text(text.replace('["police"]', '["police", "school"]'), "utf-8")
        await proxy.application.reload()
        await client.send(call)
        after = await client.answer()

        assert (before.status, after.status) == (200, 451)


async def test_equal_calls_have_their_own_records_and_ids() -> None:
    async with running_proxy() as proxy, RawClient.to(proxy.port) as client:
        call, blocked = get(proxy), request("POST", "/v1/search", [proxy.bearer("police")])
        ids = []
        for whole in (call, call, blocked, blocked, call):
            await client.send(whole)
            answer = await client.answer()
            ids.append(answer.values(b"x-decision-id")[0].decode())
            assert answer.status == 200 or ids[-1] in answer.json()["detail"]

        assert ids == [record["id"] for record in proxy.audit()]
        assert len(set(ids)) == 5
        upstream_ids = [message.values(b"x-request-id")[0].decode() for message in proxy.upstream.messages]
        assert upstream_ids == [ids[0], ids[1], ids[4]]
