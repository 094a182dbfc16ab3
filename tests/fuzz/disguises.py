"""Thousands of ways to write a blocked call so that somebody might not know it again (threats T1 to T18).

A disguise of a blocked call stays one: a lenient server might do what it was meant to do. Nothing here may
turn it into another call that is harmless.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from urllib.parse import quote

SPLINTERS = [
    b"/", b"//", b"/./", b"/.", b".", b"..", b"/../", b"\\", b"%2f", b"%2F", b"%5c", b"%252f", b"%25252f",
    b"%c0%af", b"%e0%80%af", b"%u002f", b"%ef%bc%8f", b"\xef\xbc\x8f", b"\xc3\xa9", b"%00", b"\x00", b"%20",
    b"%09", b"%0a", b"%0d%0a", b"\t", b"\x0b", b"\x1f", b"\x7f", b"\xa0", b"\xe2\x80\x8b", b"%e2%80%8b", b"%",
    b"%%", b";", b";a=b", b";jsessionid=1", b"/x;/", b"/..;/", b"/.;/", b"#", b"%23", b"%3f", b"%3b", b"&",
    b"&a=b", b"+", b",", b":", b"@", b"!", b"$", b"'", b"(", b"*", b"=", b"~", b"_", b"-", b"^", b"|",
    b"{}", b"<>", b'"',
]  # fmt: skip
SUFFIXES = [
    b".json",
    b".xml",
    b".php",
    b".",
    b"%2ejson",
    b"/index",
    b"?",
    b"?a",
    b"?#",
    b"#a",
    b"?a#b",
    b"?/../x",
    b"/x/..",
]
OVERRIDES = [
    "X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL",
    "X-Forwarded-Uri", "X-Forwarded-Path", "X-Forwarded-Prefix", "X-Original-URI", "X-Envoy-Original-Path",
    "X-Forwarded-Method", "X-Forwarded-Host", "Forwarded", "X_Original_URL", "X_HTTP_Method_Override",
]  # fmt: skip
METHODS = [
    b"GET",
    b"PUT",
    b"PATCH",
    b"DELETE",
    b"HEAD",
    b"OPTIONS",
    b"TRACE",
    b"post",
    b"Post",
    b"POSTS",
    b"XPOST",
    b"QUERY",
]
CONNECTION = [
    b"Connection: upgrade\r\nUpgrade: websocket", b"Upgrade: h2c\r\nHTTP2-Settings: AAA", b"Connection: host",
    b"Connection: authorization", b"Connection: content-type", b"Connection: x-amz-target",
    b"Connection: x-amz-security-token", b"Connection: content-length", b"Connection: transfer-encoding",
    b"Connection: keep-alive, X-Amz-Target", b"Connection: close", b"Host: b", b"Content-Length: 0",
    b"Transfer-Encoding: chunked", b"Content-Length: 0\r\nTransfer-Encoding: chunked", b"Expect: 200-ok",
]  # fmt: skip


@dataclass(frozen=True)
class Call:
    """The parts of a head; the token is in `fields`."""

    method: bytes
    target: bytes
    fields: tuple[bytes, ...]
    version: bytes = b"HTTP/1.1"

    def raw(self) -> bytes:
        start = b" ".join([self.method, self.target, self.version])
        return b"\r\n".join([start, b"Host: faces.test", *self.fields, b"", b""])

    def having(self, *fields: bytes) -> "Call":
        return replace(self, fields=self.fields + fields)


def spellings(text: bytes) -> Iterator[bytes]:
    """Of a path or a value: something put in anywhere, letters in another case, encoded, or foreign."""
    for place in range(len(text) + 1):
        for splinter in SPLINTERS:
            yield text[:place] + splinter + text[place:]
    for place, byte in enumerate(text):
        before, letter, after = text[:place], text[place : place + 1], text[place + 1 :]
        coded = [
            b"%%%02x" % byte,
            b"%%%02X" % byte,
            b"%%25%02x" % byte,
            b"%%u00%02x" % byte,
            letter.swapcase(),
        ]
        coded += [b"%%%02x%%%02x" % (0xC0 | byte >> 6, 0x80 | byte & 0x3F), chr(byte + 0xFEE0).encode()]
        coded += [quote(chr(byte + 0xFEE0)).encode()]
        yield from (before + other + after for other in coded if other != letter)
        yield before + after
    yield from (text + suffix for suffix in SUFFIXES)
    yield from (text.upper(), text.lower(), text.title(), text * 2, b"%" + text, text[::-1])
    yield b"".join(b"%%%02x" % byte for byte in text)
    yield b"".join(b"%%25%02X" % byte for byte in text)


def targets(path: bytes, harmless: bytes) -> Iterator[bytes]:
    """Of a path: spellings, detours and other forms of a request target."""
    yield from spellings(path)
    for up in (
        b"..",
        b"%2e%2e",
        b".%2e",
        b"..;",
        b"..;a",
        b"%252e%252e",
        b"..%00",
        b"...",
        b"..\\",
        b"..%5c",
    ):
        for start in (harmless, b"/healthz", b"/metrics", b"/readyz", b"/x", b""):
            yield start + b"/" + up + path
            yield start + b"/" + up + b"/" + up + path
            yield start + b"/" + up + b"%2f" + path[1:]
    for host in (b"faces.test", b"evil.test", b"a:b@faces.test", b"faces.test:443", b"", b"127.0.0.1"):
        yield from (
            form + host + path
            for form in (b"http://", b"https://", b"//", b"HTTP://", b"file://", b"///", b"")
        )
    yield from (b"*", path[1:], b"faces.test:443", b"?" + path, b"/?" + path, b"/;" + path, b"/#" + path)


def disguises(call: Call, harmless: bytes) -> Iterator[Call]:
    """Of a call that its path names; `harmless` is the path of another one."""
    yield from (
        replace(call, target=target) for target in targets(call.target, harmless) if target != call.target
    )
    yield from around(call)


def around(call: Call) -> Iterator[Call]:
    """Of any call: other methods and versions, and fields that somebody might act on."""
    yield from (replace(call, method=method) for method in METHODS)
    yield from (
        replace(call, version=version)
        for version in (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"")
    )
    yield from (call.having(line) for line in CONNECTION)
    for name in OVERRIDES:
        yield from (
            call.having(b"%b: %b" % (name.encode(), value)) for value in (b"GET", b"/", b"/v1/version")
        )
    yield from (call.having(b"A: b\r\n " + line) for line in (b"c", b"X: y"))
    yield from (call.having(line) for line in (b"A : b", b"A: b\rc", b"A: b\nC: d", b"A: \x00", b": x", b"A"))


def values(name: bytes, value: bytes, harmless: bytes) -> Iterator[tuple[bytes, ...]]:
    """Of a field that names the operation: its lines."""
    line, other = name + b": " + value, name + b": " + harmless
    yield from (
        (name + b": " + spelling,) for spelling in spellings(value) if spelling.strip(b" \t") != value
    )
    for alias in (name, name.lower(), name.upper(), name.title().swapcase()):
        again = alias + b": " + harmless
        yield from (
            (line, again),
            (again, line),
            (line, again, line),
            (alias + b":", line),
            (line, alias + b":"),
        )
    yield from (
        (name + b": " + value + comma + harmless,) for comma in (b",", b", ", b";", b" ", b"\t", b"|")
    )
    yield from (
        (name + b": " + harmless + comma + value,) for comma in (b",", b", ", b";", b" ", b"\t", b"|")
    )
    for mimic in (
        name.replace(b"-", b"_"),
        name + b" ",
        b" " + name,
        name[:-1],
        name + b"\x00",
        name + b"\x0b",
    ):
        yield from ((mimic + b": " + value,), (other + b"\x0d", mimic + b": " + value))
    yield from (
        (name + quoted % value,)
        for quoted in (b': "%b"', b": '%b'", b":\xa0%b", b": <%b>", b":: %b", b"= %b")
    )


def piled_up(calls: list[Call], change: Callable[[Call, random.Random], Call], count: int) -> Iterator[Call]:
    """Disguises of disguises, drawn with a fixed seed."""
    rng = random.Random(2020)  # noqa: S311  (seeded, no secret)
    for _ in range(count):
        yield change(rng.choice(calls), rng)
