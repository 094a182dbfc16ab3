"""Every shipped policy: what it must carry, and the cases beside it."""

import pytest

from proxy.policy.callers import FOREVER
from proxy.policy.cases import Case, differences
from proxy.policy.model import Mode
from tests.policy.shipped import IDS, cases_beside, policy_of, text_of, verdict_of

EXPECTED_IDS = {
    "amazon-2020", "azure-openai-2024", "eu-ai-act-5-1-f", "eu-ai-act-5-1-h", "ibm-2020", "it-2021",
    "microsoft-2020", "us-baltimore", "us-boston", "us-ca", "us-co-schools", "us-ma", "us-me",
    "us-neworleans", "us-ny-schools", "us-portland", "us-sf", "us-va", "us-vt", "us-wa",
}  # fmt: skip

CASES = [(name, case) for name in IDS for case in cases_beside(name)]


def test_the_twenty_rules_are_there() -> None:
    assert set(IDS) == EXPECTED_IDS


@pytest.mark.parametrize("name", IDS)
def test_a_file_names_its_schema_its_sources_its_authority_and_that_it_is_no_advice(name: str) -> None:
    text = text_of(f"{name}.toml")
    head = text.partition("\nschema = 1")[0]

    assert text.startswith("#:schema ../policy.schema.json\n#\n")
    assert "Not legal advice" in head
    assert "\nsources = [" in head
    for moratorium in policy_of(name).moratoria:
        assert moratorium.mode is Mode.ENFORCE
        assert moratorium.title
        assert all((moratorium.authority.kind, moratorium.authority.name, moratorium.authority.citation))
        assert moratorium.authority.url in head


@pytest.mark.parametrize("name", IDS)
def test_a_file_and_its_moratoria_have_the_same_name(name: str) -> None:
    assert all(moratorium.id.startswith(name) for moratorium in policy_of(name).moratoria)


def test_all_of_them_hold_together() -> None:
    together = policy_of(*IDS)

    assert len(together.moratoria) == sum(len(policy_of(name).moratoria) for name in IDS)


@pytest.mark.parametrize("name", IDS)
def test_a_file_knows_every_value_that_another_knows_of_the_same_circumstance(name: str) -> None:
    together = policy_of(*IDS).circumstances

    assert all(values == together[word] for word, values in policy_of(name).circumstances.items())


@pytest.mark.parametrize("name", IDS)
def test_a_file_has_at_least_six_cases_that_go_both_ways(name: str) -> None:
    cases = cases_beside(name)

    assert len(cases) >= 6
    assert {case.want["decision"] for case in cases} == {"allowed", "blocked"}


@pytest.mark.parametrize("name", IDS)
def test_every_exemption_has_a_case_that_meets_it(name: str) -> None:
    verdicts = [verdict_of(name, case) for case in cases_beside(name)]
    used = {(v.rule.id, v.exemption) for v in verdicts if v.rule is not None and v.exemption is not None}

    assert used == {(m.id, exemption.id) for m in policy_of(name).moratoria for exemption in m.exemptions}


@pytest.mark.parametrize("name", IDS)
def test_every_edge_of_every_window_that_counts_has_a_case_on_each_side(name: str) -> None:
    for moratorium in policy_of(name).moratoria:
        instants = {case.at for case in cases_beside(name)}
        edges = {edge for window in moratorium.windows for edge in (window.start, window.end)} - {FOREVER}

        assert edges <= instants
        assert all(any(0 < edge - instant <= 0.1 for instant in instants) for edge in edges)


@pytest.mark.parametrize(("name", "case"), CASES, ids=lambda value: getattr(value, "name", value))
def test_a_case_comes_out_as_it_says(name: str, case: Case) -> None:
    assert differences(case.want, verdict_of(name, case)) == []
