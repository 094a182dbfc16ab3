"""From settings to the listeners that stand beside the traffic and the metrics."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from proxy.credentials.keyfiles import read_key
from proxy.credentials.secret import Secret
from proxy.doors.admin import make_admin_app
from proxy.doors.aws_credentials import make_aws_credentials_app
from proxy.doors.listener import open_listener
from proxy.settings import Settings


async def open_doors(
    settings: Settings, clock: Callable[[], float], jwks: Callable[[], dict[str, Any]]
) -> list[web.AppRunner]:
    """Open those that settings ask for. Raises `SettingsError` when an address cannot be bound."""
    doors = []
    if settings.upstream_assertion_key_file is not None:
        listen = settings.admin_listen
        app = make_admin_app(jwks)
        doors.append(await open_listener(app, listen.host, listen.port, "MORATORIUM_ADMIN_LISTEN"))
    if settings.aws_credentials_listen is not None and settings.aws_credentials_token_file is not None:
        listen, setting = settings.aws_credentials_listen, "MORATORIUM_AWS_CREDENTIALS_LISTEN"
        app = make_aws_credentials_app(
            settings.aws_credentials_token_file, lambda: _authorization(settings), clock
        )
        doors.append(await open_listener(app, listen.host, listen.port, setting))
    return doors


def _authorization(settings: Settings) -> Secret | None:
    file = settings.aws_credentials_authorization_file
    return read_key(file) if file is not None else settings.aws_credentials_authorization
