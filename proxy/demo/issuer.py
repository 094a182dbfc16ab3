"""The demo's issuer: publishes the public key of a development mint, as an identity provider would.

The demo runs it in its own process. `python -m proxy.demo.issuer` runs it alone, and then it also signs
whatever it is asked to sign: it is for a closed network of containers, never for anything real.
"""

import argparse
import http.client
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from proxy.testing import TokenMint

ISSUER = "https://id.demo.example"
AUDIENCE = "face-api"
JWKS_PATH = "/.well-known/jwks.json"
TOKEN_PATH = "/token"  # noqa: S105
_TOKEN_SECONDS = 3600
_EXAMPLE = """\
With CLAIM=VALUE arguments, prints a token from the issuer that runs on this machine, signed for an hour:
  python -m proxy.demo.issuer org_type=police org_id=cedar-sheriff purpose=criminal-investigation
  python -m proxy.demo.issuer org_type=police org_type=child-safety org_id=icmec
"""


def issuer_app(mint: TokenMint, *, signs: bool) -> web.Application:
    """The mint's JWK set; where `signs`, also a token for any claims in the query."""

    async def keys(request: web.Request) -> web.Response:  # noqa: ARG001
        return web.json_response(mint.jwks())

    async def token(request: web.Request) -> web.Response:
        claims = _claims(request.query_string)
        return web.Response(text=mint.token(expires_in=_TOKEN_SECONDS, **claims))

    app = web.Application()
    app.router.add_get(JWKS_PATH, keys)
    if signs:
        app.router.add_get(TOKEN_PATH, token)
    return app


@asynccontextmanager
async def published(mint: TokenMint) -> AsyncIterator[str]:
    """Serve the mint's JWK set on a free loopback port; gives its URL."""
    runner = web.AppRunner(issuer_app(mint, signs=False), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}{JWKS_PATH}"
    finally:
        await runner.cleanup()


def main() -> int:
    """The command line of the issuer: serve, or ask the one that serves for a token."""
    parser = argparse.ArgumentParser(
        prog="python -m proxy.demo.issuer",
        description="A development issuer: its key set and, for whoever asks, its tokens.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("claims", nargs="*", metavar="CLAIM=VALUE", help="ask for a token instead of serving")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9100, help="port (default: %(default)s)")
    args = parser.parse_args()
    if args.claims:
        return _ask(args.port, [tuple(claim.partition("=")[::2]) for claim in args.claims])
    app = issuer_app(TokenMint(ISSUER, AUDIENCE), signs=True)
    print(f"issuer {ISSUER} on http://{args.host}:{args.port}{JWKS_PATH}", flush=True)
    web.run_app(app, host=args.host, port=args.port, access_log=None, print=None)
    return 0


def _ask(port: int, claims: list[tuple[str, str]]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", f"{TOKEN_PATH}?{urlencode(claims)}")
        answer = connection.getresponse()
        text = answer.read().decode()
    except OSError as error:
        print(f"issuer: nothing answers on port {port}: {error}", file=sys.stderr)
        return 1
    finally:
        connection.close()
    print(text, file=sys.stdout if answer.status == 200 else sys.stderr)
    return 0 if answer.status == 200 else 1


def _claims(query: str) -> dict[str, Any]:
    """Claims from a query; one that is named several times is a list."""
    claims: dict[str, Any] = {}
    for name, value in parse_qsl(query):
        known = claims.get(name, [])
        values = [*([known] if isinstance(known, str) else known), value]
        claims[name] = values if len(values) > 1 else value
    return claims


if __name__ == "__main__":
    sys.exit(main())
