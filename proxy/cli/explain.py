"""`moratorium explain`: one decision for any caller, operation and instant, and why.

Asks the functions that the proxy asks: nothing is decided here.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from proxy.assembly.files import texts_of
from proxy.assembly.identity import make_keys, make_rules
from proxy.assembly.policy import make_policy
from proxy.authn.claims import ClaimPaths, caller_of
from proxy.authn.verifier import NeedKey, verify
from proxy.backends.base import Backend
from proxy.backends.registry import NAMES, make_backend
from proxy.cli.output import add_output, print_facts, print_json, print_table
from proxy.errors import PolicyError, SettingsError
from proxy.pipeline import refused
from proxy.policy.callers import FOREVER, Caller, Instant
from proxy.policy.complaints import nearest
from proxy.policy.document import build, parse
from proxy.policy.engine import bound_by, decide, judge
from proxy.policy.instants import format_instant, parse_instant
from proxy.policy.model import Policy, Refusal, Verdict
from proxy.policy.operations import COVERABLE, Operation, OperationClass, operation
from proxy.policy.reasons import MEANINGS, Decision, Reason
from proxy.relay.framing import parse_request
from proxy.rescue import Manners, status_of
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
    parser.add_argument("--policy", type=Path, metavar="FILE", help="a policy file instead of the settings'")
    parser.add_argument("--backend", choices=NAMES, help="default: the settings', else aws-rekognition")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    policy = read_policy(args.policy, env)
    name = args.backend or env.get("MORATORIUM_BACKEND") or "aws-rekognition"
    backend = make_backend(name, policy.routes)
    now = _instant(args.at, env.get("MORATORIUM_TIMEZONE", "UTC"))
    caller = _from_token(args.token, env, policy, now) if args.token else _from_claims(args.claims, policy)
    what = _operation(args.operation, backend) if args.operation else _from_request(args.request, backend)
    if isinstance(caller, Refusal):
        verdict = refused(caller, now)
    elif isinstance(what, Refusal):
        verdict = refused(what, now, caller)
    else:
        verdict = decide(caller, what, policy, now)
    report = _report(verdict, policy, now)
    if args.output == "json":
        print_json(report)
    else:
        _show(report)
    return 0 if verdict.decision is Decision.ALLOWED else 1


def read_policy(path: Path | None, env: Mapping[str, str]) -> Policy:
    """The policy from a file, or from the settings."""
    if path is None:
        settings = read_settings(env)
        return make_policy(settings, texts_of(settings))
    try:
        return build(parse(path.read_text("utf-8"), str(path)))
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError([f"{path}: {getattr(error, 'strerror', None) or 'not UTF-8 text'}"]) from None


def _instant(text: str | None, timezone: str) -> Instant:
    if text is None:
        return time.time()
    try:
        return parse_instant(text, ZoneInfo(timezone))
    except ValueError as error:
        raise SettingsError([f"--at: {error}"]) from None


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
    keys = make_keys(settings, lambda: now)
    asyncio.run(keys.refresh())
    trust = make_rules(settings, policy).trust
    outcome = verify(token.encode(), trust, keys.keys, policy, now)
    return Refusal(Reason.TOKEN_KEY_UNKNOWN) if isinstance(outcome, NeedKey) else outcome


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
    # People save requests with the line ends of their editor; the wire has CRLF.
    lines = raw.replace(b"\r\n", b"\n").partition(b"\n\n")[0].rstrip(b"\n").split(b"\n")
    head = parse_request(b"\r\n".join(lines) + b"\r\n\r\n")
    return head if isinstance(head, Refusal) else backend.classify(head)


def _report(verdict: Verdict, policy: Policy, now: Instant) -> dict[str, Any]:
    """Everything there is to say, as plain values."""
    rule, caller, what = verdict.rule, verdict.caller, verdict.operation
    status = status_of(verdict.reason, Manners())
    findings = []
    if caller is not None and what is not None:
        for moratorium in policy.moratoria:
            bound = bound_by(moratorium.binds, caller.principals())
            finding = judge(moratorium, caller, bound, what, policy.mode, now)
            findings.append(
                {
                    "moratorium": moratorium.id,
                    "says": finding.reason,
                    "exemption": finding.exemption and finding.exemption.id,
                }
            )
    return {
        "at": format_instant(now),
        "decision": verdict.decision,
        "reason": verdict.reason,
        "says": " ".join(filter(None, (MEANINGS[verdict.reason].says, verdict.detail))),
        "status": status if verdict.decision is not Decision.ALLOWED else "the face API's own",
        "rule": rule.id if rule else None,
        "title": rule.title if rule else None,
        "authority": rule.authority.name if rule else None,
        "source": rule.authority.url if rule else None,
        "exemption": verdict.exemption,
        "until": _time(verdict.until) if rule else None,
        "holds_until": _time(verdict.holds_until),
        "org_types": list(caller.org_types) if caller else None,
        "operation": what.name if what else None,
        "classes": sorted(what.classes) if what else None,
        "policy": policy.revision,
        "moratoria": findings,
    }


def _time(instant: Instant | None) -> str | None:
    if instant is None:
        return None
    return "for ever" if instant == FOREVER else format_instant(instant)


def _show(report: dict[str, Any]) -> None:
    rows = []
    for key, value in report.items():
        if key != "moratoria" and value is not None and value != "":
            rows.append((key, ", ".join(value) if isinstance(value, list) else str(value)))
    print_facts(rows)
    if report["moratoria"]:
        print()
        print_table(
            ("moratorium", "says", "exemption"),
            [(f["moratorium"], f["says"], f["exemption"] or "") for f in report["moratoria"]],
        )
