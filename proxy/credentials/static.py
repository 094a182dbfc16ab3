"""Keys that do not change by themselves: one for all calls, or one for each part of the face API."""

from collections.abc import Mapping

from proxy.credentials.base import Credential
from proxy.credentials.secret import Secret
from proxy.errors import CredentialUnavailable
from proxy.messages import Headers, RequestHead
from proxy.policy.callers import Instant
from proxy.policy.model import Permit


def line_of(header: bytes, secret: Secret, scheme: bytes = b"") -> Headers:
    """The one line with a key; behind a scheme, such as `Bearer`, if there is one."""
    value = secret.reveal()
    return ((header, b"%b %b" % (scheme, value) if scheme else value),)


class HeaderKey:
    """The same line for every call."""

    wants_body = False

    def __init__(self, header: bytes, secret: Secret, scheme: bytes = b"") -> None:
        self._lines = line_of(header, secret, scheme)

    def __repr__(self) -> str:
        return f"<HeaderKey {self._lines[0][0].decode()}: ***>"

    def fields(
        self,
        head: RequestHead,
        forwarded: list[tuple[bytes, bytes]],
        host: bytes,
        body: bytes | None,
        now: Instant,
        permit: Permit,
    ) -> Headers:
        del head, forwarded, host, body, now, permit
        return self._lines


class KeysByPath:
    """The key of the longest prefix that the path begins with; a prefix ends where a segment does."""

    wants_body = False

    def __init__(self, header: bytes, keys: Mapping[str, Secret], scheme: bytes = b"") -> None:
        found = sorted(keys.items(), key=lambda item: len(item[0]), reverse=True)
        self._keys = [
            (prefix.rstrip("/").encode(), line_of(header, secret, scheme)) for prefix, secret in found
        ]

    def __repr__(self) -> str:
        return f"<KeysByPath {', '.join(prefix.decode() or '/' for prefix, _ in self._keys)}: ***>"

    def fields(
        self,
        head: RequestHead,
        forwarded: list[tuple[bytes, bytes]],
        host: bytes,
        body: bytes | None,
        now: Instant,
        permit: Permit,
    ) -> Headers:
        del forwarded, host, body, now, permit
        path = head.path
        for prefix, lines in self._keys:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in (b"", b"/"):
                return lines
        raise CredentialUnavailable("no key is for this path")


class Several:
    """What several credentials put in, in their order: the face API's key, and our word for the caller."""

    def __init__(self, *credentials: Credential) -> None:
        self._credentials = credentials
        self.wants_body = any(one.wants_body for one in credentials)

    def __repr__(self) -> str:
        return f"<Several {self._credentials!r}>"

    def fields(
        self,
        head: RequestHead,
        forwarded: list[tuple[bytes, bytes]],
        host: bytes,
        body: bytes | None,
        now: Instant,
        permit: Permit,
    ) -> Headers:
        lines: Headers = ()
        for one in self._credentials:
            # Each sees what the ones before it have put in: a signature may cover it.
            lines += one.fields(head, [*forwarded, *lines], host, body, now, permit)
        return lines
