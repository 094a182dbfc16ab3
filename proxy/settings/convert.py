"""From the text of a variable to its value. Each raises `ValueError` with what was expected."""

import ipaddress
import re
import shlex
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from proxy.credentials.secret import Secret, secret_of
from proxy.errors import CredentialUnavailable
from proxy.policy.complaints import nearest

_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Origin(NamedTuple):
    """Scheme, host and port of an HTTP server, without anything else."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """As it stands in a Host field: the port only when it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == {"http": 80, "https": 443}[self.scheme] else f"{host}:{self.port}"


def text(value: str) -> str:
    return value


def secret(value: str) -> Secret:
    """What is never shown. What is wrong with it is said without quoting it."""
    try:
        return secret_of(value)
    except CredentialUnavailable as error:
        raise ValueError(error.why) from None


def words(value: str) -> tuple[str, ...]:
    """A command line, taken apart as a shell would, and never given to one."""
    try:
        parts = tuple(shlex.split(value))
    except ValueError as error:
        raise ValueError(str(error)) from None
    if not parts:
        raise ValueError("a program is expected")
    return parts


def field_name(value: str) -> str:
    """The name of a header field (RFC 9110 section 5.1)."""
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", value):
        raise ValueError(f"{value!r} is not a header field's name")
    return value


def names(value: str) -> tuple[str, ...]:
    """A comma-separated list; empty members are a mistake, not nothing."""
    parts = tuple(part.strip() for part in value.split(","))
    if not all(parts):
        raise ValueError("a comma-separated list without empty members is expected")
    return parts


def choice(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(f"{value!r} is not known{nearest(value, allowed)}")
        return value

    return read


def choices(allowed: Iterable[str]) -> Callable[[str], tuple[str, ...]]:
    one = choice(*allowed)
    return lambda value: tuple(one(name) for name in names(value))


def number(lowest: float, highest: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        try:
            result = float(value)
        except ValueError:
            raise ValueError(f"{value!r} is not a number") from None
        if not lowest <= result <= highest:
            raise ValueError(f"{value} is not between {lowest:g} and {highest:g}")
        return result

    return read


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", value):
            raise ValueError(f"{value!r} is not a whole number")
        return int(number(lowest, highest)(value))

    return read


def size(value: str) -> int:
    """Bytes, with an optional unit: 16777216, 16MiB, 20MB."""
    match = re.fullmatch(r"([0-9]{1,12})\s*(?:([KMG]i?)?B?)?", value, re.IGNORECASE)
    if match is None:
        raise ValueError(f"{value!r} is not a size such as 16MiB or 16777216")
    return int(match[1]) * _SIZES[(match[2] or "").lower()]


def flag(value: str) -> bool:
    try:
        return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[value.lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither true nor false") from None


def path(value: str) -> Path:
    return Path(value)


def paths(value: str) -> tuple[Path, ...]:
    """A comma-separated list of files."""
    return tuple(map(Path, names(value)))


def address(value: str) -> Address:
    """host:port, [v6]:port or :port (every interface)."""
    host, colon, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ValueError(f"{value!r} is not host:port, such as 127.0.0.1:8080")
    return Address(host or "0.0.0.0", int(port))  # noqa: S104  (asked for in so many words)


def origin(value: str) -> Origin:
    """http(s)://host[:port], nothing more: a path here would make what is judged differ from what is sent."""
    parts = urlsplit(value)
    try:
        port = parts.port
    except ValueError:
        raise ValueError(f"{value!r} has no valid port") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value!r} is not an address such as https://host or http://127.0.0.1:5000")
    if parts.username or parts.password or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("only scheme, host and port are expected: no path, query or credentials")
    return Origin(parts.scheme, parts.hostname, port or {"http": 80, "https": 443}[parts.scheme])


def url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ValueError(f"{value!r} is not an http or https address without credentials")
    return value


def text_or_url(value: str) -> str:
    """An http(s) address is checked as one; all else is a name."""
    return url(value) if urlsplit(value).scheme in ("http", "https") else value


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(value: str) -> tuple[Network, ...]:
    """A comma-separated list of CIDRs or addresses."""
    try:
        return tuple(ipaddress.ip_network(name) for name in names(value))
    except ValueError as error:
        raise ValueError(f"{error}; a list such as 10.0.0.0/8,127.0.0.1 is expected") from None


def contains(found: tuple[Network, ...], address: str) -> bool:
    """Whether an address is in one of the networks."""
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(peer in network for network in found)


def timezone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{value!r} is not an IANA time zone such as America/New_York") from None
    return value
