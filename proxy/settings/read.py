"""From a mapping of variables to `Settings`, or to the list of everything that is wrong with it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from proxy.backends.base import NEVER_FORWARDED
from proxy.backends.registry import make_backend
from proxy.errors import SettingsError
from proxy.policy.complaints import nearest
from proxy.settings.convert import is_loopback
from proxy.settings.table import Settings

PREFIX = "MORATORIUM_"
# Read by ./run and by the command line before settings exist.
NOT_SETTINGS = frozenset({"MORATORIUM_ENV_FILE", "MORATORIUM_VENV"})

_ONLY_HTTPS = (
    "MORATORIUM_UPSTREAM_CA_FILE", "MORATORIUM_UPSTREAM_SERVER_NAME", "MORATORIUM_UPSTREAM_TLS_MIN_VERSION",
    "MORATORIUM_UPSTREAM_CLIENT_CERT_FILE", "MORATORIUM_UPSTREAM_CLIENT_KEY_FILE",
)  # fmt: skip
_FIELDS = {f"{PREFIX}{field.name.upper()}": field for field in dataclasses.fields(Settings)}
_SHORT = [name for name, field in _FIELDS.items() if field.metadata["group"] == "short"]


def variables() -> dict[str, "dataclasses.Field[Any]"]:
    """Every variable by its full name, in the order of the table."""
    return dict(_FIELDS)


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read all `MORATORIUM_*` variables; an empty one counts as not set.

    Raises `SettingsError` with every problem.
    """
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value != ""}
    problems = [
        f"{name}: there is no such setting{nearest(name, _FIELDS)}"
        for name in given
        if name not in _FIELDS and name not in NOT_SETTINGS
    ]
    values: dict[str, Any] = {}
    for name, field in _FIELDS.items():
        if name in given:
            try:
                values[field.name] = field.metadata["read"](given[name])
            except ValueError as error:
                problems.append(f"{name}: {error}")
        elif field.metadata["required"]:
            problems.append(f"{name}: is required. {field.metadata['help']}")
    settings = Settings(**values)
    problems += _contradictions(settings, given)
    if problems:
        raise SettingsError(problems)
    return settings


def _contradictions(settings: Settings, given: Mapping[str, str]) -> list[str]:
    """What is wrong between settings that are each right."""
    problems = []
    jwks, key_file = "MORATORIUM_JWT_JWKS_URL", "MORATORIUM_JWT_KEY_FILE"
    if (jwks in given) == (key_file in given):
        which = "both are set" if jwks in given else "neither is set"
        problems.append(f"{jwks} or {key_file}: exactly one is needed, {which}")
    url = settings.jwt_jwks_url
    if url and url.startswith("http:") and not is_loopback(url) and not settings.insecure_jwks_http:
        problems.append(f"{jwks}: keys must come over https, or anybody on the way can replace them")

    short = [name for name in _SHORT if name in given]
    if settings.policy_file is not None and short:
        problems.append(f"MORATORIUM_POLICY_FILE: cannot be combined with {', '.join(short)}")
    if not {"MORATORIUM_POLICY_FILE", "MORATORIUM_BLOCKED_ORG_TYPES"} & given.keys():
        problems.append(
            "MORATORIUM_POLICY_FILE or MORATORIUM_BLOCKED_ORG_TYPES: one is needed, or nothing is blocked"
        )
    problems += _tls_contradictions(settings, given)
    if settings.backend:
        problems += _not_forwardable(settings)
        statuses = make_backend(settings.backend).block_statuses
        if settings.block_status not in statuses:
            allowed = " or ".join(map(str, statuses))
            what = f"{settings.block_status} is not for {settings.backend}"
            problems.append(f"MORATORIUM_BLOCK_STATUS: {what}; use {allowed}")
    return problems


def _tls_contradictions(settings: Settings, given: Mapping[str, str]) -> list[str]:
    problems = []
    for certificate, key in (
        ("MORATORIUM_TLS_CERT_FILE", "MORATORIUM_TLS_KEY_FILE"),
        ("MORATORIUM_UPSTREAM_CLIENT_CERT_FILE", "MORATORIUM_UPSTREAM_CLIENT_KEY_FILE"),
    ):
        if (certificate in given) != (key in given):
            there, lacking = (certificate, key) if certificate in given else (key, certificate)
            problems.append(f"{lacking}: is needed, because {there} is set")
    if settings.tls_client_ca_file is not None and settings.tls_cert_file is None:
        problems.append("MORATORIUM_TLS_CLIENT_CA_FILE: needs MORATORIUM_TLS_CERT_FILE as well")
    if given.get("MORATORIUM_UPSTREAM", "").startswith("http:"):
        problems += [
            f"{name}: is set, but MORATORIUM_UPSTREAM is plain http" for name in _ONLY_HTTPS if name in given
        ]
    return problems


def _not_forwardable(settings: Settings) -> list[str]:
    """Fields that would carry a token, other framing, another target or another identity upstream."""
    never = NEVER_FORWARDED | {slot.header for slot in make_backend(settings.backend).slots}
    return [
        f"MORATORIUM_FORWARD_HEADERS: {name} never goes upstream as it comes"
        for name in settings.forward_headers or ()
        if name.lower().replace("_", "-").encode() in never
    ]
