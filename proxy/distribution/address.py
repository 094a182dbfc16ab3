"""Asks the policy's address: one conditional GET, bounded in size and time, no redirects."""

import ssl
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import aiohttp

from proxy.distribution.bundle import MAX_BYTES
from proxy.distribution.results import Result
from proxy.errors import PolicyRefused, SettingsError

TIMEOUT_SECONDS = 10.0


class Answer(NamedTuple):
    """What the address has now, and the tag to ask by next time."""

    content: bytes
    tag: str | None


class Address:
    """Where bundles are published. `context`: TLS with the authorities that vouch for it."""

    def __init__(
        self, url: str, context: ssl.SSLContext | None = None, timeout: float = TIMEOUT_SECONDS
    ) -> None:
        self._url = url
        self._context = context
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        # The query may hold what gives access: it is said nowhere.
        self._shown = urlsplit(url)._replace(query="", fragment="").geturl()

    def __repr__(self) -> str:
        return f"<Address {self._shown}>"

    async def get(self, tag: str | None) -> Answer | None:
        """What is there; None: still what the tag stands for.

        Raises `PolicyRefused`.
        """
        try:
            return await self._get(tag)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise self._unavailable(_why(error)) from None

    async def _get(self, tag: str | None) -> Answer | None:
        # Nothing may unpack itself: the limit is meant for what comes over the wire and for what is kept.
        fields = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if tag is not None:
            fields["If-None-Match"] = tag
        async with (
            aiohttp.ClientSession(
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(ssl=self._context or True),
                auto_decompress=False,
            ) as session,
            session.get(self._url, allow_redirects=False, headers=fields) as answer,
        ):
            if answer.status == 304 and tag is not None:
                return None
            if answer.status != 200:
                raise self._unavailable(f"status {answer.status} instead of 200")
            content = b""
            while more := await answer.content.read(MAX_BYTES + 1):
                content += more
                if len(content) > MAX_BYTES:
                    raise self._unavailable(f"larger than {MAX_BYTES} bytes")
            return Answer(content, answer.headers.get("ETag"))

    def _unavailable(self, why: str) -> PolicyRefused:
        return PolicyRefused(Result.UNAVAILABLE, f"{self._shown}: {why}")


def context_of(ca_file: Path | None, setting: str = "MORATORIUM_POLICY_CA_FILE") -> ssl.SSLContext:
    """TLS as a client: the authorities in the file that the setting names, or the system's.

    Raises `SettingsError`.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError([f"{setting}: {ca_file}: {_why(error)}"]) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _why(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, aiohttp.InvalidURL):
        return "not an address"  # its own words would quote the query
    return str(error) or type(error).__name__
