"""Scopes that EPAC's settings leave out, by patterns of ids and of names of subscriptions."""

import pytest

from guardrails.epac.instants import Runner
from guardrails.epac.uncertain import Uncertain
from guardrails.epac.world import Environment, Scope, ScopeKind, World

ROOT = "/providers/Microsoft.Management/managementGroups/corp"
SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
BY_NAME = "/subscriptions/subscriptionsPattern/"


def is_excluded(label: str, excluded: tuple[str, ...] = (), not_scopes: tuple[str, ...] = ()) -> bool:
    environment = Environment("corp", "o", "d", "t", ROOT, "full", excluded=excluded, not_scopes=not_scopes)
    scope = Scope(SUBSCRIPTION, ScopeKind.SUBSCRIPTION, label, frozenset((ROOT.lower(),)))
    scopes = {SUBSCRIPTION: scope, ROOT.lower(): Scope(ROOT, ScopeKind.GROUP, "corp", frozenset())}
    return World(Runner(), 0, environment, scopes=scopes).is_excluded(scope)


@pytest.mark.parametrize(
    ("part", "label", "left_out"),
    [
        ("test", "test", True),
        ("test", "my-TEST-web", True),  # anywhere in the name
        ("test-*", "testweb", True),  # the dash as often as it likes
        ("test*", "my-tesla", True),  # an expression: tes, and t as often as it likes
        ("prod", "test", False),
        ("*web", "prod-web", False),  # an error, on which EPAC goes on
        ("a.b", "axb", True),
    ],
)
def test_a_pattern_of_names_is_an_expression_that_is_looked_for_in_the_name(
    part: str, label: str, left_out: bool
) -> None:
    assert is_excluded(label, (BY_NAME + part,)) is left_out
    assert is_excluded(label, not_scopes=(BY_NAME + part,)) is left_out


@pytest.mark.parametrize(("part", "label"), [("test", ""), ("(test)", "test"), ("[a-z]+", "test")])
def test_a_pattern_of_names_that_others_may_read_otherwise_is_not_known(part: str, label: str) -> None:
    with pytest.raises(Uncertain):
        is_excluded(label, (BY_NAME + part,))


def test_a_pattern_of_ids_leaves_out_subscriptions_whatever_their_names() -> None:
    assert is_excluded("", ("/subscriptions/1111*",))
    assert not is_excluded("", ("/subscriptions/2222*",))
