"""EPAC's deep comparison: where PowerShell takes one value for a list, what is not certain is not known."""

from typing import Any

import pytest

from guardrails.epac.powershell import same
from guardrails.epac.uncertain import Uncertain


@pytest.mark.parametrize(
    ("deployed", "wanted", "alike"),
    [
        ("", ["x"], False),
        ("x", ["x"], True),
        ('["a", "b"]', ["b", "a"], True),
        (["a", "b"], '["b", "a"]', True),
        (["a", "b"], "a", False),
        ("", None, True),
        ([], None, True),
        ({}, None, True),
    ],
)
def test_a_text_is_compared_with_a_list_as_the_json_that_it_holds(deployed: Any, wanted: Any, alike: bool) -> None:
    assert same(deployed, wanted) is alike


@pytest.mark.parametrize(("deployed", "wanted"), [("", []), ("[]", []), ([], ""), ([], " "), (["x"], "x"), ([5], 5)])
def test_one_value_and_a_list_of_as_many_are_not_known_to_be_alike(deployed: Any, wanted: Any) -> None:
    with pytest.raises(Uncertain):
        same(deployed, wanted)


@pytest.mark.parametrize(
    ("deployed", "wanted", "alike"),
    [
        (True, {"a": 1}, True),
        (True, {}, True),
        (False, {"a": 1}, False),
        ({"a": 1}, True, False),
        ({"a": 1}, 1, False),
        (1, {"a": 1}, False),
        (True, 5, True),
        (5, True, False),
        (True, "no", True),
        (False, "", True),
        ("true", True, True),
    ],
)
def test_what_is_deployed_says_what_the_other_value_is_turned_into(deployed: Any, wanted: Any, alike: bool) -> None:
    assert same(deployed, wanted) is alike


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Ticket\u00a0SEC", "ticket sec", True),  # a hard blank
        ("o\ufb03ce", "office", True),
        ("Stra\u00dfe", "STRASSE", True),
        ("caf\u00e9", "cafe\u0301", True),
        ("caf\u00e9", "cafe", False),
        ("a\r\nb", "a\nb", False),
        ("SEC \u2013 1", "SEC - 1", False),
        ("\U0001f680 a", "\U0001f680 b", False),
        ("\u0431", "\u0432", False),
    ],
)
def test_texts_are_compared_as_the_invariant_culture_does(one: str, other: str, alike: bool) -> None:
    assert same(one, other) is alike


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a\u200db", "ab"),
        ("\u00e6", "ae"),
        ("\uff21BC", "ABC"),  # its width may count
        ("\u3042", "\u30a2"),
        ("\u2714\ufe0f", "\u2714"),
        ("a\x01b", "ab"),
    ],
)
def test_texts_of_rare_characters_are_not_known_to_be_alike(one: str, other: str) -> None:
    with pytest.raises(Uncertain):
        same(one, other)
