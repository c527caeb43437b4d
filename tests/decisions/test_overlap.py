"""Overlap against a model that tries every resource and control; and what is unknown is never found."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from guardrails.decisions import overlap
from guardrails.exemption.facts import Assignment, Overlap, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.sources import ARM, RESOURCE_GRAPH, Source
from guardrails.rules.sample import ASSIGNMENT, BODY, DENY_PUBLIC, INITIATIVE

MEMBERS = ("a", "b", "c")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/one"
PLACES = ("westeurope", "eastus", "")
KNOWN = Assignment(ASSIGNMENT, INITIATIVE, {one: f"/definitions/{one}" for one in MEMBERS})


def exemption(name: str, scope: str = GROUP, source: Source = ARM, **properties: Any) -> Exemption:
    said = {**BODY["properties"], "policyDefinitionReferenceIds": None, **properties}
    body = {
        **BODY, "id": f"{scope}/providers/Microsoft.Authorization/policyExemptions/{name}",
        "properties": {key: value for key, value in said.items() if value is not None},
    }  # fmt: skip
    return Exemption.from_arm(body, source=source)


def sibling(
    name: str, minutes: int | None = 0, scope: str = GROUP, *, known: Any = KNOWN, **more: Any
) -> overlap.Sibling:
    written = None if minutes is None else NOW + timedelta(minutes=minutes)
    single = isinstance(known, Assignment) and not known.is_initiative
    return overlap.sibling_of(exemption(name, scope, **more), overlap.members_of(known), written, single=single)


def picks(*conditions: tuple[str, str, Sequence[str]]) -> dict[str, Any]:
    return {"selectors": [{"kind": kind, operator: list(values)} for kind, operator, values in conditions]}


def names(found: dict[str, Any]) -> dict[str, list[str]]:
    """Which overlap, and with which others; [] where that is unknown."""
    return {
        key.rpartition("/")[2]: [one.id.rpartition("/")[2] for one in answer.others]
        if isinstance(answer, Overlap)
        else []
        for key, answer in found.items()
    }


# The model: what each exemption switches off, by asking for every control and place


CONDITIONS = some.one_of(
    some.tuples(some.just("resourceLocation"), some.sampled_from(["in", "notIn"]),
                some.lists(some.sampled_from(PLACES[:2]), min_size=1, max_size=2).map(tuple)),
    some.tuples(some.just("policyDefinitionReferenceId"), some.sampled_from(["in", "notIn"]),
                some.lists(some.sampled_from(["A", "b", "c"]), min_size=1, max_size=2).map(tuple)),
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """An exemption as the model has it."""

    named: tuple[str, ...]
    selectors: tuple[tuple[tuple[str, str, tuple[str, ...]], ...], ...]
    minutes: int
    level: int

    def takes(self, control: str, place: str) -> bool:
        if self.named and control not in {one.lower() for one in self.named}:
            return False
        return not self.selectors or any(all(_holds(c, control, place) for c in one) for one in self.selectors)

    def sibling(self, number: int) -> overlap.Sibling:
        selectors = [{"name": str(at), **picks(*one)} for at, one in enumerate(self.selectors)]
        scope = (SUBSCRIPTION, GROUP)[self.level]
        return sibling(
            f"e{number}", self.minutes, scope,
            policyDefinitionReferenceIds=list(self.named) or None, resourceSelectors=selectors or None,
        )  # fmt: skip


def _holds(condition: tuple[str, str, Sequence[str]], control: str, place: str) -> bool:
    kind, operator, values = condition
    value = place if kind == "resourceLocation" else control
    return (value in {one.lower() for one in values}) == (operator == "in")


MADE = some.builds(
    Made,
    some.lists(some.sampled_from(["a", "A", "b", "c", "x"]), max_size=2).map(tuple),
    some.lists(some.lists(CONDITIONS, min_size=1, max_size=2).map(tuple), max_size=2).map(tuple),
    some.integers(0, 3),
    some.sampled_from([0, 1, 1, 1]),
)  # fmt: skip


def _matrix(one: Made) -> frozenset[tuple[str, str]]:
    return frozenset((control, place) for control in MEMBERS for place in PLACES if one.takes(control, place))


def _everywhere(one: Made) -> frozenset[str]:
    """The controls that it takes for all resources by one selector, as the rule has it."""
    if not one.selectors:
        return frozenset(control for control in MEMBERS if one.takes(control, ""))
    wide = [each for each in one.selectors if all(kind == "policyDefinitionReferenceId" for kind, _, _ in each)]
    return frozenset(
        control for control in MEMBERS for each in wide
        if Made(one.named, (each,), 0, 0).takes(control, "")
    )  # fmt: skip


@settings(max_examples=200)
@given(some.lists(MADE, min_size=1, max_size=5))
def test_against_the_model(made: list[Made]) -> None:
    siblings = [one.sibling(number) for number, one in enumerate(made)]
    order = sorted(range(len(made)), key=lambda at: (made[at].minutes, siblings[at].key))
    own = [siblings[at] for at in range(len(made)) if made[at].level == 1]
    above = [siblings[at] for at in range(len(made)) if made[at].level == 0]
    found = overlap.compare(own, above) if own else {}
    assert not any(isinstance(answer, Unread) for answer in found.values()), "nothing is in doubt here"
    assert found == (overlap.compare(own[::-1], above[::-1]) if own else {}), (
        "the order in which they come does not matter"
    )
    repeats: dict[str, set[str]] = {}
    spelled: set[str] = set()
    for at, number in enumerate(order):
        before = [other for other in order[:at] if made[other].level == made[number].level == 1]
        same = {siblings[other].id for other in before if _matrix(made[number]) == _matrix(made[other])}
        repeats |= {siblings[number].key: same} if same else {}
        if any(siblings[number].exact and siblings[number].exact == siblings[other].exact for other in before):
            spelled.add(siblings[number].key)
    union: set[str] = set()
    adding: list[int] = []
    for number in order:
        controls = _everywhere(made[number])
        if len(controls) < len(MEMBERS) and not controls <= union and len(union) < len(MEMBERS):
            union |= controls
            adding.append(number)
    complete = len(union) == len(MEMBERS) and any(made[number].level == 1 for number in adding)
    whole = siblings[adding[-1]].key if complete else ""
    for key, answer in found.items():
        assert isinstance(answer, Overlap)
        others = {one.id for one in answer.others}
        assert others == {siblings[one].id for one in adding[:-1]} if answer.whole else others <= repeats[key]
        assert not answer.whole or key == whole
    # two that mean the same in other words, as `in: [a, b]` and two selectors, are not found; equal ones are
    assert spelled | ({whole} if whole else set()) == found.keys()
    if found:
        assert overlap.may_overlap(
            [one.named for one in own], overlap.named_by(one.named for one in above), frozenset(MEMBERS)
        )


@settings(max_examples=100)
@given(some.lists(MADE, min_size=2, max_size=4), some.data())
def test_in_doubt_no_false_overlap_is_found_and_none_is_passed_over(made: list[Made], data: Any) -> None:
    """What is known of some only by their reference ids gives Unread wherever it might be that something is found."""
    sure = [one.sibling(number) for number, one in enumerate(made)]
    hidden = data.draw(some.sets(some.integers(0, len(made) - 1)))
    seen = [
        sibling(f"e{at}", made[at].minutes, one.scope.replace("resourcegroups", "resourceGroups"),
                source=RESOURCE_GRAPH, policyDefinitionReferenceIds=list(made[at].named) or None)
        if at in hidden else one
        for at, one in enumerate(sure)
    ]  # fmt: skip

    def compared(siblings: Sequence[overlap.Sibling]) -> dict[str, Any]:
        own = [one for one, of in zip(siblings, made, strict=True) if of.level == 1]
        above = [one for one, of in zip(siblings, made, strict=True) if of.level == 0]
        return overlap.compare(own, above) if own else {}

    full, part = compared(sure), compared(seen)
    if full and not any(isinstance(one, Overlap) for one in part.values()):
        assert part, "something is so, and nobody says that it may be"
    for key, one in part.items():
        if isinstance(one, Overlap) and not one.whole:
            assert isinstance(full[key], Overlap)
    if not hidden:
        assert part == full


# Each finding by itself


def test_the_whole_in_parts_names_those_that_added_to_it() -> None:
    ordered = [
        sibling("first", 0, policyDefinitionReferenceIds=["A"]),
        sibling("same", 1, policyDefinitionReferenceIds=["a"]),
        sibling("second", 2, policyDefinitionReferenceIds=["b", "a"]),
        sibling("third", 3, policyDefinitionReferenceIds=["C"]),
        sibling("fourth", 4, policyDefinitionReferenceIds=["b", "c"]),
    ]
    found = overlap.compare(ordered, [])
    assert names(found) == {"same": ["first"], "third": ["first", "second"]}
    answer = found[ordered[3].key]
    assert isinstance(answer, Overlap)
    assert (answer.whole, answer.policies, answer.controls) == (True, 3, MEMBERS)


def test_of_one_time_or_of_none_the_greater_id_overlaps() -> None:
    for minutes in ((5, 5, 5), (9, None, 1), (None, None, None)):
        found = overlap.compare([sibling(name, at) for name, at in zip("bca", minutes, strict=True)], [])
        assert names(found) == {"b": ["a"], "c": ["a", "b"]}


def test_what_is_above_alone_overlaps_there_and_not_here() -> None:
    upper = [sibling(one, 0, SUBSCRIPTION, policyDefinitionReferenceIds=[one]) for one in MEMBERS]
    here = sibling("here", 9, policyDefinitionReferenceIds=["a"])
    assert overlap.compare([here], upper) == {}
    assert names(overlap.compare(upper, [])) == {"c": ["a", "b"]}
    early = sibling("here", -9, policyDefinitionReferenceIds=["a"])
    assert names(overlap.compare([early], upper)) == {"c": ["here", "b"]}


def test_of_many_a_few_are_named_and_the_others_counted() -> None:
    every = [sibling(f"e{number:03}", number) for number in range(300)]
    found = overlap.compare(every, [])
    last = found[every[-1].key]
    assert isinstance(last, Overlap)
    assert (last.count, len(last.others), len(found)) == (299, 5, 299)


def test_an_assignment_of_a_single_policy_has_one_control() -> None:
    single = Assignment(ASSIGNMENT, DENY_PUBLIC, {})
    found = overlap.compare([sibling("a", 0, known=single), sibling("b", 1, known=single)], [])
    answer = found[next(iter(found))]
    assert names(found) == {"b": ["a"]}
    assert isinstance(answer, Overlap)
    assert answer.controls == (DENY_PUBLIC,)


@pytest.mark.parametrize("reason", ["not shown"])
def test_an_initiative_that_nobody_knows(reason: str) -> None:
    unread = Assignment(ASSIGNMENT, INITIATIVE, Unread(reason))

    def of(name: str, *references: str, **more: Any) -> overlap.Sibling:
        return sibling(name, ord(name), known=unread, policyDefinitionReferenceIds=list(references) or None, **more)

    assert names(overlap.compare([of("a", "x"), of("b", "X")], [])) == {"b": ["a"]}
    assert names(overlap.compare([of("a"), of("b")], [])) == {"b": ["a"]}
    assert names(overlap.compare([of("a", "x"), of("b", "x", "y")], [])) == {"b": []}
    assert overlap.compare([of("a", "x")], []) == {}
    found = overlap.compare([of("a", "x"), of("b", "y")], [])
    assert names(found) == {"b": []}, "together they may be the whole"
    assert reason in str(found)
    by_place: dict[str, Any] = {"resourceSelectors": [picks(("resourceLocation", "in", ["westeurope"]))]}
    assert overlap.compare([of("a", "x"), of("b", "y", **by_place)], []) == {}


def test_selectors_that_nobody_knows_the_meaning_of() -> None:
    strange: dict[str, Any] = {"resourceSelectors": [{"name": "s", **picks(("tags", "in", ["x"]))}]}
    again: dict[str, Any] = {"resourceSelectors": [{"name": "t", **picks(("Tags", "in", ["X"]))}]}
    assert names(overlap.compare([sibling("a", 0, **strange), sibling("b", 1, **again)], [])) == {"b": ["a"]}
    found = overlap.compare([sibling("a", 0, **strange), sibling("b", 1)], [])
    assert names(found) == {"b": []}
    assert "not documented" in str(found)
    apart = [
        sibling("a", 0, policyDefinitionReferenceIds=["a"], **strange),
        sibling("b", 1, policyDefinitionReferenceIds=["b"]),
    ]
    assert overlap.compare(apart, []) == {}


def test_scopes_above_one_another() -> None:
    scopes = [
        "/subscriptions/s", "/subscriptions/s/resourcegroups/a", "/subscriptions/s/resourcegroups/a-b",
        "/subscriptions/s/resourcegroups/a/providers/m.x/y/z", "/subscriptions/s/providers/m.x/y/z",
        "/subscriptions/s/resourcegroups/a/providers/m.x/y/z/w/v",
    ]  # fmt: skip
    for _ in range(5):
        Random(_).shuffle(scopes)  # noqa: S311
        found = dict(overlap.sites(scope + "/" for scope in scopes))
        assert found == {
            scope + "/": tuple(sorted((one + "/" for one in scopes if scope.startswith(one + "/")), key=len))
            for scope in scopes
        }


def test_when_it_was_written_by_what_it_says() -> None:
    fine = exemption("a")
    assert overlap.written_at(fine) == fine.modified_at
    tagged = exemption("a", metadata={"guardrails": {"status": "violation"}})
    assert overlap.written_at(tagged) == tagged.created_at
