"""From a mapping of variables to `Settings`, or to the list of everything that is wrong with it."""

import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from proxy.authn.addresses import is_loopback, is_safe
from proxy.backends.base import NEVER_FORWARDED
from proxy.backends.registry import make_backend
from proxy.errors import SettingsError
from proxy.policy.complaints import nearest
from proxy.settings.table import Settings
from proxy.settings.upstream import upstream_contradictions

PREFIX = "MORATORIUM_"
# Read by ./run and by the command line before settings exist.
NOT_SETTINGS = frozenset({"MORATORIUM_ENV_FILE", "MORATORIUM_VENV"})

_ONLY_HTTPS = (
    "MORATORIUM_UPSTREAM_CA_FILE", "MORATORIUM_UPSTREAM_SERVER_NAME", "MORATORIUM_UPSTREAM_TLS_MIN_VERSION",
    "MORATORIUM_UPSTREAM_CLIENT_CERT_FILE", "MORATORIUM_UPSTREAM_CLIENT_KEY_FILE",
)  # fmt: skip
_ONLY_DISTRIBUTED = (
    "MORATORIUM_POLICY_KEY_FILE", "MORATORIUM_POLICY_POLL_SECONDS", "MORATORIUM_POLICY_MAX_AGE_SECONDS",
    "MORATORIUM_POLICY_STORE_FILE", "MORATORIUM_POLICY_CA_FILE",
)  # fmt: skip
_FOR_ONE_ISSUER = ("MORATORIUM_JWT_ISSUER", "MORATORIUM_JWT_AUDIENCE")
_FOR_ALL_ISSUERS = ("MORATORIUM_JWT_STALE_SECONDS",)
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
    problems += _identity_contradictions(settings, given)
    problems += _policy_contradictions(settings, given)
    problems += _tls_contradictions(settings, given)
    problems += _witness_contradictions(settings, given)
    if settings.backend and settings.upstream:
        problems += upstream_contradictions(settings, given)
    if settings.backend:
        problems += _not_forwardable(settings)
        statuses = make_backend(settings.backend).block_statuses
        if settings.block_status is not None and settings.block_status not in statuses:
            allowed = " or ".join(map(str, statuses))
            what = f"{settings.block_status} is not for {settings.backend}"
            problems.append(f"MORATORIUM_BLOCK_STATUS: {what}; use {allowed}")
        if settings.media == "inline-only" and settings.backend == "generic":
            problems.append("MORATORIUM_MEDIA: generic does not know where its calls name their media")
    return problems


def _identity_contradictions(settings: Settings, given: Mapping[str, str]) -> list[str]:
    file = "MORATORIUM_ISSUERS_FILE"
    if file in given:
        about_one = (name for name in given if name.startswith("MORATORIUM_JWT_"))
        single = [name for name in about_one if name not in _FOR_ALL_ISSUERS]
        return [f"{file}: cannot be combined with {', '.join(single)}"] if single else []
    problems = [f"{name}: is required, unless {file} is set" for name in _FOR_ONE_ISSUER if name not in given]
    jwks, key_file = "MORATORIUM_JWT_JWKS_URL", "MORATORIUM_JWT_KEY_FILE"
    if (jwks in given) == (key_file in given):
        which = "both are set" if jwks in given else "neither is set"
        problems.append(f"{jwks} or {key_file}: exactly one is needed, {which}")
    url = settings.jwt_jwks_url
    if url and not is_safe(url) and not settings.insecure_jwks_http:
        problems.append(f"{jwks}: keys must come over https, or anybody on the way can replace them")
    return problems


def _policy_contradictions(settings: Settings, given: Mapping[str, str]) -> list[str]:
    problems = []
    file, url, key = "MORATORIUM_POLICY_FILE", "MORATORIUM_POLICY_URL", "MORATORIUM_POLICY_KEY_FILE"
    short = [name for name in _SHORT if name in given]
    for source in (file, url):
        if source in given and short:
            problems.append(f"{source}: cannot be combined with {', '.join(short)}")
    if file in given and url in given:
        problems.append(f"{file} or {url}: one policy is enough, both are set")
    if not {file, url, "MORATORIUM_BLOCKED_ORG_TYPES"} & given.keys():
        problems.append(f"{file} or MORATORIUM_BLOCKED_ORG_TYPES: one is needed, or nothing is blocked")
    if url not in given:
        problems += [f"{name}: needs {url} as well" for name in _ONLY_DISTRIBUTED if name in given]
        return problems
    if key not in given:
        problems.append(f"{key}: is needed, or anybody on the way can make the policy")
    if settings.policy_url and urlsplit(settings.policy_url).scheme == "http":
        if not is_loopback(settings.policy_url):
            problems.append(f"{url}: plain http is for this machine only")
        if settings.policy_ca_file is not None:
            problems.append(f"MORATORIUM_POLICY_CA_FILE: is set, but {url} is plain http")
    if 0 < settings.policy_max_age_seconds < 2 * settings.policy_poll_seconds:
        problems.append(
            "MORATORIUM_POLICY_MAX_AGE_SECONDS: is less than twice MORATORIUM_POLICY_POLL_SECONDS"
        )
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


def _witness_contradictions(settings: Settings, given: Mapping[str, str]) -> list[str]:
    witness, ca_file = "MORATORIUM_AUDIT_WITNESS", "MORATORIUM_AUDIT_WITNESS_CA_FILE"
    scheme = urlsplit(settings.audit_witness or "").scheme
    if scheme not in ("http", "https"):
        only = ("MORATORIUM_AUDIT_WITNESS_TOKEN_FILE", ca_file)
        return [f"{name}: needs an https address in {witness} as well" for name in only if name in given]
    problems = []
    if scheme == "http":
        if not is_loopback(settings.audit_witness or ""):
            problems.append(f"{witness}: plain http is for this machine only")
        if ca_file in given:
            problems.append(f"{ca_file}: is set, but {witness} is plain http")
    return problems


def _not_forwardable(settings: Settings) -> list[str]:
    """Fields that would carry a token, other framing, another target or another identity upstream."""
    never = NEVER_FORWARDED | {slot.header for slot in make_backend(settings.backend).slots}
    return [
        f"MORATORIUM_FORWARD_HEADERS: {name} never goes upstream as it comes"
        for name in settings.forward_headers or ()
        if name.lower().replace("_", "-").encode() in never
    ]
