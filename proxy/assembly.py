"""From settings to parts: policy, trust, keys, rules. Reads the files that settings name."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import cast

from proxy.authn.cache import TokenCache
from proxy.authn.claims import ClaimPaths
from proxy.authn.keys import FileKeys, KeySource, RemoteKeys
from proxy.authn.verifier import Trust
from proxy.backends.base import Backend
from proxy.backends.registry import make_backend
from proxy.errors import PolicyError, SettingsError
from proxy.pipeline import Rules
from proxy.policy.document import build, parse
from proxy.policy.model import Mode, Policy
from proxy.policy.shorthand import document_of
from proxy.relay.limits import Limits
from proxy.rescue import Manners
from proxy.settings import Settings


def make_policy(settings: Settings) -> Policy:
    """The policy from its file or from the shorthand.

    Raises `PolicyError`.
    """
    if settings.policy_file is not None:
        source = str(settings.policy_file)
        document = parse(_read(settings.policy_file), source)
    else:
        source = "MORATORIUM_*"
        document = document_of(
            blocked_org_types=settings.blocked_org_types or (),
            blocked_operations=settings.blocked_operations,
            start=settings.start,
            end=settings.end,
            org_types=settings.org_types,
            exempt_purposes=settings.exempt_purposes,
            exempt_orgs=settings.exempt_orgs,
        )
    policy = build(
        document,
        source,
        mode=Mode(settings.mode),
        unknown_operation="allow" if settings.unknown_operation == "allow" else "refuse",
        timezone=settings.timezone,
    )
    if settings.backend == "generic" and not policy.routes:
        raise PolicyError(
            [f"{source}: the generic backend needs [[route]] tables: it knows no operation itself"]
        )
    if settings.backend != "generic" and policy.routes:
        raise PolicyError([f"{source}: [[route]] tables are for the generic backend, not {settings.backend}"])
    return policy


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8 text"
        raise PolicyError([f"{path}: {why}"]) from None


def make_rules(settings: Settings, policy: Policy) -> Rules:
    """Everything that decisions depend on, with an empty token cache."""
    trust = Trust(
        issuer=settings.jwt_issuer,
        audiences=frozenset(settings.jwt_audience),
        algorithms=frozenset(settings.jwt_algorithms),
        leeway=settings.jwt_leeway,
        claims=ClaimPaths(
            org_type=settings.jwt_org_type_claim,
            org_id=settings.jwt_org_id_claim,
            purpose=settings.jwt_purpose_claim,
            case_id=settings.jwt_case_claim,
        ),
    )
    backend = make_backend(settings.backend, policy.routes)
    if settings.forward_headers:
        backend.forwards |= {name.lower().encode() for name in settings.forward_headers}
        backend.forwards -= _never_forwarded(backend)
    return Rules(backend, policy, trust, TokenCache(settings.token_cache_size))


def _never_forwarded(backend: Backend) -> frozenset[bytes]:
    """No setting can make the caller's credential or the framing go upstream as it came."""
    slots = {slot.header for slot in backend.slots}
    return frozenset(slots | {b"host", b"content-length", b"transfer-encoding", b"connection", b"expect"})


def make_keys(settings: Settings, clock: Callable[[], float]) -> KeySource:
    """The issuer's keys, not yet fetched."""
    if settings.jwt_key_file is not None:
        return FileKeys(settings.jwt_issuer, settings.jwt_key_file, clock)
    return RemoteKeys(settings.jwt_issuer, cast("str", settings.jwt_jwks_url), clock)


def make_limits(settings: Settings) -> Limits:
    return Limits(
        head_bytes=settings.max_head_bytes,
        body_bytes=settings.max_body_bytes,
        connections=settings.max_connections,
        head_seconds=settings.head_seconds,
        idle_seconds=settings.idle_seconds,
        body_seconds=settings.body_seconds,
        body_rate=settings.min_body_rate,
        response_seconds=settings.response_seconds,
        tunnel_idle_seconds=settings.tunnel_idle_seconds,
    )


def make_manners(settings: Settings) -> Manners:
    return Manners(settings.block_status, settings.operator_url or "")


def make_tls(settings: Settings) -> ssl.SSLContext | None:
    """For an https upstream: system authorities or the given ones, TLS 1.2 and up, names checked.

    Raises `SettingsError`.
    """
    if settings.upstream.scheme != "https":
        return None
    try:
        context = ssl.create_default_context(cafile=settings.upstream_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError([f"MORATORIUM_UPSTREAM_CA_FILE: {settings.upstream_ca_file}: {error}"]) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
