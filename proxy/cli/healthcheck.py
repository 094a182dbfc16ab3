"""`moratorium healthcheck`: ask the metrics listener of the proxy that runs with the same settings."""

import argparse
import http.client
import json
import sys
from collections.abc import Mapping

from proxy.errors import SettingsError
from proxy.settings.convert import Address, address


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--probe", choices=("readyz", "healthz", "startupz"), default="readyz")
    parser.add_argument("--timeout", type=float, default=3.0, help="seconds, default 3")


def run(args: argparse.Namespace, env: Mapping[str, str]) -> int:
    try:
        listen = address(env.get("MORATORIUM_METRICS_LISTEN") or "127.0.0.1:9464")
    except ValueError as error:
        raise SettingsError([f"MORATORIUM_METRICS_LISTEN: {error}"]) from None
    host = "127.0.0.1" if listen.host in ("0.0.0.0", "::") else listen.host  # noqa: S104
    try:
        status, body = _ask(Address(host, listen.port), args.probe, args.timeout)
    except (OSError, http.client.HTTPException) as error:
        print(f"moratorium: {host}:{listen.port} does not answer: {error}", file=sys.stderr)
        return 1
    print(json.dumps(body))
    return 0 if status == 200 else 1


def _ask(target: Address, probe: str, timeout: float) -> tuple[int, object]:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=timeout)
    try:
        connection.request("GET", f"/{probe}")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()
