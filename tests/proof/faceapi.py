"""The face API of the run, a process of its own: answers at once, and notes the request id of every call.

`python -m tests.proof.faceapi PORT_FILE IDS_FILE`. A call with `how=break` in its target gets no answer.
"""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TextIO, cast

import httptools
import uvloop

ANSWER = b"HTTP/1.1 200 OK\r\nX-Echo: yes\r\nContent-Length: 2\r\n\r\nok"


class Connection(asyncio.Protocol):
    def __init__(self, ids: TextIO) -> None:
        self._ids = ids
        self._parser = httptools.HttpRequestParser(self)
        self._breaks = False
        self._id = "-"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._breaks, self._id = b"how=break" in url, "-"

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-request-id":
            self._id = value.decode()

    def on_headers_complete(self) -> None:
        self._ids.write(f"{self._id}\n")

    def on_message_complete(self) -> None:
        if self._breaks:
            self._transport.abort()
        else:
            self._transport.write(ANSWER)


async def main(port_file: Path, ids_file: Path) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    with ids_file.open("w") as ids:
        server = await loop.create_server(lambda: Connection(ids), "127.0.0.1", 0, backlog=1024)
        draft = port_file.with_suffix(".new")
        draft.write_text(str(server.sockets[0].getsockname()[1]))
        draft.replace(port_file)
        await stop.wait()
        server.close()


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
