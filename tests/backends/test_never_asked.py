"""What a preset says when it is asked what nobody asks it: no tunnel, nothing known."""

import pytest

from proxy.backends.registry import NAMES, make_backend
from proxy.messages import RequestHead
from proxy.policy.model import Refusal
from proxy.policy.operations import UNKNOWN_OPERATION
from proxy.policy.reasons import Reason

NOWHERE = RequestHead(b"POST", b"/nowhere", b"1.1", ())


@pytest.mark.parametrize("name", NAMES)
def test_no_preset_takes_a_websocket(name: str) -> None:
    assert not make_backend(name).upgrades(NOWHERE._replace(method=b"GET", upgrade=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_body_of_a_call_that_is_not_known_makes_it_no_better_known(name: str) -> None:
    assert make_backend(name).read(NOWHERE, b"{}") == UNKNOWN_OPERATION


@pytest.mark.parametrize(
    "body", [b'{"requests": {"features": []}}', b'{"requests": ["x"]}', b'{"requests": 1}']
)
def test_a_body_of_another_shape_is_ambiguous(body: bytes) -> None:
    head = RequestHead(b"POST", b"/v1/images:annotate", b"1.1", ((b"content-type", b"application/json"),))

    found = make_backend("google-vision").read(head, body)

    assert isinstance(found, Refusal)
    assert found.reason is Reason.REQUEST_AMBIGUOUS
