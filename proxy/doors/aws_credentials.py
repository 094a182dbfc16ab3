"""The container credentials protocol of AWS on loopback: an SDK fetches the caller's token as session token.

The keys are no keys: the proxy signs with its own. Only the token matters, and it is read from its file for
each answer, so the SDK goes on with a new one before the old one ends.
"""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from proxy.authn.addresses import is_loopback
from proxy.authn.compact import take_apart
from proxy.credentials.secret import Secret
from proxy.errors import SettingsError
from proxy.policy.model import Refusal

PATH = "/credentials"
ACCESS_KEY, SECRET_KEY = "MORATORIUM", "unused"
MAX_TOKEN_FILE = 64 * 1024


def make_aws_credentials_app(
    token_file: Path, authorization: Callable[[], Secret | None], clock: Callable[[], float]
) -> web.Application:
    """The application of that listener.

    `authorization`: what has to be shown, None for nothing. Raises `SettingsError` when it cannot be had.
    """

    async def credentials(request: web.Request) -> web.Response:
        # A page in a browser must not get here through a name that it has made point to this machine.
        if not is_loopback(urlsplit(f"//{request.host}").hostname or "") or "Origin" in request.headers:
            return _fault(403, "NotLocal", "only programs on this machine are answered")
        try:
            wanted = authorization()
        except SettingsError:
            return _fault(503, "AuthorizationUnreadable", "what has to be shown cannot be read")
        shown = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if wanted is not None and not hmac.compare_digest(shown, wanted.reveal()):
            return _fault(401, "NotAuthorized", "Authorization is missing or wrong")
        return _answer(token_file, clock())

    app = web.Application()
    app.router.add_get(PATH, credentials)
    return app


def _answer(token_file: Path, now: float) -> web.Response:
    try:
        with token_file.open("rb") as file:
            token = file.read(MAX_TOKEN_FILE).strip()
    except OSError as error:
        return _fault(503, "TokenUnreadable", f"{token_file}: {error.strerror}")
    parts = take_apart(token)
    expires_at = None if isinstance(parts, Refusal) else parts.payload.get("exp")
    if not isinstance(expires_at, int | float) or isinstance(expires_at, bool):
        return _fault(503, "TokenMalformed", f"{token_file}: holds no JWT with an end")
    if expires_at <= now:
        return _fault(503, "TokenExpired", f"{token_file}: the token in it has expired")
    try:
        end = datetime.fromtimestamp(expires_at, UTC)
    except (OverflowError, ValueError):
        return _fault(503, "TokenMalformed", f"{token_file}: the token's end is no date")
    members = {
        "AccessKeyId": ACCESS_KEY,
        "SecretAccessKey": SECRET_KEY,
        "Token": token.decode("ascii"),
        "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return web.json_response(members, headers={"Cache-Control": "no-store"})


def _fault(status: int, code: str, message: str) -> web.Response:
    """As the SDKs expect it; they show both to people."""
    return web.json_response({"code": code, "message": message}, status=status)
