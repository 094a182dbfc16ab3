"""Requests as values: one head, byte-exact, and how its body is framed.

Nothing here reads a socket or judges anything. The target is kept as the bytes that came and as the bytes
that go: no decoding, no normalising, so what is decided on is what is sent.
"""

from collections.abc import Set as AbstractSet
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

Headers = tuple[tuple[bytes, bytes], ...]
"""Field lines in order; names lower case, values without surrounding white space."""


class Chunked(Enum):
    """The marker for a body whose length is not declared (RFC 9112 section 7.1)."""

    CHUNKED = "chunked"


CHUNKED: Final = Chunked.CHUNKED
BodyLength = int | Chunked
"""Bytes of the body as declared; 0 is also "no body"."""


class RequestHead(NamedTuple):
    """A request's head after strict reading (RFC 9112): exactly one way to understand it."""

    method: bytes
    target: bytes
    version: bytes
    headers: Headers
    length: BodyLength = 0
    keep_alive: bool = True
    expects_continue: bool = False
    options: frozenset[bytes] = frozenset()
    """Members of the Connection field, lower case."""
    upgrade: bool = False
    """Whether it asks for a WebSocket (RFC 6455); no other upgrade gets this far."""

    @property
    def path(self) -> bytes:
        """The target up to its query, as sent."""
        return self.target.partition(b"?")[0]

    @property
    def query(self) -> bytes:
        """What follows the first question mark, without it; empty when there is none."""
        return self.target.partition(b"?")[2]

    def values(self, name: bytes) -> list[bytes]:
        """Every value of one field, in order. Callers decide what several of them mean."""
        return [value for key, value in self.headers if key == name]


class Trail(NamedTuple):
    """What a trusted peer says of a call; empty where it says nothing, or nothing that can be used."""

    request_id: bytes = b""
    trace_id: bytes = b""
    trace_flags: bytes = b"00"
    tracestate: bytes = b""
    forwarded: bytes = b""
    via: bytes = b""


NO_TRAIL = Trail()
"""Of a call whose peer is not trusted: what it says is not even read."""


NULL = b"null"

Imprint = tuple[bytes, BodyLength | None, bytes]
"""What a record keeps of a request: the digest of its head, the body's length, the digest of the body.

A plain tuple: a named one costs more than what is done with it. Digests are JSON, as they stand in records.
"""
NO_IMPRINT: Imprint = (NULL, None, NULL)
"""Of what never became a question."""


def digest_of_head(head: RequestHead, names: AbstractSet[bytes]) -> bytes:
    """Over its method, its target, and the header fields of these names as they came."""
    text = b"%b %b\n" % (head.method, head.target)
    for field in head.headers:
        if field[0] in names:
            text += b"%b:%b\n" % field
    return _remembered_digest(text) if len(text) <= MAX_REMEMBERED else digest_of_body(text)


def digest_of_body(body: bytes) -> bytes:
    """SHA-256 in hexadecimal, as JSON."""
    return b'"%b"' % sha256(body).hexdigest().encode()


_remembered_digest = lru_cache(maxsize=1024)(digest_of_body)
"""Of heads: most calls are like others, but for what is not read of them."""
MAX_REMEMBERED = 512
"""Bytes of a longest head that is remembered, so that nobody can fill the memory with targets."""


class Slot(NamedTuple):
    """A header field that can hold a token: bare, or behind a scheme such as `Bearer` (RFC 6750 2.1)."""

    header: bytes
    scheme: bytes | None = None


class Answer(NamedTuple):
    """A whole answer of ours, before it becomes bytes."""

    status: int
    headers: Headers
    body: bytes
