"""What went wrong in comparable software, sent to a running proxy: the fault of its advisory is not ours.

aiohttp, oauth2-proxy and Ory Oathkeeper, as far as it concerns requests and answers; what concerns tokens is
in `tests/authn/test_advisories.py`. Of an attack the face API sees nothing, or one call of plain meaning.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version

import pytest

from proxy.authn.keys import RemoteKeys
from proxy.errors import KeysUnavailable
from tests.authn.issuers import key_server
from tests.authn.tokens import FixedClock
from tests.harness.client import Answer, RawClient, request
from tests.harness.proxy import Proxy, running_proxy
from tests.harness.upstream import Close, Message, RecordingUpstream, Send, Step, ordinary
from tests.harness.waiting import until
from tests.wire.calls import get, hang

SMUGGLED = b"GET /v1/faces/smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
FOLLOWING = "/v1/faces/following"


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with running_proxy() as running:
        yield running


async def sent(
    proxy: Proxy,
    *fields: str,
    body: bytes = b"",
    start: str = "POST /v1/detect HTTP/1.1",
    org_type: str = "commercial",
) -> Answer:
    """What the first answer is to a call with a good token, exactly these lines and this body."""
    name, value = proxy.bearer(org_type)
    head = "\r\n".join([start, "Host: proxy.test", f"{name}: {value}", *fields])
    async with RawClient.to(proxy.port) as client:
        await client.send(head.encode("latin-1") + b"\r\n\r\n" + body)
        return await client.answer(b"POST")


def nothing_arrived(proxy: Proxy) -> bool:
    """No whole call reached the face API, and what did arrive was no second call."""
    return not proxy.upstream.complete and len(proxy.upstream.messages) <= 1


# ------------------------------------------------------------ aiohttp: requests


async def test_aiohttp_cve_2023_47641_two_framings_are_refused(proxy: Proxy) -> None:
    for te in ("chunked", "CHUNKED", "identity, chunked"):
        answer = await sent(
            proxy, "Content-Length: 5", f"Transfer-Encoding: {te}", body=b"0\r\n\r\n" + SMUGGLED
        )

        assert answer.status == 400
    assert nothing_arrived(proxy)


@pytest.mark.parametrize("cr", ["\r", "\rx", "\r\r"])
async def test_aiohttp_cve_2023_37276_a_bare_cr_ends_no_line(proxy: Proxy, cr: str) -> None:
    answer = await sent(proxy, f"X-Abc: {cr}Transfer-Encoding: chunked", body=b"1\r\nA\r\n0\r\n\r\n")

    assert answer.status == 400
    assert nothing_arrived(proxy)


@pytest.mark.parametrize(
    "line",
    [
        "Content-Length: +5",
        "Content-Length: 5_0",
        "Content-Length: \u00b2",
        "Content-Length: ",
        "Content-Length: 5, 5",
    ],
)
async def test_aiohttp_cve_2023_47627_a_length_has_digits_only(proxy: Proxy, line: str) -> None:
    answer = await sent(proxy, line, body=b"hello")

    assert answer.status == 400
    assert nothing_arrived(proxy)


@pytest.mark.parametrize(
    "line", ["Name : b", " Name: b", "Na\x00me: b", "Na(me: b", ": b", "Name: \x00", "Name"]
)
async def test_aiohttp_cve_2024_23829_a_field_is_written_in_one_way(proxy: Proxy, line: str) -> None:
    answer = await sent(proxy, line)

    assert answer.status == 400
    assert nothing_arrived(proxy)


@pytest.mark.parametrize(
    "start",
    [
        "POST /v1/detect HTTP/1.1\rX: y",
        "POST /v1/detect HTTP/1.10",
        "POST /v1/detect HTTP/1.1x",
        "POST /v1/detect",
    ],
)
async def test_aiohttp_cve_2023_49081_a_version_carries_nothing_along(proxy: Proxy, start: str) -> None:
    answer = await sent(proxy, start=start)

    assert answer.status in (400, 505)
    assert nothing_arrived(proxy)


@pytest.mark.parametrize("method", ["POST\rX:", "post", "PO ST", "P\u00d6ST", "POST\t", "G" * 40, "\x00POST"])
async def test_aiohttp_cve_2023_49082_a_method_is_one_that_is_known(proxy: Proxy, method: str) -> None:
    answer = await sent(proxy, start=f"{method} /v1/detect HTTP/1.1")

    assert answer.status in (400, 405)
    assert nothing_arrived(proxy)


@pytest.mark.parametrize("size", [b"5;a\nb", b"5;\n", b"5;a=b\n0\r\n\r\nx"])
async def test_aiohttp_cve_2024_52304_a_line_feed_in_a_chunk_extension_ends_nothing(
    proxy: Proxy, size: bytes
) -> None:
    answer = await sent(proxy, "Transfer-Encoding: chunked", body=size + b"\r\nhello\r\n0\r\n\r\n" + SMUGGLED)

    assert answer.status == 400
    assert nothing_arrived(proxy)


async def test_aiohttp_cve_2025_53643_a_trailer_is_no_next_request(proxy: Proxy) -> None:
    trailer = b"GET /v1/faces/smuggled HTTP/1.1: x\r\nHost: a\r\n\r\n"
    answer = await sent(proxy, "Transfer-Encoding: chunked", body=b"0\r\n" + trailer)

    assert answer.status == 400
    assert nothing_arrived(proxy)


@pytest.mark.parametrize(
    "line", ["Transfer-Encoding: chun\u212aed", "Transfer-Encoding: chun\u017fed", "Content-Length: \u0665"]
)
async def test_aiohttp_cve_2025_69224_letters_from_elsewhere_frame_nothing(proxy: Proxy, line: str) -> None:
    answer = await sent(proxy, line.encode().decode("latin-1"), body=b"0\r\n\r\n" + SMUGGLED)

    assert answer.status in (400, 501)
    assert nothing_arrived(proxy)


@pytest.mark.parametrize(
    "lines",
    [
        ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: chunked;q=1",),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5\t6",),
    ],
    ids=str,
)
async def test_aiohttp_cve_2026_111750_a_framing_that_two_could_read_is_refused(
    proxy: Proxy, lines: tuple[str, ...]
) -> None:
    answer = await sent(proxy, *lines, body=b"0\r\n\r\n" + SMUGGLED)

    assert answer.status in (400, 501)
    assert nothing_arrived(proxy)


async def test_aiohttp_cve_2025_69229_many_small_chunks_are_one_body(proxy: Proxy) -> None:
    answer = await sent(proxy, "Transfer-Encoding: chunked", body=b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n")

    assert answer.status == 200
    assert [len(message.body) for message in proxy.upstream.complete] == [20_000]


async def test_aiohttp_cve_2026_22815_trailers_have_an_end(proxy: Proxy) -> None:
    answer = await sent(proxy, "Transfer-Encoding: chunked", body=b"0\r\n" + b"A: b\r\n" * 30_000 + b"\r\n")

    assert answer.status in (400, 431)
    assert nothing_arrived(proxy)


async def test_aiohttp_cve_2026_54273_pipelined_calls_are_served_in_turn() -> None:
    async with RecordingUpstream(hang) as upstream, running_proxy(upstream=upstream) as proxy:
        client = await RawClient.connect(proxy.port)
        sending = asyncio.ensure_future(client.send(get(proxy) * 20_000))
        await until(lambda: bool(upstream.messages), "the first call to arrive")

        assert len(upstream.messages) == 1
        assert not sending.done()  # the network holds the rest, not the proxy
        client.abort()
        await sending


async def test_aiohttp_cve_2026_54277_a_line_in_fragments_has_an_end(proxy: Proxy) -> None:
    async with RawClient.to(proxy.port) as client:
        await client.send(b"POST /v1/detect HTTP/1.1\r\nHost: a\r\nX: ")
        for _ in range(80):
            await client.send(b"x" * 1000)
            await asyncio.sleep(0)

        assert (await client.answer()).status == 431
    assert nothing_arrived(proxy)


@pytest.mark.parametrize("second", ["Host: evil.test", "host: proxy.test", "Host:"])
async def test_aiohttp_cve_2026_34525_a_second_host_is_refused(proxy: Proxy, second: str) -> None:
    assert (await sent(proxy, second)).status == 400
    assert nothing_arrived(proxy)


async def test_aiohttp_cve_2026_54278_a_compressed_body_stays_as_it_is(proxy: Proxy) -> None:
    """Nobody inflates it: not to forward it, and not to throw it away."""
    bomb = gzip.compress(bytes(10_000_000))
    fields = ("Content-Encoding: gzip", f"Content-Length: {len(bomb)}")

    assert (await sent(proxy, *fields, body=bomb)).status == 200
    assert proxy.upstream.complete[0].body == bomb
    blocked = await sent(proxy, *fields, body=bomb, start="POST /v1/search HTTP/1.1", org_type="police")
    assert blocked.status == 451


@pytest.mark.parametrize(
    "advisory",
    [
        "CVE-2024-30251",
        "CVE-2025-69227",
        "CVE-2025-69228",
        "CVE-2026-34514",
        "CVE-2026-34516",
        "CVE-2026-34517",
        "CVE-2026-50269",
    ],
)
async def test_aiohttp_a_form_is_never_read(proxy: Proxy, advisory: str) -> None:
    """They are all about reading forms: loops, memory, spoofed parts. Here a body is bytes."""
    body = b"--x\r\nContent-Disposition: form-data; name=" + advisory.encode() + b"\r\n\r\n" + b"--x" * 9
    fields = ("Content-Type: multipart/form-data; boundary=x", f"Content-Length: {len(body)}")

    assert (await sent(proxy, *fields, body=body)).status == 200
    assert proxy.upstream.complete[0].body == body


async def test_aiohttp_cve_2026_54274_no_call_becomes_a_tunnel(proxy: Proxy) -> None:
    fields = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    )

    assert (await sent(proxy, *fields, body=b"\x81\x85....xxxxx")).status == 400
    assert nothing_arrived(proxy)


# ------------------------------------------------------------ aiohttp: answers, and the key endpoint


@pytest.mark.parametrize("line", [b"A: b\x00c", b"A: b\rSet-Cookie: c", b"A: \x1b[2J", b"A\x00: b"])
async def test_aiohttp_cve_2026_34520_control_characters_do_not_get_back_to_clients(line: bytes) -> None:
    def odd(_: Message) -> Sequence[Step]:
        return Send(b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: 2\r\n\r\nok"), Close()

    async with RecordingUpstream(odd) as upstream, running_proxy(upstream=upstream) as proxy:
        assert (await sent(proxy)).status == 502


async def test_aiohttp_cve_2026_34519_the_reason_phrase_is_our_own() -> None:
    def odd(_: Message) -> Sequence[Step]:
        return (Send(b"HTTP/1.1 200 OK <b>\xe9\r\nContent-Length: 2\r\n\r\nok"),)

    async with RecordingUpstream(odd) as upstream, running_proxy(upstream=upstream) as proxy:
        async with RawClient.to(proxy.port) as client:
            await client.send(request("GET", FOLLOWING, [proxy.bearer(), ("Connection", "close")]))
            seen = await client.remainder()

        assert seen.startswith(b"HTTP/1.1 200 ")
        assert b"<b>" not in seen


async def test_aiohttp_cve_2026_34518_nothing_is_sent_to_where_an_answer_points() -> None:
    """CVE-2026-47265: nor cookies, nor credentials; a redirect of the face API is the caller's to follow."""
    async with RecordingUpstream(ordinary) as trap:
        place = f"http://127.0.0.1:{trap.port}/"

        def away(_: Message) -> Sequence[Step]:
            head = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
            return (Send(head.encode()),)

        async with RecordingUpstream(away) as upstream, running_proxy(upstream=upstream) as proxy:
            answer = await sent(proxy, "Cookie: a=b")

        assert (answer.status, trap.messages, trap.open_connections) == (302, [], 0)


