"""What is wrong between the settings for the face API's own credential, and which kind they mean."""

from collections.abc import Mapping
from importlib.util import find_spec

from proxy.authn.addresses import is_loopback
from proxy.backends.base import NEVER_FORWARDED
from proxy.credentials.presets import taken_by
from proxy.settings.table import Settings

AUTH = "MORATORIUM_UPSTREAM_AUTH"
SOURCES = (
    "MORATORIUM_UPSTREAM_KEY", "MORATORIUM_UPSTREAM_KEY_FILE", "MORATORIUM_UPSTREAM_KEYS_FILE",
    "MORATORIUM_UPSTREAM_TOKEN_COMMAND",
)  # fmt: skip
_ONLY_AWS = ("MORATORIUM_AWS_REGION", "MORATORIUM_AWS_SERVICE", "MORATORIUM_AWS_PROFILE")
_ONLY_ASSERTED = ("MORATORIUM_UPSTREAM_ASSERTION_HEADER", "MORATORIUM_UPSTREAM_ASSERTION_ISSUER")
# Authorization is refused to callers, and is where a credential belongs.
_NOT_OURS = NEVER_FORWARDED - {b"authorization"}


def auth_of(settings: Settings) -> str:
    """The kind of credential that these settings mean."""
    if settings.upstream_auth is not None:
        return settings.upstream_auth
    given = (
        settings.upstream_key, settings.upstream_key_file, settings.upstream_keys_file,
        settings.upstream_token_command,
    )  # fmt: skip
    return taken_by(settings.backend).auth if any(source is not None for source in given) else "none"


def header_of(settings: Settings) -> str:
    """The field that a key or token stands in; "" where nobody says."""
    if auth_of(settings) == "bearer":
        return "Authorization"
    return settings.upstream_header or taken_by(settings.backend).header


def upstream_contradictions(settings: Settings, given: Mapping[str, str]) -> list[str]:
    """Everything that is wrong between them."""
    auth = auth_of(settings)
    problems = _source_problems(settings, auth, [name for name in SOURCES if name in given])
    if auth == "sigv4":
        if not (settings.aws_service or taken_by(settings.backend).service):
            problems.append("MORATORIUM_AWS_SERVICE: is needed to sign for this backend")
        if find_spec("botocore") is None:
            problems.append(f"{AUTH}: sigv4 needs botocore: pip install 'moratorium[aws]'")
    else:
        problems += [f"{name}: needs {AUTH}=sigv4" for name in _ONLY_AWS if name in given]
    if auth != "header" and "MORATORIUM_UPSTREAM_HEADER" in given:
        problems.append(f"MORATORIUM_UPSTREAM_HEADER: needs {AUTH}=header")
    if "MORATORIUM_UPSTREAM_TOKEN_COMMAND" not in given and "MORATORIUM_UPSTREAM_TOKEN_SECONDS" in given:
        problems.append("MORATORIUM_UPSTREAM_TOKEN_SECONDS: needs MORATORIUM_UPSTREAM_TOKEN_COMMAND as well")
    if settings.upstream_assertion_key_file is None:
        key = "MORATORIUM_UPSTREAM_ASSERTION_KEY_FILE"
        problems += [f"{name}: needs {key} as well" for name in _ONLY_ASSERTED if name in given]
    return [*problems, *_field_problems(settings, auth), *_aws_door_problems(settings, given)]


def _source_problems(settings: Settings, auth: str, sources: list[str]) -> list[str]:
    if auth == "":
        return [f"{AUTH}: has to be said for {settings.backend}, because {sources[0]} is set"]
    if auth in ("none", "sigv4"):
        return [f"{name}: cannot be combined with {AUTH}={auth}" for name in sources]
    problems = []
    if len(sources) != 1:
        which = "none is set" if not sources else f"{len(sources)} are set"
        problems.append(f"{AUTH}: {auth} needs exactly one of {', '.join(SOURCES)}; {which}")
    if not header_of(settings):
        problems.append(f"MORATORIUM_UPSTREAM_HEADER: is needed, no field is usual for {settings.backend}")
    return problems


def _field_problems(settings: Settings, auth: str) -> list[str]:
    """Fields that we put in must not be ours already, nor come from callers."""
    ours = {"MORATORIUM_UPSTREAM_HEADER": settings.upstream_header or ""}
    if settings.upstream_assertion_key_file is not None:
        ours["MORATORIUM_UPSTREAM_ASSERTION_HEADER"] = settings.upstream_assertion_header
    problems = [
        f"{setting}: {name} cannot hold a credential"
        for setting, name in ours.items()
        if name.lower().replace("_", "-").encode() in _NOT_OURS
    ]
    taken = {name.lower() for name in (*ours.values(), header_of(settings) if auth != "none" else "") if name}
    asserted = ours.get("MORATORIUM_UPSTREAM_ASSERTION_HEADER", "").lower()
    if asserted and asserted in (header_of(settings).lower(), "authorization"):
        problems.append("MORATORIUM_UPSTREAM_ASSERTION_HEADER: is the credential's own field")
    for name in settings.forward_headers or ():
        lower = name.lower().replace("_", "-")
        if lower in taken or (auth == "sigv4" and lower.startswith("x-amz-")):
            problems.append(f"MORATORIUM_FORWARD_HEADERS: {name} is put in here, callers cannot send it")
    return problems


def _aws_door_problems(settings: Settings, given: Mapping[str, str]) -> list[str]:
    listen, file = "MORATORIUM_AWS_CREDENTIALS_LISTEN", "MORATORIUM_AWS_CREDENTIALS_TOKEN_FILE"
    word = "MORATORIUM_AWS_CREDENTIALS_AUTHORIZATION"
    problems = []
    if (listen in given) != (file in given):
        there, lacking = (listen, file) if listen in given else (file, listen)
        problems.append(f"{lacking}: is needed, because {there} is set")
    address = settings.aws_credentials_listen
    if address is not None and not is_loopback(f"http://{address}"):
        problems.append(f"{listen}: {address} is not on this machine alone; use 127.0.0.1")
    if word in given and f"{word}_FILE" in given:
        problems.append(f"{word}: one is enough, {word}_FILE is set as well")
    if listen not in given:
        problems += [f"{name}: needs {listen} as well" for name in (word, f"{word}_FILE") if name in given]
    return problems
