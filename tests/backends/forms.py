"""Forms as clients write them."""

from typing import NamedTuple

from proxy.messages import Headers

BOUNDARY = b"b0undary-of-a-form"
FORM = ((b"content-type", b"multipart/form-data; boundary=" + BOUNDARY),)
URLENCODED = ((b"content-type", b"application/x-www-form-urlencoded"),)


class Part(NamedTuple):
    """One part; a file if it has the name of one."""

    name: str
    content: bytes
    filename: str | None = None

    def written(self) -> bytes:
        """The part behind its boundary."""
        about = f'Content-Disposition: form-data; name="{self.name}"'
        if self.filename is not None:
            about += f'; filename="{self.filename}"\r\nContent-Type: image/jpeg'
        return about.encode() + b"\r\n\r\n" + self.content


def framed(*parts: bytes) -> bytes:
    """A body of parts, each with its header fields."""
    return b"".join(b"--%b\r\n%b\r\n" % (BOUNDARY, part) for part in parts) + b"--%b--\r\n" % BOUNDARY


def form(*parts: Part) -> bytes:
    return framed(*(part.written() for part in parts))


def multipart(*parts: Part) -> tuple[Headers, bytes]:
    """The header field and the body of a form."""
    return FORM, form(*parts)
