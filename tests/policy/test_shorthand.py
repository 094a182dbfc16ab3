"""A handful of settings as a policy document."""

import pytest

from proxy.policy.document import Source, build
from proxy.policy.shorthand import DEFAULT_CLASSES, document_of


def test_whom_it_blocks_is_enough() -> None:
    moratorium = build(Source("settings", document_of(blocked_org_types=("police",)))).moratoria[0]

    assert moratorium.covers.classes == set(DEFAULT_CLASSES)
    assert moratorium.exemptions == ()
    assert len(moratorium.windows) == 1


@pytest.mark.parametrize(
    ("purposes", "orgs", "ids"),
    [
        (("missing-persons",), None, ["by-purpose"]),
        (None, ("thorn",), ["by-name"]),
        (("missing-persons",), ("thorn",), ["by-purpose", "by-name"]),
    ],
)
def test_each_kind_of_exemption_stands_alone(
    purposes: tuple[str, ...] | None, orgs: tuple[str, ...] | None, ids: list[str]
) -> None:
    document = document_of(blocked_org_types=("police",), exempt_purposes=purposes, exempt_orgs=orgs)

    assert [e.id for e in build(Source("settings", document)).moratoria[0].exemptions] == ids
