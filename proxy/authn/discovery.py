"""From an issuer's name to the address of its keys: OpenID Connect Discovery 1.0 and RFC 8414.

The document must name the issuer it was asked for, byte for byte (RFC 8414 section 3.3), or one issuer's host
could give out another's keys.
"""

import json
from urllib.parse import urlsplit

from proxy.authn.addresses import is_safe
from proxy.authn.download import NotFetched, download

WELL_KNOWN = "/.well-known/openid-configuration"


def document_url(issuer: str) -> str:
    """Where an issuer publishes what it is (OpenID Connect Discovery 1.0 section 4)."""
    return issuer.removesuffix("/") + WELL_KNOWN


async def find_keys(issuer: str, seconds: float, *, insecure: bool = False) -> str:
    """The address of the issuer's key set. `insecure`: plain http from another machine will do as well.

    Raises `NotFetched`.
    """
    url = document_url(issuer)
    if not (is_safe(url) or insecure):
        raise NotFetched("discovery needs https")
    return _keys_of((await download(url, seconds)).content, issuer, insecure=insecure)


def _keys_of(content: bytes, issuer: str, *, insecure: bool) -> str:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise NotFetched("not JSON") from None
    if not isinstance(document, dict):
        raise NotFetched("not a JSON object")
    if document.get("issuer") != issuer:
        raise NotFetched("the document is about another issuer")
    url = document.get("jwks_uri")
    if not isinstance(url, str) or not _is_address(url):
        raise NotFetched("jwks_uri is not an http or https address without credentials")
    if insecure:
        return url
    # An issuer elsewhere must not point at a service of this machine that speaks plain http.
    if not is_safe(url) or (urlsplit(issuer).scheme == "https" and urlsplit(url).scheme != "https"):
        raise NotFetched("jwks_uri needs https")
    return url


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        # Reading the port checks it.
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and not (parts.username or parts.password or parts.port == 0)
        )
    except ValueError:
        return False
