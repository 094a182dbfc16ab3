"""Where a call gets the face API's own credential: last, instead of anything alike, or not at all."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from proxy.errors import CredentialUnavailable
from proxy.messages import Headers, RequestHead
from proxy.policy.callers import Instant
from proxy.policy.model import Permit
from tests.harness.client import RawClient, request
from tests.harness.proxy import IN_FORCE, FixedClock, Proxy, running_proxy
from tests.harness.waiting import until
from tests.wire.calls import at_rest, detect

GIVEN: Headers = ((b"Authorization", b"Key 1"), (b"Content-Type", b"image/signed"))


class Given:
    """A credential that gives these fields and keeps what it was asked with."""

    def __init__(self, given: Headers = GIVEN, *, wants_body: bool = False) -> None:
        self.given = given
        self.wants_body = wants_body
        self.missing = False
        self.asked: list[tuple[RequestHead, list[tuple[bytes, bytes]], bytes, bytes | None, Instant]] = []

    def fields(
        self,
        head: RequestHead,
        forwarded: list[tuple[bytes, bytes]],
        host: bytes,
        body: bytes | None,
        now: Instant,
        permit: Permit,
    ) -> Headers:
        del permit
        if self.missing:
            raise CredentialUnavailable("the key file is empty")
        self.asked.append((head, forwarded, host, body, now))
        return self.given


@contextlib.asynccontextmanager
async def with_credential(credential: Given) -> AsyncIterator[Proxy]:
    async with running_proxy() as proxy:
        proxy.application.enforcer.credential = credential
        yield proxy
        await at_rest(proxy)
        await until(lambda: proxy.application.relay.context.held_bytes == 0, "the bodies to be let go")


async def test_its_fields_go_upstream_in_place_of_those_of_the_same_name() -> None:
    credential = Given()
    async with with_credential(credential) as proxy:
        fields = [("Content-Type", "image/png"), ("Accept", "a"), ("Accept", "b")]
        assert (await proxy.call("POST", "/v1/detect", b"x", fields=fields)).status == 200

        (message,) = proxy.upstream.messages
        assert message.values(b"authorization") == [b"Key 1"]
        assert message.values(b"content-type") == [b"image/signed"]
        assert message.values(b"accept") == [b"a", b"b"]
        ((head, forwarded, host, body, now),) = credential.asked
        assert head.target == b"/v1/detect"
        assert forwarded == [(b"content-type", b"image/png"), (b"accept", b"a"), (b"accept", b"b")]
        assert message.values(b"host") == [host]
        assert body is None
        assert now == FixedClock.at(IN_FORCE).now


async def test_it_is_asked_anew_for_every_call_and_never_for_one_that_is_refused() -> None:
    credential = Given()
    async with with_credential(credential) as proxy, RawClient.to(proxy.port) as client:
        call = detect(proxy, length=1) + b"x"
        for key in (b"Key 1", b"Key 2"):
            credential.given = ((b"authorization", key),)
            await client.send(call)
            assert (await client.answer()).status == 200
        await client.send(request("POST", "/v1/search", [proxy.bearer("police")], b"x"))
        assert (await client.answer()).status == 451

        sent = [message.values(b"authorization") for message in proxy.upstream.messages]
        assert sent == [[b"Key 1"], [b"Key 2"]]
        assert len(credential.asked) == 2


@pytest.mark.parametrize("wants_body", [False, True])
@pytest.mark.parametrize("size", [1, 300_000])
async def test_without_it_a_call_is_refused_and_the_next_one_with_it_goes_on(
    size: int, wants_body: bool
) -> None:
    credential = Given(wants_body=wants_body)
    async with with_credential(credential) as proxy, RawClient.to(proxy.port) as client:
        for missing in (False, True, True, False):
            credential.missing = missing
            await client.send((detect(proxy, length=size) + bytes(size)) * 2)
            answers = [await client.answer(), await client.answer()]
            assert [answer.status for answer in answers] == [503 if missing else 200] * 2
            if missing:
                assert answers[0].json()["title"] == "credential-unavailable"
                assert answers[0].values(b"retry-after")

        assert proxy.reasons().count("credential-unavailable") == 4
        assert [len(message.body) for message in proxy.upstream.messages] == [size] * 4
        assert "empty" not in proxy.audit_file.read_text("utf-8")


async def test_a_refusal_for_want_of_it_is_recorded_under_the_id_of_its_decision() -> None:
    credential = Given()
    credential.missing = True
    async with with_credential(credential) as proxy:
        answer = await proxy.call("POST", "/v1/detect", b"x")

        permitted, failed = proxy.audit()
        assert permitted["id"] == failed["id"] == answer.values(b"x-decision-id")[0].decode()
        assert (failed["decision"], failed["reason"]) == ("failed", "credential-unavailable")
        assert (failed["org_type"], failed["operation"]) == ("commercial", "/v1/detect")
        assert proxy.upstream.messages == []


@pytest.mark.parametrize(
    "given",
    [
        (b"authorization", b"Key\r\nX-Admin: yes"),
        (b"authorization", b""),
        (b"authorization", b"Key "),
        (b"authorization", "Schlüssel".encode()),
        (b"x: y\r\nz", b"Key"),
        (b"Content-Length", b"0"),
        (b"transfer-encoding", b"chunked"),
        (b"Host", b"elsewhere.test"),
        (b"connection", b"authorization"),
    ],
)
async def test_what_is_no_single_field_or_is_framing_never_goes_upstream(given: tuple[bytes, bytes]) -> None:
    async with with_credential(Given((given,))) as proxy:
        assert (await proxy.call("POST", "/v1/detect", b"x")).status == 503
        assert proxy.reasons() == ["not-bound", "credential-unavailable"]
        assert proxy.upstream.messages == []


# ------------------------------------------------------------ a credential that depends on the body


@pytest.mark.parametrize("size", [0, 1, 300_000])
@pytest.mark.parametrize("coding", ["length", "chunked"])
async def test_the_body_that_it_is_made_for_is_the_body_that_is_sent(coding: str, size: int) -> None:
    credential, body = Given(wants_body=True), bytes(size)
    async with with_credential(credential) as proxy, RawClient.to(proxy.port) as client:
        if coding == "length":
            await client.send(detect(proxy, length=size) + body)
        else:
            fields = [proxy.bearer(), ("Transfer-Encoding", "chunked")]
            chunk = b"%x\r\n%b\r\n" % (size, body) if size else b""
            await client.send(request("POST", "/v1/detect", fields) + chunk + b"0\r\n\r\n")
        assert (await client.answer()).status == 200

        (message,) = proxy.upstream.complete
        ((head, _, _, seen, _),) = credential.asked
        assert message.body == seen == body
        assert message.values(b"content-length") == [b"%d" % size]
        assert head.length == size
        assert len(proxy.audit()) == 1


async def test_nothing_goes_upstream_before_the_whole_body_is_there() -> None:
    async with with_credential(Given(wants_body=True)) as proxy, RawClient.to(proxy.port) as client:
        await client.send(detect(proxy, length=8) + b"half")
        await until(lambda: proxy.application.relay.context.held_bytes == 4, "half of the body")
        assert proxy.upstream.connections == []
        assert proxy.audit() == []
        await client.send(b"half")

        assert (await client.answer()).status == 200
        assert proxy.upstream.messages[0].body == b"halfhalf"


async def test_a_denial_does_not_wait_for_a_body_that_only_the_credential_wants() -> None:
    async with with_credential(Given(wants_body=True)) as proxy, RawClient.to(proxy.port) as client:
        await client.send(request("POST", "/v1/search", [proxy.bearer("police"), ("Content-Length", "1000")]))

        assert (await client.answer()).status == 451


async def test_a_decision_that_ends_while_the_body_comes_is_made_again() -> None:
    async with with_credential(Given(wants_body=True)) as proxy, RawClient.to(proxy.port) as client:
        proxy.clock.set("2020-06-09T23:59:59Z")
        await client.send(
            request("POST", "/v1/search", [proxy.bearer("police"), ("Content-Length", "2")]) + b"x"
        )
        await until(lambda: proxy.application.relay.context.held_bytes == 1, "half of the body")
        proxy.clock.set("2020-06-10T00:00:00Z")
        await client.send(b"y")

        assert (await client.answer()).status == 451
        assert proxy.reasons() == ["moratorium"]
        assert proxy.upstream.connections == []


async def test_a_call_without_a_body_has_an_empty_one() -> None:
    credential = Given(wants_body=True)
    async with with_credential(credential) as proxy:
        assert (await proxy.call("GET", "/v1/version")).status == 200
        assert credential.asked[0][3] == b""
        assert proxy.upstream.messages[0].values(b"content-length") == []


async def test_one_that_is_taken_away_is_not_sent_again() -> None:
    async with with_credential(Given()) as proxy, RawClient.to(proxy.port) as client:
        call = detect(proxy, length=1) + b"x"
        for credential in (None, Given(), None):
            proxy.application.enforcer.credential = credential
            await client.send(call)
            assert (await client.answer()).status == 200

        sent = [message.values(b"authorization") for message in proxy.upstream.messages]
        assert sent == [[], [b"Key 1"], []]
