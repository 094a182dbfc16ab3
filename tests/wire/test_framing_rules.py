"""Two framings in one head: the parser stops most of them; these hold where it does not."""

import pytest

from proxy.errors import UpstreamBroken
from proxy.policy.model import Refusal
from proxy.policy.reasons import Reason
from proxy.relay.framing import _request_length, _response_length, _Special

CHUNKED = (b"transfer-encoding", b"chunked")
FIVE, SIX = (b"content-length", b"5"), (b"content-length", b"6")


@pytest.mark.parametrize("fields", [(CHUNKED, FIVE), (FIVE, SIX)])
def test_a_request_that_is_framed_twice_is_ambiguous(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    found = _request_length(_Special(fields), b"1.1")

    assert isinstance(found, Refusal)
    assert found.reason is Reason.REQUEST_AMBIGUOUS


@pytest.mark.parametrize("fields", [(CHUNKED, FIVE), (FIVE, SIX), ((b"transfer-encoding", b"gzip"),)])
def test_an_answer_that_is_framed_twice_or_oddly_is_broken(fields: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(UpstreamBroken):
        _response_length(_Special(fields), b"1.1", 200, b"GET")
