"""Many exemptions judged at once come out as each by itself does, whatever rules are on for it."""

from dataclasses import replace

import pytest

from guardrails.decisions.assess import Verdict, assess, assess_all, findings_of
from guardrails.exemption.sources import RESOURCE_GRAPH
from guardrails.rules import all_rules
from guardrails.rules.base import PASS, Rule
from guardrails.rules.sample import FACTS, read
from guardrails.ruleset.model import Ruleset, load_ruleset, parse_ruleset

CASES = [case for rule in all_rules().values() for case in (*rule.good, *rule.bad, *rule.unclear)]
OVERRIDES = parse_ruleset("""
version: 1
mode: audit
rules: {expiry-missing: revert, owner-missing: tag}
overrides:
- {scope: '*/resourceGroups/partner-ingestion', rules: {expiry-missing: off, self-serve: alert}}
notices: [{route: team, channel: teams, address_setting: TEAMS_WEBHOOK_URL}]
""")


ALTERNATIVES = parse_ruleset("""
version: 2
mode: audit
rules: {expiry-missing: revert, ticket-missing: tag, owner-missing: tag, whole-initiative: alert}
overrides:
- {reference: denyPublicNetwork, rules: {ticket-missing: alert, self-serve: alert}}
- {policy_category: Storage, rules: {expiry-missing: alert}}
notices: [{route: team, channel: teams, address_setting: TEAMS_WEBHOOK_URL}]
""")
"""Each of the two overrides holds for some controls of an exemption, or it is unknown whether it does."""


BY_RULESET = pytest.mark.parametrize(
    "rules", [load_ruleset(), OVERRIDES, ALTERNATIVES], ids=["shipped", "overrides", "alternatives"]
)


@BY_RULESET
def test_one_rule_alone_finds_what_it_finds_among_all(rules: Ruleset) -> None:
    for exemption, facts in map(read, CASES):
        found = assess(exemption, facts, rules).findings
        for rule in all_rules():
            assert findings_of(rule, exemption, facts, rules) == [one for one in found if one.rule == rule]


@BY_RULESET
def test_together_as_one_by_one(rules: Ruleset) -> None:
    looked_at = [read(case) for case in CASES]
    looked_at += [(exemption.as_of(RESOURCE_GRAPH), facts) for exemption, facts in looked_at]
    together = assess_all(looked_at, rules)
    assert together == [assess(exemption, facts, rules) for exemption, facts in looked_at]
    assert {one.verdict for one in together} == set(Verdict)
    assert assess_all([], rules) == []
    for one in together:
        assert [finding.code for finding in one.findings] == sorted(finding.code for finding in one.findings)


def test_a_rule_that_crashes_on_one_is_unknown_for_that_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = read(CASES[0])[0], read(CASES[1])[0]
    malformed = replace(FACTS, approved=7)  # type: ignore[arg-type]
    rules = parse_ruleset("""
version: 1
mode: audit
rules: {author-not-approved: alert}
notices: [{route: team, channel: teams, address_setting: TEAMS_WEBHOOK_URL}]
""")
    crashed, sound = assess_all([(first, malformed), (second, FACTS)], rules)
    assert crashed == assess(first, malformed, rules)
    assert "defect of the rule" in crashed.findings[0].text
    assert sound.verdict is Verdict.PASS


@pytest.mark.parametrize("rule", [rule for rule in all_rules().values() if rule.risk], ids=lambda rule: rule.name)
def test_a_rule_about_a_risk_passes_where_there_is_none(rule: Rule) -> None:
    """So it need not be run there: whatever else is wrong, and whatever a field is that nobody knows."""
    for case in CASES:
        exemption, facts = read(case)
        planned = facts.planned and replace(facts.planned, risks=())
        assert rule.check(exemption, replace(facts, planned=planned), rule.options()) is PASS


def test_each_rule_that_reports_a_risk_says_so() -> None:
    reporting = {rule.name for rule in all_rules().values() if "report" in rule.check.__code__.co_names}
    assert reporting == {rule.name for rule in all_rules().values() if rule.risk}
