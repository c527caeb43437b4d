"""No condition can fail: whatever a writer puts into an exemption, no policy errs or refuses what its rule passes.

A condition that fails refuses the write at any effect, Audit too. Each reading of the evaluator is asked, the strictest
included: times that are dates to Azure only, both branches of if(), null for what is absent.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from guardrails.errors import Permanent
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import ROLES, Exemption
from guardrails.rules import all_rules
from guardrails.rules.base import Violation
from guardrails.rules.sample import BODY, EXEMPTIONS, SUBSCRIPTION
from guardrails.ruleset.model import Ruleset
from tests.limits import bound_for
from tests.policy import rulesets
from tests.policy.evaluator import Policy
from tests.policy.test_agreement import policies_of
from tests.policy.test_callers import BROKEN, USER, denials_of

NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
RULESETS: Final[Mapping[str, Ruleset]] = {
    name: one for name, one in rulesets.fixed().items() if name in ("shipped", "everything", "names")
}
POLICIES: Final[Mapping[str, Mapping[str, Policy]]] = {name: policies_of(one) for name, one in RULESETS.items()}

PICKS_A_USER: Final = {"selectors": [{"kind": "userPrincipalId", "in": ["a"]}]}
DELETES: Final = denials_of(RULESETS["shipped"])["delete"]

texts = st.one_of(
    st.text(st.characters(codec=None), max_size=40),  # surrogates too
    st.sampled_from(["", " ", "Waiver", "audit-logs", "[x]", "'", '"', "\\", '["', "n/a", "]", "/", "*"]),
)
times = st.one_of(
    st.datetimes().map(lambda time: time.isoformat() + "Z"),
    st.from_regex(r"\A[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-5][0-9](:[0-5][0-9])?(\.[0-9]{0,9})?"
                  r"(Z|z|[+-][0-9]{2}:?[0-9]{2})?[0-9Z]?\Z"),
    st.from_regex(r"\A[09]{4}-[\d]{2}-[\d]{2}T[\d:.Z\u200b]{8,12}\Z"),  # digits of any script
)  # fmt: skip
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts, times)
values = st.recursive(scalars, lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(texts, v, max_size=3)))
keys = st.one_of(st.sampled_from([key for role in ROLES.values() for key in role]), texts)
properties = st.dictionaries(
    st.sampled_from(
        ["policyAssignmentId", "policyDefinitionReferenceIds", "exemptionCategory", "displayName", "description",
         "resourceSelectors", "assignmentScopeValidation"]
    ),
    values,
)  # fmt: skip


def refusals(said: Mapping[str, Any], identity: str = BODY["id"]) -> list[str]:
    """Return every evaluation that fails, and every policy that fires where its rule has no violation."""
    body = {"id": identity, "name": "e", "type": BODY["type"], "properties": dict(said)}
    answers = DELETES.answers(body, NOW, given={"requestContext": {"identity": USER}})
    found = [f"delete {said}" for said in answers.values() if said.startswith("fails")]
    for name, policies in POLICIES.items():
        try:
            exemption = Exemption.from_arm(body, RULESETS[name].names)
        except Permanent:
            exemption = None
        for rule, policy in policies.items():
            answers = policy.answers(body, NOW)
            found += [f"{name}: {rule} {said}" for said in answers.values() if said.startswith("fails")]
            if exemption is not None and any(answers.values()) and not _is_violation(rule, exemption, RULESETS[name]):
                found.append(f"{name}: {rule} fires, {answers}")
    return found


def _is_violation(rule: str, exemption: Exemption, ruleset: Ruleset) -> bool:
    options = bound_for(ruleset, exemption)[rule].options
    return isinstance(all_rules()[rule].check(exemption, Facts(now=NOW, written_at=NOW), options), Violation)


fuzzed = settings(max_examples=120, derandomize=True, suppress_health_check=list(HealthCheck))


@fuzzed
@given(st.one_of(times, values))
@example("2028-06-30T00:00:00+02:00")
@example("2028-06-30T00:00:00z")
@example("2028-06-30")
@example("9999-12-31T23:59:59.9999999Z")
@example("9999-12-31T23:59:59-14:00")
@example("0001-01-01T00:00:00+14:00")
@example("2028-06-30T00:00:00.12345678Z")
@example("2028-06-30T24:00:00Z")
@example("2028-06-30T23:60:00Z")
@example("2028-06-30T23:59:60Z")
@example("2028-06-31T00:00:00Z")
@example("2028-02-30T00:00:00Z")
@example("2029-02-29T00:00:00Z")
@example("2100-02-29T00:00:00Z")
@example("2028-00-01T00:00:00Z")
@example("2028-13-01T00:00:00Z")
@example("2028-12-00T00:00:00Z")
@example("2028-12-32T00:00:00Z")
@example("0000-01-01T00:00:00Z")
@example("2028-06-30T00:00:00Z5")
@example("2028-06-30T00:00:005Z")
@example("2028-06-30T00:00:00\u200b5Z")
@example("\u0662\u0660\u0662\u0668-06-30T00:00:00Z")
@example("2028-06-30T00:00:00Z\x00")
@example(1.5)
@example(["2028-06-30T00:00:00Z"])
@example({"2028-06-30T00:00:00Z": None})
def test_no_end_makes_a_policy_err_or_refuse_what_its_rule_passes(end: object) -> None:
    assert refusals({**BODY["properties"], "expiresOn": end}) == []


@fuzzed
@given(st.one_of(values, st.dictionaries(keys, values, max_size=4)))
@example(None)
@example(1.5)
@example(True)
@example('{"approvalTicket": "SEC-1", "owner": "ops@contoso.com"}')
@example('{"\\u0074icket": "SEC-1", "own\\u0065r": "ops", "re\\u0061son": "x"}')
@example(" ")
@example({"\ud800": "x"})
@example({"approval\\Ticket": "SEC-1"})
@example({"note": "x" * 130_000})
def test_no_metadata_make_a_policy_err_or_refuse_what_its_rule_passes(metadata: object) -> None:
    assert refusals({**BODY["properties"], "metadata": metadata}) == []


@fuzzed
@given(properties)
@example({})
@example({"policyAssignmentId": 1.5})
@example({"policyAssignmentId": ["/audit-logs"]})
@example({"policyAssignmentId": {"a": "audit-logs"}})
@example({"policyAssignmentId": 'audit-logs"'})
@example({"policyAssignmentId": "audit\n"})
@example({"resourceSelectors": [{"selectors": [{"kind": 1.5}]}, "x", None]})
@example({"resourceSelectors": {"selectors": "x"}})
@example({"policyAssignmentId": "/a", "resourceSelectors": [PICKS_A_USER, {"selectors": 7}]})
@example({"policyAssignmentId": "/a", "resourceSelectors": [{"selectors": [*PICKS_A_USER["selectors"], "x"]}]})
def test_no_other_property_makes_a_policy_err_or_refuse_what_its_rule_passes(said: Mapping[str, Any]) -> None:
    assert refusals(said) == []


@pytest.mark.parametrize(
    ("end", "fires"),
    [
        ("2027-11-24T11:59:59Z", False),
        ("2027-11-24T12:00:00Z", False),
        ("2027-11-24T12:00:00.9999999Z", False),
        ("2027-11-24T12:00:01Z", True),
        ("2027-11-24T12:00:01.5Z", True),
        ("9999-12-31T23:59:59.9999999Z", True),
        ("2028-02-29T00:00:00Z", True),
        ("2400-02-29T00:00:00Z", True),
        ("2031-01-31T00:00:00Z", True),
        ("2027-11-24T12:00:01+00:00", False),
        ("2027-11-24T14:00:01.0000000+02:00", False),
        ("2028-11-24", False),
    ],
)
def test_ends_are_compared_to_the_second_and_in_utc_only(end: str, *, fires: bool) -> None:
    policy = POLICIES["shipped"]["expiry-too-far"]
    body = {"id": BODY["id"], "type": BODY["type"], "properties": {**BROKEN, "expiresOn": end}}
    assert set(policy.answers(body, NOW).values()) == {"fires" if fires else ""}


@pytest.mark.parametrize(("days", "end", "fires"), [
    (30, "2027-06-30T00:00:00Z", False),
    (-(10**9), "2027-06-30T00:00:00Z", False),
    (10**9, "2027-06-30T00:00:00Z", False),
    (10**9, "9999-12-31T23:59:59Z", True),
    (730, "2028-06-30T00:00:00Z", False),
])  # fmt: skip
def test_no_number_of_days_makes_the_policy_err_or_stricter_than_its_rule(days: int, end: str, *, fires: bool) -> None:
    policy = POLICIES["shipped"]["expiry-too-far"]
    body = {"id": BODY["id"], "type": BODY["type"], "properties": {**BROKEN, "expiresOn": end}}
    answers = policy.answers(body, NOW, parameters={"maximumDays": days})
    assert set(answers.values()) == {"fires" if fires else ""}


@pytest.mark.parametrize("name", list(POLICIES))
def test_an_exemption_without_anything_errs_nowhere(name: str) -> None:
    for identity in (f"{SUBSCRIPTION}{EXEMPTIONS}e", ""):
        for body in ({"type": BODY["type"], "id": identity}, {"type": BODY["type"], "properties": None}):
            for rule, policy in POLICIES[name].items():
                assert not [said for said in policy.answers(body, NOW).values() if said.startswith("fails")], rule
