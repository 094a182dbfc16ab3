"""Which settings for the face API's own credential go together, and what is said of those that do not."""

from pathlib import Path

import pytest

from proxy.errors import SettingsError
from proxy.settings import read_settings
from proxy.settings.upstream import auth_of, header_of
from proxy.testing import TokenMint
from tests.harness.proxy import write_settings

SOURCES = (
    "MORATORIUM_UPSTREAM_KEY, MORATORIUM_UPSTREAM_KEY_FILE, MORATORIUM_UPSTREAM_KEYS_FILE, "
    "MORATORIUM_UPSTREAM_TOKEN_COMMAND"
)
KEY = {"upstream_key": "k"}


@pytest.mark.parametrize(
    ("backend", "given", "auth", "header"),
    [
        ("generic", {}, "none", ""),
        ("azure-face", {}, "none", "Ocp-Apim-Subscription-Key"),
        ("azure-face", KEY, "header", "Ocp-Apim-Subscription-Key"),
        ("compreface", {"upstream_keys_file": "k.toml"}, "header", "x-api-key"),
        ("deepface", KEY, "bearer", "Authorization"),
        ("google-vision", KEY, "bearer", "Authorization"),
        ("google-vision", {**KEY, "upstream_auth": "header"}, "header", "X-Goog-Api-Key"),
        (
            "azure-face",
            {"upstream_auth": "bearer", "upstream_token_command": "az x"},
            "bearer",
            "Authorization",
        ),
        ("insightface-rest", {**KEY, "upstream_auth": "header", "upstream_header": "X-K"}, "header", "X-K"),
        ("aws-rekognition", {}, "none", ""),
        ("aws-rekognition", {"upstream_auth": "sigv4"}, "sigv4", ""),
    ],
)
def test_the_kind_and_the_field_follow_from_the_backend(
    tmp_path: Path, backend: str, given: dict[str, str], auth: str, header: str
) -> None:
    settings = read_settings(write_settings(tmp_path, 1, TokenMint(), backend, **given))

    assert (auth_of(settings), header_of(settings)) == (auth, header)


@pytest.mark.parametrize(
    ("backend", "given", "problem"),
    [
        ("generic", KEY, "UPSTREAM_AUTH: has to be said for generic, because MORATORIUM_UPSTREAM_KEY is set"),
        ("generic", {"upstream_auth": "bearer"},
         f"UPSTREAM_AUTH: bearer needs exactly one of {SOURCES}; none is set"),
        ("deepface", {**KEY, "upstream_key_file": "k"},
         f"UPSTREAM_AUTH: bearer needs exactly one of {SOURCES}; 2 are set"),
        ("deepface", {**KEY, "upstream_auth": "none"},
         "UPSTREAM_KEY: cannot be combined with MORATORIUM_UPSTREAM_AUTH=none"),
        ("aws-rekognition", {**KEY, "upstream_auth": "sigv4"},
         "UPSTREAM_KEY: cannot be combined with MORATORIUM_UPSTREAM_AUTH=sigv4"),
        ("generic", {"upstream_auth": "sigv4"}, "AWS_SERVICE: is needed to sign for this backend"),
        ("generic", {"aws_region": "eu-west-1"}, "AWS_REGION: needs MORATORIUM_UPSTREAM_AUTH=sigv4"),
        ("generic", {**KEY, "upstream_auth": "header"},
         "UPSTREAM_HEADER: is needed, no field is usual for generic"),
        ("deepface", {**KEY, "upstream_header": "X-K"},
         "UPSTREAM_HEADER: needs MORATORIUM_UPSTREAM_AUTH=header"),
        ("azure-face", {**KEY, "upstream_header": "Content-Length"},
         "UPSTREAM_HEADER: Content-Length cannot hold a credential"),
        ("azure-face", {**KEY, "upstream_header": "X Key"},
         "UPSTREAM_HEADER: 'X Key' is not a header field's name"),
        ("azure-face", {**KEY, "upstream_header": "X-K", "forward_headers": "x-k"},
         "FORWARD_HEADERS: x-k is put in here, callers cannot send it"),
        ("aws-rekognition", {"upstream_auth": "sigv4", "forward_headers": "X-Amz-Content-SHA256"},
         "FORWARD_HEADERS: X-Amz-Content-SHA256 is put in here, callers cannot send it"),
        ("generic", {"upstream_assertion_issuer": "us"},
         "UPSTREAM_ASSERTION_ISSUER: needs MORATORIUM_UPSTREAM_ASSERTION_KEY_FILE as well"),
        ("deepface", {**KEY, "upstream_assertion_key_file": "k",
          "upstream_assertion_header": "authorization"},
         "UPSTREAM_ASSERTION_HEADER: is the credential's own field"),
        ("generic", {"upstream_token_seconds": "5"},
         "UPSTREAM_TOKEN_SECONDS: needs MORATORIUM_UPSTREAM_TOKEN_COMMAND as well"),
        ("deepface", {"upstream_auth": "bearer", "upstream_token_command": "'"},
         "UPSTREAM_TOKEN_COMMAND: No closing quotation"),
        ("generic", {"aws_credentials_listen": "127.0.0.1:1"},
         "AWS_CREDENTIALS_TOKEN_FILE: is needed, because MORATORIUM_AWS_CREDENTIALS_LISTEN is set"),
        ("generic", {"aws_credentials_listen": "0.0.0.0:1", "aws_credentials_token_file": "t"},
         "AWS_CREDENTIALS_LISTEN: 0.0.0.0:1 is not on this machine alone; use 127.0.0.1"),
        ("generic", {"aws_credentials_authorization": "w"},
         "AWS_CREDENTIALS_AUTHORIZATION: needs MORATORIUM_AWS_CREDENTIALS_LISTEN as well"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_said(
    tmp_path: Path, backend: str, given: dict[str, str], problem: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(write_settings(tmp_path, 1, TokenMint(), backend, **given))
    assert caught.value.problems == [f"MORATORIUM_{problem}"]


def test_without_botocore_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.settings.upstream.find_spec", lambda _name: None)
    environ = write_settings(tmp_path, 1, TokenMint(), "aws-rekognition", upstream_auth="sigv4")

    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    assert caught.value.problems == [
        "MORATORIUM_UPSTREAM_AUTH: sigv4 needs botocore: pip install 'moratorium[aws]'"
    ]
