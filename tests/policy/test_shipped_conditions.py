"""Nothing that a shipped policy states is idle: whatever is taken out of one, some case beside it notices."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from proxy.policy.callers import FOREVER
from proxy.policy.cases import differences
from proxy.policy.conditions import Condition
from proxy.policy.model import UNLIMITED, Moratorium
from tests.policy.shipped import IDS, cases_beside, policy_of, verdict_by

# What each moratorium covers. Cases try some of it; the rest is held here.
RECOGNITION = "compare enroll search template"
COVERED = {
    "amazon-2020": RECOGNITION,
    "azure-openai-2024": RECOGNITION,
    "azure-openai-2024-mobile": RECOGNITION,
    "eu-ai-act-5-1-f": "analyze",
    "eu-ai-act-5-1-h": "compare search template",
    "ibm-2020": "analyze compare detect enroll liveness search template",
    "it-2021": RECOGNITION,
    "microsoft-2020": "analyze compare detect enroll gallery liveness search template",
    "us-baltimore": "analyze compare enroll gallery search template",
    "us-boston": "analyze compare enroll gallery search template",
    "us-ca": "analyze compare enroll search template",
    "us-co-schools": RECOGNITION,
    "us-ma": RECOGNITION,
    "us-me": "analyze compare enroll search template",
    "us-neworleans": "analyze compare enroll search template",
    "us-neworleans-never": "analyze compare enroll search template",
    "us-ny-schools": RECOGNITION,
    "us-portland-bureaus": RECOGNITION,
    "us-portland-private": "enroll search",
    "us-sf": "compare enroll gallery search template",
    "us-va": RECOGNITION,
    "us-vt": "analyze compare enroll gallery search template",
    "us-wa": RECOGNITION,
}

Change = tuple[str, Moratorium]


def without(items: tuple[Condition, ...], index: int) -> tuple[Condition, ...]:
    return items[:index] + items[index + 1 :]


def looser(moratorium: Moratorium) -> Iterator[Change]:
    """The moratorium without one of the parties it binds, excepts or of the conditions it states."""
    binds = moratorium.binds
    for index, condition in enumerate(moratorium.concerns):
        yield str(condition), replace(moratorium, concerns=without(moratorium.concerns, index))
    for index in range(len(binds.parties)):
        parties = binds.parties[:index] + binds.parties[index + 1 :]
        yield f"party {index}", replace(moratorium, binds=replace(binds, parties=parties))
    for index, party in enumerate(binds.exceptions):
        rest = (binds.exceptions[:index], binds.exceptions[index + 1 :])
        yield f"exception {index}", replace(moratorium, binds=replace(binds, exceptions=rest[0] + rest[1]))
        if party.contractors:
            alone = (*rest[0], party._replace(contractors=False), *rest[1])
            yield f"contractors of {index}", replace(moratorium, binds=replace(binds, exceptions=alone))


def wider(moratorium: Moratorium) -> Iterator[Change]:
    """The moratorium with one exemption that asks for less."""
    for index, exemption in enumerate(moratorium.exemptions):
        changed = [
            (str(condition), replace(exemption, conditions=without(exemption.conditions, at)))
            for at, condition in enumerate(exemption.conditions)
        ]
        if exemption.classes:
            changed.append(("classes", replace(exemption, classes=frozenset())))
        if exemption.window != UNLIMITED:
            changed.append(("window", replace(exemption, window=UNLIMITED)))
        for what, other in changed:
            exemptions = (*moratorium.exemptions[:index], other, *moratorium.exemptions[index + 1 :])
            yield f"{exemption.id}: {what}", replace(moratorium, exemptions=exemptions)


@pytest.mark.parametrize("name", IDS)
def test_each_party_and_condition_of_a_file_decides_one_of_its_cases(name: str) -> None:
    policy = policy_of(name)
    cases = [case for case in cases_beside(name) if case.known_at == FOREVER]
    idle = []
    for moratorium in policy.moratoria:
        for what, other in (*looser(moratorium), *wider(moratorium)):
            changed = replace(
                policy, moratoria=tuple(other if m is moratorium else m for m in policy.moratoria)
            )
            if not any(differences(case.want, verdict_by(changed, case)) for case in cases):
                idle.append(f"{moratorium.id}: {what}")

    assert idle == []


@pytest.mark.parametrize("name", COVERED)
def test_a_moratorium_covers_these_classes_and_no_others(name: str) -> None:
    covers = next(m.covers for m in policy_of(*IDS).moratoria if m.id == name)

    assert " ".join(sorted(covers.classes)) == COVERED[name]


def test_only_the_rule_on_emotions_is_about_traits_and_none_is_about_names_or_media() -> None:
    for moratorium in policy_of(*IDS).moratoria:
        covers = moratorium.covers

        assert covers.traits == (
            frozenset({"emotion"}) if moratorium.id == "eu-ai-act-5-1-f" else frozenset()
        )
        assert not covers.operations
        assert not covers.media
        assert covers.results
