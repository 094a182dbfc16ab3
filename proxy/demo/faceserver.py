"""The demo's face API: Rekognition's wire format (AWS JSON 1.1) on a real recogniser.

Run as `python -m proxy.demo.faceserver`. It checks no credentials, as it stands behind the proxy. It counts
the calls that reach it, and refuses any that still carries a JWT: a caller's token must end at the proxy.
"""

import argparse
import asyncio
import json
import multiprocessing
import re
import signal
import sys
from collections import Counter, deque
from concurrent.futures import Executor, ProcessPoolExecutor
from pathlib import Path

from aiohttp import web

from proxy.demo.recogniser import Face, WeightsMissingError, look, warm_up, weights
from proxy.demo.rekognition import OPERATIONS, Document, Rekognition, ServiceError

CONTENT_TYPE = "application/x-amz-json-1.1"
TARGET_PREFIX = "RekognitionService."

# Two images of 5 MiB, as base64, in one JSON document.
LARGEST_BODY = 16 * 1024 * 1024

# So many request ids are kept, the newest.
IDS_KEPT = 100_000

# A compact JWS whose header is a JSON object: "eyJ" is base64url for '{"'.
_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")


class FaceServer:
    """The HTTP side: which operation a request names, what its answer looks like, and what was counted."""

    def __init__(self, workers: Executor) -> None:
        self._workers = workers
        self._service = Rekognition(self._look)
        self.calls: Counter[str] = Counter()
        self.ids: deque[str] = deque(maxlen=IDS_KEPT)
        self.tokens_seen = 0

    def app(self) -> web.Application:
        """The routes. Everything but the two GET paths is the face API."""
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_get("/healthz", self.health)
        app.router.add_get("/_calls", self.counted)
        app.router.add_post("/", self.operation)
        return app

    async def _look(self, image: bytes) -> list[Face]:
        return await asyncio.get_running_loop().run_in_executor(self._workers, look, image)

    async def health(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """For a container's health check: the models are loaded before the port opens."""
        return web.json_response({"status": "ok"})

    async def counted(self, request: web.Request) -> web.Response:  # noqa: ARG002
        """What arrived so far: calls by operation and by request id, and those that still carried a token."""
        return web.json_response(
            {"calls": dict(self.calls), "ids": [*self.ids], "tokens_seen": self.tokens_seen}
        )

    async def operation(self, request: web.Request) -> web.Response:
        """One call of the face API."""
        prefix, _, name = request.headers.get("X-Amz-Target", "").rpartition(".")
        known = prefix + "." == TARGET_PREFIX and name in OPERATIONS
        self.calls[name if known else "unknown"] += 1
        self.ids.append(request.headers.get("X-Request-Id", "-"))
        try:
            self._refuse_tokens(request)
            if not known:
                raise ServiceError("UnknownOperationException", "No such operation")
            return _answer(await self._service.call(name, _document(await request.read())))
        except ServiceError as error:
            return _answer({"__type": error.kind, "Message": error.message}, status=400)

    def _refuse_tokens(self, request: web.Request) -> None:
        carriers = (*request.headers.values(), request.query_string)
        if any(_JWT.search(value) for value in carriers):
            self.tokens_seen += 1
            raise ServiceError("InvalidParameterException", "A caller's token reached the face API")


def _document(body: bytes) -> Document:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise ServiceError("SerializationException", "The body is not JSON") from error
    if not isinstance(document, dict):
        raise ServiceError("SerializationException", "The body is not a JSON object")
    return document


def _answer(document: Document, status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(document).encode(), status=status, content_type=CONTENT_TYPE)


async def serve(host: str, port: int, port_file: Path | None, workers: Executor) -> None:
    """Load the models, open the port, say where, and stay until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await asyncio.get_running_loop().run_in_executor(workers, warm_up)
    runner = web.AppRunner(FaceServer(workers).app(), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0][1]
        if port_file is not None:
            _write_whole(port_file, str(bound))
        print(f"face server ready on http://{host}:{bound}", flush=True)
        await stop.wait()
    finally:
        await runner.cleanup()


def _write_whole(path: Path, text: str) -> None:
    """Write so that a reader sees either nothing or everything."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    draft.replace(path)


def _ignore_interrupts() -> None:
    # Ctrl-C goes to the whole group; the server ends its workers itself, in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> int:
    """The command line of the face server."""
    parser = argparse.ArgumentParser(prog="python -m proxy.demo.faceserver", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--port-file", type=Path, help="write the port here once ready")
    parser.add_argument("--workers", type=int, default=1, help="processes for dlib (default: %(default)s)")
    args = parser.parse_args()
    try:
        weights()
    except WeightsMissingError as error:
        print(f"face server: {error}", file=sys.stderr)
        return 2
    # spawn: a fork would copy the running event loop into each worker.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(args.workers, mp_context=spawn, initializer=_ignore_interrupts) as workers:
        asyncio.run(serve(args.host, args.port, args.port_file, workers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
