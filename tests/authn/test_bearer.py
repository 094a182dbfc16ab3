"""Where a token may sit, and that there is one of it (threat T36)."""

import pytest

from proxy.authn.bearer import find_token
from proxy.messages import Headers, RequestHead, Slot
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason

OWN = Slot(b"x-moratorium-token")
STANDARD = Slot(b"authorization", b"Bearer")
SLOTS = (OWN, STANDARD)


def head(*headers: tuple[bytes, bytes], target: bytes = b"/") -> RequestHead:
    fields: Headers = headers
    return RequestHead(b"POST", target, b"HTTP/1.1", fields)


def reason_of(request: RequestHead) -> Reason:
    outcome = find_token(request, SLOTS)

    assert isinstance(outcome, Refusal)
    return outcome.reason


@pytest.mark.parametrize(
    ("field", "value", "token"),
    [
        pytest.param(b"authorization", b"Bearer a.b.c", b"a.b.c", id="scheme"),
        pytest.param(b"authorization", b"bearer a.b.c", b"a.b.c", id="scheme in lower case"),
        pytest.param(b"authorization", b"BEARER a.b.c", b"a.b.c", id="scheme in upper case"),
        pytest.param(b"x-moratorium-token", b"a.b.c", b"a.b.c", id="bare"),
        pytest.param(b"x-moratorium-token", b"Bearer a.b.c", b"Bearer a.b.c", id="a bare slot has no scheme"),
    ],
)
def test_a_token_is_found_in_its_slot(field: bytes, value: bytes, token: bytes) -> None:
    assert token == find_token(head((b"host", b"x"), (field, value)), SLOTS)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"Bearer", id="scheme alone"),
        pytest.param(b"Bearer\ta.b.c", id="tab"),
        pytest.param(b"Bearera.b.c", id="no space"),
        pytest.param(b"a.b.c", id="no scheme"),
        pytest.param(b"Basic dXNlcjpwYXNz", id="another scheme"),
        pytest.param(
            b"AWS4-HMAC-SHA256 Credential=AKIA/20210101/x/rekognition/aws4_request", id="an SDK's own"
        ),
        pytest.param("Βearer a.b.c".encode(), id="a Greek capital beta"),
    ],
)
def test_a_field_with_another_scheme_holds_no_token(value: bytes) -> None:
    assert reason_of(head((b"authorization", value))) == Reason.TOKEN_MISSING


def test_a_bare_slot_that_is_empty_holds_no_token() -> None:
    assert reason_of(head((b"x-moratorium-token", b""))) == Reason.TOKEN_MISSING


def test_an_sdks_own_signature_beside_the_token_is_no_second_token() -> None:
    request = head((b"authorization", b"AWS4-HMAC-SHA256 Credential=x"), (b"x-moratorium-token", b"a.b.c"))

    assert find_token(request, SLOTS) == b"a.b.c"


@pytest.mark.parametrize(
    "request_head",
    [
        pytest.param(head(target=b"/?access_token=a.b.c&token=a.b.c"), id="query"),
        pytest.param(head((b"cookie", b"access_token=a.b.c; Authorization=Bearer a.b.c")), id="cookie"),
        pytest.param(head((b"proxy-authorization", b"Bearer a.b.c")), id="Proxy-Authorization"),
        pytest.param(head((b"proxy_authorization", b"Bearer a.b.c")), id="Proxy_Authorization"),
        pytest.param(head((b"x_moratorium_token", b"a.b.c")), id="underscores"),
        pytest.param(head((b"x-forwarded-authorization", b"Bearer a.b.c")), id="forwarded"),
        pytest.param(head((b"x-forwarded-access-token", b"a.b.c")), id="forwarded access token"),
        pytest.param(head((b"x-amzn-oidc-data", b"a.b.c")), id="load balancer"),
        pytest.param(head((b"x-org-type", b"commercial"), (b"x-org-id", b"org-1")), id="claims as fields"),
        pytest.param(head((b"user-agent", b"kube-probe/1.31")), id="probe"),
        pytest.param(head((b"user-agent", b"GoogleHC/1.0")), id="load balancer's probe"),
    ],
)
def test_no_other_place_is_looked_at(request_head: RequestHead) -> None:
    assert reason_of(request_head) == Reason.TOKEN_MISSING


BEARER = (b"authorization", b"Bearer a.b.c")
BARE = (b"x-moratorium-token", b"a.b.c")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((BEARER, (b"authorization", b"Bearer d.e.f")), id="two tokens in one field"),
        pytest.param((BEARER, BEARER), id="the same twice"),
        pytest.param((BEARER, (b"authorization", b"Basic eA==")), id="a token, then another scheme"),
        pytest.param(((b"authorization", b"Basic eA=="), BEARER), id="another scheme, then a token"),
        pytest.param(((b"authorization", b""), BEARER), id="empty, then a token"),
        pytest.param((BARE, BEARER), id="one in each slot"),
        pytest.param((BEARER, BARE), id="one in each slot, the other way round"),
        pytest.param(
            (BARE, (b"authorization", b"Basic eA=="), (b"authorization", b"Basic eQ==")), id="late twice"
        ),
    ],
)
def test_more_than_one_token_or_field_is_ambiguous(headers: Headers) -> None:
    assert reason_of(head(*headers)) == Reason.CREDENTIALS_AMBIGUOUS


def test_comma_joined_tokens_stay_one_value_for_the_verifier_to_refuse() -> None:
    request = head((b"authorization", b"Bearer a.b.c, Bearer d.e.f"))

    assert find_token(request, SLOTS) == b"a.b.c, Bearer d.e.f"


def test_a_refusal_never_quotes_the_credential() -> None:
    refusal = find_token(head(BEARER, (b"authorization", b"Bearer d.e.f")), SLOTS)

    assert isinstance(refusal, Refusal)
    assert refusal.detail == "The authorization field is sent twice."


def test_without_slots_there_is_no_token() -> None:
    assert find_token(head(BEARER, BARE), ()) == Refusal(Reason.TOKEN_MISSING)
