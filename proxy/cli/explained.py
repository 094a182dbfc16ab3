"""An explanation as plain values for programs, and as text for people."""

from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from proxy.policy.callers import ALWAYS, FOREVER, Instant, Principal, Relation
from proxy.policy.explain import IN_FORCE, Account, Change, Entry, Explanation, Offer, Turn
from proxy.policy.instants import format_instant
from proxy.policy.model import Policy, Verdict
from proxy.policy.reasons import MEANINGS, Decision
from proxy.policy.steps import Step, describe_window
from proxy.rescue import Manners, status_of

Values = dict[str, Any]

_STYLES = {
    Decision.ALLOWED: "green",
    Decision.BLOCKED: "red",
    Decision.REJECTED: "yellow",
    Decision.FAILED: "magenta",
}


# ---------------------------------------------------------------- values


def report_of(verdict: Verdict, explanation: Explanation | None, policy: Policy, now: Instant) -> Values:
    """Everything there is to say, as plain values. No explanation: the call never came to the policy."""
    rule, caller, what = verdict.rule, verdict.caller, verdict.operation
    status = status_of(verdict.reason, Manners())
    accounts = explanation.accounts if explanation else ()
    ids = {i for m in policy.moratoria for p in m.binds.parties for i in p.org_ids}
    return {
        "at": format_instant(now),
        "decision": verdict.decision,
        "reason": verdict.reason,
        "says": " ".join(filter(None, (MEANINGS[verdict.reason].says, verdict.detail))),
        "status": status if verdict.decision is not Decision.ALLOWED else "the face API's own",
        "rule": rule.id if rule else None,
        "title": rule.title if rule else None,
        "authority": rule.authority.name if rule else None,
        "source": rule.authority.url if rule else None,
        "exemption": verdict.exemption,
        "obligations": list(verdict.obligations),
        "relation": verdict.relation if rule else None,
        "until": _time(verdict.until) if rule else None,
        "holds_until": _time(verdict.holds_until),
        "org_types": list(caller.org_types) if caller else None,
        "operation": what.name if what else None,
        "classes": sorted(what.classes) if what else None,
        "policy": policy.revision,
        "moratoria": [_account(one, ids) for one in accounts],
        "changes": [_change(one) for one in (explanation.changes if explanation else ())],
        "by_itself": [_turn(one) for one in (explanation.turns if explanation else ())],
    }


def _account(one: Account, ids: set[str]) -> Values:
    return {
        "moratorium": one.moratorium.id,
        "title": one.moratorium.title,
        "says": one.says,
        "exemption": next((o.exemption.id for o in one.offers if o.opens), None)
        if one.says == "exempt"
        else None,
        "bound": [_principal(relation, principal, ids) for relation, principal in one.bound],
        "asks": [_step(step) for step in one.steps],
        "ends": _time(one.ends),
        "exemptions": [_offer(offer) for offer in one.offers],
        "history": [_entry(entry) for entry in one.history],
    }


def _principal(relation: Relation, principal: Principal, ids: set[str]) -> Values:
    """An organisation in the words of the policy; its id only if the policy names it."""
    said: Values = {
        "relation": relation,
        "org_types": list(principal.org_types),
        "org_id": principal.org_id if principal.org_id in ids else None,
        "org_subtype": principal.org_subtype,
        "level": principal.level,
        "jurisdiction": principal.jurisdiction,
    }
    return {name: value for name, value in said.items() if value}


def _step(step: Step) -> Values:
    changes = {"changes_at": format_instant(step.changes_at)} if step.changes_at < FOREVER else {}
    return {"kind": step.kind, "asks": step.asks, "met": step.met, "why": step.why, **changes}


def _offer(offer: Offer) -> Values:
    return {
        "exemption": offer.exemption.id,
        "title": offer.exemption.title,
        "opens": offer.opens,
        "asks": [_step(step) for step in offer.steps],
        "obligations": list(offer.exemption.obligations),
    }


def _entry(entry: Entry) -> Values:
    chapter = entry.chapter
    return {
        "window": chapter.id,
        "reason": chapter.reason,
        "from": None if chapter.window.start == ALWAYS else format_instant(chapter.window.start),
        "until": None if chapter.window.end == FOREVER else format_instant(chapter.window.end),
        "places": sorted(chapter.window.places),
        "recorded": None if chapter.recorded == ALWAYS else format_instant(chapter.recorded),
        "replaced_by": chapter.replaced_by,
        "known": entry.known,
        "counts": entry.counts,
    }


def _change(change: Change) -> Values:
    return {
        "moratorium": change.moratorium,
        "exemption": change.exemption,
        "then": change.to,
        "when": "all of these are so" if change.every else "one of these is no longer so",
        "asks": [step.asks for step in change.steps],
        "still_blocked_by": list(change.still),
    }


def _turn(turn: Turn) -> Values:
    if turn.verdict is None:
        return {"at": format_instant(turn.at), "decision": Decision.REJECTED, "reason": "token-expired"}
    verdict = turn.verdict
    return {
        "at": format_instant(turn.at),
        "decision": verdict.decision,
        "reason": verdict.reason,
        "rule": verdict.rule.id if verdict.rule else None,
        "exemption": verdict.exemption,
    }


def _time(instant: Instant | None) -> str | None:
    if instant is None:
        return None
    return "for ever" if instant == FOREVER else format_instant(instant)


# ---------------------------------------------------------------- text


_PLAIN = (
    "reason", "at", "known_at", "operation", "classes", "org_types", "rule", "title", "authority", "source",
    "relation", "exemption", "obligations", "until", "holds_until", "policy", "about_other_backends",
)  # fmt: skip


