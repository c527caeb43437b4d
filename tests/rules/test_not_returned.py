"""What rules say where a source does not return a field: what they would say with it, or Unknown."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from guardrails.exemption.sources import FIELDS, MODE, PRINCIPALS, SELECTORS, SYSTEM, VALIDATION, Source
from guardrails.rules import all_rules
from guardrails.rules.base import Case, Rule, Unknown
from tests.rules.looks import look, outcome

RULES = list(all_rules().values())
each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)

VALUES: Mapping[str, tuple[Any, ...]] = {
    SELECTORS: (
        None,
        [{"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}],
        [{"name": "p", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["requireTls"]}]}],
        [{"name": "g", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["ghost"]}]}],
        [{"name": "u", "selectors": [{"kind": "userPrincipalId", "in": ["1"]}]}],
        [
            {"name": "u", "selectors": [{"kind": "groupPrincipalId", "in": ["1"]}]},
            {"name": "p", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["denyPublicNetwork"]}]},
        ],
    ),
    VALIDATION: (None, "Default", "DoNotValidate"),
    MODE: (None, "Admin", "UserSelfServe"),
}
ALL = Source("x")
PARTIAL = Source("x", principals=False)


def _kind(rule: Rule, case: Case) -> str:
    return type(outcome(rule, case)).__name__


def _as(case: Case, source: Source, **properties: Any) -> Case:
    return replace(case, source=source, properties={**case.properties, **properties})


def _cases(rule: Rule) -> Iterator[Case]:
    yield from (*rule.good, *rule.bad, *rule.unclear)


@each_rule
def test_a_missing_field_never_changes_what_is_said(rule: Rule) -> None:
    lacked = set()
    for case in _cases(rule):
        for field, values in VALUES.items():
            without = _kind(rule, _as(case, Source("x", FIELDS - {field}), **{field: None}))
            full = {_kind(rule, _as(case, ALL, **{field: value})) for value in values}
            assert without == "Unknown" or full == {without}, (case.title, field)
            if without == "Unknown" and full != {without}:
                lacked.add(field)
    assert lacked == set(rule.needs) - {SYSTEM}


@each_rule
def test_selectors_that_pick_people_may_be_left_out(rule: Rule) -> None:
    for case in _cases(rule):
        for value in VALUES[SELECTORS]:
            shown = [one for one in value or () if one["selectors"][0]["kind"] not in PRINCIPALS]
            full = _kind(rule, _as(case, ALL, resourceSelectors=value))
            for left in (shown, shown or None):
                without = _kind(rule, _as(case, PARTIAL, resourceSelectors=left))
                assert without in ("Unknown", full), (case.title, value)


@each_rule
def test_without_system_data_only_rules_that_need_it_change_their_mind(rule: Rule) -> None:
    for case in _cases(rule):
        bare = replace(case, system=None)
        assert _kind(rule, bare) in ({"Unknown"} if SYSTEM in rule.needs else set()) | {_kind(rule, case)}, case.title


def test_the_reason_names_the_source_and_the_field() -> None:
    said = look("self-serve", source=Source("Resource Graph", FIELDS - {MODE}))
    assert said == Unknown("Resource Graph does not return exemptionManagementMode")
