"""`moratorium check`: everything `serve` would need, without serving; every problem at once."""

import argparse
import asyncio
import sys
import time
from collections.abc import Mapping

from proxy.assembly.audit import make_signer
from proxy.assembly.credentials import check_upstream
from proxy.assembly.distribution import bundle_keys, make_address
from proxy.assembly.files import Texts, identity_texts_of, standing_texts_of, texts_of
from proxy.assembly.identity import make_identity, make_keys
from proxy.assembly.parts import make_tls
from proxy.assembly.policy import no_policy, policy_at_hand, sources_of
from proxy.assembly.standing import describe, make_standing
from proxy.audit.sink import Sink
from proxy.authn.keyring import KeyRing
from proxy.backends.registry import make_backend
from proxy.cli.output import add_output, print_json, print_table
from proxy.distribution.bundle import Bundle, read
from proxy.errors import ConfigurationError, PolicyError, PolicyRefused, SettingsError, SignatureInvalid
from proxy.policy.complaints import nearest
from proxy.policy.instants import format_instant
from proxy.policy.model import Policy
from proxy.policy.warnings import Surroundings, warnings_of
from proxy.settings import Settings, read_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    add_output(parser)
    parser.add_argument(
        "--offline", action="store_true", help="do not fetch the issuer's keys, nor a policy from its address"
    )


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    settings = read_settings(env)
    findings: list[tuple[str, str, str]] = []
    code, policy = 0, no_policy(settings)
    if args.offline and settings.policy_url:
        findings.append(("policy", "skipped", "offline"))
    else:
        found, code, policy, texts = _policy(settings)
        findings += [("policy", "wrong" if code else "ok", line) for line in found]
        findings += _warnings(settings, policy, texts)
    found_standing = _standing(settings, policy)
    findings += found_standing
    code = code or (3 if any(state == "wrong" for _, state, _ in found_standing) else 0)
    found_keys = _keys(settings, policy, offline=args.offline)
    findings += found_keys
    code = code or (2 if any(state == "wrong" for _, state, _ in found_keys) else 0)
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
    found_credential = check_upstream(settings, time.time, offline=args.offline)
    findings += found_credential
    code = code or (2 if any(state == "wrong" for _, state, _ in found_credential) else 0)
    make_signer(settings)
    findings += _limits(settings)
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


def _policy(settings: Settings) -> tuple[list[str], int, Policy, Texts]:
    """What there is to say of the policy, the exit code, the policy itself, and what it was read from."""
    nothing: Texts = {}
    try:
        bundle = asyncio.run(_bundle(settings)) if settings.policy_url else None
        policy = policy_at_hand(settings, bundle)
        texts = bundle.files if bundle is not None else texts_of(settings)
    except PolicyError as error:
        return error.problems, 3, no_policy(settings), nothing
    except ConfigurationError as error:
        return error.problems, 2, no_policy(settings), nothing
    except (PolicyRefused, SignatureInvalid) as error:
        return [error.why], 2, no_policy(settings), nothing
    serial = f"serial {policy.serial}, " if policy.serial else ""
    says = f"{len(policy.moratoria)} moratoria, {serial}revision {policy.revision[:12]}"
    return [says], 0, policy, texts


def _warnings(settings: Settings, policy: Policy, texts: Texts) -> list[tuple[str, str, str]]:
    """What is right in the policy and yet probably not meant."""
    if not policy.known:
        return []
    backend = make_backend(settings.backend, policy.routes)
    try:
        trusts = make_identity(settings, identity_texts_of(settings)).trusts.values()
        said = [trust.org_types for trust in trusts if trust.org_types is not None]
        asserted = frozenset().union(*said) if len(said) == len(trusts) else None
    except SettingsError:
        asserted = None
    around = Surroundings(settings.backend, backend.operations(), asserted)
    found = warnings_of(sources_of(settings, texts), time.time(), settings.timezone, around)
    return [("policy", "warning", str(warned)) for warned in found]


def _limits(settings: Settings) -> list[tuple[str, str, str]]:
    """Limits of which one makes the other useless."""
    if settings.max_buffered_bytes >= settings.max_body_bytes:
        return []
    says = (
        "MORATORIUM_MAX_BUFFERED_BYTES is less than MORATORIUM_MAX_BODY_BYTES: "
        "a large body that has to be read before its call goes on never finds room"
    )
    return [("limits", "warning", says)]


def _standing(settings: Settings, policy: Policy) -> list[tuple[str, str, str]]:
    """What there is to say of the registry and of the revocations."""
    try:
        standing = make_standing(settings, policy, standing_texts_of(settings))
    except PolicyError as error:
        return [("standing", "wrong", problem) for problem in error.problems]
    try:
        identity = make_identity(settings, identity_texts_of(settings))
        issuers = frozenset(identity.trusts)
    except SettingsError:
        issuers = standing.revoked.issuers()  # which of them are ours is not known
    return describe(standing, settings, issuers, time.time())


async def _bundle(settings: Settings) -> Bundle:
    keys, answer = bundle_keys(settings), await make_address(settings).get(None)
    assert answer is not None  # noqa: S101  (nothing was said to be at hand)
    return read(answer.content, keys)


def _keys(settings: Settings, policy: Policy, *, offline: bool) -> list[tuple[str, str, str]]:
    """What there is to say of each issuer's keys."""
    try:
        identity = make_identity(settings, identity_texts_of(settings))
    except SettingsError as error:
        return [("keys", "wrong", problem) for problem in error.problems]
    ring = make_keys(settings, identity, time.time)
    far = {issuer.trust.issuer for issuer in identity.issuers if issuer.key_file is None}
    asked = {name: source for name, source in ring.sources.items() if not (offline and name in far)}
    faults = asyncio.run(KeyRing(asked.values()).refresh())
    why = {fault.issuer: fault.why for fault in faults}
    findings = []
    for name, source in ring.sources.items():
        if name not in asked:
            findings.append(("keys", "skipped", f"offline: {name}"))
        elif name in why:
            findings.append(("keys", "wrong", f"{name}: {why[name]}"))
        else:
            findings.append(("keys", "ok", f"{len(source.held.keys.keys)} usable keys of {name}"))
    for name, trust in identity.trusts.items():
        for org_type in sorted((trust.org_types or frozenset()) - policy.org_types) if policy.known else ():
            says = f"{name}: no policy knows {org_type!r}{nearest(org_type, policy.org_types)}"
            findings.append(("org_types", "warning", says))
    return findings
