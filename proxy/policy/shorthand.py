"""One moratorium from a handful of settings, in the shape of a policy document.

It goes through the same checks as a file, so both forms mean the same and fail alike.
"""

from typing import Any

from proxy.policy.operations import OperationClass
from proxy.policy.vocabulary import ORG_TYPES, PURPOSES

DEFAULT_CLASSES = (
    OperationClass.COMPARE,
    OperationClass.SEARCH,
    OperationClass.ENROLL,
    OperationClass.TEMPLATE,
)


def document_of(
    *,
    blocked_org_types: tuple[str, ...],
    blocked_operations: tuple[str, ...] | None = None,
    start: str | None = None,
    end: str | None = None,
    org_types: tuple[str, ...] | None = None,
    exempt_purposes: tuple[str, ...] | None = None,
    exempt_orgs: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """The document. A purpose lifts the block only together with a case number."""
    window = {key: value for key, value in (("start", start), ("end", end)) if value is not None}
    exemptions: list[dict[str, Any]] = []
    if exempt_purposes:
        exemptions.append({"id": "by-purpose", "purposes": [*exempt_purposes], "requires_case": True})
    if exempt_orgs:
        exemptions.append({"id": "by-name", "org_ids": [*exempt_orgs]})
    return {
        "schema": 1,
        "vocabulary": {"org_types": [*(org_types or ORG_TYPES)], "purposes": [*PURPOSES]},
        "moratorium": [
            {
                "id": "moratorium",
                "binds": {"org_types": [*blocked_org_types]},
                "covers": {"classes": [str(c) for c in blocked_operations or DEFAULT_CLASSES]},
                "window": [window],
                "exemption": exemptions,
            }
        ],
    }
