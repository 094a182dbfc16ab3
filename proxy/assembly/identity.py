"""From settings to rules and keys: whom to believe, and where their keys come from."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from proxy.authn.cache import TokenCache
from proxy.authn.claims import ClaimPaths
from proxy.authn.issuers import Issuer, read_issuers
from proxy.authn.keyring import KeyRing
from proxy.authn.keys import RemoteKeys
from proxy.authn.keyset import parse_keys
from proxy.authn.sources import FileKeys, KeySource
from proxy.authn.standing import NO_STANDING, Standing
from proxy.authn.subject import SubjectKey
from proxy.authn.verifier import Trust, Trusts
from proxy.backends.registry import make_backend
from proxy.errors import KeySetInvalid, SettingsError
from proxy.pipeline import Rules
from proxy.policy.model import Policy
from proxy.settings import Settings


class Identity(NamedTuple):
    """All issuers, what stands in their key files, and the key for the digests of their tokens' subjects."""

    issuers: tuple[Issuer, ...]
    texts: Mapping[str, str]
    subject_key: SubjectKey | None = None

    def __repr__(self) -> str:
        return f"<Identity of {', '.join(self.names)}>"  # one of the texts is a secret

    @property
    def trusts(self) -> Trusts:
        return {issuer.trust.issuer: issuer.trust for issuer in self.issuers}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(issuer.trust.issuer for issuer in self.issuers)


NOBODY = Identity((), {})
"""Nobody is believed."""


def make_identity(settings: Settings, texts: Mapping[str, str]) -> Identity:
    """Whom to believe. `texts`: what stands in the files that say so, see `identity_texts_of`.

    Raises `SettingsError` with everything that is wrong with the issuers file and the key files. The key for
    subjects is a text too, whose white space at the ends does not count: an editor adds some unseen.
    """
    file = settings.issuers_file
    if file is not None:
        issuers = read_issuers(texts[str(file)], file, insecure=settings.insecure_jwks_http)
    else:
        issuers = (_only_issuer(settings),)
    problems = []
    for path in dict.fromkeys(issuer.key_file for issuer in issuers if issuer.key_file is not None):
        try:
            parse_keys(texts[str(path)].encode())
        except KeySetInvalid as error:
            problems.append(f"{path}: {error.why}")
    subject_key, secret = None, settings.audit_subject_key_file
    if secret is not None:
        try:
            subject_key = SubjectKey(texts[str(secret)].strip().encode())
        except ValueError as error:
            problems.append(f"MORATORIUM_AUDIT_SUBJECT_KEY_FILE: {secret}: {error}")
    if problems:
        raise SettingsError(problems)
    return Identity(issuers, texts, subject_key)


def _only_issuer(settings: Settings) -> Issuer:
    assert settings.jwt_issuer is not None and settings.jwt_audience is not None  # noqa: S101, PT018
    trust = Trust(
        issuer=settings.jwt_issuer,
        audiences=frozenset(settings.jwt_audience),
        algorithms=frozenset(settings.jwt_algorithms),
        leeway=settings.jwt_leeway,
        token_types=frozenset(settings.jwt_token_types),
        claims=ClaimPaths(
            org_type=settings.jwt_org_type_claim,
            org_id=settings.jwt_org_id_claim,
            purpose=settings.jwt_purpose_claim,
            case_id=settings.jwt_case_claim,
        ),
    )
    return Issuer(trust, settings.jwt_jwks_url, settings.jwt_key_file)


def make_rules(
    settings: Settings, policy: Policy, identity: Identity = NOBODY, standing: Standing = NO_STANDING
) -> Rules:
    """Everything that decisions depend on, with an empty token cache."""
    backend = make_backend(settings.backend, policy.routes, inline_only=settings.media == "inline-only")
    if settings.forward_headers:
        backend.forwards |= {name.lower().encode() for name in settings.forward_headers}
    tokens = TokenCache(settings.token_cache_size)
    return Rules(backend, policy, identity.trusts, tokens, standing, subject_key=identity.subject_key)


def make_keys(
    settings: Settings,
    identity: Identity,
    clock: Callable[[], float],
    before: KeyRing | None = None,
    hear: Callable[[str, float], None] = lambda _issuer, _skew: None,
) -> KeyRing:
    """The issuers' keys. Those that come from where they came `before` are at hand, the others not yet.

    `hear` is told how far an issuer's clock is ahead, each time that its keys have come.
    """
    sources = []
    for issuer in identity.issuers:
        source = _source(settings, issuer, identity.texts, clock, hear)
        known = before.sources.get(source.issuer) if before is not None else None
        if known is not None and source.same_place(known):
            source = known
        elif known is not None:
            source.count_on(known)
        sources.append(source)
    return KeyRing(sources)


def _source(
    settings: Settings,
    issuer: Issuer,
    texts: Mapping[str, str],
    clock: Callable[[], float],
    hear: Callable[[str, float], None],
) -> KeySource:
    name = issuer.trust.issuer
    if issuer.key_file is not None:
        return FileKeys(name, issuer.key_file, clock, texts[str(issuer.key_file)].encode())
    return RemoteKeys(
        name,
        issuer.jwks_url,
        clock,
        stale_after=settings.jwt_stale_seconds,
        insecure=settings.insecure_jwks_http,
        hear=hear,
    )
