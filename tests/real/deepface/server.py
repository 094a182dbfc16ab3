"""The genuine DeepFace API server as a process of its own, and its own log of the calls that reached it."""

import asyncio
import contextlib
import os
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from proxy.demo.children import StartError, child

WEIGHTS = ("dlib_face_recognition_resnet_model_v1.dat", "shape_predictor_5_face_landmarks.dat")
_FIND = """
import importlib.util
print(importlib.util.find_spec("face_recognition_models").submodule_search_locations[0])
"""
# gunicorn's own words: method, path, status, two fields of the request.
_LOGGED = "\t".join(("%(m)s", "%(U)s", "%(s)s", "%({authorization}i)s", "%({x-request-id}i)s"))
# Nothing is downloaded, on no machine: weights that are not in the package are missing everywhere alike.
_NO_NETWORK = {
    name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
}


class Arrived(NamedTuple):
    """One call as the server logged it."""

    method: str
    path: str
    status: int
    authorization: str
    request_id: str


_PROBE = Arrived("GET", "/", 200, "-", "-")


@dataclass
class DeepFace:
    """The running server. `key` is what it wants to see in `Authorization: Bearer`."""

    port: int
    folder: Path
    key: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def arrived(self) -> list[Arrived]:
        """All calls but those that asked whether it is up. Complete once it has ended."""
        calls = []
        for line in (self.folder / "access.log").read_text("utf-8").splitlines():
            method, path, status, authorization, request_id = line.split("\t")
            call = Arrived(method, path, int(status), authorization, request_id)
            if call != _PROBE:
                calls.append(call)
        return calls


@contextlib.asynccontextmanager
async def deepface(python: Path, folder: Path) -> AsyncIterator[DeepFace]:
    """Start the server with the interpreter that has deepface, and end it with the block."""
    _link_weights(await _models(python), folder / ".deepface" / "weights")
    server = DeepFace(_free_port(), folder, secrets.token_urlsafe(24))
    own = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TMPDIR")}
    env = own | _NO_NETWORK | {
        "HOME": str(folder),
        "DEEPFACE_HOME": str(folder),
        "DEEPFACE_AUTH_TOKEN": server.key,
        "DEEPFACE_DATABASE_TYPE": "sqlite",
        "DEEPFACE_CONNECTION_DETAILS": str(folder / "faces.db"),
    }  # fmt: skip
    command = [
        *(str(python), "-m", "gunicorn", "--bind", f"127.0.0.1:{server.port}", "--workers", "1"),
        *("--timeout", "120", "--no-control-socket"),
        *("--access-logfile", str(folder / "access.log"), "--access-logformat", _LOGGED),
        "deepface.api.src.app:create_app()",
    ]
    async with child("DeepFace", command, env, folder) as started:
        await started.answers(server.url)
        yield server


async def _models(python: Path) -> Path:
    """The folder with dlib's weights, as their package was installed for this interpreter."""
    asking = await asyncio.create_subprocess_exec(str(python), "-c", _FIND, stdout=asyncio.subprocess.PIPE)
    said, _ = await asking.communicate()
    if asking.returncode != 0:
        raise StartError(f"{python} has no face_recognition_models")
    return Path(said.decode().strip()) / "models"


def _link_weights(models: Path, weights: Path) -> None:
    weights.mkdir(parents=True)
    for name in WEIGHTS:
        (weights / name).symlink_to(models / name)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
