"""A witness at an address: each head is sent there by a task of its own, and no call ever waits for it."""

import asyncio
import random
import ssl
from collections.abc import Callable
from math import inf
from urllib.parse import urlsplit

import aiohttp

from proxy.audit.chain import Chain
from proxy.audit.witness import Witness
from proxy.errors import SettingsError
from proxy.policy.callers import Instant
from proxy.version import __version__

TIMEOUT_SECONDS = 10.0
LAST_SECONDS = 2.0
"""For the very last attempt: the process is about to end, and something waits for that."""
LEAST_PAUSE, MOST_PAUSE = 1.0, 60.0


class RemoteWitness(Witness):
    """An address that takes each head as a POST; any 2xx means that it was heard.

    What was not heard is kept, of each chain the newest head alone: it vouches for all before it. `token` is
    asked each time, and may raise `SettingsError`. `context`: TLS with the authorities that vouch for the
    address.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], Instant],
        *,
        token: Callable[[], bytes] | None = None,
        context: ssl.SSLContext | None = None,
        seconds: float = TIMEOUT_SECONDS,
        least_pause: float = LEAST_PAUSE,
    ) -> None:
        # The query may hold what gives access: it is said nowhere.
        super().__init__(urlsplit(url)._replace(query="", fragment="").geturl(), clock)
        self._url = url
        self._token = token
        self._context = context
        self._seconds = seconds
        self._least_pause = least_pause
        self._unheard: dict[str, bytes] = {}
        self._told = asyncio.Event()
        self._in_a_row = 0

    def tell(self, line: bytes, chain: Chain) -> None:
        """Keep it until it is heard; nothing is sent here."""
        self._unheard[chain.id] = line
        self._told.set()

    async def send_forever(self) -> None:
        """Send what was told; after a failure soon again, then less and less often."""
        while True:
            await self._told.wait()
            self._told.clear()
            if not await self._send():
                await asyncio.sleep(self.pause())
                self._told.set()

    async def send_last(self) -> None:
        if self._unheard:
            await self._send(LAST_SECONDS)

    def pause(self) -> float:
        """For how long not to send: never the same, so that a thousand of us do not send at once."""
        longest = min(MOST_PAUSE, self._least_pause * 2.0 ** (self._in_a_row - 1))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311  (no secret)

    async def _send(self, at_most: float = inf) -> bool:
        """Whether all was heard that had been told. Never raises for what an address can do."""
        for chain, line in [*self._unheard.items()]:
            try:
                async with asyncio.timeout(min(self._seconds, at_most)):
                    why = await self._post(line)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                why = _why(error)
            except SettingsError as error:
                why = "; ".join(error.problems)
            if why is not None:
                self._in_a_row += 1
                self._missed(why)
                return False
            self._in_a_row = 0
            self._heard()
            # What was told meanwhile supersedes it, and is not heard yet.
            if self._unheard.get(chain) is line:
                del self._unheard[chain]
        return True

    async def _post(self, line: bytes) -> str | None:
        """Why it was not heard, or None."""
        fields = {"Content-Type": "application/json", "User-Agent": f"moratorium/{__version__}"}
        if self._token is not None:
            fields["Authorization"] = f"Bearer {self._token().decode('ascii')}"
        async with (
            aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(ssl=self._context or True),
                auto_decompress=False,
            ) as session,
            session.post(self._url, data=line, allow_redirects=False, headers=fields) as answer,
        ):
            # Whatever the answer says besides is not read: its connection is closed instead.
            return None if 200 <= answer.status < 300 else f"status {answer.status}"


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, aiohttp.InvalidURL):
        return "not an address"  # its own words would quote the query
    return str(error) or type(error).__name__
