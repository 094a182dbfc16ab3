"""Keys and tokens of a benchmark run. All of them are made here and good for nothing else."""

import json
import os
import secrets
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

ISSUER = "https://issuer.test"
AUDIENCE = "face-api"
KEY_ID = "bench"
LIFETIME = 24 * 3600
LEFT_AT_LEAST = 2 * 3600


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sign(key: rsa.RSAPrivateKey, org_type: str = "commercial", **claims: Any) -> str:
    """A token that no other is like; `claims` replace the usual ones."""
    now = int(time.time())
    usual = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "caller",
        "jti": secrets.token_hex(8),
        "iat": now,
        "exp": now + LIFETIME,
        "org_type": org_type,
        "org_id": "org-1",
    }
    return jwt.encode({**usual, **claims}, key, algorithm="RS256", headers={"kid": KEY_ID})


@dataclass(frozen=True)
class Credentials:
    """Files that targets and load generator read, and tokens for the checks before a run."""

    jwks_file: Path
    key_file: Path
    allowed_file: Path
    police_file: Path
    fresh_file: Path
    allowed: str
    police: str
    refused: dict[str, str]


def make_credentials(folder: Path, fresh: int) -> Credentials:
    """Make a key and tokens in `folder`, or take those of an earlier run that are still good."""
    folder.mkdir(parents=True, exist_ok=True)
    key = _key(folder)
    jwks_file, key_file = folder / "jwks.json", folder / "public.pem"
    public = key.public_key()
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
    jwk.pop("key_ops", None)
    jwks_file.write_text(json.dumps({"keys": [{**jwk, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]}))
    key_file.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    allowed = sign(key)
    police = sign(key, "police")
    (folder / "allowed.txt").write_text(allowed)
    (folder / "police.txt").write_text(police)
    return Credentials(
        jwks_file=jwks_file,
        key_file=key_file,
        allowed_file=folder / "allowed.txt",
        police_file=folder / "police.txt",
        fresh_file=_fresh(folder, fresh),
        allowed=allowed,
        police=police,
        refused={
            "an expired token": sign(key, exp=int(time.time()) - 3600),
            "a forged token": sign(new_key()),
            "a token for another audience": sign(key, aud="other"),
            "a token of another issuer": sign(key, iss="https://other.test"),
            "an unsigned token": ".".join(allowed.split(".")[:2]) + ".",
        },
    )


def _key(folder: Path) -> rsa.RSAPrivateKey:
    file = folder / "private.pem"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    key = load_pem_private_key(file.read_bytes(), password=None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{file} holds another kind of key")
    return key


def _fresh(folder: Path, count: int) -> Path:
    """A file of `count` tokens, no two alike. Signing takes a while, so a file is used for some hours."""
    file = folder / f"fresh-{count}.txt"
    if file.exists() and time.time() - file.stat().st_mtime < LIFETIME - LEFT_AT_LEAST:
        return file
    for old in folder.glob("fresh-*.txt"):
        old.unlink()
    workers = os.cpu_count() or 1
    shares = [count // workers + (i < count % workers) for i in range(workers)]
    with ProcessPoolExecutor(workers) as pool:
        parts = list(pool.map(_sign, [folder] * workers, shares))
    tokens = [token for part in parts for token in part]
    if len(set(tokens)) != count:
        raise RuntimeError("the same token was minted twice")
    file.write_text("\n".join(tokens) + "\n")
    return file


def _sign(folder: Path, count: int) -> list[str]:
    key = _key(folder)
    return [sign(key) for _ in range(count)]
