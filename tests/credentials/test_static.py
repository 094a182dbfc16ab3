"""Keys that stand in files: what the face API gets, and what happens when they change or are wrong."""

from pathlib import Path
from typing import Any

import pytest

from proxy.credentials.keyfiles import read_key, read_keys
from proxy.credentials.secret import Secret
from proxy.errors import SettingsError
from tests.harness.client import call
from tests.harness.proxy import running_proxy
from tests.harness.waiting import until

KEY = "k-0123456789"


def key_file(folder: Path, content: str = KEY + "\n", name: str = "key") -> Path:
    file = folder / name
    file.write_text(content, "utf-8")
    return file


@pytest.mark.parametrize(
    ("backend", "target", "header", "value"),
    [
        ("azure-face", "/face/v1.2/detect", b"ocp-apim-subscription-key", KEY.encode()),
        ("compreface", "/api/v1/detection/detect", b"x-api-key", KEY.encode()),
        ("deepface", "/represent", b"authorization", b"Bearer " + KEY.encode()),
        ("google-vision", "/v1/images:annotate", b"authorization", b"Bearer " + KEY.encode()),
    ],
)
async def test_a_bare_key_goes_where_the_face_api_looks_for_it(
    tmp_path: Path, backend: str, target: str, header: bytes, value: bytes
) -> None:
    at = "2022-01-01T00:00:00Z"
    async with running_proxy(backend=backend, at=at, upstream_key_file=str(key_file(tmp_path))) as proxy:
        answer = await proxy.call("POST", target, b"x", fields=[("Content-Type", "image/png")])

        assert answer.status == 200, answer.body
        assert proxy.upstream.messages[0].values(header) == [value]


async def test_google_gets_its_key_in_a_field_of_its_own_when_told_so(tmp_path: Path) -> None:
    at, key = "2022-01-01T00:00:00Z", str(key_file(tmp_path))
    async with running_proxy(
        backend="google-vision", at=at, upstream_auth="header", upstream_key_file=key
    ) as proxy:
        await proxy.call("POST", "/v1/images:annotate", b"{}", fields=[("Content-Type", "text/plain")])

        message = proxy.upstream.messages[0]
        assert (message.values(b"x-goog-api-key"), message.values(b"authorization")) == ([KEY.encode()], [])


async def test_callers_cannot_send_the_field_themselves(tmp_path: Path) -> None:
    key = str(key_file(tmp_path))
    async with running_proxy(upstream_auth="header", upstream_header="X-Key", upstream_key_file=key) as proxy:
        await proxy.call("POST", "/v1/detect", b"{}", fields=[("X-Key", "theirs"), ("x-KEY", "theirs")])

        assert proxy.upstream.messages[0].values(b"x-key") == [KEY.encode()]


KEYS = """
[keys]
"/api/v1/detection" = { file = "detection.key" }
"/api/v1/recognition" = "recognition-key"
"/api/v1/recognition/subjects/" = "subjects-key"
"""


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("/api/v1/detection/detect", b"k-0123456789"),
        ("/api/v1/recognition/recognize", b"recognition-key"),
        ("/api/v1/recognition/subjects", b"subjects-key"),
    ],
)
async def test_the_key_of_the_longest_prefix_goes_with_a_call(
    tmp_path: Path, target: str, key: bytes
) -> None:
    key_file(tmp_path, name="detection.key")
    keys, at = str(key_file(tmp_path, KEYS, "keys.toml")), "2022-01-01T00:00:00Z"
    async with running_proxy(backend="compreface", at=at, upstream_keys_file=keys) as proxy:
        answer = await proxy.call("POST", target, b"x", fields=[("Content-Type", "multipart/form-data")])

        assert answer.status == 200, answer.body
        assert proxy.upstream.messages[0].values(b"x-api-key") == [key]


