"""Moratoria and exemptions in a few words, for tests that are about something else than reading them."""

from typing import Any

from proxy.policy.conditions import BoundIs, Condition, HasCase, Party, PurposeIs
from proxy.policy.model import Binding, Coverage, Exemption, Moratorium, Window
from proxy.policy.operations import OperationClass


def binding(*org_types: str) -> Binding:
    return Binding((Party(org_types=frozenset(org_types)),))


def covering(*classes: OperationClass) -> Coverage:
    return Coverage(frozenset(classes))


def ban(
    name: str = "ban",
    org_types: tuple[str, ...] = ("police",),
    classes: tuple[OperationClass, ...] = (OperationClass.COMPARE,),
    windows: tuple[Window, ...] = (Window(),),
    **more: Any,
) -> Moratorium:
    """A moratorium that binds by type and covers by class."""
    return Moratorium(name, binding(*org_types), covering(*classes), windows, **more)


def exemption(
    name: str = "exemption",
    *,
    org_ids: frozenset[str] = frozenset(),
    org_types: frozenset[str] = frozenset(),
    purposes: frozenset[str] = frozenset(),
    requires_case: bool = False,
    **more: Any,
) -> Exemption:
    """An exemption with the conditions that are stated."""
    conditions: list[Condition] = []
    if org_ids or org_types:
        conditions.append(BoundIs(Party(org_ids=org_ids, org_types=org_types)))
    if purposes:
        conditions.append(PurposeIs(purposes))
    if requires_case:
        conditions.append(HasCase())
    return Exemption(name, tuple(conditions), **more)
