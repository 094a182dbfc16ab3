"""`moratorium check`: everything `serve` would need, without serving; every problem at once."""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping

from proxy.assembly.files import texts_of
from proxy.assembly.identity import make_keys
from proxy.assembly.parts import make_tls
from proxy.assembly.policy import make_policy
from proxy.audit.sink import Sink
from proxy.cli.output import add_output, print_json, print_table
from proxy.errors import ConfigurationError, KeysUnavailable, PolicyError
from proxy.policy.instants import format_instant
from proxy.settings import read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    parser.add_argument("--offline", action="store_true", help="do not fetch the issuer's keys")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    settings = read_settings(env)
    findings: list[tuple[str, str, str]] = []
    code = 0
    try:
        policy = make_policy(settings, texts_of(settings))
        findings.append(
            ("policy", "ok", f"{len(policy.moratoria)} moratoria, revision {policy.revision[:12]}")
        )
    except PolicyError as error:
        findings += [("policy", "wrong", problem) for problem in error.problems]
        code = 3
    keys = make_keys(settings, time.time)
    if args.offline and settings.jwt_jwks_url:
        findings.append(("keys", "skipped", "offline"))
    else:
        try:
            asyncio.run(keys.refresh())
            findings.append(("keys", "ok", f"{len(keys.keys.keys)} usable keys of {keys.issuer}"))
        except KeysUnavailable as error:
            findings.append(("keys", "wrong", error.why))
            code = code or 2
    try:
        tls = make_tls(settings)
        findings.append(("upstream", "ok", f"{settings.upstream.authority} as {settings.backend}"))
        if tls.certificate_ends is not None:
            ended = tls.certificate_ends <= time.time()
            end = format_instant(tls.certificate_ends)
            findings.append(("tls", "wrong" if ended else "ok", f"certificate valid until {end}"))
            code = code or (2 if ended else 0)
    except ConfigurationError as error:
        findings += [("tls", "wrong", problem) for problem in error.problems]
        code = code or 2
    fault = Sink(settings.audit_file).writable()
    findings.append(("audit", "wrong" if fault else "ok", fault or settings.audit_file))
    code = code or (2 if fault else 0)
    if args.output == "json":
        print_json([{"part": part, "state": state, "says": says} for part, state, says in findings])
    else:
        print_table(("part", "state", "says"), findings)
        if code:
            print("moratorium: not ready to serve", file=sys.stderr)
    return code
