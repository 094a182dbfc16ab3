"""From settings to rules and keys: whom to believe, and where their keys come from."""

from collections.abc import Callable
from typing import cast

from proxy.authn.cache import TokenCache
from proxy.authn.claims import ClaimPaths
from proxy.authn.keys import FileKeys, KeySource, RemoteKeys
from proxy.authn.verifier import Trust
from proxy.backends.registry import make_backend
from proxy.pipeline import Rules
from proxy.policy.model import Policy
from proxy.settings import Settings


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
