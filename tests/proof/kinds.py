"""The calls of the run: how often each kind is made, what it is, and what the proxy may say of it."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from proxy.testing import TokenMint
from tests.harness.client import request
from tests.harness.proxy import ROUTES

POLICY = (
    """
schema = 1
[[moratorium]]
id = "pause"
title = "No police use of face search"
binds.org_types = ["police"]
covers.classes = ["compare", "search", "enroll", "template"]
[[moratorium.exemption]]
id = "missing-persons"
purposes = ["missing-persons"]
requires_case = true
"""
    + ROUTES
)
TOKENS = 20
"""Of each caller; which one is used is drawn by lot."""
DAY = 24 * 3600


class Kind(NamedTuple):
    """`says`: an answer's decision if it comes from the face API, else its reason."""

    weight: int
    says: str
    raw: list[bytes]


def kinds(mint: TokenMint) -> dict[str, Kind]:
    """All of them, ready to be sent."""

    def many(org_type: str, path: str, body: bytes = b"{}", **claims: Any) -> list[bytes]:
        tokens = [mint.token(org_type, expires_in=DAY, **claims) for _ in range(TOKENS)]
        return [request("POST", path, [("Authorization", f"Bearer {token}")], body) for token in tokens]

    def with_token(token: str) -> list[bytes]:
        return [request("POST", "/v1/search", [("Authorization", f"Bearer {token}")], b"{}")]

    forger = TokenMint(mint.issuer, mint.audience, kid=mint.kid)
    exempt: dict[str, Any] = {"purpose": "missing-persons", "case_id": "2026-00417"}
    expired = with_token(mint.token("commercial", expires_in=-3600))
    return {
        "allowed": Kind(40, "allowed", many("commercial", "/v1/search", b'{"image":"%b"}' % (b"A" * 300))),
        "not covered": Kind(10, "allowed", many("police", "/v1/detect")),
        "exempt": Kind(5, "allowed", many("police", "/v1/search", **exempt)),
        "blocked": Kind(18, "moratorium", many("police", "/v1/search")),
        "face API breaks": Kind(4, "upstream-broken", many("press", "/v1/search?how=break")),
        "unknown operation": Kind(5, "operation-unknown", many("commercial", "/v1/other")),
        "unknown type": Kind(4, "org-type-unknown", many("martian", "/v1/search")),
        "expired token": Kind(5, "token-expired", expired),
        "forged token": Kind(4, "token-signature", with_token(forger.token("commercial", expires_in=DAY))),
        "no token": Kind(3, "token-missing", [request("POST", "/v1/search", [], b"{}")]),
        "ambiguous path": Kind(2, "target-not-canonical", many("commercial", "/v1//search")),
    }


def write(path: Path, made: dict[str, Kind]) -> None:
    """For the clients, which have no keys."""
    plain = {
        name: [kind.weight, kind.says, [raw.decode() for raw in kind.raw]] for name, kind in made.items()
    }
    path.write_text(json.dumps(plain))


def read(path: Path) -> dict[str, Kind]:
    plain = json.loads(path.read_text())
    return {
        name: Kind(weight, says, [raw.encode() for raw in many])
        for name, (weight, says, many) in plain.items()
    }
