"""From settings to parts: policy, trust, keys, rules. Reads the files that settings name."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

from proxy.authn.cache import TokenCache
from proxy.authn.claims import ClaimPaths
from proxy.authn.keys import FileKeys, KeySource, RemoteKeys
from proxy.authn.verifier import Trust
from proxy.backends.registry import make_backend
from proxy.errors import PolicyError, SettingsError
from proxy.pipeline import Rules
from proxy.policy.document import build, parse
from proxy.policy.model import Mode, Policy
from proxy.policy.shorthand import document_of
from proxy.relay.limits import Limits
from proxy.relay.tls import Identity, client_context, server_context
from proxy.rescue import Manners
from proxy.settings import Settings


def policy_text(settings: Settings) -> str | None:
    """What stands in the policy file now; None when there is none to read.

    Raises `PolicyError`.
    """
    return _read(settings.policy_file) if settings.policy_file is not None else None


def files_of(settings: Settings) -> list[Path]:
    """The files whose change calls for a reload."""
    files = (
        settings.policy_file,
        settings.jwt_key_file,
        settings.tls_cert_file,
        settings.tls_key_file,
        settings.tls_client_ca_file,
        settings.upstream_ca_file,
        settings.upstream_client_cert_file,
        settings.upstream_client_key_file,
    )
    return [file for file in files if file is not None]


def make_policy(settings: Settings, text: str | None = None) -> Policy:
    """The policy from its file or from the shorthand. `text` is the file's content, if it was read before.

    Raises `PolicyError`.
    """
    if settings.policy_file is not None:
        source = str(settings.policy_file)
        document = parse(_read(settings.policy_file) if text is None else text, source)
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
    return Rules(backend, policy, trust, TokenCache(settings.token_cache_size))


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


class Tls(NamedTuple):
    """TLS with the face API and with clients, where it is spoken; and when our certificate ends."""

    upstream: ssl.SSLContext | None
    clients: ssl.SSLContext | None
    certificate_ends: float | None


def make_tls(settings: Settings) -> Tls:
    """Read certificates, keys and authorities.

    Raises `SettingsError` with everything that is wrong with them.
    """
    upstream = clients = ends = None
    problems: list[str] = []
    if settings.upstream.scheme == "https":
        shown = _identity(
            "MORATORIUM_UPSTREAM_CLIENT_CERT_FILE",
            settings.upstream_client_cert_file,
            settings.upstream_client_key_file,
        )
        try:
            upstream = client_context(settings.upstream_ca_file, settings.upstream_tls_min_version, shown)
        except SettingsError as error:
            problems += error.problems
    ours = _identity("MORATORIUM_TLS_CERT_FILE", settings.tls_cert_file, settings.tls_key_file)
    if ours is not None:
        try:
            clients = server_context(ours, settings.tls_client_ca_file)
            ends = ours.ends_at()
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(problems)
    return Tls(upstream, clients, ends)


def _identity(setting: str, certificate: Path | None, key: Path | None) -> Identity | None:
    return Identity(certificate, key, setting) if certificate is not None and key is not None else None
