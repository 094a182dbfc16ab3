"""From settings to limits, manners and TLS. Reads the certificates that settings name."""

import ssl
from pathlib import Path
from typing import NamedTuple

from proxy.backends.registry import make_backend
from proxy.errors import SettingsError
from proxy.relay.limits import Limits
from proxy.relay.tls import Identity, client_context, server_context
from proxy.rescue import Manners
from proxy.settings import Settings


def make_limits(settings: Settings) -> Limits:
    return Limits(
        head_bytes=settings.max_head_bytes,
        body_bytes=settings.max_body_bytes,
        held_bytes=settings.max_buffered_bytes,
        connections=settings.max_connections,
        head_seconds=settings.head_seconds,
        idle_seconds=settings.idle_seconds,
        body_seconds=settings.body_seconds,
        body_rate=settings.min_body_rate,
        response_seconds=settings.response_seconds,
        tunnel_idle_seconds=settings.tunnel_idle_seconds,
    )


def make_manners(settings: Settings) -> Manners:
    status = settings.block_status or make_backend(settings.backend).block_statuses[0]
    return Manners(status, settings.operator_url or "")


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
