"""AWS Signature Version 4, made anew for each call with our own keys. Needs the extra `aws` (botocore).

The caller's signature covers the caller's host and was made with the caller's key, so it is worth nothing to
AWS and is never looked at. What is signed is what goes out: nothing of the caller's but the fields that the
backend lets go on.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from proxy.credentials.refreshed import Got, Refreshed
from proxy.errors import CredentialUnavailable
from proxy.messages import Headers, RequestHead
from proxy.policy.callers import FOREVER, Instant
from proxy.policy.model import Permit

# Its debug lines hold session tokens and signatures, its warnings what a credential service has answered.
logging.getLogger("botocore").setLevel(logging.CRITICAL + 1)

RESOLVE_SECONDS = 30.0
STATIC_SECONDS = 60.0
"""How often keys without an end are looked up anew: somebody may have put others into their file."""
EARLY = 60.0
"""Seconds before its end from which a session token is not used: the call takes time, and clocks differ."""

# Intermediaries may change these, and nothing depends on them.
_UNSIGNED = frozenset({b"accept", b"accept-encoding"})
_IN_HOST = re.compile(r"(?:.*\.)?([a-z]{2}(?:-[a-z]+)+-[0-9]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?")


class Keys(NamedTuple):
    """What signs, and where it is valid."""

    frozen: ReadOnlyCredentials
    region: str

    def __repr__(self) -> str:
        return "***"


class SigV4(Refreshed[Keys]):
    """Signs with what botocore's chain finds: environment, profile, SSO, STS, web identity, process,
    container or instance role. `region`: "" for the one in the face API's host name, or else the chain's.
    """

    wants_body = True

    def __init__(
        self, service: str, region: str, scheme: str, host: str, clock: Callable[[], float], profile: str = ""
    ) -> None:
        super().__init__(clock, RESOLVE_SECONDS)
        self._service, self._scheme, self._profile = service, scheme, profile
        self._region = region or region_in(host)
        self._chain: tuple[Any, str] | None = None
        self._resolving: asyncio.Future[Got[Keys]] | None = None

    def __repr__(self) -> str:
        return f"<SigV4 {self._service} {self._region}: ***>"

    def same_as(self, other: object) -> bool:
        return isinstance(other, SigV4) and (
            (self._service, self._region, self._scheme, self._profile)
            == (other._service, other._region, other._scheme, other._profile)
        )

    def pause(self) -> float:
        return min(super().pause(), STATIC_SECONDS)

    # ------------------------------------------------------------ getting keys

    async def get(self) -> Got[Keys]:
        # One thread at a time: what has not answered in time may still be waiting for its answer.
        if self._resolving is None or self._resolving.done():
            self._resolving = asyncio.get_running_loop().run_in_executor(None, self._resolve)
        return await asyncio.shield(self._resolving)

    def _resolve(self) -> Got[Keys]:
        """In a thread: the chain may wait for the network, for a process or for a file."""
        try:
            if self._chain is None:
                self._chain = self._find()
            credentials, region = self._chain
            frozen = credentials.get_frozen_credentials()
            lasts = hasattr(credentials, "refresh_needed")
            until = self._clock() + _usable_for(credentials) if lasts else FOREVER
        except (BotoCoreError, ClientError, OSError, RuntimeError, ValueError, KeyError) as error:
            self._chain = None
            # Its message can quote what a credential process has printed.
            raise CredentialUnavailable(f"AWS credentials: {type(error).__name__}") from None
        if not lasts:
            self._chain = None
        return Got(Keys(frozen, region), until)

    def _find(self) -> tuple[Any, str]:
        session = Session(profile=self._profile or None)
        region = self._region or session.get_config_variable("region")
        if not region:
            raise CredentialUnavailable("AWS credentials: no region; set MORATORIUM_AWS_REGION")
        credentials = session.get_credentials()
        if credentials is None:
            raise CredentialUnavailable("AWS credentials: none found")
        return credentials, region

    # ------------------------------------------------------------ signing

    def fields(
        self,
        head: RequestHead,
        forwarded: list[tuple[bytes, bytes]],
        host: bytes,
        body: bytes | None,
        now: Instant,
        permit: Permit,
    ) -> Headers:
        del permit
        if body is None:
            raise CredentialUnavailable("the body to be signed is not there")
        keys = self.at_hand(now)
        request = AWSRequest(
            method=head.method.decode("ascii"),
            url=f"{self._scheme}://{host.decode('ascii')}{head.target.decode('ascii')}",
            data=body,
        )
        for name, value in forwarded:
            if name not in _UNSIGNED:
                request.headers[name.decode("ascii").lower()] = value.decode("latin-1")
        request.headers["host"] = host.decode("ascii")
        return sign(request, keys, self._service, now)


def sign(request: AWSRequest, keys: Keys, service: str, now: Instant) -> Headers:
    """The lines that make this request ours at `now`; botocore's own `add_auth` would look at a clock."""
    frozen = keys.frozen
    auth = SigV4Auth(frozen, service, keys.region)
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    request.context["timestamp"] = stamp
    ours = {"X-Amz-Date": stamp}
    if frozen.token:
        ours["X-Amz-Security-Token"] = frozen.token
    for name, value in ours.items():
        del request.headers[name]
        request.headers[name] = value
    # botocore takes a hash that is there for the body's own.
    del request.headers["X-Amz-Content-SHA256"]
    signature = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    signed = auth.signed_headers(auth.headers_to_sign(request))
    ours["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={auth.scope(request)}, SignedHeaders={signed}, Signature={signature}"
    )
    return tuple((name.encode("ascii"), value.encode("ascii")) for name, value in ours.items())


def region_in(host: str) -> str:
    """The region that a host name of AWS names; "" where it names none."""
    match = _IN_HOST.fullmatch(host)
    return match[1] if match is not None else ""


def _usable_for(credentials: Any) -> float:
    """Seconds for which such credentials can be used. How long they last they only say as yes or no."""
    low, high = 0, 7 * 86400
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (low, middle - 1) if credentials.refresh_needed(refresh_in=middle) else (middle, high)
    return low - min(EARLY, low / 10)
