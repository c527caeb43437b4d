"""Limits by control: which overrides hold for an exemption, and which of its controls' limits is the strictest."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from random import Random
from typing import Any

import pytest

from guardrails.decisions.assess import Assessment, Verdict, assess, assess_all
from guardrails.decisions.decide import decide
from guardrails.decisions.next_row import row_after
from guardrails.errors import Misconfigured
from guardrails.exemption.facts import Assignment, Gone, Policy, Unread
from guardrails.exemption.sources import MODE, RESOURCE_GRAPH, powershell
from guardrails.rules import all_rules
from guardrails.rules.base import Case
from guardrails.rules.sample import ASSIGNMENT, DENY_PUBLIC, FACTS, INITIATIVE, REQUIRE_TLS, SUBSCRIPTION, read
from guardrails.ruleset import bound_rules as limiting
from guardrails.ruleset import overrides as overriding
from guardrails.ruleset.bound_rules import Holding
from guardrails.ruleset.model import Ruleset, parse_ruleset
from tests.decisions.situations import situation

STORAGE = Policy("Storage", "high")
NETWORK = Policy("Network", "")
POLICIES = {DENY_PUBLIC: STORAGE, REQUIRE_TLS: NETWORK}
BOTH = {"policyDefinitionReferenceIds": None}
"""The sample ends four months after it was written; it names one control, denyPublicNetwork."""

THREE = {"expiry-too-far": {"options": {"months": 3}}}


def ruleset(*overrides: Mapping[str, Any], rules: Mapping[str, Any] | None = None, **more: Any) -> Ruleset:
    said = {"expiry-too-far": {"response": "alert", "options": {"months": 12, "tolerance_days": 0}}}
    return parse_ruleset(
        json.dumps({"version": 2, "mode": "enforce", "rules": rules or said, "overrides": overrides, **more})
    )


def judged(
    rules: Ruleset, properties: Mapping[str, Any] | None = None, facts: Mapping[str, Any] | None = None, **case: Any
) -> Assessment:
    exemption, known = read(Case("", properties or {}, facts={"policies": POLICIES, **(facts or {})}, **case))
    found = assess(exemption, known, rules)
    assert assess_all([(exemption, known)] * 2, rules) == [found, found]
    return found


def verdict(rules: Ruleset, *args: Any, **more: Any) -> str:
    return str(judged(rules, *args, **more).verdict)


HOLDS: list[dict[str, Any]] = [
    {"scope": "/subscriptions/*/resourceGroups/partner-ingestion"},
    {"assignment": "storage-baseline"},
    {"assignment": ["other", ASSIGNMENT.upper()]},
    {"assignment": "**/policyAssignments/storage-*"},
    {"initiative": "storage-baseline"},
    {"initiative": INITIATIVE},
    {"definition": "Deny-Public-Network"},
    {"definition": ["none", DENY_PUBLIC]},
    {"reference": "DENYpublicNetwork"},
    {"reference": "deny*"},
    {"policy_category": "storage"},
    {"policy_category": ["Key Vault", "Stor*"]},
    {"severity": "HIGH"},
    {"exemption_category": "Waiver"},
    {"exemption_category": ["Mitigated", "Waiver"]},
    {"scope": SUBSCRIPTION, "assignment": "storage-baseline", "reference": "denyPublicNetwork", "severity": "high"},
]
HOLDS_NOT: list[dict[str, Any]] = [
    {"scope": "/subscriptions/*/resourceGroups/partner"},
    {"assignment": "storage"},
    {"initiative": "deny-public-network"},
    {"initiative": ASSIGNMENT},
    {"definition": "require-tls"},
    {"definition": "storage-baseline"},
    {"reference": "requireTls"},
    {"policy_category": "Network"},
    {"severity": "low"},
    {"exemption_category": "Mitigated"},
    {"scope": SUBSCRIPTION, "reference": "requireTls"},
    {"definition": "deny-public-network", "severity": "low"},
]


@pytest.mark.parametrize("asked", HOLDS, ids=str)
def test_an_override_holds_where_all_that_it_asks_for_does(asked: dict[str, Any]) -> None:
    assert verdict(ruleset({**asked, "rules": THREE})) == "violation"


@pytest.mark.parametrize("asked", HOLDS_NOT, ids=str)
def test_an_override_does_not_hold_elsewhere(asked: dict[str, Any]) -> None:
    assert verdict(ruleset({**asked, "rules": THREE})) == "pass"


def test_evidence_names_the_override_that_decided() -> None:
    rules = ruleset({"reference": "other", "rules": THREE}, {"severity": "high", "reason": "soon", "rules": THREE})
    (found,) = judged(rules).findings
    assert found.evidence["override"] == "overrides[1] (soon)"
    assert "override" not in judged(ruleset(), {"expiresOn": "2029-01-01"}).findings[0].evidence


def test_evidence_names_those_whose_words_are_left() -> None:
    rules = ruleset(
        {"severity": "high", "rules": {"expiry-too-far": {"options": {"months": 6}}}},
        {"policy_category": "Storage", "rules": {"expiry-too-far": {"severity": "low"}}},
        {"reference": "deny*", "rules": THREE},
        {"reference": "deny*", "rules": {"expired": "alert"}},
    )
    (found,) = judged(rules).findings
    assert (found.evidence["override"], str(found.severity)) == ("overrides[1], overrides[2]", "low")


def test_for_one_control_the_last_wins_field_by_field() -> None:
    first = {"severity": "high", "rules": {"expiry-too-far": {"response": "revert", "options": {"months": 3}}}}
    later = {"reference": "denyPublicNetwork", "rules": {"expiry-too-far": {"options": {"months": 12}}}}
    assert verdict(ruleset(first)) == "violation"
    assert verdict(ruleset(first, later)) == "pass"
    (found,) = judged(ruleset(later, first)).findings
    assert found.response == "revert"


def test_several_controls_get_the_strictest_of_their_limits() -> None:
    lax = {"definition": "require-tls", "rules": {"expiry-too-far": {"options": {"months": 60}}}}
    strict = {"definition": "deny-public-network", "rules": THREE}
    for overrides in ((lax, strict), (strict, lax)):
        assert verdict(ruleset(*overrides), BOTH) == "violation"
    assert verdict(ruleset(lax, strict), {"policyDefinitionReferenceIds": ["requireTls"]}) == "pass"
    assert verdict(ruleset(lax), {**BOTH, "expiresOn": "2029-01-01T00:00:00Z"}) == "violation", (
        "the other has 12 months"
    )
    assert (
        verdict(ruleset({**lax, "definition": ["require-tls", "deny-*"]}), {**BOTH, "expiresOn": "2029-01-01"})
        == "pass"
    )


def test_of_the_violations_the_strongest_response_counts_then_the_grace_then_the_severity() -> None:
    def response(tls: Mapping[str, Any], public: Mapping[str, Any]) -> tuple[str, timedelta, str, str]:
        rules = ruleset(
            {"definition": "require-tls", "rules": {"expiry-too-far": tls}},
            {"definition": "deny-public-network", "rules": {"expiry-too-far": public}},
        )
        (found,) = judged(rules, {**BOTH, "expiresOn": "2030-01-01"}).findings
        return str(found.response), found.grace, str(found.severity), found.evidence["override"]

    day, week = timedelta(days=1), timedelta(days=7)
    soon, late = {"response": "revert", "grace": "1d"}, {"response": "revert", "grace": "7d"}
    assert response(late, soon) == ("revert", day, "medium", "overrides[1]")
    assert response({**late, "severity": "high"}, {"response": "tag"}) == ("revert", week, "high", "overrides[0]")
    assert response({"severity": "low"}, {"severity": "medium"})[2:] == ("medium", "overrides[1]")
    assert response({"severity": "low"}, {"enabled": False})[2:] == ("low", "overrides[0]")


def test_of_two_limits_that_are_both_broken_the_narrower_is_named() -> None:
    def months(first: int, second: int) -> int:
        rules = ruleset(
            {"definition": "require-tls", "rules": {"expiry-too-far": {"options": {"months": first}}}},
            {"definition": "deny-public-network", "rules": {"expiry-too-far": {"options": {"months": second}}}},
        )
        (found,) = judged(rules, BOTH).findings
        (number,) = re.findall(r"it ends more than (\d+) months? after", found.text)
        return int(number)

    assert months(1, 3) == months(3, 1) == 1


def test_a_rule_that_is_on_for_one_control_is_on() -> None:
    rules = ruleset({"definition": "require-tls", "rules": {"expiry-too-far": "off"}})
    assert verdict(rules, {"policyDefinitionReferenceIds": ["requireTls"], "expiresOn": "2029-01-01"}) == "pass"
    assert verdict(rules, {**BOTH, "expiresOn": "2029-01-01"}) == "violation"


UNREAD: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"policy_category": "Storage"}, {"policies": {}}, "metadata of the policy deny-public-network"),
    ({"severity": "high"}, {"policies": {DENY_PUBLIC: Unread("ARM answered 403")}}, "ARM answered 403"),
    ({"severity": "high"}, {"policies": {DENY_PUBLIC: Gone()}}, "it is not there"),
    ({"initiative": "storage-*"}, {"assignment": Unread("ARM answered 429")}, "ARM answered 429"),
    ({"definition": "x"}, {"assignment": Assignment(ASSIGNMENT, INITIATIVE, Unread("no answer"))}, "no answer"),
]


@pytest.mark.parametrize(("asked", "facts", "why"), UNREAD, ids=str)
def test_what_cannot_be_decided_and_matters_is_unknown(asked: dict[str, Any], facts: dict[str, Any], why: str) -> None:
    (found,) = judged(ruleset({**asked, "reason": "tight", "rules": THREE}), facts=facts).findings
    assert (found.status, found.code) == (Verdict.UNKNOWN, "EXG102")
    assert found.text.startswith("whether overrides[0] (tight) holds is unknown: ")
    assert why in found.text


@pytest.mark.parametrize(("asked", "facts", "why"), UNREAD, ids=str)
def test_what_cannot_be_decided_and_makes_no_difference_is_not_reported(
    asked: dict[str, Any], facts: dict[str, Any], why: str
) -> None:
    rules = ruleset({**asked, "rules": THREE})
    assert verdict(rules, {"expiresOn": "2026-12-31"}, facts) == "pass", "it keeps either limit"
    (found,) = judged(rules, {"expiresOn": "2029-12-31"}, facts).findings
    assert found.status is Verdict.VIOLATION, "it breaks either"
    assert verdict(ruleset({**asked, "rules": {"expired": "alert"}}), facts=facts) == "pass", "another rule's"
    assert why


def test_a_reference_id_is_known_whatever_cannot_be_read() -> None:
    rules = ruleset({"reference": "denyPublicNetwork", "rules": THREE})
    assert verdict(rules, facts={"assignment": Unread("ARM answered 403")}) == "violation"
    assert verdict(rules, {"policyDefinitionReferenceIds": ["x"]}, {"assignment": Unread("ARM answered 403")}) == "pass"
    assert verdict(rules, BOTH, {"assignment": Unread("ARM answered 403")}) == "unknown"


def test_what_is_sure_stays_a_violation_with_the_mildest_response_and_what_may_be_more_is_unknown() -> None:
    rules = ruleset({"severity": "high", "rules": {"expiry-too-far": {"response": "revert", "severity": "high"}}})
    sure, more = judged(rules, {"expiresOn": "2029-01-01"}, {"policies": {}}).findings
    assert (sure.status, sure.response, sure.key) == (Verdict.VIOLATION, "alert", "EXG102")
    assert (more.status, more.response, more.key) == (Verdict.UNKNOWN, "revert", "EXG102?")


def test_an_assignment_that_is_gone_has_no_controls() -> None:
    facts = {"assignment": Gone()}
    assert verdict(ruleset({"definition": "d*", "initiative": "x*", "rules": THREE}), facts=facts) == "pass"
    assert verdict(ruleset({"assignment": "storage-*", "rules": THREE}), facts=facts) == "violation"


def test_reference_ids_that_the_initiative_has_not_are_no_controls() -> None:
    facts = {"assignment": FACTS.assignment}
    rules = ruleset({"reference": "gone", "rules": THREE})
    assert verdict(rules, {"policyDefinitionReferenceIds": ["gone"]}, facts) == "pass"


def test_an_assignment_of_a_single_policy_is_one_control() -> None:
    facts = {"assignment": Assignment(ASSIGNMENT, DENY_PUBLIC.upper() + "/versions/1.2.0", {})}
    assert verdict(ruleset({"severity": "high", "rules": THREE}), BOTH, facts) == "violation"
    assert verdict(ruleset({"definition": "deny-public-network", "rules": THREE}), BOTH, facts) == "violation"
    assert verdict(ruleset({"initiative": "deny-*", "rules": THREE}), BOTH, facts) == "pass"
    assert verdict(ruleset({"initiative": "*-*", "rules": THREE}), BOTH, facts) == "pass"


def test_selectors_that_pick_policies_say_which_controls_it_is_about() -> None:
    tight = ruleset({"definition": "deny-public-network", "rules": THREE})
    picked = [{"name": "x", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["requireTls"]}]}]
    strange = [{"name": "x", "selectors": [{"kind": "policyEffect", "in": ["deny"]}]}]
    assert verdict(tight, {**BOTH, "resourceSelectors": picked}) == "pass"
    (found,) = judged(tight, {**BOTH, "resourceSelectors": strange}).findings
    assert found.status is Verdict.UNKNOWN
    assert found.text.startswith("which controls it covers is unknown: a resource selector is of a kind")
    assert verdict(tight, BOTH, source=RESOURCE_GRAPH) == "unknown"
    assert verdict(tight, {**BOTH, "expiresOn": "2029-01-01"}, source=RESOURCE_GRAPH) == "violation"


def test_severities_of_the_ruleset_go_before_the_metadata() -> None:
    critical = {"severity": "critical", "rules": THREE}
    assert verdict(ruleset(critical)) == "pass"
    assert verdict(ruleset(critical, severities=[{"definition": "deny-*", "severity": "Critical"}])) == "violation"
    assert verdict(ruleset(critical, severities=[{"reference": "deny*", "severity": "critical"}])) == "violation"
    both = [{"initiative": INITIATIVE, "severity": "critical"}, {"reference": "deny*", "severity": "low"}]
    assert verdict(ruleset(critical, severities=both)) == "pass", "the last one counts"
    assert verdict(ruleset(critical, severities=both), facts={"policies": {}}) == "pass", "no metadata are asked"
    high = ruleset({"severity": "high", "rules": THREE}, severities=[{"definition": "other", "severity": "high"}])
    assert verdict(high) == "violation", "the metadata say so"


def test_what_the_metadata_do_not_say_is_no_severity() -> None:
    rules = ruleset({"severity": ["high", "low"], "rules": THREE})
    assert verdict(rules, {"policyDefinitionReferenceIds": ["requireTls"]}) == "pass"


def test_an_override_holds_until_it_ends() -> None:
    rules = ruleset({"severity": "high", "expires": "2026-12-01", "rules": THREE})
    end = datetime(2026, 12, 1, tzinfo=UTC)
    written = {"written_at": FACTS.written_at}
    assert verdict(rules, facts={"now": end - timedelta(seconds=1), **written}) == "violation"
    assert verdict(rules, facts={"now": end, **written}) == "pass"


def test_the_register_looks_again_when_an_override_ends() -> None:
    rules = ruleset(
        {"scope": "/subscriptions/other", "expires": "2026-11-25", "rules": THREE},
        {"exemption_category": "Mitigated", "expires": "2026-11-26", "rules": THREE},
        {"severity": "high", "expires": "2026-11-28", "rules": THREE},
        {"reference": "x", "expires": "2026-11-20", "rules": THREE},
    )
    exemption, facts = read(Case("", facts={"policies": POLICIES}))
    at = situation(*assess(exemption, facts, rules).findings, exemption=exemption, ruleset=rules)
    row, _ = row_after(at, decide(at), facts, None)
    assert row.turn == datetime(2026, 11, 28, tzinfo=UTC)
    assert row.severity == "medium"


def test_of_too_many_unknown_ones_only_the_unknown_is_reported() -> None:
    many = [{"severity": f"s{n}", "rules": {"expiry-too-far": {"options": {"months": n + 1}}}} for n in range(30)]
    (found,) = judged(ruleset(*many), facts={"policies": {}}).findings
    assert found.status is Verdict.UNKNOWN
    assert verdict(ruleset(*many), {"expiresOn": "2026-12-01"}, {"policies": {}}) == "pass"


def test_of_too_many_unknown_ones_none_is_a_pass_where_two_together_may_be_broken() -> None:
    """Three months alone, or a strict limit alone, let this end pass; both of them do not."""
    wide = {"expiry-too-far": {"options": {"months": 12, "tolerance_days": 40}}}
    limits: list[dict[str, Any]] = [{"months": 3}, {"tolerance_days": 0}, *[{"months": 12, "tolerance_days": 40}] * 6]
    many = [{"severity": f"s{n}", "rules": {"expiry-too-far": {"options": one}}} for n, one in enumerate(limits)]
    assert verdict(ruleset(*many[:2], rules=wide), facts={"policies": {}}) == "unknown"
    assert verdict(ruleset(*many, rules=wide), facts={"policies": {}}) == "unknown"


def test_judging_asks_for_policies_only_where_an_override_does() -> None:
    assert not ruleset({"definition": "x", "rules": THREE}).limits.asks_policies
    assert ruleset({"severity": "x", "rules": THREE}).limits.asks_policies
    assert ruleset({"policy_category": "x", "rules": THREE}).limits.asks_policies


def test_strangers_words_in_the_evidence_cannot_be_taken_for_an_override() -> None:
    rules = ruleset({"reference": "deny*", "rules": THREE})
    (found,) = judged(rules, {"displayName": "overrides[7]"}).findings
    assert found.evidence["override"] == "overrides[0]"


MISTAKES: list[tuple[dict[str, Any], str]] = [
    (
        {"reason": "x", "rules": THREE},
        "overrides[0]: it would apply nowhere; give one of scope, assignment, initiative",
    ),
    ({"severtiy": "high", "rules": THREE}, "'severtiy' is not known here; did you mean severity?"),
    ({"category": "Storage", "rules": THREE}, "'category' is not known here; did you mean policy_category?"),
    ({"exemption_category": "waiver", "rules": THREE}, "'waiver' is not allowed; it must be one of Waiver, Mitigated"),
    ({"definition": [], "rules": THREE}, "overrides[0].definition: the list is empty"),
    ({"definition": "*", "rules": THREE}, "'*' matches everything; write a narrower pattern"),
    ({"policy_category": "**", "rules": THREE}, "'**' matches everything; write a narrower pattern"),
    ({"severity": 7, "rules": THREE}, "is integer ('7'); it must be a string or a list"),
    ({"definition": "policyDefinitions/x", "rules": THREE}, "begins with neither / nor *"),
    ({"expires": "soon", "scope": "/subscriptions/x", "rules": THREE}, "'soon' has the wrong form"),
    (
        {"severity": "high", "rules": {"bypass-ended": "off"}},
        "bypass-ended: a rule about bypasses has only overrides by scope",
    ),
]


@pytest.mark.parametrize(("override", "message"), MISTAKES, ids=str)
def test_a_mistaken_override_is_shown_with_its_line(override: dict[str, Any], message: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        ruleset(override)
    assert any(message in problem for problem in caught.value.problems), caught.value.problems
    assert all(problem.startswith("ruleset.yaml:1:") for problem in caught.value.problems)


def test_severities_must_name_a_policy() -> None:
    with pytest.raises(Misconfigured, match="mistake") as caught:
        ruleset(severities=[{"severity": "high"}])
    assert "severities[0]: it names no policy; give initiative, definition or reference" in caught.value.problems[0]


def _possible(overrides: list[dict[str, Any]], name: str, policy: Policy | Unread) -> set[int]:
    """Return the limits that a control may have: where its policy is not known, any of its overrides may hold."""
    fitting = [one for one in overrides if one.get("reference", name) == name]
    if isinstance(policy, Policy):
        chosen = [tuple(one for one in fitting if one["policy_category"] == policy.category)]
    else:
        chosen = [some for size in range(len(fitting) + 1) for some in combinations(fitting, size)]
    return {[12, *(one["rules"]["expiry-too-far"]["options"]["months"] for one in some)][-1] for some in chosen}


def test_the_outcome_is_that_of_all_worlds_or_unknown() -> None:
    """A brute-force model: any controls, any overrides, policies that are known or not, an end in the fifth month."""
    random = Random(14)  # noqa: S311
    verdicts = Counter[str]()
    for _ in range(400):
        names = [f"p{number}" for number in range(random.randint(1, 4))]
        members = {name: f"/providers/microsoft.authorization/policydefinitions/{name}" for name in names}
        kinds: list[Policy | Unread] = [Policy("a", ""), Policy("b", ""), Unread("busy")]
        policies = {identity: random.choice(kinds) for identity in members.values()}
        overrides: list[dict[str, Any]] = []
        for _ in range(random.randint(0, 4)):
            reference = {"reference": random.choice(names)} if random.random() < 0.4 else {}
            limit = {"expiry-too-far": {"options": {"months": random.choice([1, 2, 6, 24])}}}
            overrides.append({"policy_category": random.choice(["a", "b"]), **reference, "rules": limit})
        possible = [_possible(overrides, name, policies[members[name]]) for name in names]
        outcomes = {min(world) < 5 for world in product(*possible)}
        expected = "unknown" if len(outcomes) > 1 else "violation" if outcomes.pop() else "pass"
        facts = {"assignment": Assignment(ASSIGNMENT, INITIATIVE, members), "policies": policies}
        assert verdict(ruleset(*overrides), BOTH, facts) == expected, (overrides, policies)
        verdicts[expected] += 1
    assert min(verdicts.values()) > 40


def test_a_thousand_overrides_are_looked_up_and_kept() -> None:
    overrides = [{"definition": f"policy-{n}", "rules": THREE} for n in range(999)]
    rules = ruleset(*overrides, {"definition": "deny-public-network", "rules": THREE})
    exemption, facts = read(Case("", facts={"policies": POLICIES}))
    assert rules.limits.rules_for(exemption, facts) is rules.limits.rules_for(replace(exemption), facts)
    assert rules.limits.overrides_for(exemption, facts) == Holding((999,), ())


def test_what_was_judged_before_changes_nothing() -> None:
    """No selectors, and selectors that the source does not return, are two kinds of exemptions."""
    override = {"policy_category": "Network", "rules": {"expiry-too-far": {"options": {"months": 1}}}}
    source = powershell(frozenset({MODE}))
    known = read(Case("", {**BOTH, "resourceSelectors": []}, source=source))[0]
    unknown = read(Case("", {**BOTH}, source=source))[0]
    facts = replace(FACTS, policies=POLICIES)
    alone = [assess(exemption, facts, ruleset(override)) for exemption in (known, unknown)]
    assert alone[0] != alone[1]
    for order in (1, -1):
        rules = ruleset(override)
        together = [assess(exemption, facts, rules) for exemption in (known, unknown)[::order]]
        assert together[::order] == alone


def test_many_controls_and_many_unknown_ones_are_bound_rule_by_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six open overrides of each rule, and one by control: what one rule leaves open multiplies no other's work."""
    names, bound, bind = list(all_rules()), Counter[str](), limiting._bind

    def counting(rule: Any, *args: Any) -> Any:
        bound[rule.name] += 1
        return bind(rule, *args)

    monkeypatch.setattr(limiting, "_bind", counting)
    members = {f"p{n}": f"/providers/microsoft.authorization/policydefinitions/d{n}" for n in range(50)}
    several = [{"severity": f"s{n}", "rules": {name: "alert" if n % 2 else "off"}} for name in names for n in range(6)]
    own = [{"reference": f"p{n}", "rules": THREE} for n in range(50)]
    facts = {"assignment": Assignment(ASSIGNMENT, INITIATIVE, members), "policies": {}}
    judged(ruleset(*several, *own, rules=dict.fromkeys(names, "alert")), BOTH, facts)
    assert bound["expired"] <= 64
    assert bound["expiry-too-far"] <= 51 * 64


