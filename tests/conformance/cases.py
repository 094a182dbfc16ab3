"""Reads the conformance cases: policy, caller, request and instant, and everything that must follow.

A case is one question; every door must answer it alike. The files' first keys are defaults for their cases.
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from proxy.testing import TokenMint

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BODY = b'{"planted":"FACE-BYTES-0123456789"}'
SUBJECT_KEY = "conformance-key-conformance-key-"
"""What the digests of subjects in the cases are made with, by `openssl dgst`."""


@dataclass(frozen=True)
class Case:
    """One question and its answer."""

    name: str
    policy: str
    backend: str
    now: datetime
    want: dict[str, Any]
    operation: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    token: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def policy_text(self) -> str:
        return (ROOT / self.policy).read_text("utf-8")

    @property
    def instant(self) -> float:
        return self.now.timestamp()

    @property
    def method(self) -> str:
        return str(self.request.get("method", "POST"))

    @property
    def target(self) -> str:
        return str(self.request.get("target", "/"))

    def fields(self, mint: TokenMint) -> list[tuple[str, str]]:
        """The header fields of the request, token included, in the place where this backend's SDK puts it."""
        rekognition = self.backend == "aws-rekognition"
        fields = []
        if rekognition:
            fields.append(("Content-Type", "application/x-amz-json-1.1"))
            fields.append(("X-Amz-Target", f"RekognitionService.{self.operation}"))
        fields += list(self.request.get("headers", {}).items())
        if not self.token.get("absent"):
            token = self.mint_token(mint)
            fields.append(
                ("X-Amz-Security-Token", token) if rekognition else ("Authorization", f"Bearer {token}")
            )
        return fields

    def mint_token(self, mint: TokenMint) -> str:
        mint.clock = lambda: self.instant
        if self.token.get("forged"):
            mint = TokenMint(mint.issuer, mint.audience, kid=mint.kid, clock=mint.clock)
        claims = {"org_id": "org-1", **self.claims}
        return mint.token(**claims, expires_in=self.token.get("expires_in", 300))


def load() -> list[Case]:
    """Every case of every file."""
    cases = []
    for path in sorted((HERE / "cases").glob("*.yaml")):
        document = yaml.safe_load(path.read_text("utf-8"))
        defaults = {"policy": document["policy"], "backend": document["backend"]}
        cases += [Case(**(defaults | case)) for case in document["cases"]]
    return cases
