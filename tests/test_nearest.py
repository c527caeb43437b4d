"""What a mistyped name may mean: one suggestion where one is near, none for nonsense."""

import pytest

from guardrails.cli.main import COMMANDS
from guardrails.doctor.examine import CHECKS
from guardrails.nearest import did_you_mean, nearest
from guardrails.notices.notice import Kind
from guardrails.ruleset.rule_pages import every_rule

WORDS = {
    "commands": list(COMMANDS),
    "rules": [*every_rule(), *(rule.code for rule in every_rule().values())],
    "checks": list(CHECKS),
    "kinds": list(map(str, Kind)),
    "options": ["--format", "--ruleset", "--subscription", "--management-group", "--scope", "--only", "--now"],
}


def slips(word: str) -> set[str]:
    """A name with one character left out, doubled, or changed for its neighbour."""
    at = len(word) // 2
    swapped = word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
    return {word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:], swapped} - {word}


@pytest.mark.parametrize("kind", ["commands", "checks", "kinds", "options"])
def test_a_slip_of_a_name_leads_to_it(kind: str) -> None:
    for word in WORDS[kind]:
        for slip in slips(word) - set(WORDS[kind]):
            assert nearest(slip, WORDS[kind]) == [word], slip


def test_a_slip_of_a_rules_name_leads_to_it() -> None:
    names = list(every_rule())
    for word in names:
        for slip in slips(word):
            assert nearest(slip, names) == [word], slip


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize(
    "text", ["", "zzz", "qwerty", "--", "42", "/dev/null", "\x1b[2J", "the quick brown fox", "x" * 500]
)
def test_nonsense_leads_nowhere(kind: str, text: str) -> None:
    assert nearest(text, WORDS[kind]) == []
    assert did_you_mean(text, WORDS[kind], "See --help") == "See --help"


def test_letter_case_and_hyphens_do_not_count_and_the_spelling_stays() -> None:
    assert did_you_mean("-FORMT", WORDS["options"]) == "Did you mean --format?"
    assert did_you_mean("exg1011", WORDS["rules"]) == "Did you mean EXG101?"


def test_of_codes_those_of_the_same_group_go_before_others() -> None:
    assert nearest("EXG199", WORDS["rules"])[0].startswith("EXG1")


def test_ids_are_alike_by_chance_and_must_be_more_so() -> None:
    ids = ["00e58d4c-f327-504c-b195-a6be29532c58"]
    assert nearest("00e58d4c-f327-504c-b195-a6be29532c85", ids) == ids
    assert nearest("7a1b9f60-1d27-4b4e-9195-c61e29cafe77", ids) == []
