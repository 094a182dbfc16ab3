"""Every setting with its type, default and help. Nothing about a setting is said anywhere else.

The field `jwt_issuer` is the variable `MORATORIUM_JWT_ISSUER`. A default is written as people would write
it; an empty one means "not set".
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.authn.keyset import SUPPORTED
from proxy.backends.registry import NAMES as BACKENDS
from proxy.credentials.secret import Secret
from proxy.policy.operations import COVERABLE
from proxy.policy.vocabulary import ORG_TYPES, PURPOSES
from proxy.settings import convert as c


def _set(group: str, default: str, read: Callable[[str], Any], text: str, *, required: bool = False) -> Any:
    value = read(default) if default else None
    metadata = {"group": group, "default": default, "read": read, "help": text, "required": required}
    return dataclasses.field(default_factory=lambda: value, metadata=metadata)


GROUPS = {
    "traffic": "Traffic",
    "tls": "TLS",
    "upstream": "The face API's own credential",
    "identity": "Who is calling",
    "policy": "What is forbidden, to whom, until when",
    "short": "One moratorium without a policy file",
    "proof": "Proof",
    "limits": "Limits and times",
    "process": "The process",
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, checked."""

    upstream: c.Origin = _set("traffic", "", c.origin, "The face API: scheme, host and port.", required=True)
    backend: str = _set(
        "traffic", "", c.choice(*BACKENDS), f"Its dialect: {', '.join(BACKENDS)}.", required=True
    )
    listen: c.Address = _set("traffic", "127.0.0.1:8080", c.address, "Where clients connect.")
    metrics_listen: c.Address = _set(
        "traffic", "127.0.0.1:9464", c.address, "Where /metrics, /healthz, /readyz and /startupz are served."
    )
    trusted_proxies: tuple[c.Network, ...] | None = _set(
        "traffic",
        "",
        c.networks,
        "Networks (CIDR) of proxies before this one; their X-Request-Id, traceparent, Forwarded, Via go on.",
    )
    forward_client_address: bool = _set(
        "traffic", "false", c.flag, "Tell the face API the callers' addresses (`Forwarded: for=`)."
    )
    forward_headers: tuple[str, ...] | None = _set(
        "traffic", "", c.names, "Request header fields that go upstream besides the backend's own list."
    )

    upstream_ca_file: Path | None = _set(
        "tls",
        "",
        c.path,
        "PEM file of the authorities that the face API's certificate is checked with; default: the system's.",
    )
    upstream_server_name: str | None = _set(
        "tls", "", c.text, "The name that the face API's certificate must have; default: the upstream's host."
    )
    upstream_tls_min_version: str = _set(
        "tls", "1.2", c.choice("1.2", "1.3"), "Oldest TLS version that is spoken with the face API."
    )
    upstream_client_cert_file: Path | None = _set(
        "tls", "", c.path, "PEM file of the certificate that is shown to the face API, with its chain."
    )
    upstream_client_key_file: Path | None = _set("tls", "", c.path, "PEM file of its key, not encrypted.")
    tls_cert_file: Path | None = _set(
        "tls", "", c.path, "PEM file of our certificate, with its chain. Clients then have to speak TLS."
    )
    tls_key_file: Path | None = _set("tls", "", c.path, "PEM file of its key, not encrypted.")
    tls_client_ca_file: Path | None = _set(
        "tls", "", c.path, "PEM file of authorities; clients then have to show a certificate by one of them."
    )

    upstream_auth: str | None = _set(
        "upstream",
        "",
        c.choice("none", "header", "bearer", "sigv4"),
        "What the face API is shown: docs/credentials.md. Unset: the backend's own kind, if there is a key.",
    )
    upstream_key: Secret | None = _set(
        "upstream", "", c.secret, "Its key or token. Better in a file, which others cannot read:"
    )
    upstream_key_file: Path | None = _set("upstream", "", c.path, "A file with nothing else in it.")
    upstream_keys_file: Path | None = _set(
        "upstream", "", c.path, "Or a TOML file with one key for each path prefix."
    )
    upstream_token_command: tuple[str, ...] | None = _set(
        "upstream", "", c.words, "Or a command that prints a token, run ahead of time and never in a shell."
    )
    upstream_token_seconds: float = _set(
        "upstream", "300", c.number(1, 86400), "How long a token is used whose end the command does not say."
    )
    upstream_header: str | None = _set(
        "upstream", "", c.field_name, "The field that a key stands in; default: the backend's own."
    )
    aws_region: str | None = _set(
        "upstream",
        "",
        c.text,
        "Region to sign for; default: the one in the upstream's name, or AWS's own settings.",
    )
    aws_service: str | None = _set("upstream", "", c.text, "Service to sign for; default: the backend's own.")
    aws_profile: str | None = _set("upstream", "", c.text, "Profile in AWS's own configuration files.")
    upstream_assertion_key_file: Path | None = _set(
        "upstream",
        "",
        c.path,
        "PEM private key (Ed25519, P-256); each call then tells in a signed token whose it is.",
    )
    upstream_assertion_header: str = _set(
        "upstream", "X-Moratorium-Assertion", c.field_name, "The field with that token."
    )
    upstream_assertion_issuer: str = _set("upstream", "moratorium", c.text, "Its issuer (`iss`).")
    admin_listen: c.Address = _set(
        "upstream",
        "127.0.0.1:8081",
        c.address,
        "Where /.well-known/jwks.json has the key for it; not opened without one.",
    )
    aws_credentials_listen: c.Address | None = _set(
        "upstream",
        "",
        c.address,
        "Where AWS SDKs on this machine fetch the caller's token as their session token; loopback only.",
    )
    aws_credentials_token_file: Path | None = _set(
        "upstream", "", c.path, "The file in which the platform keeps that token; read for each answer."
    )
    aws_credentials_authorization: Secret | None = _set(
        "upstream", "", c.secret, "What an SDK has to show for it (AWS_CONTAINER_AUTHORIZATION_TOKEN). Or:"
    )
    aws_credentials_authorization_file: Path | None = _set("upstream", "", c.path, "A file with it.")

    issuers_file: Path | None = _set(
        "identity", "", c.path, "Several issuers, each with its own keys (TOML): docs/identity.md. Or one:"
    )
    jwt_issuer: str | None = _set("identity", "", c.text, "The issuer (`iss`) of the callers' tokens.")
    jwt_audience: tuple[str, ...] | None = _set(
        "identity", "", c.names, "Accepted audiences (`aud`); any one will do."
    )
    jwt_jwks_url: str | None = _set("identity", "", c.url, "Where the issuer publishes its keys. Or:")
    jwt_key_file: Path | None = _set("identity", "", c.path, "A file with its public keys, PEM or JWK set.")
    jwt_algorithms: tuple[str, ...] = _set(
        "identity", "RS256,ES256,EdDSA", c.choices(SUPPORTED), "Accepted algorithms; asymmetric ones only."
    )
    jwt_token_types: tuple[str, ...] = _set(
        "identity", "JWT,at+jwt", c.names, "Accepted types (`typ`); `at+jwt` alone holds tokens to RFC 9068."
    )
    jwt_leeway: float = _set("identity", "30", c.number(0, 60), "Clock difference that is forgiven, seconds.")
    jwt_org_type_claim: str = _set(
        "identity", "org_type", c.text, "Dotted path of the organisation type: a string or a list."
    )
    jwt_org_id_claim: str = _set("identity", "org_id", c.text, "Dotted path of the organisation's id.")
    jwt_purpose_claim: str = _set("identity", "purpose", c.text, "Dotted path of the purpose.")
    jwt_case_claim: str = _set("identity", "case_id", c.text, "Dotted path of the case number.")
    registry_file: Path | None = _set(
        "identity", "", c.path, "Registry of organisations (TOML or JSON), see docs/standing.md."
    )
    revocations_file: Path | None = _set(
        "identity", "", c.path, "What is revoked, and who is suspended (TOML or JSON), see docs/standing.md."
    )
    jwt_stale_seconds: float = _set(
        "identity",
        "86400",
        c.number(60, 30 * 86400),
        "How long an issuer's old keys are used while it cannot be reached. After that, 503.",
    )
    insecure_jwks_http: bool = _set(
        "identity", "false", c.flag, "Fetch keys over plain http from another machine. For trials only."
    )

    policy_file: tuple[Path, ...] | None = _set(
        "policy", "", c.paths, "Policy files (TOML), see docs/policy.md; several hold together."
    )
    policy_url: str | None = _set(
        "policy", "", c.url, "Where signed policy bundles are published instead, see docs/distribution.md."
    )
    policy_key_file: Path | None = _set(
        "policy", "", c.path, "The public keys that may sign bundles, PEM or JWK set."
    )
    policy_poll_seconds: float = _set(
        "policy", "60", c.number(0.1, 86400), "How often the address is asked for a new bundle."
    )
    policy_max_age_seconds: float = _set(
        "policy",
        "0",
        c.number(0, 31_536_000),
        "Not ready when the address has confirmed the bundle for this long no more; 0: never mind.",
    )
    policy_store_file: Path | None = _set(
        "policy", "", c.path, "Where the last good bundle is kept, for a start while the address is down."
    )
    policy_ca_file: Path | None = _set(
        "policy",
        "",
        c.path,
        "PEM file of the authorities that the address's certificate is checked with; default: the system's.",
    )
    mode: str = _set(
        "policy",
        "enforce",
        c.choice("enforce", "shadow"),
        "`shadow` lets calls through and says what it would do.",
    )
    unknown_operation: str = _set(
        "policy",
        "refuse",
        c.choice("refuse", "allow"),
        "What happens to operations outside the backend's table, for callers that no moratorium binds.",
    )
    block_status: int | None = _set(
        "policy",
        "",
        c.whole(400, 499),
        "Status of a block: 451 or 403; default: the backend's preferred one.",
    )
    operator_url: str | None = _set(
        "policy", "", c.url, "Names you as the blocker in the answer (`Link: rel=blocked-by`, RFC 7725)."
    )
    timezone: str = _set("policy", "UTC", c.timezone, "Where dates without an offset are read.")
    media: str = _set(
        "policy",
        "any",
        c.choice("any", "inline-only"),
        "`inline-only` refuses calls that name their image by address, bucket or path, see docs/backends.md.",
    )

    start: str | None = _set("short", "", c.text, "In force from this date or time on; empty: since ever.")
    end: str | None = _set(
        "short", "", c.text, "No longer in force at this date or time; empty: until further notice."
    )
    blocked_org_types: tuple[str, ...] | None = _set(
        "short", "", c.names, "Organisation types that are bound. Sets the shorthand off."
    )
    blocked_operations: tuple[str, ...] | None = _set(
        "short",
        "",
        c.choices(COVERABLE),
        "Operation classes that are blocked; default compare,search,enroll,template.",
    )
    org_types: tuple[str, ...] | None = _set(
        "short", "", c.names, f"The closed set of organisation types; default {','.join(ORG_TYPES)}."
    )
    exempt_purposes: tuple[str, ...] | None = _set(
        "short", "", c.choices(PURPOSES), "Purposes that lift the block, with a case number in the token."
    )
    exempt_orgs: tuple[str, ...] | None = _set(
        "short", "", c.names, "Organisation ids that are exempt by name."
    )

    audit_file: str = _set(
        "proof",
        "-",
        c.text,
        "Where decision records are appended, one JSON object a line; `-` is standard output.",
    )
    audit_durability: str = _set(
        "proof",
        "written",
        c.choice("written", "synced"),
        "Before a call goes on its record is in the operating system, or (`synced`) on the disk.",
    )
    audit_outcomes: bool = _set("proof", "true", c.flag, "Record how each forwarded call ended, too.")
    audit_key_file: Path | None = _set(
        "proof", "", c.path, "PEM private key (Ed25519) that signs checkpoints, see docs/audit.md."
    )
    audit_subject_key_file: Path | None = _set(
        "proof",
        "",
        c.path,
        "Text of 32 bytes or more; with it records say, as a digest with this key, whose token it was.",
    )
    audit_checkpoint_records: int = _set(
        "proof",
        "10000",
        c.whole(1, 10_000_000),
        "A checkpoint after so many records, when there is a key or a witness;",
    )
    audit_checkpoint_seconds: float = _set(
        "proof", "10", c.number(1, 86400), "and when the last one is so old."
    )
    audit_witness: str | None = _set(
        "proof",
        "",
        c.text_or_url,
        "A file on another volume, or an https address, that hears of each checkpoint; `log`: the log.",
    )
    audit_witness_token_file: Path | None = _set(
        "proof", "", c.path, "A file with nothing else in it than the bearer token for such an address."
    )
    audit_witness_ca_file: Path | None = _set(
        "proof",
        "",
        c.path,
        "PEM file of the authorities that its certificate is checked with; default: the system's.",
    )
    audit_rotate_bytes: int | None = _set(
        "proof", "", c.size, "Close the file once it is so large, and begin another; default: never."
    )
    audit_rotate_seconds: float | None = _set(
        "proof", "", c.number(1, 31_536_000), "Or once it is so old; default: never."
    )
    audit_compress: bool = _set("proof", "true", c.flag, "Compress files that were closed (gzip).")
    audit_keep_seconds: float | None = _set(
        "proof",
        "",
        c.number(1, 1e10),
        "Remove closed files whose last record is so old, and record that; default: never.",
    )
    audit_keep_files: int | None = _set(
        "proof",
        "",
        c.whole(1, 1_000_000),
        "Or the oldest of them while there are more than so many; default: never.",
    )
    uses_file: Path | None = _set(
        "proof", "", c.path, "Where uses of exemptions with a limit are counted; such a policy needs it."
    )
    on_audit_failure: str = _set(
        "proof",
        "refuse",
        c.choice("refuse", "allow-and-count"),
        "What happens to a call whose record cannot be written.",
    )

    max_body_bytes: int = _set("limits", "16MiB", c.size, "Largest request body.")
    max_buffered_bytes: int = _set(
        "limits",
        "256MiB",
        c.size,
        "Bodies that are held at a time while they are read, of each worker; calls beyond that get 503.",
    )
    max_head_bytes: int = _set("limits", "64KiB", c.size, "Largest request head.")
    max_connections: int = _set(
        "limits", "1024", c.whole(1, 100000), "Client connections at a time, of each worker; more get 503."
    )
    max_in_flight: int | None = _set(
        "limits",
        "",
        c.whole(1, 100000),
        "Calls in flight at a time, of each worker; more get 503. Default: `MORATORIUM_MAX_CONNECTIONS`.",
    )
    head_seconds: float = _set("limits", "10", c.number(0.1, 3600), "For a request head to arrive.")
    body_seconds: float = _set("limits", "30", c.number(0.1, 3600), "Between two pieces of a body.")
    min_body_rate: float = _set(
        "limits", "240", c.number(0, 1e9), "Bytes per second that a request's body must come in at least."
    )
    idle_seconds: float = _set("limits", "75", c.number(0.1, 3600), "Between two requests on one connection.")
    connect_seconds: float = _set("limits", "5", c.number(0.1, 3600), "For a connection to the face API.")
    response_seconds: float = _set("limits", "60", c.number(0.1, 3600), "For the face API's answer to begin.")
    tunnel_idle_seconds: float = _set(
        "limits", "300", c.number(0.1, 86400), "How long a WebSocket may be silent, either way."
    )
    upstream_idle_seconds: float = _set(
        "limits", "4", c.number(0, 3600), "How long an unused connection to the face API is kept."
    )
    upstream_resolve_seconds: float = _set(
        "limits", "30", c.number(0.1, 86400), "How long an answer to the face API's name is used."
    )
    token_cache_size: int = _set(
        "limits", "10000", c.whole(1, 10_000_000), "Verified tokens that are remembered."
    )

    workers: int = _set(
        "process", "1", c.whole(1, 256), "Processes that share the traffic port, see docs/operations.md."
    )
    watch_seconds: float = _set(
        "process",
        "2",
        c.number(0, 3600),
        "How often the files that settings name are looked at; a change reloads. 0: only SIGHUP does.",
    )
    drain_seconds: float = _set("process", "25", c.number(0, 3600), "How long calls may go on after SIGTERM.")
    log_level: str = _set(
        "process",
        "info",
        c.choice("debug", "info", "warning", "error"),
        "Least severe log line that is written.",
    )
