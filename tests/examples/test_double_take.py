"""The guide for new backends, followed once: one file and one table are a whole backend."""

import json

from examples.double_take import DoubleTake
from proxy.backends.base import Backend, Denial
from proxy.policy.operations import UNKNOWN_OPERATION
from proxy.policy.reasons import Reason
from tests.backends.asking import head, reason, terms

BACKEND: Backend = DoubleTake()


def test_a_get_that_searches_or_trains_is_not_taken_for_a_read() -> None:
    assert terms(BACKEND.classify(head("GET", "/api/recognize?url=http:%2F%2Fa%2Fb.jpg"))) == {"search"}
    assert terms(BACKEND.classify(head("GET", "/api/train/retrain/Jane%20Doe"))) == {"enroll"}
    assert terms(BACKEND.classify(head("GET", "/api/match"))) == {"gallery"}
    assert terms(BACKEND.classify(head("DELETE", "/api/train/remove/Jane"))) == {"erase"}


def test_what_the_table_leaves_out_is_unknown() -> None:
    assert BACKEND.classify(head("GET", "/api/config")) is UNKNOWN_OPERATION
    assert BACKEND.classify(head("GET", "/api/match?page=1")) is UNKNOWN_OPERATION


def test_its_token_in_the_query_is_refused() -> None:
    assert reason(BACKEND.classify(head("GET", "/api/match?token=x"))) == "credentials-ambiguous"


def test_an_address_is_refused_when_only_pictures_are_taken() -> None:
    strict = DoubleTake(inline_only=True)

    assert reason(strict.classify(head("GET", "/api/recognize?url=a"))) == "media-by-reference"
    assert terms(strict.classify(head("POST", "/api/recognize"))) == {"search"}


def test_it_says_no_in_its_own_words() -> None:
    native = BACKEND.native(Denial(451, Reason.MORATORIUM, "Blocked.", "id-1"))

    assert json.loads(native.body)["error"] == "Blocked."
