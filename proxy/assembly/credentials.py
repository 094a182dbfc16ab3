"""From settings to the face API's own credential. Reads the key files that settings name."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from proxy.authn.addresses import is_loopback
from proxy.authn.assertion import Signer
from proxy.credentials.assertion import Assertion
from proxy.credentials.base import Credential
from proxy.credentials.command import TokenCommand
from proxy.credentials.keyfiles import read_key, read_keys
from proxy.credentials.presets import taken_by
from proxy.credentials.refreshed import Refreshed, Spawn
from proxy.credentials.secret import SHOWN
from proxy.credentials.static import HeaderKey, KeysByPath, Several
from proxy.errors import KeySetInvalid, SettingsError
from proxy.policy.callers import Instant
from proxy.settings import Settings
from proxy.settings.upstream import auth_of, header_of

RELOAD_SECONDS = 5.0


class Upstream(NamedTuple):
    """What calls that go on are given, and the part of it that has to be got again and again."""

    credential: Credential | None = None
    refreshed: Refreshed[Any] | None = None
    signer: Signer | None = None

    def fault(self, now: Instant) -> str | None:
        """Why calls cannot be given it."""
        return self.refreshed.fault(now) if self.refreshed is not None else None

    def jwks(self) -> dict[str, Any]:
        """The keys that check what the signer signs."""
        return self.signer.jwks() if self.signer is not None else {"keys": []}

    def keep(self, spawn: Spawn) -> None:
        if self.refreshed is not None:
            self.refreshed.keep(spawn)

    def end_before(self, after: "Upstream") -> None:
        """Stop getting what is not needed `after` this."""
        if self.refreshed is not None and self.refreshed is not after.refreshed:
            self.refreshed.end()

    async def prove(self, before: "Upstream") -> None:
        """Get it now where it is another than `before`. Raises `SettingsError` when it cannot be had."""
        if self.refreshed is None or self.refreshed is before.refreshed:
            return
        await self.refreshed.refresh(at_most=RELOAD_SECONDS)
        if self.refreshed.failed is not None:
            raise SettingsError([f"MORATORIUM_UPSTREAM_AUTH: {self.refreshed.failed}"])


def make_upstream(settings: Settings, clock: Callable[[], float], before: Upstream | None = None) -> Upstream:
    """The credential that settings mean. What has to be got is at hand only if it was `before`.

    Raises `SettingsError` with everything that is wrong with the files.
    """
    problems: list[str] = []
    own: Credential | None = None
    signer = None
    try:
        own = _own(settings, clock)
    except SettingsError as error:
        problems += error.problems
    try:
        signer = make_signer(settings)
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    refreshed = own if isinstance(own, Refreshed) else None
    known = before.refreshed if before is not None else None
    if refreshed is not None and known is not None and refreshed.same_as(known):
        own = refreshed = known
    if signer is None:
        return Upstream(own, refreshed)
    assertion = Assertion(signer, settings.upstream_assertion_header.encode())
    return Upstream(Several(assertion, own) if own is not None else assertion, refreshed, signer)


def make_signer(settings: Settings) -> Signer | None:
    """Who signs for the caller, if anybody. Raises `SettingsError`."""
    file = settings.upstream_assertion_key_file
    if file is None:
        return None
    try:
        return Signer(
            file.read_bytes(),
            settings.upstream_assertion_issuer,
            f"{settings.upstream.scheme}://{settings.upstream.authority}",
        )
    except OSError as error:
        raise SettingsError([f"{file}: {error.strerror}"]) from None
    except KeySetInvalid as error:
        raise SettingsError([f"{file}: {error.why}"]) from None


def jwks_of(settings: Settings) -> dict[str, Any]:
    """The keys with which our assertions are checked, as they are in their file now.

    Raises `SettingsError`.
    """
    signer = make_signer(settings)
    return signer.jwks() if signer is not None else {"keys": []}


def _own(settings: Settings, clock: Callable[[], float]) -> Credential | None:
    auth, header = auth_of(settings), header_of(settings).encode()
    if auth == "none":
        return None
    if auth == "sigv4":
        return _signing(settings, clock)
    scheme = b"Bearer" if auth == "bearer" else b""
    if settings.upstream_token_command is not None:
        words = settings.upstream_token_command
        return TokenCommand(words, header, scheme, clock, usual=settings.upstream_token_seconds)
    if settings.upstream_keys_file is not None:
        return KeysByPath(header, read_keys(settings.upstream_keys_file), scheme)
    if settings.upstream_key_file is not None:
        return HeaderKey(header, read_key(settings.upstream_key_file), scheme)
    assert settings.upstream_key is not None  # noqa: S101
    return HeaderKey(header, settings.upstream_key, scheme)


def _signing(settings: Settings, clock: Callable[[], float]) -> Credential:
    # Only here: whoever does not sign needs neither botocore nor the time that it takes to load.
    from proxy.credentials.sigv4 import SigV4  # noqa: PLC0415

    return SigV4(
        settings.aws_service or taken_by(settings.backend).service,
        settings.aws_region or "",
        settings.upstream.scheme,
        settings.upstream.host,
        clock,
        profile=settings.aws_profile or "",
    )


def check_upstream(
    settings: Settings, clock: Callable[[], float], *, offline: bool
) -> list[tuple[str, str, str]]:
    """What `moratorium check` says of it: part, state, and a sentence without any of its value.

    `offline`: what would have to be got from somewhere is not.
    """
    try:
        upstream = make_upstream(settings, clock)
    except SettingsError as error:
        return [("credential", "wrong", problem) for problem in error.problems]
    auth = auth_of(settings)
    what = {"none": "none", "sigv4": "AWS Signature Version 4"}.get(auth, f"{header_of(settings)}: {SHOWN}")
    said = [("credential", "ok", what)]
    if upstream.refreshed is not None and offline:
        said = [("credential", "skipped", f"offline: {what}")]
    elif upstream.refreshed is not None:
        asyncio.run(upstream.refreshed.refresh())
        if upstream.refreshed.failed is not None:
            said = [("credential", "wrong", upstream.refreshed.failed)]
    if upstream.signer is not None:
        said.append(("assertion", "ok", f"signed with key {upstream.signer.jwk['kid']}"))
    plain = settings.upstream.scheme == "http" and not is_loopback(settings.upstream.host)
    if plain and auth in ("header", "bearer"):
        says = f"goes to {settings.upstream.authority} in the clear, anybody on the way can take it"
        said.append(("credential", "warning", says))
    return said
