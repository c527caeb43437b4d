"""EPAC's deep comparison: where PowerShell takes one value for a list, what is not certain is not known."""

from typing import Any

import pytest

from guardrails.epac.instants import Runner, json_date
from guardrails.epac.powershell import same
from guardrails.epac.uncertain import Uncertain

DATE = json_date("2026-12-01T10:00:00Z", Runner())


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


@pytest.mark.parametrize(
    ("deployed", "wanted", "alike"),
    [
        ("12/01/2026 10:00:00", DATE, True),  # a date is turned into the text of the invariant culture
        ("2026-12-01T10:00:00Z", DATE, False),
        ("x", DATE, False),
        (DATE, "2026-12-01 10:00", True),  # a text into a date
        (DATE, "2026-12-01", False),
        (DATE, "soon", False),
        (DATE, 5, False),
        (DATE, {}, False),
        ({}, DATE, False),
        (5, DATE, False),
        (DATE, True, False),
        (DATE, DATE.ticks if DATE else 0, True),  # a number into the date of so many ticks
        (True, DATE, True),
        ("1.5", 1.5, True),
        ("1.50", 1.5, False),
    ],
)
def test_a_date_and_a_number_are_compared_with_a_text(deployed: Any, wanted: Any, alike: bool) -> None:
    assert same(deployed, wanted) is alike


@pytest.mark.parametrize(
    ("deployed", "wanted"),
    [(DATE, "2026-12-01 10:00Z"), (DATE, 2026.12), (json_date("0001-01-01T00:00:00Z", Runner()), {})],
)
def test_a_date_and_what_may_be_turned_into_the_same_one_are_not_compared(deployed: Any, wanted: Any) -> None:
    with pytest.raises(Uncertain):
        same(deployed, wanted)


@pytest.mark.parametrize("key", ["Count", "count", "values", "Length", "ContainsKey", "Item", "PSObject"])
def test_a_key_that_one_object_lacks_and_is_one_of_its_own_names_is_not_known(key: str) -> None:
    for one, other in (({key: "x"}, {}), ({key: None}, {}), ({key: "x"}, {key.swapcase(): "x"})):
        for left, right in ((one, other), (other, one)):
            with pytest.raises(Uncertain):
                same({"a": left}, {"a": right})
    assert same({key: "x"}, {key: "X"})


def test_objects_with_keys_that_differ_in_letter_case_alone_are_not_known_to_differ() -> None:
    assert same({"a": "x", "A": "y"}, {"a": "x", "A": "y"})
    with pytest.raises(Uncertain):
        same({"A": "x", "a": 2}, {"a": 2})