async def test_aiohttp_cve_2026_47265_a_key_endpoint_sends_us_nowhere() -> None:
    async with key_server() as honest, key_server() as trap:
        honest.status, honest.headers["Location"] = 302, trap.url
        with pytest.raises(KeysUnavailable):
            await RemoteKeys("https://issuer.test", honest.url, FixedClock(), timeout=2).refresh()

        assert trap.requests == []


async def test_aiohttp_cve_2026_34513_the_caller_chooses_no_name_to_resolve(proxy: Proxy) -> None:
    """A cache of names grows only where names come from outside."""
    for start in (
        "POST http://evil.test/v1/detect HTTP/1.1",
        "POST //evil.test/v1/detect HTTP/1.1",
        "CONNECT evil.test:443 HTTP/1.1",
    ):
        assert (await sent(proxy, start=start)).status in (400, 405)
    assert nothing_arrived(proxy)


@pytest.mark.parametrize("advisory", ["CVE-2026-54280", "CVE-2026-111750"])
def test_aiohttp_is_new_enough_to_have_the_fix_of(advisory: str) -> None:
    """What is not ours to answer for: its server, on the metrics port, and its client, which fetches keys."""
    assert tuple(int(number) for number in version("aiohttp").split(".")[:3]) >= (3, 14, 4), advisory


