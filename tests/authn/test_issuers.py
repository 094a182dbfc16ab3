"""The issuers file: what it means, and every problem at once, with its line."""

from pathlib import Path

import pytest

from proxy.authn.claims import ClaimPaths
from proxy.authn.issuers import Issuer, key_files_in, read_issuers
from proxy.authn.issuers_schema import as_json
from proxy.authn.verifier import Trust
from proxy.errors import SettingsError

PATH = Path("/etc/moratorium/issuers.toml")
GOOD = """schema = 1

[[issuer]]
issuer = "https://id.example.com"
discovery = true
audiences = ["face-api"]

[[issuer]]
issuer = "https://agency.example.org/realms/a"
jwks_url = "https://agency.example.org/keys?v=2"
audiences = ["face-api", "other"]
algorithms = ["ES256"]
leeway = 5
token_types = ["at+jwt"]
org_types = ["police"]

[issuer.claims]
org_type = "https://agency.example.org/type"
org_id = "org.id"
circumstances.camera = "where.camera"

[[issuer]]
issuer = "contractor"
key_file = "keys/contractor.pem"
audiences = ["face-api"]
"""


def problems(text: str, *, insecure: bool = False) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_issuers(text, PATH, insecure=insecure)
    return caught.value.problems


def test_each_issuer_has_its_own_trust_and_keys() -> None:
    assert read_issuers(GOOD, PATH) == (
        Issuer(Trust("https://id.example.com", frozenset({"face-api"}))),
        Issuer(
            Trust(
                "https://agency.example.org/realms/a",
                frozenset({"face-api", "other"}),
                frozenset({"ES256"}),
                5.0,
                claims=ClaimPaths(
                    org_type="https://agency.example.org/type",
                    org_id="org.id",
                    circumstances={"camera": "where.camera"},
                ),
                token_types=frozenset({"at+jwt"}),
                org_types=frozenset({"police"}),
            ),
            jwks_url="https://agency.example.org/keys?v=2",
        ),
        Issuer(
            Trust("contractor", frozenset({"face-api"})),
            key_file=Path("/etc/moratorium/keys/contractor.pem"),
        ),
    )


def test_key_files_are_known_even_of_a_file_that_is_wrong() -> None:
    assert key_files_in(GOOD, PATH) == [Path("/etc/moratorium/keys/contractor.pem")]
    assert key_files_in(GOOD.replace("audiences", "audience"), PATH) == [
        Path("/etc/moratorium/keys/contractor.pem")
    ]
    for text in ("", "issuer = 1", "[[issuer]]\nkey_file = 1", "issuer = [1]", "not TOML"):
        assert key_files_in(text, PATH) == []


def test_every_problem_is_told_with_its_line() -> None:
    text = """schema = 1
[[issuer]]
issuer = "https://id.example.com"
audiences = ["face-api"]
[[issuer]]
issuer = "https://id.example.com"
jwks_url = "http://id.example.com/keys"
audiences = ["face-api"]
[[issuer]]
issuer = "http://id.example.com"
discovery = true
audiences = ["face-api"]
[[issuer]]
issuer = "contractor"
discovery = true
key_file = "a.pem"
audiences = ["face-api"]
"""

    assert problems(text) == [
        f"{PATH}:3: issuer[0].issuer: exactly one of discovery, jwks_url and key_file is needed; none is set",
        f"{PATH}:6: issuer[1].issuer: 'https://id.example.com' is there twice",
        f"{PATH}:7: issuer[1].jwks_url: keys must come over https, or anybody on the way can replace them",
        f"{PATH}:11: issuer[2].discovery: keys must come over https, or anybody on the way can replace them",
        f"{PATH}:15: issuer[3].discovery: the issuer's name is no http or https address without query",
        f"{PATH}:16: issuer[3].key_file: exactly one of discovery, jwks_url and key_file is needed; "
        "discovery and key_file are set",
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("audiences = [", "audience = [", "did you mean 'audiences'?"),
        ('["ES256"]', '["HS256"]', "'HS256' is not known"),
        ("leeway = 5", "leeway = 61", "61 is greater than the maximum of 60"),
        ("discovery = true", "discovery = false", "False found, True expected"),
        ('org_id = "org.id"', 'org_ib = "org.id"', "did you mean 'org_id'?"),
        ('org_types = ["police"]', "org_types = []", "must not be empty"),
        ('["police"]', '["Police"]', "'Police' does not have the form"),
        ("schema = 1", "", "missing 'schema'"),
        ("schema = 1", "schema = 2", "2 found, 1 expected"),
        ("schema = 1", "schema =", "not valid TOML"),
        ('issuer = "contractor"', "", "missing 'issuer'"),
        ("https://agency.example.org/keys", "https://a:b@agency.example.org/keys", "without credentials"),
        ("https://agency.example.org/keys", "https://agency.example.org:99999/keys", "without credentials"),
        ("https://id.example.com", "https://id.example.com?a", "address without query"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, expected: str) -> None:
    found = problems(GOOD.replace(old, new, 1))

    assert any(expected in problem for problem in found)
    assert all(problem.startswith(f"{PATH}") for problem in found)


@pytest.mark.parametrize("text", ["schema = 1", "schema = 1\nissuer = []", ""])
def test_an_issuers_file_without_issuers_is_wrong(text: str) -> None:
    assert problems(text)


def test_plain_http_will_do_on_this_machine_or_when_asked_for() -> None:
    for host in ("127.0.0.1:8000", "localhost", "[::1]:1"):
        (found,) = read_issuers(
            f'schema = 1\n[[issuer]]\nissuer = "http://{host}"\ndiscovery = true\naudiences = ["a"]', PATH
        )
        assert found.trust.issuer == f"http://{host}"
    text = GOOD.replace("https://id.example.com", "http://id.example.com")
    assert len(problems(text)) == 1
    assert len(read_issuers(text, PATH, insecure=True)) == 3


def test_the_schema_that_editors_read_is_written_from_the_one_source() -> None:
    config = Path(__file__).parents[2] / "config"

    assert (config / "issuers.schema.json").read_text("utf-8") == as_json()
