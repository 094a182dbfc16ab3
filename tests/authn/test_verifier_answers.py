"""What is wrong with a token, through a running proxy: each fault has its own reason, and none is echoed."""

import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from proxy.policy.reasons import Reason
from tests.authn.tokens import b64, forged, part, private_key, signed
from tests.harness.proxy import MORATORIUM, Proxy, running_proxy

VOCABULARY = """
[vocabulary.circumstances]
media_source = ["officer-camera"]
"""


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with running_proxy(policy=MORATORIUM + VOCABULARY) as running:
        yield running


def minted(headers: dict[str, Any] | None = None, **claims: Any) -> Any:
    return lambda proxy: proxy.mint.token(headers=headers, **claims)


def twice(proxy: Proxy) -> str:
    text = proxy.mint.token().split(".")
    members = b'{"iss":"sesame","iss":"sesame"}'
    return f"{text[0]}.{b64(members).decode()}.{text[2]}"


def by_a_stranger(proxy: Proxy) -> str:
    head, body, _ = proxy.mint.token(jti="sesame").split(".")
    decoded = [json.loads(urlsafe_b64decode(one + "==")) for one in (head, body)]
    return signed(*decoded, key=private_key("P-256")).decode()


FAULTS: dict[str, tuple[Any, Reason, int]] = {
    "too large": (minted(ballast="sesame" * 3000), Reason.TOKEN_TOO_LARGE, 401),
    "twice": (twice, Reason.TOKEN_AMBIGUOUS, 401),
    "type": (minted({"typ": "sesame"}), Reason.TOKEN_TYPE, 401),
    "critical": (minted({"crit": ["sesame"]}), Reason.TOKEN_CRITICAL, 401),
    "own key": (minted({"jku": "https://sesame.test"}), Reason.TOKEN_KEY_INCLUDED, 401),
    "nested": (minted({"cty": "sesame"}), Reason.TOKEN_NESTED, 401),
    "encrypted": (lambda _: part({"enc": "sesame"}).decode() + ".A.A.A.A", Reason.TOKEN_NESTED, 401),
    "algorithm": (lambda _: forged({"alg": "sesame"}, {}).decode(), Reason.TOKEN_ALGORITHM, 401),
    "signature": (by_a_stranger, Reason.TOKEN_SIGNATURE, 401),
    "level": (minted(org_level="sesame"), Reason.TOKEN_CLAIMS, 401),
    "evidence": (
        minted(authorization_details=[{"type": "warrant", "id": "sesame"}]),
        Reason.TOKEN_CLAIMS,
        401,
    ),
    "actor of no type": (minted(act={"org_id": "sesame"}), Reason.TOKEN_CLAIMS, 401),
    "subtype": (minted(org_subtype="sesame"), Reason.ORG_SUBTYPE_UNKNOWN, 403),
    "circumstance": (minted(media_source="sesame"), Reason.CIRCUMSTANCE_UNKNOWN, 403),
    "type of the one behind": (minted(on_behalf_of={"org_type": "sesame"}), Reason.ORG_TYPE_UNKNOWN, 403),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_of_a_token_is_answered_and_recorded_as_what_it_is(proxy: Proxy, name: str) -> None:
    make, reason, status = FAULTS[name]
    answer = await proxy.call(
        "POST", "/v1/detect", b"x", caller=None, fields=[("Authorization", f"Bearer {make(proxy)}")]
    )

    assert (answer.status, answer.json()["title"]) == (status, reason)
    assert (proxy.reasons(), proxy.upstream.messages) == ([reason], [])
    told = answer.body + repr(answer.headers).encode() + proxy.audit_file.read_bytes()
    assert b"sesame" not in told
    assert b"sesame" not in (await proxy.metrics()).encode()
