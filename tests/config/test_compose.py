"""compose.yaml and the Dockerfile: hardened, healthy before used, in step with settings and package."""

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from proxy.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = DOCUMENT["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")

EVERY_SERVICE = pytest.mark.parametrize("name", sorted(SERVICES))


@EVERY_SERVICE
def test_a_service_can_do_no_more_than_it_must(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & service.keys()


@EVERY_SERVICE
def test_a_service_says_whether_it_is_healthy(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@EVERY_SERVICE
def test_a_service_waits_for_the_health_of_what_it_needs(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert needed in SERVICES
        assert how == {"condition": "service_healthy"}


@EVERY_SERVICE
def test_only_loopback_ports_are_published(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", ()))


@EVERY_SERVICE
def test_images_from_elsewhere_are_pinned_to_a_version(name: str) -> None:
    assert "build" in SERVICES[name] or re.search(r":v?\d+\.\d+\.\d+$", SERVICES[name]["image"])


@EVERY_SERVICE
def test_mounted_files_exist(name: str) -> None:
    for volume in SERVICES[name].get("volumes", ()):
        source = volume.split(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in DOCUMENT["volumes"]


@EVERY_SERVICE
def test_settings_that_are_given_exist(name: str) -> None:
    known = {f"MORATORIUM_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    given = {key for key in SERVICES[name].get("environment", {}) if key.startswith("MORATORIUM_")}

    assert given <= known


def test_the_face_api_can_be_reached_by_the_proxy_alone() -> None:
    network = SERVICES["faces"]["networks"]

    assert network == ["faces"]
    assert DOCUMENT["networks"]["faces"]["internal"] is True
    assert "ports" not in SERVICES["faces"]
    assert {name for name, service in SERVICES.items() if "faces" in service["networks"]} == {
        "faces",
        "issuer",
        "proxy",
    }


def test_the_proxy_has_longer_to_stop_than_calls_have_to_end() -> None:
    drain = next(field for field in dataclasses.fields(Settings) if field.name == "drain_seconds")
    grace = float(SERVICES["proxy"]["stop_grace_period"].removesuffix("s"))

    assert grace > float(drain.metadata["default"])


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["10001:10001"]


def test_the_last_stage_of_the_image_is_the_proxy() -> None:
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    last = DOCKERFILE.rpartition("FROM ")[2]

    assert stages[-1] == ("runtime", "proxy")
    assert 'ENTRYPOINT ["moratorium"]' in last
    assert 'CMD ["moratorium", "healthcheck"]' in last
    assert {service["build"]["target"] for service in SERVICES.values() if "build" in service} <= {
        name for _, name in stages
    }


def test_the_base_image_is_new_enough_for_the_package() -> None:
    package = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    base = re.search(r"^ARG BASE=python:(\d+)\.(\d+)-", DOCKERFILE, re.MULTILINE)
    lowest = re.fullmatch(r">=(\d+)\.(\d+)", package["requires-python"])

    assert base
    assert lowest
    assert tuple(map(int, base.groups())) >= tuple(map(int, lowest.groups()))


def test_what_the_image_is_made_of_is_not_ignored() -> None:
    let_in = {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"
    }
    package = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert {"proxy", "config", "pyproject.toml", package["readme"], *package["license-files"]} <= let_in
