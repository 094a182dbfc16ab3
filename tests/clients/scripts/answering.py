"""Reads calls from standard input, one JSON object a line, makes each, and says in a line what it saw.

A call has `endpoint`, `port`, `token`, `source` and `target` (image files), `large` and `session`: calls of
one session are made with one client object, as a program would.
"""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

Asked = dict[str, Any]


class Sdk(NamedTuple):
    """One client: how it is made, how it calls, what it raises and what its errors say as (code, status)."""

    package: str
    make: Callable[[Asked], Any]
    call: Callable[[Any, Asked], str]
    errors: tuple[type[Exception], ...]
    says: Callable[[Any], tuple[str, int]]


def serve(sdk: Sdk) -> None:
    """Answer until standard input ends. The first line says which version this is."""
    _say({"version": version(sdk.package)})
    sessions: dict[str, Any] = {}
    for line in sys.stdin:
        asked: Asked = json.loads(line)
        if asked["session"] not in sessions:
            sessions[asked["session"]] = sdk.make(asked)
        _say(_make(sdk, sessions[asked["session"]], asked))


def _make(sdk: Sdk, client: Any, asked: Asked) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        kind, code, status, says = "", "", 200, sdk.call(client, asked)
    except sdk.errors as error:
        kind, says = type(error).__name__, str(error)
        code, status = sdk.says(error)
    seconds = time.perf_counter() - began
    return {"kind": kind, "code": code, "status": status, "says": says, "seconds": seconds}


def _say(members: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(members) + "\n")
    sys.stdout.flush()
