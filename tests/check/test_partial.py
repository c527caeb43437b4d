"""Exemptions of which some values are not known: a rule that needs one is Unknown with the value's own reason."""

from typing import Any

import pytest

from guardrails.check.answer import Judged
from guardrails.check.azure_objects import AzureObjects
from guardrails.check.judge import Candidate, judge_all
from guardrails.check.partial import PROPERTIES, seen
from guardrails.decisions.assess import Verdict
from guardrails.errors import Permanent
from guardrails.evaluation.plan import PlannedExemption
from guardrails.evaluation.values import NOWHERE, Cause, Mark, MarkedText, Place, Unknown
from guardrails.exemption.model import DEFAULT_NAMES, NotReturned
from guardrails.rules import all_rules
from guardrails.rules.base import Stage
from guardrails.rules.sample import BODY, NOW
from guardrails.ruleset.model import Ruleset, load_ruleset, parse_ruleset

HERE = Place("main.bicep", 3, 5)
WHY = Unknown("the parameter x has no value; give it with --parameters", Place("main.bicep", 1, 7))
GOOD: dict[str, Any] = dict(BODY["properties"])
RULESET = load_ruleset()


def judged(properties: Any, ruleset: Ruleset = RULESET, identity: Any = BODY["id"], **more: Any) -> Judged:
    """What the rules say of one exemption."""
    name = BODY["name"] if isinstance(identity, str) else identity
    planned = PlannedExemption(
        HERE, (), deployed=True, id=identity, scope="", name=name, api_version="", properties=properties
    )
    one = Judged("bicep", HERE, (), deployed=True, entry=None, parameters=None, id=identity, scope="", name=name,
                 api_version="", properties=properties)  # fmt: skip
    candidate = Candidate(one, planned, properties, identity, more.get("next_run"), AzureObjects(), NOW)
    assert judge_all([candidate], ruleset, makes_assignments=False) == []
    return one


def found(one: Judged) -> dict[str, str]:
    return {placed.finding.rule: str(placed.finding.status) for placed in one.findings}


def test_a_compliant_one_is_unknown_only_for_want_of_its_assignment() -> None:
    one = judged(GOOD)
    assert set(found(one).values()) == {"unknown"}
    assert all("--azure" in placed.finding.text for placed in one.findings)


@pytest.mark.parametrize("name", PROPERTIES)
def test_a_rule_that_needs_what_is_not_known_is_unknown_with_its_reason(name: str) -> None:
    before, one = found(judged(GOOD)), judged({**GOOD, name: WHY})
    assert Verdict.VIOLATION not in {placed.finding.status for placed in one.findings}
    more = [placed for placed in one.findings if placed.finding.text == WHY.reason]
    assert before.keys() <= found(one).keys()
    assert more, "some rule asks for it"
    assert {placed.at for placed in more} == {f"/properties/{name}"}


@pytest.mark.parametrize(("properties", "kind"), [("x", "a text"), ([GOOD], "a list"), (7, "a number")])
def test_properties_that_are_no_object_are_said_and_no_crash(properties: Any, kind: str) -> None:
    with pytest.raises(Permanent, match=f"properties is {kind}, not a JSON object"):
        seen(BODY["id"], properties, DEFAULT_NAMES)


def test_what_does_not_need_it_is_judged() -> None:
    one = judged({**GOOD, "expiresOn": WHY, "metadata": {"owner": "web@contoso.com"}})
    assert found(one)["ticket-missing"] == "violation"
    assert found(one)["expiry-missing"] == "unknown"
    assert "owner-missing" not in found(one)


