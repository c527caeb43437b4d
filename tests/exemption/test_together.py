"""What a sweep says survives the queue and the register, and the token says by itself whether it is known."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some

from guardrails.exemption.facts import NOBODY_LOOKED, Earlier, Outside, Overlap, Together, Unread
from guardrails.exemption.together import BASE, from_json, merged, name_of, named, names_in, to_json, with_names

TOKEN = "a" * BASE
TEXT = some.text(max_size=10)
TIME = some.datetimes(timezones=some.just(UTC))
UNREAD = some.builds(Unread, TEXT)
OVERLAP = some.builds(
    Overlap, some.lists(some.builds(Earlier, TEXT, some.none() | TIME), max_size=3).map(tuple), some.integers(0, 9),
    some.lists(TEXT, max_size=3).map(tuple), some.integers(0, 9), some.booleans(),
)  # fmt: skip
OUTSIDE = some.builds(Outside, TEXT, TEXT, some.lists(TEXT, max_size=3).map(tuple))
TOGETHER = some.builds(Together, some.none() | UNREAD | OVERLAP, some.none() | UNREAD | OUTSIDE)


def spelled(together: Together) -> dict[str, dict[str, object]]:
    found = {"overlap": together.overlap, "outside": together.outside}
    return json.loads(json.dumps({part: to_json(one) for part, one in found.items() if one is not None}))  # type: ignore[no-any-return]


@given(TOGETHER)
def test_it_survives_json(together: Together) -> None:
    assert from_json(spelled(together)) == together


@given(TOGETHER, TOGETHER)
def test_a_sweep_replaces_what_the_register_has_and_an_event_does_not(old: Together, new: Together) -> None:
    known, said = spelled(old), spelled(new)
    listed = named(TOKEN, said)
    assert merged("", {}, known) == known
    assert merged(listed, said, known) == said
    assert named(listed, merged(listed, said, known)) == listed


@given(TOGETHER)
def test_a_name_without_what_it_names_is_what_the_register_has(together: Together) -> None:
    known = spelled(together)
    assert merged(named(TOKEN, known), {}, known) == known


def test_each_part_is_replaced_by_itself() -> None:
    known = spelled(Together(Unread("old"), Unread("old")))
    new = to_json(Unread("new"))
    listed = with_names(TOKEN, str(known["overlap"]["name"]), new["name"])
    assert merged(listed, {"outside": new}, known) == {"overlap": known["overlap"], "outside": new}
    assert merged(with_names(TOKEN, "", new["name"]), {"outside": new}, known) == {"outside": new}
    assert merged(TOKEN, {}, known) == {}


def test_a_token_without_names_is_as_it_was() -> None:
    assert with_names(TOKEN, "", "") == TOKEN == named(TOKEN, {})
    assert names_in(TOKEN) == ("", "")
    assert names_in(with_names(TOKEN, "12345678", "")) == ("12345678", "")
    assert names_in(with_names(TOKEN, "", "12345678")) == ("", "12345678")
    assert with_names(with_names(TOKEN, "12345678", "abcdefab"), "", "") == TOKEN


@pytest.mark.parametrize("said", [None, 7, "x", [], {}, {"name": "x", "before": 7}, {"name": "x", "count": 1}])
def test_what_a_hand_was_in_is_never_a_finding_nor_a_pass_by_mistake(said: object) -> None:
    together = from_json({"overlap": said, "outside": said})
    assert not isinstance(together.overlap, Overlap)
    assert not isinstance(together.outside, Outside)
    assert (together == NOBODY_LOOKED) == (said is None)


def test_one_that_was_looked_at_and_has_nothing_has_a_name() -> None:
    assert from_json({"overlap": to_json(None, name_of("x"))}) == NOBODY_LOOKED


def test_the_largest_is_far_below_what_a_message_may_have() -> None:
    long = "é" * 5000  # six bytes each, as JSON has it
    before = tuple(Earlier(long, datetime(2026, 1, 1, tzinfo=UTC)) for _ in range(5))
    together = Together(Overlap(before, 999, (long,) * 20, 999), Outside(long, long, (long,) * 99))
    assert len(json.dumps(spelled(together))) < 30_000