# ------------------------------------------------------------ oauth2-proxy


async def without_token(proxy: Proxy, target: str, *fields: tuple[str, str]) -> Answer:
    answer = await proxy.call("POST", target, b"x", caller=None, fields=fields)
    assert proxy.upstream.messages == []
    return answer


@pytest.mark.parametrize("agent", ["GoogleHC/1.0", "kube-probe/1.30", "ELB-HealthChecker/2.0"])
async def test_oauth2_proxy_ghsa_5hvv_m4w4_gf6v_no_user_agent_is_let_in(proxy: Proxy, agent: str) -> None:
    for target in ("/v1/search", "/ping", "/healthz", "/"):
        assert (await without_token(proxy, target, ("User-Agent", agent))).status == 401


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-Uri",
        "X_Forwarded_Uri",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Original-URI",
        "X-Envoy-Original-Path",
    ],
)
async def test_oauth2_proxy_ghsa_7x63_xv5r_3p2x_no_field_replaces_the_target(proxy: Proxy, name: str) -> None:
    """CVE-2026-40575, and CVE-2026-76835 for the same once more; a verified caller gains nothing either."""
    assert (await without_token(proxy, "/v1/search", (name, "/v1/version"))).status == 401
    assert (
        await proxy.call("POST", "/v1/search", b"x", caller="police", fields=[(name, "/v1/version")])
    ).status == 451


