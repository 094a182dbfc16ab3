"""A server to ship to: takes lines out of the JSON they came in, and appends them to files."""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Receiver(ThreadingHTTPServer):
    """On a port of its own, from the beginning. `refusing`: takes nothing, as with a full disk."""

    daemon_threads = True

    def __init__(self, home: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.home = home
        self.refusing = False
        self.refused = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        self.shutdown()
        self.server_close()


class _Request(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        if self.server.refusing:
            self.server.refused += 1
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE)
            return
        name = re.sub(r"[^\w.-]", "_", self.headers.get("X-Audit-File", "audit.jsonl"))
        lines = _otlp(body) if self.path == "/v1/logs" else _json_lines(body)
        with self.server.lock, (self.server.home / name).open("ab") as file:
            # An escape that is no UTF-8 stays what it was.
            file.write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"))
        self._answer(HTTPStatus.OK)

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def _json_lines(body: bytes) -> Iterator[str]:
    for line in body.splitlines():
        if line:
            yield json.loads(line)["log"]


def _otlp(body: bytes) -> Iterator[str]:
    for resource in json.loads(body)["resourceLogs"]:
        for scope in resource["scopeLogs"]:
            for record in scope["logRecords"]:
                yield record["body"]["stringValue"]
