"""Strict reading of queries: each name once, percent-encoding that has one meaning, no credentials."""

import re

from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason

CREDENTIALS = frozenset(
    {
        "access_token", "api-key", "api_key", "apikey", "api_secret", "authorization",
        "credential", "jwt", "key", "oauth_token", "ocp-apim-subscription-key", "sas", "secret", "sig",
        "signature", "subscription-key", "subscription_key", "token", "x-api-key", "x-goog-api-key",
    }
)  # fmt: skip
"""Parameters that face APIs and their gateways take a credential from, in lower case."""
_PRESIGNED = ("x-amz-", "x-goog-")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
# RFC 3986 section 3.4, without what some servers take for a separator.
_PLAIN = re.compile(rb"(?:[A-Za-z0-9._~!$'()*+,=:@/?-]|%[0-9A-Fa-f]{2})*")
_SIMPLE = re.compile(rb"[A-Za-z0-9._,-]*")


def read_query(query: bytes) -> dict[str, str] | Refusal:
    """The parameters, decoded once; refuse what has two readings, and any credential of the face API."""
    found: dict[str, str] = {}
    seen = set()
    for pair in query.split(b"&"):
        if not pair:
            continue
        name, _, value = pair.partition(b"=")
        try:
            said, meant = _decoded(name), _decoded(value)
        except ValueError:
            return Refusal(Reason.REQUEST_AMBIGUOUS, "The query can be decoded in more than one way.")
        lower = said.lower()
        if lower in CREDENTIALS or lower.startswith(_PRESIGNED):
            return Refusal(
                Reason.CREDENTIALS_AMBIGUOUS, "Tokens and keys are taken from the header, not from the query."
            )
        if lower in seen:
            return Refusal(Reason.REQUEST_AMBIGUOUS, "A parameter of the query is there twice.")
        seen.add(lower)
        found[said] = meant
    return found


def _decoded(text: bytes) -> str:
    if _SIMPLE.fullmatch(text):
        return text.decode("ascii")
    if not _PLAIN.fullmatch(text):
        raise ValueError
    decoded = _ESCAPE.sub(lambda match: bytes((int(match[1], 16),)), text).decode("utf-8")
    if not decoded.isprintable() or "%" in decoded:
        raise ValueError
    return decoded
