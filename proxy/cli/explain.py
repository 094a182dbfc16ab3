"""`moratorium explain`: one decision for any caller, operation and instant, and why.

Asks the functions that the proxy asks: nothing is decided here.
"""

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from proxy.assembly.files import identity_texts_of, standing_texts_of
from proxy.assembly.identity import make_identity, make_keys
from proxy.assembly.standing import make_standing
from proxy.authn.claims import ClaimPaths, caller_of
from proxy.authn.verifier import NeedKey, verify
from proxy.backends.base import Backend, Sketch
from proxy.backends.registry import NAMES, make_backend
from proxy.cli.explained import report_of, show
from proxy.cli.output import add_output, print_json
from proxy.cli.policies import add_policy, read
from proxy.errors import SettingsError
from proxy.pipeline import refused
from proxy.policy.callers import FOREVER, Caller, Instant
from proxy.policy.complaints import nearest
from proxy.policy.explain import explain
from proxy.policy.instants import format_instant
from proxy.policy.model import Policy, Refusal
from proxy.policy.operations import COVERABLE, Operation, OperationClass, operation
from proxy.policy.reasons import Decision, Reason
from proxy.relay.framing import parse_request
from proxy.settings import read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--claims", metavar="JSON", help='claims taken as verified: \'{"org_type":"police"}\'')
    who.add_argument(
        "--token", metavar="JWT", help="a token, verified with the settings' keys; @FILE reads it"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--operation", metavar="NAME", help="CompareFaces, or classes such as compare,detect")
    what.add_argument("--request", type=Path, metavar="FILE", help="a raw HTTP request head")
    parser.add_argument("--at", metavar="WHEN", help="date or time; default: now")
    add_policy(parser)
    parser.add_argument("--backend", choices=NAMES, help="default: the settings', else aws-rekognition")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    name = args.backend or env.get("MORATORIUM_BACKEND") or "aws-rekognition"
    reading = read(args, env, name)
    policy = reading.policy
    backend = make_backend(name, policy.routes)
    now = reading.instant("--at", args.at)
    caller = _from_token(args.token, env, policy, now) if args.token else _from_claims(args.claims, policy)
    what = _operation(args.operation, backend) if args.operation else _from_request(args.request, backend)
    explanation = None
    if isinstance(caller, Refusal):
        verdict = refused(caller, now)
    elif isinstance(what, Refusal):
        verdict = refused(what, now, caller)
    else:
        explanation = explain(caller, what, policy, now, reading.known_at)
        verdict = explanation.verdict
    report = report_of(verdict, explanation, policy, now)
    if reading.known_at < FOREVER:
        report["known_at"] = format_instant(reading.known_at)
    report["about_other_backends"] = list(reading.elsewhere)
    if args.output == "json":
        print_json(report)
    else:
        show(report, explanation, Console(width=None if sys.stdout.isatty() else 160, highlight=False))
    return 0 if verdict.decision is Decision.ALLOWED else 1


def _from_claims(text: str, policy: Policy) -> Caller | Refusal:
    try:
        claims = json.loads(text)
    except ValueError:
        raise SettingsError(["--claims: not JSON"]) from None
    if not isinstance(claims, dict):
        raise SettingsError(["--claims: a JSON object is expected"])
    return caller_of(claims, ClaimPaths(), policy, str(claims.get("iss", "(claims)")), FOREVER)


def _from_token(text: str, env: Mapping[str, str], policy: Policy, now: Instant) -> Caller | Refusal:
    token = Path(text[1:]).read_text("utf-8").strip() if text.startswith("@") else text
    settings = read_settings(env)
    identity = make_identity(settings, identity_texts_of(settings))
    keys = make_keys(settings, identity, lambda: now)
    faults = {fault.issuer: fault for fault in asyncio.run(keys.refresh())}
    standing = make_standing(settings, policy, standing_texts_of(settings))
    outcome = verify(token.encode(), identity.trusts, keys.view(now), policy, now, standing=standing)
    if isinstance(outcome, NeedKey):
        fault = faults.get(outcome.issuer)
        unknown = Refusal(Reason.TOKEN_KEY_UNKNOWN)
        return unknown if fault is None else Refusal(Reason.KEYS_UNAVAILABLE, f"{fault}.")
    return outcome


def _operation(text: str, backend: Backend) -> Operation | Refusal:
    for known in backend.operations():
        if known.name == text:
            return known
    classes = [name.strip() for name in text.split(",")]
    if all(name in COVERABLE for name in classes):
        return operation(text, *(OperationClass(name) for name in classes))
    names = [known.name for known in backend.operations()] + [str(name) for name in COVERABLE]
    raise SettingsError(
        [f"--operation: {text!r} is not in the table of {backend.name}{nearest(text, names)}"]
    )


def _from_request(path: Path, backend: Backend) -> Operation | Refusal:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SettingsError([f"--request: {path}: {error.strerror}"]) from None
    # People save requests with the line ends of their editor; the wire has CRLF. A body stays as it is.
    before, *after = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)
    lines = before.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    head, body = parse_request(b"\r\n".join(lines) + b"\r\n\r\n"), b"".join(after)
    if isinstance(head, Refusal):
        return head
    found = backend.classify(head)
    if isinstance(found, Sketch):
        return backend.read(head, body) if body else found.most
    return found