def test_one_key_of_metadata_that_is_not_known() -> None:
    metadata = {**GOOD["metadata"], "owner": WHY}
    one = judged({**GOOD, "metadata": metadata})
    assert found(one)["owner-missing"] == "unknown"
    assert "ticket-missing" not in found(one)
    exemption = seen(BODY["id"], {**GOOD, "metadata": metadata}, DEFAULT_NAMES).exemption
    assert exemption.ticket == "SEC-1234"
    with pytest.raises(NotReturned, match="parameter x"):
        exemption.said.get("owner")
    with pytest.raises(NotReturned, match="parameter x"):
        _ = exemption.said["owner"]
    with pytest.raises(NotReturned, match="parameter x"):
        _ = exemption.owner


def test_a_key_that_is_preferred_decides_and_one_that_is_not_does_not() -> None:
    known = seen(BODY["id"], {**GOOD, "metadata": {"owner": "a@b.c", "contact": WHY}}, DEFAULT_NAMES).exemption
    assert known.owner == "a@b.c"
    hidden = seen(BODY["id"], {**GOOD, "metadata": {"owner": WHY, "contact": "a@b.c"}}, DEFAULT_NAMES).exemption
    with pytest.raises(NotReturned):
        _ = hidden.owner


def test_all_of_it_unknown_is_no_pass() -> None:
    one = judged(WHY, identity=WHY)
    on = {name for name, rule in all_rules().items() if rule.stage is not Stage.AZURE and RULESET.judges(name)}
    silent = {name for name, rule in all_rules().items() if rule.code > "EXG605"}  # of what deployers do
    silent |= {"duplicate", "assignment-not-applicable", "ends-before-next-run", "date-shifted", "category-forbidden"}
    assert on - found(one).keys() <= silent
    assert set(found(one).values()) == {"unknown"}


def test_an_id_that_is_not_known_and_overrides_by_scope() -> None:
    text = """
version: 2
mode: audit
rules: {expiry-missing: off, owner-missing: alert}
overrides: [{scope: /subscriptions/S, rules: {expiry-missing: alert}}]
"""
    one = judged({**GOOD, "expiresOn": None}, parse_ruleset(text), identity=WHY)
    assert found(one) == {"expiry-missing": "unknown"}
    assert WHY.reason in one.findings[0].finding.text


def test_rules_that_need_history_are_not_run_and_those_about_code_are() -> None:
    marked = MarkedText("2027-03-31T00:00:00Z", frozenset({Mark(Cause.NOW, HERE)}))
    one = judged({**GOOD, "expiresOn": marked, "exemptionCategory": "Waver"})
    assert {"expiry-computed": "violation", "value-invalid": "violation"}.items() <= found(one).items()
    assert all(all_rules()[name].stage is not Stage.AZURE for name in found(one))


def test_a_property_that_azure_does_not_have_names_the_one_that_is_meant() -> None:
    one = judged({**GOOD, "expiresOnn": "2027-01-01"})
    (placed,) = [placed for placed in one.findings if placed.finding.rule == "value-invalid"]
    assert placed.at == "/properties/expiresOnn"
    assert placed.finding.change is not None
    assert placed.finding.change.allowed.startswith("expiresOn, ")


def test_a_missing_assignment_is_a_violation_and_hides_nothing() -> None:
    one = judged({name: value for name, value in GOOD.items() if name != "policyAssignmentId"})
    assert found(one)["value-invalid"] == "violation"


def test_an_exclusion_leaves_it_alone() -> None:
    text = "version: 2\nmode: audit\nrules: {expiry-missing: alert}\n"
    text += "exclusions: [{scope: '/subscriptions/1*', reason: known}]\n"
    one = judged({**GOOD, "expiresOn": None}, parse_ruleset(text))
    assert (one.findings, one.excluded) == ((), "known")


def test_what_no_exemption_can_be_is_refused_with_its_reason() -> None:
    with pytest.raises(Permanent):
        seen("/subscriptions/s/providers/x", GOOD, DEFAULT_NAMES)
    with pytest.raises(Permanent):
        seen(BODY["id"], {**GOOD, "metadata": 3}, DEFAULT_NAMES)
    assert NOWHERE.path == ""
