"""Reads audit records once, in the order in which they were written, and keeps what is counted of them. Pure.

Counts on a page of metrics stop where the page was read, which is in the middle of a log. The page says for
each chain how many of its decisions had been recorded and counted by then: the first so many are compared.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.policy.operations import OperationClass
from proxy.policy.reasons import Decision, Reason
from proxy.reporting.reconcile.ids import (
    ALLOWED,
    ALLOWED_THEN_FAILED,
    ANSWERED,
    BLOCKED,
    BY_ANOTHER_NAME,
    FAILED,
    RECORDED,
    REJECTED,
    Ids,
    digest,
)
from proxy.reporting.reconcile.page import Labels

STATES = {
    Decision.ALLOWED: ALLOWED,
    Decision.BLOCKED: BLOCKED,
    Decision.REJECTED: REJECTED,
    Decision.FAILED: FAILED,
}


@dataclass
class Kept:
    """One chain. `counted`: its decisions so far that a page counts as recorded.

    `spoilt`: those that are whole although the write of them failed at its last byte. A checkpoint says so by
    counting fewer.
    """

    opened: bool = False
    decisions: int = 0
    counted: int = 0
    spoilt: int = 0
    miscounted: str = ""


@dataclass
class Book:
    """`limits`: for each chain that a page speaks for, how many of its decisions. Others are `elsewhere`."""

    limits: dict[str, int] = field(default_factory=dict)
    ids: Ids = field(default_factory=Ids)
    chains: dict[str, Kept] = field(default_factory=dict)
    within: dict[str, Counter[Labels]] = field(default_factory=dict)
    after: Counter[str] = field(default_factory=Counter)
    elsewhere: Counter[Labels] = field(default_factory=Counter)
    asked: Counter[bytes] = field(default_factory=Counter)
    """Calls let through under a trusted peer's id, by its digest."""
    removed: bool = False
    unreadable: int = 0

    def take(self, line: bytes) -> None:
        """One line of a log. What is no record is for `verify` to find."""
        if line == b"\n":
            return
        try:
            fields: dict[str, Any] = orjson.loads(line)
            self._record(fields, self.chains.setdefault(fields["chain"], Kept()))
        except (ValueError, TypeError, KeyError, AttributeError):
            self.unreadable += 1

    def _record(self, fields: dict[str, Any], kept: Kept) -> None:
        match fields["kind"]:
            case "decision":
                self._decision(fields, fields["chain"], kept)
            case "outcomes":
                for call in fields["calls"]:
                    if call["status"] is not None:
                        name = call["id"].encode()
                        self.ids.set(name, self.ids.get(name) | ANSWERED)
            case "open":
                kept.opened = fields["seq"] == 0
            case "checkpoint" | "close":
                self._claim(fields, kept)
            case "retired":
                self.removed = True

    def _decision(self, fields: dict[str, Any], chain: str, kept: Kept) -> None:
        name, decision = fields["id"].encode(), fields["decision"]
        kept.decisions += 1
        before = self.ids.get(name)
        # Denied for want of a record, which could be made after all: the page does not know of that.
        kept.counted += fields["reason"] != Reason.AUDIT_UNWRITABLE
        if before & RECORDED:
            then = ALLOWED_THEN_FAILED if before & RECORDED == ALLOWED else before & RECORDED
            self.ids.set(name, before & ~RECORDED | then)
        else:
            state = before | STATES[decision]
            if decision == Decision.ALLOWED and fields["request_id"] is not None:
                self.asked[digest(fields["request_id"].encode())] += 1
                state |= BY_ANOTHER_NAME
            self.ids.set(name, state)
        series, limit = series_of(fields), self.limits.get(chain)
        if limit is None:
            self.elsewhere[series] += 1
        elif kept.counted <= limit:
            self.within.setdefault(chain, Counter())[series] += 1
        else:
            self.after[chain] += 1

    def _claim(self, fields: dict[str, Any], kept: Kept) -> None:
        """A chain counts its own records, and says so in between and at the end."""
        says, failures = fields["records"], fields["failures"]
        if kept.opened and says <= kept.decisions <= says + failures:
            kept.spoilt = kept.decisions - says
        elif kept.opened:
            kept.miscounted = kept.miscounted or (
                f"record {fields['seq']} says that {says} decisions were recorded, {kept.decisions} are there"
            )


def series_of(fields: dict[str, Any]) -> Labels:
    """Where `proxy.metrics` counts what this record says."""
    decision, classes, org_type = fields["decision"], fields["classes"], fields["org_type"]
    operation = "none"
    if decision == Decision.FAILED:
        org_type = "none"
    elif classes is not None:
        operation = "+".join(each for each in OperationClass if each in classes)
    return decision, fields["reason"], org_type, operation, fields["mode"]
