"""Whose token it was: a digest that nobody can make without the key, and that decides nothing."""

import hashlib
import hmac
from typing import Any

import pytest

from proxy.authn.standing import NO_STANDING, Revoked, Standing
from proxy.authn.subject import SubjectKey
from proxy.authn.verifier import Trust, verify
from proxy.policy.callers import Caller
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason
from tests.authn.tokens import AUDIENCE, ISSUER, KEYS, NOW, POLICY, TRUST, claims, header, signed, without

SECRET = b"0123456789abcdef" * 2
KEY = SubjectKey(SECRET)


def judged(
    trust: Trust = TRUST, standing: Standing = NO_STANDING, key: SubjectKey | None = KEY, **said: Any
) -> Any:
    payload = without(claims(), "sub") if said == {"sub": None} else claims(**said)
    token = signed(header(), payload)
    return verify(token, {ISSUER: trust}, {ISSUER: KEYS}, POLICY, NOW, standing=standing, subject_key=key)


def test_a_caller_has_the_digest_of_issuer_and_subject() -> None:
    caller = judged(sub="jane")

    expected = hmac.new(SECRET, f"{ISSUER}\0jane".encode(), hashlib.sha256).hexdigest()
    assert isinstance(caller, Caller)
    assert caller.subject_digest == expected


@pytest.mark.parametrize("subject", ["", "x" * 10_000, "ж\0é", "\ud800"])
def test_any_text_can_be_a_subject(subject: str) -> None:
    text = b"i\0" + subject.encode("utf-8", "surrogatepass")

    assert KEY.digest("i", subject) == hmac.new(SECRET, text, hashlib.sha256).hexdigest()


def test_subjects_issuers_and_keys_that_differ_have_other_digests() -> None:
    digests = {
        KEY.digest("i", "jane"), KEY.digest("i", "Jane"), KEY.digest("other", "jane"),
        SubjectKey(SECRET + b"1").digest("i", "jane"),
    }  # fmt: skip

    assert len(digests) == 4
    assert KEY.digest("i", "jane") == SubjectKey(SECRET).digest("i", "jane")


def test_nothing_else_about_the_caller_depends_on_it() -> None:
    with_key, without_key = judged(sub="jane"), judged(sub="jane", key=None)

    assert without_key.subject_digest is None
    assert with_key._replace(subject_digest=None) == without_key


def test_a_token_without_a_subject_has_none() -> None:
    assert judged(sub=None).subject_digest is None


def test_who_is_refused_by_name_has_it_too() -> None:
    suspended = Standing(revoked=Revoked(subjects={ISSUER: {"jane": NOW - 1}}))
    stranger = Trust(ISSUER, frozenset({AUDIENCE}), org_types=frozenset({"police"}))
    for refusal, reason in (
        (judged(standing=suspended, sub="jane"), Reason.TOKEN_REVOKED),
        (judged(stranger, sub="jane"), Reason.ORG_TYPE_NOT_ENTITLED),
    ):
        assert isinstance(refusal, Refusal)
        assert (refusal.reason, refusal.caller and refusal.caller.subject_digest) == (
            reason,
            KEY.digest(ISSUER, "jane"),
        )


def test_a_short_key_is_none() -> None:
    with pytest.raises(ValueError, match="31 bytes"):
        SubjectKey(b"x" * 31)


def test_a_key_does_not_show_itself() -> None:
    assert repr(KEY) == "<SubjectKey>"
    assert not hasattr(KEY, "__dict__")
