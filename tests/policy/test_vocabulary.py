"""The closed sets of words that several files agree on."""

from proxy.policy.vocabulary import ORG_SUBTYPES, ORG_TYPES, PURPOSES, vocabulary_of


def test_a_set_that_no_file_gives_is_the_shipped_one() -> None:
    words = vocabulary_of([{}])

    assert words.org_types == set(ORG_TYPES)
    assert words.org_subtypes == set(ORG_SUBTYPES)
    assert words.purposes == set(PURPOSES)
    assert words.circumstances == {}


def test_a_file_may_replace_a_set_and_leave_the_others() -> None:
    words = vocabulary_of([{"vocabulary": {"org_types": ["lab"]}}])

    assert words.org_types == {"lab"}
    assert words.purposes == set(PURPOSES)


def test_what_several_files_know_is_united() -> None:
    words = vocabulary_of(
        [
            {"vocabulary": {"purposes": ["a"], "circumstances": {"camera": ["officer"], "custody": ["yes"]}}},
            {"vocabulary": {"purposes": ["b"], "circumstances": {"camera": ["fixed"]}}},
        ]
    )

    assert words.purposes == {"a", "b"}
    assert words.circumstances == {"camera": {"officer", "fixed"}, "custody": {"yes"}}
    assert words.org_types == set(ORG_TYPES)


def test_a_file_that_gives_no_set_keeps_the_shipped_one_in_force_beside_another_file() -> None:
    assert vocabulary_of([{"vocabulary": {"purposes": ["a"]}}, {}]).purposes == {"a", *PURPOSES}
