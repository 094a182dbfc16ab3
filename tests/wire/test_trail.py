"""Where a call has come from: only configured peers are believed, and the face API always learns of us."""

import re

import pytest

from proxy.messages import RequestHead, Trail
from proxy.relay.trail import node, trail_of
from tests.harness.client import Fields
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import Message

TRACE = "0af7651916cd43dd8448eb211c80319c"
SENT = [
    ("X-Request-Id", "req-1"),
    ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01"),
    ("tracestate", "vendor=1"),
    ("Forwarded", "for=192.0.2.1"),
    ("Via", "1.1 edge"),
]


async def ask(proxy: Proxy, fields: Fields, caller: str = "commercial") -> tuple[Message | None, str]:
    answer = await proxy.call("POST", "/v1/search", b"{}", caller=caller, fields=fields)
    messages = proxy.upstream.messages
    return (messages[-1] if messages else None), answer.values(b"x-request-id")[0].decode()


def value(message: Message | None, name: bytes) -> str:
    assert message is not None
    (found,) = message.values(name)
    return found.decode()


async def test_what_a_stranger_says_of_its_call_is_not_passed_on() -> None:
    async with running_proxy() as proxy:
        message, request_id = await ask(proxy, SENT)
        (record,) = proxy.audit()

        assert value(message, b"x-request-id") == request_id == record["id"]
        assert value(message, b"via") == "1.1 moratorium"
        assert re.fullmatch(
            r'for=_hidden;by=_moratorium;proto=http;host="[^"]+"', value(message, b"forwarded")
        )
        assert TRACE not in value(message, b"traceparent")
        assert message is not None
        assert message.values(b"tracestate") == []
        assert (record["request_id"], record["trace_id"]) == (None, None)


async def test_every_call_has_a_trace_of_its_own_that_follows_from_its_id() -> None:
    async with running_proxy() as proxy:
        traces = [value((await ask(proxy, []))[0], b"traceparent") for _ in range(3)]

        assert len(set(traces)) == 3
        for trace, record in zip(traces, proxy.audit(), strict=True):
            instance, count = record["id"].split("-")
            assert trace == f"00-10000000{instance}{count}-0001{count}-00"
            assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", trace)


async def test_a_configured_peer_is_believed_and_continued() -> None:
    async with running_proxy(trusted_proxies="127.0.0.0/8") as proxy:
        message, request_id = await ask(proxy, SENT)
        (record,) = proxy.audit()

        assert value(message, b"x-request-id") == request_id == record["request_id"] == "req-1"
        assert value(message, b"traceparent").startswith(f"00-{TRACE}-0001")
        assert value(message, b"traceparent").endswith("-01")
        assert record["trace_id"] == TRACE
        assert value(message, b"tracestate") == "vendor=1"
        assert value(message, b"via") == "1.1 edge, 1.1 moratorium"
        assert value(message, b"forwarded").startswith("for=192.0.2.1, for=_hidden;by=_moratorium")


async def test_a_block_names_the_peers_request_id_as_well() -> None:
    async with running_proxy(trusted_proxies="127.0.0.1") as proxy:
        message, request_id = await ask(proxy, SENT, caller="police")

        assert (message, request_id) == (None, "req-1")


async def test_a_peer_outside_the_networks_is_a_stranger() -> None:
    async with running_proxy(trusted_proxies="10.0.0.0/8,::1/128") as proxy:
        message, _ = await ask(proxy, SENT)

        assert value(message, b"via") == "1.1 moratorium"


async def test_the_face_api_learns_addresses_only_when_told_to() -> None:
    async with running_proxy(forward_client_address="true") as proxy:
        message, _ = await ask(proxy, [])

        assert value(message, b"forwarded").startswith("for=127.0.0.1;by=_moratorium")


async def test_answers_name_us_too() -> None:
    async with running_proxy() as proxy:
        answer = await proxy.call("POST", "/v1/search", b"{}")

        assert answer.values(b"via") == [b"1.1 moratorium"]


@pytest.mark.parametrize(
    "fields",
    [
        [("X-Request-Id", "a b")],
        [("X-Request-Id", "x" * 129)],
        [("X-Request-Id", "a"), ("X-Request-Id", "b")],
        [("X-Request-Id", "-leading")],
        [("traceparent", "00-0-0-00")],
        [("traceparent", f"00-{'0' * 32}-b7ad6b7169203331-01")],
        [("traceparent", f"00-{TRACE}-{'0' * 16}-01")],
        [("traceparent", f"01-{TRACE}-b7ad6b7169203331-01")],
        [("traceparent", f"00-{TRACE.upper()}-b7ad6b7169203331-01")],
        [("tracestate", "vendor=1")],
        [("Forwarded", "x" * 1025)],
    ],
)
async def test_what_even_a_peer_says_is_not_used_when_it_is_malformed(fields: list[tuple[str, str]]) -> None:
    async with running_proxy(trusted_proxies="127.0.0.1") as proxy:
        message, _ = await ask(proxy, fields)

        assert value(message, b"x-request-id") == proxy.audit()[0]["id"]
        assert value(message, b"traceparent").startswith("00-1")
        assert value(message, b"forwarded").startswith("for=_hidden")


def test_an_ipv6_node_stands_in_quotes_and_brackets() -> None:
    assert (node("192.0.2.1"), node("2001:db8::1")) == (b"192.0.2.1", b'"[2001:db8::1]"')


def test_an_empty_head_leaves_no_trail() -> None:
    assert trail_of(RequestHead(b"GET", b"/", b"1.1", ())) == Trail()
