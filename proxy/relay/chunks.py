"""Reads the chunked coding (RFC 9112 section 7.1) strictly and gives out the payload alone.

What goes on is framed anew by us, so no extension, odd size or trailer can reach another parser.
"""

import re
from enum import Enum, auto

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})")
_SIZE_AND_EXTENSION = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t -~]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~]*")
_MAX_LINE = 1024
_MAX_TRAILERS = 8 * 1024

LAST_CHUNK = b"0\r\n\r\n"


class ChunkError(ValueError):
    """The coding is broken; nothing after it can be trusted."""


class _At(Enum):
    SIZE = auto()
    PAYLOAD = auto()
    PAYLOAD_END = auto()
    TRAILER = auto()
    DONE = auto()


class ChunkReader:
    """Fed with bytes as they come; `extensions`: whether chunk extensions are dropped or an error."""

    __slots__ = ("_at", "_extensions", "_line", "_remaining", "_trailers", "rest")

    def __init__(self, *, extensions: bool = False) -> None:
        self._at = _At.SIZE
        self._extensions = extensions
        self._line = b""
        self._remaining = 0
        self._trailers = 0
        self.rest = b""

    @property
    def done(self) -> bool:
        """Whether the body has ended; then `rest` holds what came after it."""
        return self._at is _At.DONE

    def feed(self, data: bytes) -> list[bytes]:
        """The payload in `data`, in pieces.

        Raises `ChunkError`.
        """
        pieces: list[bytes] = []
        position, size = 0, len(data)
        while position < size and self._at is not _At.DONE:
            if self._at is _At.PAYLOAD:
                piece = data[position : position + self._remaining]
                pieces.append(piece)
                position += len(piece)
                self._remaining -= len(piece)
                if not self._remaining:
                    self._at = _At.PAYLOAD_END
            else:
                end = data.find(b"\n", position)
                stop = size if end < 0 else end + 1
                self._line += data[position:stop]
                position = stop
                if len(self._line) > _MAX_LINE:
                    raise ChunkError("line too long")
                if end >= 0:
                    line, self._line = self._line, b""
                    self._take(line)
        if self._at is _At.DONE:
            self.rest += data[position:]
        return pieces

    def _take(self, line: bytes) -> None:
        if line[-2:] != b"\r\n" or b"\r" in line[:-2]:
            raise ChunkError("bare CR or LF")
        text = line[:-2]
        if self._at is _At.SIZE:
            match = (_SIZE_AND_EXTENSION if self._extensions else _SIZE).fullmatch(text)
            if match is None:
                raise ChunkError("not a chunk size")
            self._remaining = int(match[1], 16)
            self._at = _At.PAYLOAD if self._remaining else _At.TRAILER
        elif self._at is _At.PAYLOAD_END:
            if text:
                raise ChunkError("payload longer than its size")
            self._at = _At.SIZE
        elif not text:
            self._at = _At.DONE
        else:
            self._trailers += len(line)
            if self._trailers > _MAX_TRAILERS or not _TRAILER.fullmatch(text):
                raise ChunkError("bad trailer")


def frame(payload: bytes | memoryview, *, last: bool = False) -> bytes:
    """One chunk, and after the `last` the body's end. Empty payload is no chunk: that would be the end."""
    chunk = b"".join((b"%x\r\n" % len(payload), payload, b"\r\n")) if payload else b""
    return chunk + LAST_CHUNK if last else chunk
