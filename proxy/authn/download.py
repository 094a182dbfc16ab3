"""One GET for what issuers publish: no redirects, no cookies, bounded in size and time."""

import re
from typing import NamedTuple

import aiohttp

from proxy.errors import MoratoriumError

MAX_BYTES = 1024 * 1024


class NotFetched(MoratoriumError):
    """The answer did not come, or is not one. The message says why."""


class Download(NamedTuple):
    """`max_age`: seconds that the answer may be kept, if it says so. `date`: its `Date` field."""

    content: bytes
    max_age: float | None
    date: bytes | None


async def download(url: str, seconds: float) -> Download:
    """Raises `NotFetched`."""
    try:
        return await _get(url, seconds)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise NotFetched(why(error)) from None


async def _get(url: str, seconds: float) -> Download:
    limit = aiohttp.ClientTimeout(total=seconds)
    async with (
        aiohttp.ClientSession(timeout=limit, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(url, allow_redirects=False, headers={"Accept": "application/json"}) as answer,
    ):
        if answer.status != 200:
            raise NotFetched(f"status {answer.status} instead of 200")
        content = await answer.content.read(MAX_BYTES + 1)
        while len(content) <= MAX_BYTES and (more := await answer.content.read(MAX_BYTES + 1)):
            content += more
        if len(content) > MAX_BYTES:
            raise NotFetched(f"larger than {MAX_BYTES} bytes")
        date = answer.headers.get("Date")
        return Download(
            content,
            max_age_of(",".join(answer.headers.getall("Cache-Control", []))),
            date.encode("ascii", "replace") if date is not None else None,
        )


def max_age_of(cache_control: str) -> float | None:
    """The seconds of `max-age` (RFC 9111 section 5.2.2.1), 0 where nothing may be kept, None if unsaid."""
    directives = [directive.strip().lower() for directive in cache_control.split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    for directive in directives:
        match = re.fullmatch(r'max-age="?([0-9]{1,9})"?', directive)
        if match is not None:
            return float(match[1])
    return None


def why(error: BaseException) -> str:
    """What to tell people of an error."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