def show(report: Values, explanation: Explanation | None, console: Console) -> None:
    """Print it: the answer, why, what would change it, and when it changes by itself."""
    head = Text(report["decision"].upper(), style=f"bold {_STYLES[report['decision']]}")
    head.append(f"  {report['reason']}", "bold")
    console.print(head.append(f"  {report['says']}", "not bold"), soft_wrap=True)
    facts = Table(box=None, show_header=False, pad_edge=False)
    for name in _PLAIN:
        if value := report.get(name):
            words = ", ".join(value) if isinstance(value, list) else str(value)
            facts.add_row(Text(name, "dim"), Text(words, overflow="fold"))
    facts.add_row(Text("status", "dim"), str(report["status"]))
    console.print(facts)
    if explanation is None:
        return
    _show_moratoria(explanation, console)
    for one in explanation.accounts:
        if one.says in IN_FORCE:
            _show_account(one, console)
    _show_lines("What would change the answer", _changes(explanation), console)
    _show_lines("When it changes by itself", _turns(explanation), console)


def _show_moratoria(explanation: Explanation, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("moratorium", "says", "because"):
        table.add_column(column, overflow="fold")
    for one in explanation.accounts:
        table.add_row(one.moratorium.id, one.says, Text("; ".join(_because(one))))
    if explanation.accounts:
        console.print()
        console.print(table)


def _because(one: Account) -> Iterator[str]:
    """Of one that is in force, as what it binds; of another, all that keeps it away."""
    if one.says in IN_FORCE:
        for relation, principal in one.bound:
            yield f"binds {relation}: {', '.join(_described(principal)) or 'of no known type'}"
        yield from (f"exemption {offer.exemption.id} opens" for offer in one.offers if offer.opens)
    for step in one.unmet:
        yield f"is about {step.asks}" + (f" ({step.why})" if step.why else "")


def _described(principal: Principal) -> list[str]:
    return [
        *principal.org_types,
        *filter(None, (principal.org_subtype, principal.level, principal.jurisdiction)),
    ]


def _show_account(one: Account, console: Console) -> None:
    console.print()
    console.print(Text.assemble((one.moratorium.id, "bold"), f"  {one.moratorium.title}"), soft_wrap=True)
    for step in one.steps:
        console.print(Padding(_mark(step), (0, 0, 0, 2), expand=False))
    for offer in one.offers:
        state = ("opens", "green") if offer.opens else ("is not met", "dim")
        title = f"  {offer.exemption.title}" if offer.exemption.title else ""
        console.print(Text.assemble("  exemption ", (offer.exemption.id, "bold"), " ", state, title))
        for step in offer.steps:
            console.print(Padding(_mark(step, "needs "), (0, 0, 0, 4), expand=False))
    if len(one.history) > 1:
        console.print("  history")
        for entry in one.history:
            console.print(
                Padding(Text(_chapter(entry), "" if entry.counts else "dim"), (0, 0, 0, 4), expand=False)
            )


def _mark(step: Step, before: str = "") -> Text:
    sign = ("✓ ", "green") if step.met else ("✗ ", "red")
    return Text.assemble(sign, before, step.asks, (f"  {step.why}" if step.why else "", "dim"))


def _chapter(entry: Entry) -> str:
    chapter = entry.chapter
    text = f"{chapter.id}: {chapter.reason}, {describe_window(chapter.window)}"
    if chapter.recorded != ALWAYS:
        text += f", recorded {format_instant(chapter.recorded)}"
    if not entry.known:
        return f"{text}; not known then"
    if entry.counts:
        return f"{text}; counts"
    return f"{text}; replaced by {chapter.replaced_by}" if chapter.replaced_by else f"{text}; has no length"


def _show_lines(title: str, lines: Iterable[str], console: Console) -> None:
    console.print()
    console.print(Text(title, "bold"))
    for line in lines:
        console.print(Padding(Text(line), (0, 0, 0, 2), expand=False))


_MOST_CHANGES = 12


def _changes(explanation: Explanation) -> Iterator[str]:
    """The nearest first. Of a call that is blocked already, only what would let it through."""
    blocked = explanation.verdict.decision is not Decision.ALLOWED
    told = [change for change in explanation.changes if not (blocked and change.to is Decision.BLOCKED)]
    for change in told[:_MOST_CHANGES]:
        would = "would allow it" if change.to is Decision.ALLOWED else "would block it"
        asks = [step.asks for step in change.steps]
        if change.every:
            text = f"{change.moratorium} {would}"
            text += f" by exemption {change.exemption}" if change.exemption else ""
            text += f" with {' and with '.join(asks)}"
        elif change.exemption is None:
            text = f"{change.moratorium} {would} once its windows are over"
        else:
            text = f"{change.moratorium} {would} without {' or without '.join(asks)}"
        yield f"{text} (still blocked by {', '.join(change.still)})" if change.still else text
    if len(told) > _MOST_CHANGES:
        yield f"and {len(told) - _MOST_CHANGES} more: -o json has them all"
    if not told:
        yield (
            "nothing that a caller could say" if blocked else "nothing: there is no moratorium in this policy"
        )


def _turns(explanation: Explanation) -> Iterator[str]:
    if explanation.verdict.spends:
        yield "at any call: the uses of the exemption are counted"
    for turn in explanation.turns:
        if turn.verdict is None:
            yield f"{format_instant(turn.at)}: rejected (token-expired)"
            continue
        rule = turn.verdict.rule
        by = f", {rule.id}" if rule else ""
        by += f", exemption {turn.verdict.exemption}" if turn.verdict.exemption else ""
        yield f"{format_instant(turn.at)}: {turn.verdict.decision} ({turn.verdict.reason}{by})"
    if not explanation.turns and not explanation.verdict.spends:
        yield "never, for the same call and the same policy"
