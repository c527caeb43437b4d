"""Nothing that is read as an exemption makes a rule raise, and no evidence is large or unfit for JSON."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardrails.errors import Permanent
from guardrails.exemption.body import fingerprint
from guardrails.exemption.facts import Assignment, Author, Before, Facts, Gone, Unread
from guardrails.exemption.model import ROLES, Exemption
from guardrails.rules import all_rules
from guardrails.rules.base import Pass, Unknown, Violation
from guardrails.rules.sample import ASSIGNMENT, BODY, DENY_PUBLIC, FACTS, INITIATIVE

RULES = [
    *((rule.check, rule.options()) for rule in all_rules().values()),
    (all_rules()["never-exempt"].check, all_rules()["never-exempt"].options(definitions=("x",), assignments=("[*",))),
    (all_rules()["category-forbidden"].check, all_rules()["category-forbidden"].options(categories=("waiver", ""))),
    (all_rules()["ticket-format"].check, all_rules()["ticket-format"].options(pattern="(")),
    (all_rules()["approver-is-author"].check, all_rules()["approver-is-author"].options(required=True)),
    (all_rules()["expiry-extended"].check, all_rules()["expiry-extended"].options(allow_with_new_ticket=False)),
    (all_rules()["scope-too-broad"].check, all_rules()["scope-too-broad"].options(levels=("resource",), allowed=("",))),
]

texts = st.one_of(
    st.text(st.characters(codec=None), max_size=60),  # surrogates too
    st.sampled_from(["", " ", "test", "n/a", "a@b", "A <a@b>", "x#EXT#@y", "0001-01-01", "9999-12-31T23:59:59-14:00"]),
    st.datetimes().map(lambda time: time.isoformat()),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
values = st.recursive(scalars, lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(texts, v, max_size=3)))
selectors = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "selectors": st.one_of(
                values,
                st.lists(
                    st.fixed_dictionaries(
                        {"kind": st.sampled_from(["policyDefinitionReferenceId", "UserPrincipalId", ""])},
                        optional={"in": values, "notIn": values},
                    ),
                    max_size=2,
                ),
            )
        },
    ),
    max_size=2,
)
metadata = st.dictionaries(
    st.one_of(st.sampled_from([key for keys in ROLES.values() for key in keys]), texts), values, max_size=6
)
properties = st.fixed_dictionaries(
    {"policyAssignmentId": st.one_of(st.just(ASSIGNMENT), texts)},
    optional={
        "policyDefinitionReferenceIds": st.one_of(st.lists(texts, max_size=4), values),
        "exemptionCategory": st.one_of(st.sampled_from(["waiver", "Mitigated"]), values),
        "expiresOn": values,
        "displayName": values,
        "description": values,
        "metadata": st.one_of(metadata, values),
        "resourceSelectors": st.one_of(selectors, values),
        "assignmentScopeValidation": values,
        "exemptionManagementMode": values,
    },
)
systems = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {}, optional={"createdBy": values, "createdAt": values, "lastModifiedBy": values, "lastModifiedAt": values}
    ),
)
times = st.datetimes(timezones=st.just(UTC))
members = st.one_of(
    st.just(Unread("403")), st.dictionaries(texts.map(str.lower), texts, max_size=3), st.just({"x": DENY_PUBLIC})
)
facts = st.builds(
    Facts,
    now=times,
    written_at=times,
    assignment=st.one_of(
        st.just(Gone()),
        st.just(Unread("403")),
        st.builds(Assignment, st.just(ASSIGNMENT), st.sampled_from([INITIATIVE, DENY_PUBLIC]), members),
    ),
    author=st.one_of(st.just(Unread("-")), st.builds(Author, texts, texts)),
    before=st.one_of(st.none(), st.builds(Before, st.one_of(st.none(), times), times, texts)),
    dates=st.lists(st.tuples(times, st.one_of(st.none(), times)), max_size=4).map(tuple),
    approved=st.frozensets(texts, max_size=2),
)


def _judge(body: dict[str, Any], known: Facts) -> None:
    try:
        exemption = Exemption.from_arm(body)
    except Permanent:
        return
    for check, options in RULES:
        outcome = check(exemption, known, options)
        assert isinstance(outcome, Pass | Violation | Unknown)
        if isinstance(outcome, Violation):
            assert len(json.dumps(outcome.evidence)) < 60_000
        if isinstance(outcome, Unknown):
            assert len(outcome.reason) < 600


RUNS = settings(max_examples=400, derandomize=True, database=None)


@RUNS
@given(properties=properties, system=systems, known=facts)
@example(properties={"policyAssignmentId": "\ud800", "displayName": "\ud800"}, system=None, known=FACTS)
def test_no_rule_raises(properties: dict[str, Any], system: dict[str, Any] | None, known: Facts) -> None:
    body = {**BODY, "properties": properties, "systemData": system}
    _judge(body, known)
    try:
        assert fingerprint(body) == fingerprint(dict(body))
    except Permanent:
        return


def test_huge_values_are_judged() -> None:
    big = "é" * 1_000_000
    huge = {
        **BODY["properties"],
        "policyDefinitionReferenceIds": [f"id{n}" for n in range(50_000)],
        "displayName": big,
        "description": big,
        "expiresOn": big,
        "assignmentScopeValidation": big,
        "exemptionManagementMode": big,
        "exemptionCategory": big,
        "resourceSelectors": [{"selectors": [{"kind": "userPrincipalId", "in": [big] * 3}]}] * 3,
        "metadata": dict.fromkeys((key for keys in ROLES.values() for key in keys), big) | {big: big},
    }
    for known in (FACTS, replace(FACTS, now=datetime(9999, 12, 31, tzinfo=UTC), author=Author(big, big))):
        _judge({**BODY, "properties": huge}, known)
