"""The sentences that a report says in every form. Plain text."""

from proxy.reporting.report.model import GapKind, Rule

WITHHELD = "withheld"
RULE = (
    "Zeros are shown. A number that is not zero and below the limit is withheld. So are as many others as it "
    "takes that no withheld number can be computed from sums, differences or other tables of this report: "
    "for each of them at least two values fit all that is published. Withheld numbers are not marked as "
    "small or as large. The number of all decisions is always shown."
)
COUNTED = (
    "Counted are decisions, each of which has one record. A call that was let through and whose face API "
    "then failed has two: allowed, and failed."
)
CALLS = "Calls are decisions with different ids. Where a record says nothing, the row is none."
TIMES = "All times are in UTC; weeks begin on Mondays (ISO 8601), and the range does not include its end."
GAPS = {
    GapKind.BROKEN_OFF: "broken off",
    GapKind.STOPPED: "stopped",
    GapKind.TORN: "cut short",
    GapKind.UNRECORDED: "not recorded",
    GapKind.RETIRED: "removed in order",
}
STATES = {
    "blocked": "blocked",
    "exempt-only": "blocked unless exempt",
    "shadow": "shadow: lets through and counts",
    "exempt": "exempt as a type",
}
TRUTH = (
    "The numbers are as true as the records. What verification can and cannot prove is told in the "
    "documentation of the audit: it cannot show that every call came through this software."
)


def rule_says(rule: Rule) -> str:
    """The rule with its numbers."""
    if rule.small <= 1:
        return "No number is withheld."
    says = f"Numbers from 1 to {rule.small - 1} are withheld, and others that would betray them: "
    says += f"{rule.withheld:,} numbers in all."
    if rule.tables:
        says += f" All of these tables is withheld: {', '.join(rule.tables)}."
    return says
