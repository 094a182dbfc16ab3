"""Before and after a run: does the target do what it is measured for?"""

import http.client
import time
from pathlib import Path

from bench.targets import Running
from bench.tokens import Credentials

HOST = "127.0.0.1"
BODY = b'{"SourceImage": {"Bytes": "QUJD"}}'


class Broken(Exception):
    """The target does not apply the policy, or a run had errors. Not to be reported."""


def call(port: int, token: str | None, body: bytes = BODY) -> tuple[int, bytes]:
    """One call on a connection of its own: the status and the answer's body."""
    headers = {
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Target": "RekognitionService.CompareFaces",
    }
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("POST", "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def upstream_calls(port: int) -> int:
    """How many calls the upstream has answered."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", "/count")
        return int(connection.getresponse().read())
    finally:
        connection.close()


def settle(upstream_port: int) -> int:
    """Wait until calls that were under way when wrk stopped seem to have ended; the upstream's count then."""
    count = upstream_calls(upstream_port)
    for _ in range(50):
        time.sleep(0.1)
        before, count = count, upstream_calls(upstream_port)
        if before == count:
            break
    return count


def check_policy(
    running: Running, upstream_port: int, credentials: Credentials, *, quiet: bool = True
) -> None:
    """The allowed call reaches the upstream once; police and bad tokens do not. Raises `Broken`.

    Not `quiet`: calls of a run that has just ended may still be reaching the upstream.
    """
    before = upstream_calls(upstream_port)
    status, body = call(running.port, credentials.allowed)
    if status != 200 or b"FaceMatches" not in body:
        raise Broken(f"{running.name} answers an allowed call with {status}: {body[:200]!r}")
    status, _ = call(running.port, credentials.police)
    if status not in (403, 451):
        raise Broken(f"{running.name} answers a police call with {status}")
    bad: dict[str, str | None] = {**credentials.refused, "no token": None}
    for what, token in bad.items():
        status, _ = call(running.port, token)
        if status not in (401, 403):
            raise Broken(f"{running.name} answers {what} with {status}")
    reached = upstream_calls(upstream_port) - before
    if quiet and reached != 1:
        raise Broken(f"{running.name}: the upstream saw {reached} calls instead of one")


def audit_lines(file: Path) -> int:
    """How many decisions the file has; empties it, since a benchmark writes gigabytes."""
    with file.open("rb") as lines:
        count = sum(b'"kind":"decision"' in line for line in lines)
    with file.open("r+b") as lines:
        lines.truncate()
    return count


def metric(running: Running, name: str) -> float:
    """One unlabelled value from our own metrics."""
    assert running.metrics_port is not None  # noqa: S101
    connection = http.client.HTTPConnection(HOST, running.metrics_port, timeout=10)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    for line in text.splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise Broken(f"{running.name} exports no {name}")