@pytest.mark.parametrize(
    "target",
    [
        "/v1/search#/v1/version",
        "/v1/search%23/v1/version",
        "/v1/version%23/../search",
        "/v1/version#/../../v1/search",
    ],
)
async def test_oauth2_proxy_ghsa_pxq7_h93f_9jrg_a_fragment_hides_nothing(proxy: Proxy, target: str) -> None:
    assert (await without_token(proxy, target)).status in (400, 401)
    assert (await proxy.call("POST", target, b"x", caller="police")).status == 400
    assert proxy.upstream.messages == []


@pytest.mark.parametrize("query", ["?/v1/version", "?x=/v1/version", "?a#/v1/version", "?%0a/v1/version"])
async def test_oauth2_proxy_ghsa_7rh7_c77v_6434_a_query_is_no_path(proxy: Proxy, query: str) -> None:
    assert (await without_token(proxy, "/v1/search" + query)).status in (400, 401)
    assert (await proxy.call("POST", "/v1/search" + query, b"x", caller="police")).status in (400, 451)
    assert proxy.upstream.messages == []


@pytest.mark.parametrize(
    "name",
    [
        "X_Forwarded_User",
        "X-Forwarded_Email",
        "x_forwarded_groups",
        "X_Org_Type",
        "X-Org-Type",
        "Authorization_",
        "X_Auth_Request_User",
    ],
)
async def test_oauth2_proxy_ghsa_vjrc_mh2v_45x6_an_identity_in_a_field_goes_nowhere(
    proxy: Proxy, name: str
) -> None:
    """CVE-2025-64484: a dash or an underscore."""
    assert (await without_token(proxy, "/v1/detect", (name, "child-safety"))).status == 401
    answer = await proxy.call("POST", "/v1/detect", b"x", fields=[(name, "child-safety")])

    assert answer.status in (200, 400)
    assert all(message.values(name.lower().encode()) == [] for message in proxy.upstream.messages)


