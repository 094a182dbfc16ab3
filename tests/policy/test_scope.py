"""Which windows count where a call is made, and who is bound through whom."""

import pytest

from proxy.policy.callers import Caller, Principal, Relation
from proxy.policy.conditions import Party
from proxy.policy.model import Binding, Window
from proxy.policy.scope import Bound, bound_by, windows_for
from tests.policy.making import ban

EVERYWHERE, ITALY = Window(0, 10), Window(0, 20, frozenset({"IT"}))
LOCAL = ban(windows=(EVERYWHERE, ITALY))
CALLER = Caller("issuer", ("police",))


def bound(*jurisdictions: str | None) -> Bound:
    return [(Relation.SELF, Principal(("police",), jurisdiction=where)) for where in jurisdictions]


@pytest.mark.parametrize(
    ("places", "camera", "counts"),
    [
        (("IT",), None, True),
        (("IT-RM",), None, True),
        (("DE",), None, False),
        (("DE", "IT"), None, True),
        ((None,), None, True),
        (("DE", None), None, True),
        (("DE",), "IT", True),
        (("DE",), "DE", False),
        ((None,), "DE", True),
    ],
)
def test_a_window_for_a_place_counts_unless_everyone_is_known_to_be_elsewhere(
    places: tuple[str | None, ...], camera: str | None, counts: bool
) -> None:
    found = windows_for(LOCAL, CALLER._replace(place_jurisdiction=camera), bound(*places))

    assert found == ((EVERYWHERE, ITALY) if counts else (EVERYWHERE,))


def test_an_actor_is_not_freed_by_the_one_whose_contractor_the_caller_is() -> None:
    federal = Party(levels=frozenset({"federal"}), contractors=True)
    binds = Binding((Party(org_types=frozenset({"police", "commercial"})),), (federal,))
    caller = CALLER._replace(
        org_types=("commercial",),
        on_behalf_of=Principal(("police",), level="federal"),
        actors=(Principal(("police",), "county-so"),),
    )

    assert bound_by(binds, caller.principals()) == [(Relation.ACTOR, Principal(("police",), "county-so"))]
    assert bound_by(binds, caller._replace(actors=()).principals()) == []
