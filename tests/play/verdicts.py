"""What each answer should have been, by the instant that its record names."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.play.callers import Seen
from tests.play.play import PARTS, Play

Outcome = tuple[int, str]
"""A status and a reason."""

FREE: Outcome = (200, "not-bound")
BLOCKED: Outcome = (451, "moratorium")


@dataclass
class Judgement:
    """`wrong`: answers that were not right at their instant, in words; `told`: how often which was given."""

    told: dict[str, Counter[Outcome]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def judge(play: Play) -> Judgement:
    """Hold every answer against its record and against the marks."""
    judgement = Judgement({part: Counter() for part in PARTS})
    records = play.records()
    for seen in play.seen:
        record = records.get(seen.decision_id)
        if record is None:
            judgement.wrong.append(f"{seen}: has no record")
            continue
        outcome = (seen.status, record["reason"])
        judgement.told[seen.part][outcome] += 1
        moment = datetime.fromisoformat(record["time"]).timestamp()
        if outcome not in _right(play, seen, moment):
            judgement.wrong.append(f"{seen}: {record['reason']} at {record['time']}")
        if not seen.began - 0.001 <= moment <= seen.ended:
            judgement.wrong.append(f"{seen}: decided at {record['time']}, not while it was asked")
    return judgement


def _right(play: Play, seen: Seen, moment: float) -> set[Outcome]:
    match seen.part:
        case "sheriff":
            return {BLOCKED}
        case "missing":
            return {(200, "exempt")}
        case "school":
            inside = play.start <= moment < play.end
            return {BLOCKED if inside else (200, "outside-window")}
        case "lab":
            return _changed(play, "research", moment, FREE, BLOCKED)
        case "gazette":
            return _changed(play, "suspended", moment, FREE, (403, "org-suspended"))
        case "insurer":
            silent = (503, "keys-unavailable")
            if play.marks.before("back", moment):
                return _changed(play, "stale", moment, FREE, silent)
            return _changed(play, "back", moment, silent, FREE)
    return {FREE}


def _changed(play: Play, change: str, moment: float, old: Outcome, new: Outcome) -> set[Outcome]:
    if play.marks.before(change, moment):
        return {old}
    return {new} if play.marks.after(change, moment) else {old, new}


def rows(judgement: Judgement) -> list[tuple[str, str, str]]:
    """For a table: who was told what, how often."""
    return [
        (part, f"{status} {reason}", str(count))
        for part, told in judgement.told.items()
        for (status, reason), count in sorted(told.items())
    ]


def lost(play: Play) -> int:
    """Connections that broke while they were used."""
    return sum(caller.lost for caller in play.callers)


def as_facts(play: Play, judgement: Judgement) -> dict[str, Any]:
    """What a report says at its end."""
    return {
        "answers": len(play.seen),
        "wrong": len(judgement.wrong),
        "lost connections": lost(play),
        "key fetches of north": play.north.fetched,
        "key fetches of south": play.south.fetched,
    }
