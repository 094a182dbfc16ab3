"""`moratorium token`: mint a test token with a development key, which is made if it is not there."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from proxy.errors import SettingsError
from proxy.testing import TokenMint


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("org_type", help="organisation type, or several with commas: police")
    parser.add_argument("--org-id", default="org-1")
    parser.add_argument("--purpose", help="missing-persons, criminal-investigation, ...")
    parser.add_argument("--case-id")
    parser.add_argument("--issuer", help="default: MORATORIUM_JWT_ISSUER")
    parser.add_argument("--audience", help="default: the first of MORATORIUM_JWT_AUDIENCE")
    parser.add_argument("--seconds", type=float, default=3600, help="how long it is valid, default 3600")
    parser.add_argument(
        "--key",
        type=Path,
        default=Path("development-key.pem"),
        help="private key, default development-key.pem",
    )
    parser.add_argument("--jwks", type=Path, help="also write the public key as a JWK set to this file")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    mint = _mint(
        args.key,
        args.issuer or env.get("MORATORIUM_JWT_ISSUER") or "https://issuer.test",
        args.audience or env.get("MORATORIUM_JWT_AUDIENCE", "").partition(",")[0] or "face-api",
    )
    if args.jwks is not None:
        args.jwks.write_text(json.dumps(mint.jwks(), indent=2) + "\n", "utf-8")
    types = args.org_type.split(",")
    token = mint.token(
        types if len(types) > 1 else types[0],
        args.org_id,
        expires_in=args.seconds,
        purpose=args.purpose,
        case_id=args.case_id,
    )
    print(token)
    return 0


def _mint(path: Path, issuer: str, audience: str) -> TokenMint:
    if path.exists():
        try:
            return TokenMint.from_pem(path.read_bytes(), issuer=issuer, audience=audience)
        except (ValueError, OSError) as error:
            raise SettingsError([f"--key: {path}: {error}"]) from None
    mint = TokenMint(issuer, audience)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(mint.private_pem())
    print(f"moratorium: made a development key, {path}: never trust it in production", file=sys.stderr)
    return mint
