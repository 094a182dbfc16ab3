"""The admin listener: the keys with which the face API checks our word about a caller."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

MAX_AGE_SECONDS = 300


def make_admin_app(jwks: Callable[[], dict[str, Any]]) -> web.Application:
    """The application of the admin listener. `jwks`: the JWK set as it is now."""

    async def keys(_request: web.Request) -> web.Response:
        return web.json_response(
            jwks(),
            content_type="application/jwk-set+json",
            headers={"Cache-Control": f"max-age={MAX_AGE_SECONDS}"},
        )

    app = web.Application()
    app.router.add_get("/.well-known/jwks.json", keys)
    return app
