"""Bearer tokens that a command prints: for identities that live in a cloud's own tools."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from proxy.credentials.refreshed import Got, Refreshed
from proxy.credentials.secret import Secret, secret_of
from proxy.credentials.static import line_of
from proxy.errors import CredentialUnavailable
from proxy.messages import Headers, RequestHead
from proxy.policy.callers import Instant
from proxy.policy.model import Permit

MAX_OUTPUT = 64 * 1024
COMMAND_SECONDS = 30.0

_TOKENS = ("access_token", "accessToken", "token", "id_token")
_SPANS = ("expires_in", "expiresIn")
_INSTANTS = (
    "expires_on",
    "expires_at",
    "expirationTimestamp",
    "expiration",
    "Expiration",
    "expiry",
    "expireTime",
)


class TokenCommand(Refreshed[Secret]):
    """`words` are the program and its arguments: no shell reads them. `usual`: how long, in seconds, a token
    is used for which the command does not say when it ends.
    """

    wants_body = False

    def __init__(
        self,
        words: Sequence[str],
        header: bytes,
        scheme: bytes,
        clock: Callable[[], float],
        *,
        usual: float = 300.0,
        seconds: float = COMMAND_SECONDS,
    ) -> None:
        super().__init__(clock, seconds)
        self._words = tuple(words)
        self._header, self._scheme, self._usual = header, scheme, usual

    def __repr__(self) -> str:
        return f"<TokenCommand {self._words[0]}: ***>"

    def same_as(self, other: object) -> bool:
        return isinstance(other, TokenCommand) and (
            (self._words, self._header, self._scheme, self._usual)
            == (other._words, other._header, other._scheme, other._usual)
        )

    def fields(
        self,
        head: RequestHead,
        forwarded: list[tuple[bytes, bytes]],
        host: bytes,
        body: bytes | None,
        now: Instant,
        permit: Permit,
    ) -> Headers:
        del head, forwarded, host, body, permit
        return line_of(self._header, self.at_hand(now), self._scheme)

    async def get(self) -> Got[Secret]:
        output = await self._run()
        return read_token(output, self._clock(), self._usual)

    async def _run(self) -> str:
        program = os.path.basename(self._words[0])
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # so that all that it has started can be ended with it
            )
        except OSError as error:
            raise CredentialUnavailable(f"{program}: {error.strerror}") from None
        assert process.stdout is not None  # noqa: S101
        try:
            output = await process.stdout.read(MAX_OUTPUT + 1)
            while len(output) <= MAX_OUTPUT and (more := await process.stdout.read(MAX_OUTPUT)):
                output += more
            if len(output) > MAX_OUTPUT:
                raise CredentialUnavailable(f"{program} printed more than {MAX_OUTPUT} bytes")
            status = await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            # Reaped also when our time is over, or it would stay as a zombie.
            await asyncio.shield(process.wait())
        if status:
            raise CredentialUnavailable(f"{program} ended with status {status}")
        try:
            return output.decode("ascii")
        except UnicodeDecodeError:
            raise CredentialUnavailable(f"{program} printed something that is not ASCII") from None


def read_token(output: str, now: Instant, usual: float) -> Got[Secret]:
    """The token and its end, from a bare token or from JSON as clouds' tools and token endpoints print it.

    Raises `CredentialUnavailable`.
    """
    text = output.strip()
    if not text.startswith("{"):
        return Got(secret_of(text), now + usual)
    try:
        said: Any = json.loads(text)
    except ValueError:
        raise CredentialUnavailable("what was printed is neither a token nor JSON") from None
    # Kubernetes' client-go credential plugins put both into `status`.
    status = said.get("status")
    said = status if isinstance(status, dict) else said
    for name in _TOKENS:
        if isinstance(said.get(name), str):
            return Got(secret_of(said[name]), _end_of(said, now, usual))
    raise CredentialUnavailable(f"the JSON has none of {', '.join(_TOKENS)}")


def _end_of(said: dict[str, Any], now: Instant, usual: float) -> Instant:
    for name in _SPANS:
        if (seconds := _number(said.get(name))) is not None:
            return now + seconds
    for name in _INSTANTS:
        if (instant := _instant(said.get(name))) is not None:
            return instant
    return now + usual


def _number(value: object) -> float | None:
    """Also as text: Azure's metadata service quotes its numbers."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _instant(value: object) -> Instant | None:
    """Seconds since the epoch, or RFC 3339 text; a local time says nothing that could be relied on."""
    if (number := _number(value)) is not None:
        return number
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        return moment.timestamp() if moment is not None and moment.tzinfo is not None else None
    return None
