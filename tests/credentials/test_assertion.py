"""Our signed word about a caller: what stands in it, who can check it, and what it never says."""

import base64
import hashlib
import json
import socket
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.authn.assertion import Signer
from proxy.errors import KeySetInvalid
from tests.harness.client import call
from tests.harness.proxy import Proxy, running_proxy

Key = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
KEYS: dict[str, Key] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
}


def pem(key: Key) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_key(folder: Path, key: Key) -> dict[str, Any]:
    """The settings for a proxy that asserts with this key, and publishes its other half."""
    (folder / "assertion.pem").write_bytes(pem(key))
    return {
        "upstream_assertion_key_file": str(folder / "assertion.pem"),
        "admin_listen": f"127.0.0.1:{free_port()}",
    }


async def checked(proxy: Proxy, settings: dict[str, Any], token: bytes) -> dict[str, Any]:
    """The claims, once the published key has said that they are genuine."""
    port = int(settings["admin_listen"].rpartition(":")[2])
    published = json.loads((await call(port, "GET", "/.well-known/jwks.json")).body)
    header = jwt.get_unverified_header(token)
    key = next(jwt.PyJWK(jwk) for jwk in published["keys"] if jwk["kid"] == header["kid"])
    claims: dict[str, Any] = jwt.decode(
        token,
        key,
        algorithms=[key.algorithm_name],
        audience=f"http://127.0.0.1:{proxy.upstream.port}",
        issuer="moratorium",
        options={"verify_exp": False, "verify_iat": False},
    )
    return claims


@pytest.mark.parametrize("algorithm", KEYS)
async def test_the_face_api_can_check_who_calls_and_by_which_decision(tmp_path: Path, algorithm: str) -> None:
    settings = write_key(tmp_path, KEYS[algorithm])
    async with running_proxy(**settings) as proxy:
        bearer = proxy.bearer("child-safety", org_id="org-7", purpose="missing-persons")
        answer = await proxy.call("POST", "/v1/detect", b"{}", caller=None, fields=[bearer])
        token = proxy.upstream.messages[0].values(b"x-moratorium-assertion")[0]
        claims = await checked(proxy, settings, token)

        now = int(proxy.clock())
        assert claims == {
            "iss": "moratorium",
            "aud": f"http://127.0.0.1:{proxy.upstream.port}",
            "iat": now,
            "exp": now + 60,
            "jti": answer.values(b"x-decision-id")[0].decode(),
            "org_type": "child-safety",
            "org_id": "org-7",
            "purpose": "missing-persons",
            "reason": "not-bound",
            "policy_revision": proxy.application.enforcer.rules.policy.revision,
        }
        assert jwt.get_unverified_header(token)["typ"] == "moratorium-assertion+jwt"


async def test_a_caller_cannot_speak_for_us(tmp_path: Path) -> None:
    settings = write_key(tmp_path, KEYS["EdDSA"])
    async with running_proxy(**settings) as proxy:
        await proxy.call("POST", "/v1/detect", b"{}", fields=[("X-Moratorium-Assertion", "forged")])

        tokens = proxy.upstream.messages[0].values(b"x-moratorium-assertion")
        assert len(tokens) == 1
        assert (await checked(proxy, settings, tokens[0]))["org_type"] == "commercial"


async def test_the_assertion_goes_beside_the_key(tmp_path: Path) -> None:
    settings = write_key(tmp_path, KEYS["EdDSA"]) | {"upstream_auth": "bearer", "upstream_key": "the-key"}
    async with running_proxy(**settings) as proxy:
        await proxy.call("POST", "/v1/detect", b"{}")

        message = proxy.upstream.messages[0]
        assert message.values(b"authorization") == [b"Bearer the-key"]
        assert len(message.values(b"x-moratorium-assertion")) == 1


async def test_each_call_has_an_assertion_of_its_own(tmp_path: Path) -> None:
    async with running_proxy(**write_key(tmp_path, KEYS["EdDSA"])) as proxy:
        for _ in range(2):
            await proxy.call("POST", "/v1/detect", b"{}")

        one, other = (m.values(b"x-moratorium-assertion")[0] for m in proxy.upstream.messages)
        assert one != other


async def test_the_private_half_is_not_published(tmp_path: Path) -> None:
    settings = write_key(tmp_path, KEYS["ES256"])
    async with running_proxy(**settings):
        port = int(settings["admin_listen"].rpartition(":")[2])
        answer = await call(port, "GET", "/.well-known/jwks.json")

        [jwk] = json.loads(answer.body)["keys"]
        assert jwk.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}


async def test_without_a_key_there_is_no_admin_listener() -> None:
    port = free_port()
    async with running_proxy(admin_listen=f"127.0.0.1:{port}"):
        with pytest.raises(ConnectionRefusedError):
            await call(port, "GET", "/.well-known/jwks.json")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"SECRET", "is not a PEM private key without a password"),
        (pem(rsa.generate_private_key(65537, 2048)), "is neither an Ed25519 nor a P-256 key"),
        (pem(ec.generate_private_key(ec.SECP384R1())), "is neither an Ed25519 nor a P-256 key"),
    ],
)
def test_a_key_that_cannot_sign_is_refused(content: bytes, complaint: str) -> None:
    with pytest.raises(KeySetInvalid, match=complaint):
        Signer(content, "us", "them")


def test_the_key_id_is_the_thumbprint_of_rfc_7638() -> None:
    signer = Signer(pem(KEYS["EdDSA"]), "us", "them")
    canonical = f'{{"crv":"Ed25519","kty":"OKP","x":"{signer.jwk["x"]}"}}'
    digest = base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest())

    assert signer.jwk["kid"] == digest.decode().rstrip("=")