def test_of_many_overrides_only_those_that_name_a_control_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    holds = overriding._Looking.holds

    def counting(looking: Any, override: Any) -> bool | None:
        asked.append(override)
        return holds(looking, override)

    monkeypatch.setattr(overriding._Looking, "holds", counting)
    members = {f"p{n}": f"/providers/microsoft.authorization/policydefinitions/d{n}" for n in range(300)}
    by = [
        {"reference": "P%d", "severity": "high"}, {"definition": ["D%d", "x"]}, {"definition": "/providers/Microsoft."
        "Authorization/policyDefinitions/d%d/"}, {"reference": ["p%d"], "initiative": "other"},
    ]  # fmt: skip
    many = [json.loads(json.dumps(by[n % 4]).replace("%d", str(n))) | {"rules": THREE} for n in range(1000)]
    rules = ruleset(*many, {"initiative": "storage-baseline", "reference": "p29[89]", "rules": THREE})
    exemption, facts = read(
        Case("", BOTH, facts={"assignment": Assignment(ASSIGNMENT, INITIATIVE, members), "policies": POLICIES})
    )
    held = rules.limits.overrides_for(exemption, facts)
    assert held.sure == (*sorted(n for n in range(300) if n % 4 in (1, 2)), 1000)
    assert held.maybe == tuple(n for n in range(300) if n % 4 == 0), "the metadata are not known"
    assert len(asked) <= 2 * 300 + 300


def test_what_is_kept_is_not_taken_for_another() -> None:
    rules = ruleset(
        {"severity": "high", "rules": THREE}, {"exemption_category": "Mitigated", "rules": {"expired": "alert"}}
    )
    exemption, facts = read(Case("", facts={"policies": POLICIES}))
    other = replace(facts, policies={DENY_PUBLIC: NETWORK})
    single = replace(facts, assignment=Assignment(ASSIGNMENT, REQUIRE_TLS, {}))
    seen = [
        (exemption, facts, "violation"), (exemption, other, "pass"), (exemption, single, "pass"),
        (exemption, replace(facts, assignment=Gone()), "pass"),
    ]  # fmt: skip
    for _ in range(3):
        for one, known, expected in seen:
            assert str(assess(one, known, rules).verdict) == expected