async def test_a_call_for_which_there_is_no_key_is_refused_and_not_sent(tmp_path: Path) -> None:
    keys = str(
        key_file(tmp_path, KEYS.replace("detection", "detect").replace("{ file", "{file"), "keys.toml")
    )
    key_file(tmp_path, name="detect.key")
    at = "2022-01-01T00:00:00Z"
    async with running_proxy(backend="compreface", at=at, upstream_keys_file=keys) as proxy:
        answer = await proxy.call("POST", "/api/v1/detection/detect", b"x")

        assert answer.status == 503
        assert proxy.reasons()[-1] == "credential-unavailable"
        assert proxy.upstream.messages == []


async def test_a_changed_key_file_is_used_without_a_restart(tmp_path: Path) -> None:
    file = key_file(tmp_path)
    settings: dict[str, Any] = {
        "upstream_auth": "bearer",
        "upstream_key_file": str(file),
        "watch_seconds": "0.02",
    }
    async with running_proxy(**settings) as proxy:
        key_file(tmp_path, "another-key")
        before = proxy.application.upstream
        await until(lambda: proxy.application.upstream is not before, "the reload")
        await proxy.call("POST", "/v1/detect", b"{}")

        assert proxy.upstream.messages[0].values(b"authorization") == [b"Bearer another-key"]


async def test_a_key_file_that_has_become_wrong_leaves_the_old_key(tmp_path: Path) -> None:
    file = key_file(tmp_path)
    async with running_proxy(upstream_auth="bearer", upstream_key_file=str(file)) as proxy:
        key_file(tmp_path, "two\nlines")
        await proxy.application.reload()
        await proxy.call("POST", "/v1/detect", b"{}")

        assert proxy.application.metrics.reload_successful == 0
        assert proxy.upstream.messages[0].values(b"authorization") == [b"Bearer " + KEY.encode()]


async def test_readiness_names_the_credential_only_where_there_is_one(tmp_path: Path) -> None:
    key = str(key_file(tmp_path))
    async with (
        running_proxy() as without,
        running_proxy(upstream_auth="bearer", upstream_key_file=key) as with_it,
    ):
        said = [(await call(one.metrics_port, "GET", "/readyz")).body for one in (without, with_it)]

    assert [b'"credential": "ok"' in body for body in said] == [False, True]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "it is empty"),
        ("two\nlines\n", "it is not one line of printable ASCII"),
        ("sch\u00f6n", "it is not one line of printable ASCII"),
        ("a\r\nX-Injected: b", "it is not one line of printable ASCII"),
        ("x" * 70_000, "it is larger than 65536 bytes"),
    ],
)
def test_a_file_that_holds_no_key_is_refused_without_quoting_it(
    tmp_path: Path, content: str, complaint: str
) -> None:
    file = key_file(tmp_path, content)

    with pytest.raises(SettingsError) as caught:
        read_key(file)
    assert caught.value.problems == [f"{file}: {complaint}"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('[keys\n"/a" = "SECRET"', "is not TOML"),
        ('keys = "SECRET"', "one table [keys] with at least one path prefix is expected"),
        ("[keys]\n[other]", "one table [keys] with at least one path prefix is expected"),
        ('[keys]\n"a" = "SECRET"', "keys.'a': is not the beginning of a path, such as /api/v1/detection"),
        ('[keys]\n"/a" = 7', "keys.'/a': a key or { file = \"...\" } is expected"),
        ('[keys]\n"/a" = "SEC RET "', "keys.'/a': it is not one line of printable ASCII"),
        ('[keys]\n"/a" = "SECRET"\n"/a/" = "SECRET"', "keys: two prefixes differ only in their last slash"),
    ],
)
def test_a_wrong_keys_file_is_refused_without_quoting_it(
    tmp_path: Path, content: str, complaint: str
) -> None:
    file = key_file(tmp_path, content)

    with pytest.raises(SettingsError) as caught:
        read_keys(file)
    assert caught.value.problems == [f"{file}: {complaint}"]


def test_a_secret_is_shown_as_stars_and_given_out_when_asked() -> None:
    secret = Secret(KEY)

    assert [repr(secret), str(secret), f"{secret}", "%s" % secret] == ["***"] * 4  # noqa: UP031
    assert (secret.reveal(), secret == Secret(KEY), secret == Secret("x")) == (KEY.encode(), True, False)
