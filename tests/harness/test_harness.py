"""The harness itself: what a test may take for granted."""

from tests.harness.proxy import running_proxy
from tests.harness.upstream import RecordingUpstream


async def test_a_permitted_call_arrives_and_is_answered() -> None:
    async with running_proxy() as proxy:
        answer = await proxy.call("POST", "/v1/detect", b"picture")

        assert (answer.status, answer.body) == (200, b"ok")
        assert [message.body for message in proxy.upstream.complete] == [b"picture"]
        assert proxy.reasons() == ["not-bound"]
        assert "moratorium_requests_in_flight 0.0" in await proxy.metrics()


async def test_a_blocked_call_never_arrives() -> None:
    async with RecordingUpstream() as upstream, running_proxy(upstream=upstream) as proxy:
        answer = await proxy.call("POST", "/v1/search", b"picture", caller="police")

        assert answer.status == 451
        assert upstream.connections == []
        assert proxy.reasons() == ["moratorium"]


async def test_the_clock_moves_only_when_told_to() -> None:
    async with running_proxy(backend="aws-rekognition") as proxy:
        proxy.clock.set("2021-06-10T00:00:00Z")
        fields = [
            ("X-Amz-Target", "RekognitionService.CompareFaces"),
            ("Content-Type", "application/x-amz-json-1.1"),
        ]
        answer = await proxy.call("POST", "/", b"{}", caller="police", fields=fields)

        assert answer.status == 200
        assert proxy.reasons() == ["outside-window"]