async def test_oauth2_proxy_ghsa_c5c4_8r6x_56w3_a_claim_is_not_judged_by_a_part_of_it(proxy: Proxy) -> None:
    for org_type in (
        "police@commercial",
        "commercial@police",
        "commercial@",
        "@commercial",
        "x@y@commercial",
    ):
        assert (await proxy.call("POST", "/v1/detect", b"x", caller=org_type)).json()[
            "title"
        ] == "org-type-unknown"
    assert proxy.upstream.messages == []


async def test_oauth2_proxy_ghsa_f24x_5g9q_753f_nobody_stays_signed_in(proxy: Proxy) -> None:
    """Of this one only the number is known to us. There are no sessions here that could outlive a sign-out:
    neither the connection nor a cookie stands in for the token of an earlier call."""
    async with RawClient.to(proxy.port) as client:
        await client.send(request("GET", FOLLOWING, [proxy.bearer()]))
        first = await client.answer()
        await client.send(request("GET", FOLLOWING, [("Cookie", "_oauth2_proxy=x; session=x")]))

        assert (first.status, first.values(b"set-cookie")) == (200, [])
        assert (await client.answer()).status == 401


# ------------------------------------------------------------ Ory Oathkeeper


@pytest.mark.parametrize(
    "target",
    [
        "/v1/version/../search",
        "/v1/version/..%2fsearch",
        "/v1/version/%2e%2e/search",
        "/v1//search",
        "/v1/./search",
        "/v1/version/..;/search",
        "/v1/version\\..\\search",
    ],
)
async def test_oathkeeper_cve_2026_33494_no_path_leads_somewhere_else(proxy: Proxy, target: str) -> None:
    for caller in ("police", "commercial"):
        assert (await proxy.call("POST", target, b"x", caller=caller)).status == 400
    assert proxy.upstream.messages == []


@pytest.mark.parametrize(
    "field",
    [
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "other.test"),
        ("Forwarded", "proto=https;host=other.test"),
        ("X-Forwarded-Method", "GET"),
    ],
    ids=str,
)
async def test_oathkeeper_cve_2026_33495_what_a_stranger_says_of_the_way_is_not_believed(
    proxy: Proxy, field: tuple[str, str]
) -> None:
    assert (await proxy.call("POST", "/v1/search", b"x", caller="police", fields=[field])).status == 451
    await proxy.call("POST", "/v1/detect", b"x", fields=[field])

    (message,) = proxy.upstream.complete
    assert field[1].encode() not in message.values(field[0].lower().encode())
    assert all(b"other.test" not in value for _, value in message.headers)


@pytest.mark.parametrize(
    "option", ["Authorization", "close, authorization", "Host", "Content-Length", "X-Request-Id"]
)
async def test_oathkeeper_ghsa_w9mr_28mw_j8hg_no_option_takes_a_field_away(proxy: Proxy, option: str) -> None:
    """Hop-by-hop abuse: a `Connection` option that names what the next one relies on."""
    answer = await sent(proxy, f"Connection: {option}", "Content-Length: 1", body=b"x")

    assert answer.status == (200 if option == "X-Request-Id" else 400)
    assert all(message.values(b"x-request-id") for message in proxy.upstream.messages)


async def test_oathkeeper_cve_2021_32701_a_kept_caller_is_asked_about_each_call(proxy: Proxy) -> None:
    """There, what was kept for one scope passed for another."""
    bearer = proxy.bearer("police")
    async with RawClient.to(proxy.port) as client:
        for target, status in (
            ("/v1/detect", 200),
            ("/v1/search", 451),
            ("/v1/detect", 200),
            ("/v1/search", 451),
        ):
            await client.send(request("POST", target, [bearer], b"x"))

            assert (await client.answer(b"POST")).status == status
