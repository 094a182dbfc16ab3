"""Settings: every problem at once, in the names that people typed."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from proxy.errors import SettingsError
from proxy.settings import Settings, read_settings
from proxy.settings.convert import Address, Origin
from proxy.settings.read import variables
from proxy.settings.render import configuration_page, example_env

ROOT = Path(__file__).parents[2]

GOOD = {
    "MORATORIUM_UPSTREAM": "http://127.0.0.1:5000",
    "MORATORIUM_BACKEND": "deepface",
    "MORATORIUM_JWT_ISSUER": "https://issuer.test",
    "MORATORIUM_JWT_AUDIENCE": "face-api",
    "MORATORIUM_JWT_KEY_FILE": "keys.json",
    "MORATORIUM_BLOCKED_ORG_TYPES": "police",
}


def read(**changes: str | None) -> Settings:
    environ: dict[str, str] = dict(GOOD)
    for name, value in changes.items():
        if value is None:
            environ.pop(f"MORATORIUM_{name}")
        else:
            environ[f"MORATORIUM_{name}"] = value
    return read_settings(environ)


def problems(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return caught.value.problems


def problem(**changes: str | None) -> str:
    with pytest.raises(SettingsError) as caught:
        read(**changes)
    return "\n".join(caught.value.problems)


def test_a_small_environment_is_enough() -> None:
    settings = read()

    assert settings.upstream == Origin("http", "127.0.0.1", 5000)
    assert settings.listen == Address("127.0.0.1", 8080)
    assert settings.max_body_bytes == 16 * 1024 * 1024


def test_an_issuers_file_stands_for_all_settings_about_one_issuer() -> None:
    alone = {"JWT_ISSUER": None, "JWT_AUDIENCE": None, "JWT_KEY_FILE": None}

    settings = read(ISSUERS_FILE="issuers.toml", JWT_STALE_SECONDS="3600", **alone)

    assert (settings.issuers_file, settings.jwt_issuer) == (Path("issuers.toml"), None)
    assert settings.jwt_stale_seconds == 3600
    assert problem(ISSUERS_FILE="issuers.toml", JWT_LEEWAY="5") == (
        "MORATORIUM_ISSUERS_FILE: cannot be combined with MORATORIUM_JWT_ISSUER, MORATORIUM_JWT_AUDIENCE, "
        "MORATORIUM_JWT_KEY_FILE, MORATORIUM_JWT_LEEWAY"
    )
    assert "MORATORIUM_JWT_ISSUER: is required, unless MORATORIUM_ISSUERS_FILE is set" in problem(**alone)


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read(END="", LISTEN="").listen == Address("127.0.0.1", 8080)


def test_everything_that_is_missing_is_reported_together() -> None:
    found = "\n".join(problems({}))

    for name in ("UPSTREAM", "BACKEND", "JWT_ISSUER", "JWT_AUDIENCE"):
        assert f"MORATORIUM_{name}: is required" in found
    assert "exactly one is needed, neither is set" in found
    assert "or nothing is blocked" in found


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "UPSTREM",
            "http://x",
            "MORATORIUM_UPSTREM: there is no such setting; did you mean 'MORATORIUM_UPSTREAM'?",
        ),
        ("BACKEND", "azure", "'azure' is not known"),
        ("UPSTREAM", "127.0.0.1:5000", "is not an address such as"),
        ("UPSTREAM", "http://a/b", "no path, query or credentials"),
        ("UPSTREAM", "http://u:p@a", "no path, query or credentials"),
        ("UPSTREAM", "http://a:99999", "has no valid port"),
        ("LISTEN", "8080", "is not host:port"),
        ("LISTEN", "a:70000", "is not host:port"),
        ("JWT_ALGORITHMS", "HS256", "'HS256' is not known"),
        ("JWT_ALGORITHMS", "RS256,", "without empty members"),
        ("JWT_LEEWAY", "61", "61 is not between 0 and 60"),
        ("JWT_LEEWAY", "a minute", "'a minute' is not a number"),
        ("JWT_STALE_SECONDS", "59", "59 is not between 60 and 2.592e+06"),
        ("JWT_JWKS_URL", "https://id.test/keys", "exactly one is needed, both are set"),
        ("MODE", "enforse", "did you mean 'enforce'?"),
        ("BLOCK_STATUS", "404", "404 is not for deepface; use 451 or 403"),
        ("BLOCK_STATUS", "4x", "'4x' is not a whole number"),
        ("BLOCKED_OPERATIONS", "compar", "did you mean 'compare'?"),
        ("POLICY_FILE", "p.toml", "cannot be combined with MORATORIUM_BLOCKED_ORG_TYPES"),
        ("MAX_BODY_BYTES", "lots", "is not a size such as 16MiB"),
        ("TIMEZONE", "Mars", "is not an IANA time zone"),
        ("INSECURE_JWKS_HTTP", "maybe", "neither true nor false"),
        ("FORWARD_HEADERS", "X-Mine,X_HTTP_Method_Override", "X_HTTP_Method_Override never goes upstream"),
        ("FORWARD_HEADERS", "Authorization", "Authorization never goes upstream"),
        ("FORWARD_HEADERS", "x-forwarded-for", "x-forwarded-for never goes upstream"),
        ("TRUSTED_PROXIES", "10.0.0.1/8", "has host bits set; a list such as"),
        ("TRUSTED_PROXIES", "proxy.local", "a list such as 10.0.0.0/8,127.0.0.1 is expected"),
        ("OPERATOR_URL", "ftp://x", "is not an http or https address"),
        ("MAX_IN_FLIGHT", "0", "0 is not between 1 and 100000"),
        ("UPSTREAM_RESOLVE_SECONDS", "0", "0 is not between 0.1 and 86400"),
        ("UPSTREAM_TLS_MIN_VERSION", "1.1", "'1.1' is not known"),
        (
            "TLS_CERT_FILE",
            "c.pem",
            "MORATORIUM_TLS_KEY_FILE: is needed, because MORATORIUM_TLS_CERT_FILE is set",
        ),
        (
            "TLS_KEY_FILE",
            "k.pem",
            "MORATORIUM_TLS_CERT_FILE: is needed, because MORATORIUM_TLS_KEY_FILE is set",
        ),
        ("TLS_CLIENT_CA_FILE", "ca.pem", "MORATORIUM_TLS_CLIENT_CA_FILE: needs MORATORIUM_TLS_CERT_FILE"),
        ("UPSTREAM_CLIENT_CERT_FILE", "c.pem", "MORATORIUM_UPSTREAM_CLIENT_KEY_FILE: is needed"),
        ("UPSTREAM_CA_FILE", "ca.pem", "is set, but MORATORIUM_UPSTREAM is plain http"),
        ("UPSTREAM_SERVER_NAME", "a", "is set, but MORATORIUM_UPSTREAM is plain http"),
        ("POLICY_URL", "https://a/p.json", "cannot be combined with MORATORIUM_BLOCKED_ORG_TYPES"),
        ("POLICY_URL", "https://a/p.json", "MORATORIUM_POLICY_KEY_FILE: is needed, or anybody on the way"),
        ("POLICY_URL", "HTTP://a/p.json", "MORATORIUM_POLICY_URL: plain http is for this machine only"),
        ("POLICY_STORE_FILE", "a", "MORATORIUM_POLICY_STORE_FILE: needs MORATORIUM_POLICY_URL as well"),
        ("POLICY_POLL_SECONDS", "0", "0 is not between 0.1 and 86400"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_expected(name: str, value: str, expected: str) -> None:
    assert expected in problem(**{name: value})


def test_keys_come_over_https_or_from_this_machine() -> None:
    elsewhere = {"JWT_KEY_FILE": None, "JWT_JWKS_URL": "http://id.test/keys"}

    assert "keys must come over https" in problem(**elsewhere)
    assert read(**elsewhere, INSECURE_JWKS_HTTP="true").insecure_jwks_http
    assert read(JWT_KEY_FILE=None, JWT_JWKS_URL="http://127.0.0.1:9100/keys").jwt_jwks_url
    assert read(JWT_KEY_FILE=None, JWT_JWKS_URL="http://localhost:9100/keys").jwt_jwks_url


def test_a_policy_from_an_address_needs_its_key_and_nothing_else() -> None:
    distributed: dict[str, str | None] = {
        "BLOCKED_ORG_TYPES": None,
        "POLICY_URL": "https://policies.test/p.json",
        "POLICY_KEY_FILE": "publisher.pem",
    }

    assert read(**distributed).policy_poll_seconds == 60
    assert read(**distributed | {"POLICY_URL": "http://127.0.0.1/p.json"}).policy_url
    assert "one policy is enough, both are set" in problem(**distributed, POLICY_FILE="p.toml")
    assert "less than twice" in problem(**distributed, POLICY_MAX_AGE_SECONDS="119")
    plain = distributed | {"POLICY_URL": "http://127.0.0.1/p.json"}
    assert "MORATORIUM_POLICY_CA_FILE: is set, but" in problem(**plain, POLICY_CA_FILE="ca.pem")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("16777216", 16777216), ("16MiB", 16 * 2**20), ("20MB", 20_000_000), ("8k", 8000), ("1 GiB", 2**30)],
)
def test_sizes_may_have_units(text: str, expected: int) -> None:
    assert read(MAX_BODY_BYTES=text).max_body_bytes == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:1", Address("127.0.0.1", 1)),
        ("[::1]:80", Address("::1", 80)),
        (":8080", Address("0.0.0.0", 8080)),
        ("localhost:0", Address("localhost", 0)),
    ],
)
def test_addresses(text: str, expected: Address) -> None:
    assert read(LISTEN=text).listen == expected


@pytest.mark.parametrize(
    ("url", "authority"),
    [
        ("https://api.test", "api.test"),
        ("https://api.test:443/", "api.test"),
        ("https://api.test:80", "api.test:80"),
        ("http://[::1]:5000", "[::1]:5000"),
    ],
)
def test_the_host_field_has_the_port_only_where_it_must(url: str, authority: str) -> None:
    assert read(UPSTREAM=url).upstream.authority == authority


def test_example_env_and_configuration_page_are_written_from_the_table() -> None:
    assert (ROOT / "config" / "example.env").read_text("utf-8") == example_env()
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == configuration_page()


def test_every_default_in_the_table_is_acceptable() -> None:
    for name, field in variables().items():
        default = field.metadata["default"]
        if default:
            assert field.metadata["read"](default) is not None, name
