"""Patterns of -like, and of subscriptions' names: a stranger writes them, so no pattern takes long."""

import pytest

from guardrails.epac.powershell import like
from guardrails.epac.world import _PLAIN_NAME


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("*", "", True),
        ("a*b", "ab", True),
        ("a*b*", "a-b-b", True),
        ("*a*b", "b-a-b", True),
        ("*a*a*", "-a-", False),
        ("a**b", "a/b", True),
        ("*?", "", False),
        ("?*?", "ab", True),
        ("*[a-c]*x", "zbxx", True),
        ("*`**", "a*b", True),
        ("*`**", "ab", False),
        ("A*B", "a\nb", True),
    ],
)
def test_stars_match_as_much_as_lets_the_rest_match(pattern: str, text: str, matches: bool) -> None:
    assert (like(pattern).fullmatch(text) is not None) is matches


def test_a_pattern_of_many_stars_ends() -> None:
    assert like("*a" * 300).fullmatch("a" * 1_000) is not None
    assert like("*a" * 300 + "*b").fullmatch("a" * 1_000) is None


def test_of_names_only_patterns_with_few_repetitions_are_known() -> None:
    assert _PLAIN_NAME.fullmatch("prod.*")
    assert _PLAIN_NAME.fullmatch("a.*b.?")
    assert not _PLAIN_NAME.fullmatch("a.*b.*c.*")
