"""Runs the services of compose.yaml that are built here with podman: run_services.py COMPOSE SCRATCH.

Without a Docker engine there is only the host's network, so host names become 127.0.0.1 and ports free ones.
Everything else (command, environment, hardening, health checks, what waits for what) is taken from the file.
"""
# ruff: noqa: S603  (its whole purpose is to start programs, given as lists)

import contextlib
import http.client
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

SERVICES = ("faces", "issuer", "proxy")
IMAGES = {"proxy": "localhost/verify-proxy", "demo": "localhost/verify-demo"}
PORTS = {"9000": "faces:9000", "9100": "issuer:9100"}
USER = 10001
EXPECTED = {"police": 451, "commercial": 400}
PODMAN = shlex.split(os.environ["PODMAN"])  # noqa: TID251
# Neither cgroups nor health timers are to be had everywhere; the limits are what runc may set without them.
HOST = (
    "--network",
    "host",
    "--no-healthcheck",
    "--ulimit",
    "nofile=4096:8192",
    "--ulimit",
    "nproc=4096:4096",
)
PATIENCE_SECONDS = 60.0


class Failure(Exception):
    """What did not come as it must."""


def podman(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*PODMAN, *arguments], capture_output=True, text=True, check=False)


def must(*arguments: str) -> str:
    ran = podman(*arguments)
    if ran.returncode != 0:
        raise Failure(f"podman {arguments[0]}: {ran.stdout}{ran.stderr}")
    return ran.stdout.strip()


def logs(name: str) -> str:
    said = podman("logs", name)
    return said.stdout + said.stderr


def say(text: str) -> None:
    sys.stdout.write(f"= {text}\n")
    sys.stdout.flush()


def free_port() -> str:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return str(trial.getsockname()[1])


def read(compose: Path) -> dict[str, Any]:
    text = compose.read_text("utf-8")
    for port, address in PORTS.items():
        free = free_port()
        text = text.replace(address, f"127.0.0.1:{free}").replace(port, free)
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


def arguments(name: str, service: dict[str, Any], compose: Path, scratch: Path) -> list[str]:
    """The options of `podman run` that say what the service says."""
    options = ["--name", name, *HOST]
    options += ["--read-only"] * service["read_only"]
    options += [f"--cap-drop={capability}" for capability in service["cap_drop"]]
    options += [f"--security-opt={option.removesuffix(':true')}" for option in service["security_opt"]]
    options += [f"--tmpfs={place}" for place in service["tmpfs"]]
    options += [f"--env={key}={value}" for key, value in service.get("environment", {}).items()]
    for volume in service.get("volumes", ()):
        source, place, *mode = volume.split(":")
        if source.startswith("."):
            source = str(compose.parent / source)
        else:
            source = str(scratch / f"volume-{source}")
            Path(source).mkdir()
            os.chown(source, USER, USER)
        options.append(f"--volume={':'.join([source, place, *mode])}")
    return [*options, IMAGES[service["build"]["target"]], *service.get("command", ())]


def become_healthy(name: str, service: dict[str, Any]) -> float:
    """Until the service's own health check says so; gives the seconds that took."""
    began = time.monotonic()
    while (check := podman("exec", name, *service["healthcheck"]["test"][1:])).returncode != 0:
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise Failure(f"{name} is not healthy: {check.stdout}{check.stderr}{logs(name)}")
        if podman("inspect", "--format", "{{.State.Running}}", name).stdout.strip() != "true":
            raise Failure(f"{name} has ended:\n{logs(name)}")
        time.sleep(0.2)
    return time.monotonic() - began


def call(port: str, token: str) -> int:
    headers = {
        "X-Amz-Target": "RekognitionService.CompareFaces",
        "Content-Type": "application/x-amz-json-1.1",
        "X-Amz-Security-Token": token,
    }
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=10)
    connection.request("POST", "/", "{}", headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def look_inside(name: str) -> None:
    """The running process is nobody, may nothing, and finds nothing to write to but its volume."""
    inside = must(
        "exec", name, "sh", "-c", "id -u; id -g; grep CapEff /proc/1/status; touch /opt/x 2>&1 || :"
    )
    user, group, capabilities, writing = inside.splitlines()
    found = (user, group, capabilities.split()[1].strip("0"))
    if found != (str(USER), str(USER), "") or "Read-only" not in writing:
        raise Failure(f"{name} runs as: {inside}")
    say(f"{name}: uid and gid {USER}, no capability, root is read-only")


def main() -> None:
    compose, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    services = read(compose)
    traffic, metrics = free_port(), free_port()
    services["proxy"]["environment"] |= {
        "MORATORIUM_LISTEN": f"127.0.0.1:{traffic}",
        "MORATORIUM_METRICS_LISTEN": f"127.0.0.1:{metrics}",
    }
    names = {service: f"moratorium-verify-{os.getpid()}-{service}" for service in SERVICES}
    with contextlib.ExitStack() as stack:
        for service, name in names.items():
            stack.callback(podman, "rm", "-f", "-t", "2", name)
            must("run", "-d", *arguments(name, services[service], compose, scratch))
            say(f"{service}: healthy after {become_healthy(name, services[service]):.1f} s")
        look_inside(names["proxy"])
        for org_type, expected in EXPECTED.items():
            mint = ("moratorium", "token", org_type, "--key", "/tmp/issuer/key.pem")  # noqa: S108
            status = call(traffic, must("exec", names["issuer"], *mint))
            if status != expected:
                raise Failure(f"a call of {org_type}: {status}, not {expected}")
        records = (scratch / "volume-audit/audit.ndjson").read_text("utf-8").splitlines()
        decisions = [
            record["decision"] for record in map(json.loads, records) if record["kind"] == "decision"
        ]
        if decisions != ["blocked", "allowed"]:
            raise Failure(f"the audit has {decisions}")
        say("a call of the police is blocked, a company's goes through, both are in the audit")
        began = time.monotonic()
        must("stop", "-t", "30", names["proxy"])
        status = int(must("inspect", "--format", "{{.State.ExitCode}}", names["proxy"]))
        if status != 0:
            raise Failure(f"exit status {status} on SIGTERM: {logs(names['proxy'])}")
        say(f"SIGTERM: exit status 0 after {time.monotonic() - began:.1f} s")
    bare = podman("run", "--rm", *HOST, "--read-only", IMAGES["proxy"])
    if bare.returncode != 2 or "MORATORIUM_UPSTREAM" not in bare.stderr:
        raise Failure(f"without settings: exit status {bare.returncode}, {bare.stdout}{bare.stderr}")
    say("without settings: says which it needs, exit status 2")


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(f"FAILED: {failure}")
