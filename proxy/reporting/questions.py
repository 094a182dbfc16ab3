"""What can be asked of the decisions, as SQL. Pure: values are parameters, and never stand in the text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from proxy.errors import SettingsError
from proxy.policy.complaints import nearest
from proxy.policy.operations import OperationClass
from proxy.policy.reasons import Decision, Reason

_ORG = (
    "(org_id IN $org OR on_behalf_of.org_id IN $org "
    "OR list_has_any(list_transform(coalesce(org_path, []), lambda it: it.org_id), $org) "
    "OR list_has_any(list_transform(coalesce(actors, []), lambda it: it.org_id), $org))"
)
FILTERS: dict[str, str] = {
    "id": "id IN $id OR request_id IN $id",
    "org": _ORG,
    "org_type": "org_type IN $org_type",
    "decision": "decision IN $decision",
    "reason": "reason IN $reason",
    "operation": "operation IN $operation",
    "class": "list_has_any(coalesce(classes, []), $class)",
    "rule": "rule IN $rule",
    "exemption": "exemption IN $exemption",
    "purpose": "purpose IN $purpose",
    "policy": "list_bool_or(list_transform($policy, lambda it: starts_with(coalesce(policy, ''), it)))",
    "instance": "instance IN $instance",
}
"""Each takes several values, of which one has to fit."""
_CLOSED: dict[str, type[Decision] | type[Reason] | type[OperationClass]] = {
    "decision": Decision,
    "reason": Reason,
    "class": OperationClass,
}

TIMES = ("day", "week", "month")
GROUPS = (
    "org_type", "org_id", "decision", "reason", "operation", "classes", "rule", "exemption", "purpose",
    "policy", "instance", "mode", "backend", "status", *TIMES,
)  # fmt: skip
SHORT = (
    "time", "id", "org_type", "org_id", "operation", "purpose", "decision", "reason", "rule", "exemption",
    "status",
)  # fmt: skip
"""What people get to see of a decision; programs get all of it."""

_SECOND = "strftime(time, '%Y-%m-%dT%H:%M:%SZ') AS time"
_TIME = "strftime(time, '%Y-%m-%dT%H:%M:%S.%fZ') AS time"
_ENDED = """
LEFT JOIN (
  SELECT id AS call_id, any_value(status) AS status, any_value(request_bytes) AS sent_bytes,
    any_value(response_bytes) AS response_bytes, any_value(microseconds) AS microseconds,
    any_value(complete) AS complete
  FROM calls GROUP BY id
) AS ended ON source.id = ended.call_id AND source.decision = 'allowed'
"""
"""How a call ended belongs to the decision that let it go on. `sent_bytes`: what really went up."""


@dataclass(frozen=True)
class Question:
    """Which decisions, and what of them. Instants are RFC 3339 in UTC; `by` counts instead of listing."""

    wanted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    since: str | None = None
    until: str | None = None
    by: tuple[str, ...] = ()
    limit: int | None = None
    short: bool = False
    """Only what people want to see first."""
    typed: bool = False
    """Times as such and not as text."""

    def problems(self) -> list[str]:
        """What cannot be asked: a name that no record can hold would only ever find nothing."""
        found = []
        for name, members in _CLOSED.items():
            for value in self.wanted.get(name, ()):
                if value not in members.__members__.values():
                    found.append(f"--{name}: {value!r} is not known{nearest(value, members)}")
        for value in self.by:
            if value not in GROUPS:
                found.append(f"--by: {value!r} cannot be counted by{nearest(value, GROUPS)}")
        return found

    def sql(self) -> tuple[str, dict[str, Any]]:
        """The text and its parameters. Raises `SettingsError`."""
        if problems := self.problems():
            raise SettingsError(problems)
        parameters: dict[str, Any] = {name: [*values] for name, values in self.wanted.items() if values}
        conditions = [f"({FILTERS[name]})" for name in parameters]
        for name, sign, value in (("since", ">=", self.since), ("until", "<", self.until)):
            if value is not None:
                conditions.append(f"time {sign} ${name}::TIMESTAMPTZ")
                parameters[name] = value
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        needed = ", ".join((*SHORT[:-1], "chain", "seq")) if self.short and not self.by else "*"
        found = f"SELECT {needed} FROM decisions {where}"  # noqa: S608
        return self._counted(found) if self.by else self._listed(found), parameters

    def _listed(self, found: str) -> str:
        """Cut before it is joined: few are wanted of many."""
        order = "ORDER BY source.time, source.chain, source.seq"
        if self.limit is not None:
            found = f"{found} {order.replace('source.', '')} LIMIT {self.limit:d}"
        return f"SELECT {self._chosen()} FROM ({found}) AS source {_ENDED} {order}"  # noqa: S608

    def _counted(self, found: str) -> str:
        groups = ", ".join(map(_group, self.by))
        ended = _ENDED if "status" in self.by else ""
        order = "ALL"
        if self.limit is not None:  # of few that are shown the largest
            order = f"count DESC, {', '.join(self.by)} LIMIT {self.limit:d}"
        return (
            f"SELECT {groups}, count(*) AS count FROM ({found}) AS source {ended} "  # noqa: S608
            f"GROUP BY ALL ORDER BY {order}"
        )

    def _chosen(self) -> str:
        if self.short:
            return ", ".join(_SECOND if name == "time" else name for name in SHORT)
        return f"* EXCLUDE (call_id){'' if self.typed else f' REPLACE ({_TIME})'}"


def _group(name: str) -> str:
    if name in TIMES:
        return f"strftime(date_trunc('{name}', time), '%Y-%m-%d') AS {name}"
    if name == "classes":
        return "array_to_string(classes, '+') AS classes"
    return name
