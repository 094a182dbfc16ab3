"""`moratorium bundle`: sign policy files for distribution, check a bundle, or look into one."""

import argparse
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from proxy.authn.detached import parse_signing_keys
from proxy.cli.output import add_output, print_facts, print_json
from proxy.distribution.bundle import Bundle, make, read, read_unverified
from proxy.errors import KeySetInvalid, PolicyError, SettingsError, SignatureInvalid
from proxy.policy.document import build, parse
from proxy.policy.instants import format_instant
from proxy.policy.model import Policy


def arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    sign = what.add_parser("sign", help="sign policy files as one bundle")
    sign.add_argument("--key", type=Path, required=True, help="private key: PEM, Ed25519, P-256 or RSA")
    sign.add_argument("--serial", type=int, required=True, help="must be greater than any published before")
    sign.add_argument("--kid", help="the key's id, needed when a JWK set with several keys verifies")
    sign.add_argument("--published", metavar="WHEN", help="RFC 3339; default: now")
    sign.add_argument("--out", type=Path, metavar="FILE", help="default: standard output")
    sign.add_argument("files", type=Path, nargs="+", metavar="POLICY", help="policy files (TOML)")
    verify = what.add_parser("verify", help="check signature, form and policy of a bundle")
    verify.add_argument("--key", type=Path, required=True, help="public keys: PEM or JWK set")
    show = what.add_parser("show", help="print what is in a bundle; verifies nothing")
    for sub in (verify, show):
        add_output(sub)
        sub.add_argument("bundle", type=Path, metavar="BUNDLE")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    timezone = env.get("MORATORIUM_TIMEZONE") or "UTC"
    match args.what:
        case "sign":
            return _sign(args, timezone)
        case "verify":
            return _verify(args, timezone)
        case _:
            return _show(args)


def _sign(args: argparse.Namespace, timezone: str) -> int:
    files: dict[str, str] = {}
    for path in args.files:
        if path.name in files:
            raise SettingsError([f"{path}: two files are called {path.name}"])
        files[path.name] = _read(path)
    policy = _policy(files, timezone)
    try:
        published = args.published or format_instant(int(time.time()))
        bundle = make(args.serial, published, files, args.key.read_bytes(), args.kid)
    except OSError as error:
        raise SettingsError([f"--key: {args.key}: {error.strerror}"]) from None
    except KeySetInvalid as error:
        raise SettingsError([f"--key: {args.key}: {error.why}"]) from None
    except SignatureInvalid as error:
        raise SettingsError([f"not signed: {error.why}"]) from None
    if args.out is None:
        sys.stdout.write(bundle.content.decode())
    else:
        args.out.write_bytes(bundle.content)
    print(f"moratorium: signed serial {bundle.serial}, revision {policy.revision[:12]}", file=sys.stderr)
    return 0


def _verify(args: argparse.Namespace, timezone: str) -> int:
    try:
        keys = parse_signing_keys(args.key.read_bytes())
    except (OSError, KeySetInvalid) as error:
        raise SettingsError([f"--key: {args.key}: {getattr(error, 'strerror', None) or error}"]) from None
    try:
        bundle = read(_bytes(args.bundle), keys)
    except SignatureInvalid as error:
        print(f"moratorium: {args.bundle}: {error.why}", file=sys.stderr)
        return 1
    policy = _policy(bundle.files, timezone)
    facts = {**_facts(bundle), "revision": policy.revision, "moratoria": [m.id for m in policy.moratoria]}
    _print(args, facts)
    return 0


def _show(args: argparse.Namespace) -> int:
    try:
        bundle = read_unverified(_bytes(args.bundle))
    except SignatureInvalid as error:
        print(f"moratorium: {args.bundle}: {error.why}", file=sys.stderr)
        return 1
    if args.output == "json":
        print_json({**_facts(bundle), "texts": dict(bundle.files)})
        return 0
    print_facts([(name, _words(value)) for name, value in _facts(bundle).items()])
    for name, text in sorted(bundle.files.items()):
        print(f"\n# ---- {name}\n{text}", end="" if text.endswith("\n") else "\n")
    return 0


def _policy(files: Mapping[str, str], timezone: str) -> Policy:
    """As a proxy would read them. Raises `PolicyError` with what is wrong in any of them."""
    sources, problems = [], []
    for name in sorted(files):
        try:
            sources.append(parse(files[name], name))
        except PolicyError as error:
            problems += error.problems
    if problems:
        raise PolicyError(problems)
    return build(*sources, timezone=timezone)


def _facts(bundle: Bundle) -> dict[str, object]:
    return {"serial": bundle.serial, "published": bundle.published, "files": sorted(bundle.files)}


def _print(args: argparse.Namespace, facts: dict[str, object]) -> None:
    if args.output == "json":
        print_json(facts)
    else:
        print_facts([(name, _words(value)) for name, value in facts.items()])


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError([f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"]) from None


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError([f"{path}: {error.strerror}"]) from None
