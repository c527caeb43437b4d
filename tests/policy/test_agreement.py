"""Policy and rule agree: Azure refuses nothing that the rules let pass, and what it does not see is written down.

Each exemption is judged twice, at the time of its write: by the rules, and by the generated policies in each way in
which Microsoft's pages can be read (tests.policy.evaluator). A policy that fires, or that fails, which is a deny too,
must be the rule's Violation: never a Pass, never an Unknown, never where an exclusion holds. A Violation that no
policy reports must be one that the policy's form leaves to the service (tests.policy.gaps).
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from guardrails.decisions.assess import assess
from guardrails.errors import Permanent
from guardrails.exemption.body import put_body
from guardrails.exemption.facts import Assignment, Facts
from guardrails.exemption.facts import Policy as PolicyFact
from guardrails.exemption.model import Exemption
from guardrails.policy.build import build
from guardrails.policy.condition import PATCHES, perhaps
from guardrails.rules import all_rules
from guardrails.rules.base import Unknown, Violation
from guardrails.ruleset.model import Ruleset
from tests import reference
from tests.limits import bound_for
from tests.policy import rulesets
from tests.policy.evaluator import Policy
from tests.policy.gaps import Judged, explained
from tests.policy.samples import Generator, corpus

SEED = int(os.environ.get("GUARDRAILS_TEST_SEED", "20261121"))
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)

SEEN: Mapping[str, float] = {
    "expiry-missing": 0.6, "expiry-too-far": 0.3, "expired": 0.3, "ticket-missing": 0.6, "owner-missing": 0.6,
    "justification-missing": 0.05, "control-missing": 0.59, "scope-too-broad": 1, "not-validated": 1,
    "identity-based": 1, "never-exempt": 0.3,
}  # fmt: skip
"""The least share of the violations among generated exemptions that the shipped ruleset's policies see, by rule. Most
of the generated ones are malformed on purpose; what is left beyond this has grown."""


@dataclass
class Tally:
    """What was judged, by rule: policies that fired, violations that only the service sees, and what must not be."""

    judged: int = 0
    unreadable: int = 0
    fired: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        rows = [f"{name:24} fired {self.fired[name]:6}  left {self.gaps[name]:6}" for name in all_rules()]
        rows = [row for row, name in zip(rows, all_rules(), strict=True) if self.fired[name] or self.gaps[name]]
        return "\n".join([f"seed {SEED}: {self.judged} judged, {self.unreadable} no exemptions", *rows])


@lru_cache(maxsize=8)
def policies_of(ruleset: Ruleset) -> Mapping[str, Policy]:
    """Return the generated policies, by the name of their rule."""
    found = {}
    for path, text in build(ruleset, {}).items():
        definition = json.loads(text) if path.startswith("definitions/") else {"name": ""}
        _, _, rule = definition["name"].partition("-")
        if rule in all_rules():
            found[rule] = Policy(definition)
    return found


def judge(
    ruleset: Ruleset, policies: Mapping[str, Policy], cases: Iterable[tuple[Mapping[str, Any], datetime]]
) -> Tally:
    tally = Tally()
    for body, now in cases:
        try:
            exemption = Exemption.from_arm(body, ruleset.names)
        except Permanent:
            tally.unreadable += 1
            continue
        tally.judged += 1
        compare(tally, ruleset, policies, exemption, now)
    return tally


def compare(
    tally: Tally, ruleset: Ruleset, policies: Mapping[str, Policy], exemption: Exemption, now: datetime
) -> None:
    facts = Facts(now=now, written_at=now)
    excluded = ruleset.exclusion_for(exemption.id, now) is not None
    bound = bound_for(ruleset, exemption)
    for name, rule in all_rules().items():
        outcome = rule.check(exemption, facts, bound[name].options) if name in bound else None
        violation = isinstance(outcome, Violation) and not excluded
        fired = policies[name].answers(exemption.body, now) if name in policies else {}
        if any(fired.values()):
            tally.fired[name] += 1
        if any(fired.values()) and not violation:
            why = "excluded" if excluded else outcome.reason if isinstance(outcome, Unknown) else type(outcome).__name__
            tally.wrong.append(f"{name} refuses, {fired}, and the rule says {why}: {shown(exemption, now)}")
        if violation and not all(fired.values() or [False]):
            tally.gaps[name] += 1
            if name in policies and set(policies[name].metadata["leaves"]) <= {perhaps(PATCHES)}:
                tally.wrong.append(f"{name} says that it leaves nothing: {shown(exemption, now)}")
            elif name in policies and not explained(name, Judged(exemption, now, bound[name].options, ruleset)):
                tally.wrong.append(f"{name} does not see, {fired}: {shown(exemption, now)}")


def shown(exemption: Exemption, now: datetime) -> str:
    return f"{json.dumps(exemption.body, default=str)} written {now.isoformat()}"


def agree(tally: Tally) -> None:
    print(tally)
    wrong = "\n".join(tally.wrong[:10])
    assert not tally.wrong, f"{len(tally.wrong)} disagreements, seed {SEED}\n{wrong}"


def cases(seed: int, count: int) -> Iterable[tuple[Mapping[str, Any], datetime]]:
    generator = Generator(seed)
    for _ in range(count):
        now = generator.now()
        yield generator.body(now), now


def requests(place: Path) -> list[Mapping[str, Any]]:
    """Return the exemptions of a corpus as the bodies that a PUT has."""
    found: list[Mapping[str, Any]] = []
    for _, body in corpus(place):
        try:
            exemption = Exemption.from_arm(body)
        except Permanent:
            continue
        kind = "Microsoft.Authorization/policyExemptions"
        found.append({"id": exemption.id.text, "name": exemption.id.name, "type": kind, **put_body(body)})
    return found


@pytest.mark.parametrize("name", ["shipped", "everything", "places", "names"])
@pytest.mark.parametrize("place", reference.places("corpus"), ids=reference.label)
def test_on_every_exemption_of_the_corpus(place: Path, name: str) -> None:
    ruleset = rulesets.fixed()[name]
    bodies = requests(place)
    assert len(bodies) > (20 if place.is_relative_to(reference.OWN) else 50)
    tally = judge(ruleset, policies_of(ruleset), ((body, NOW) for body in bodies))
    agree(tally)
    assert tally.judged == len(bodies)
    assert tally.fired["expiry-missing"] > 0


@pytest.mark.parametrize(("name", "count"), [("shipped", 1200), ("everything", 700), ("places", 600), ("names", 400)])
def test_on_generated_exemptions(name: str, count: int) -> None:
    ruleset = rulesets.fixed()[name]
    policies = policies_of(ruleset)
    tally = judge(ruleset, policies, cases(SEED, count))
    agree(tally)
    assert tally.judged > count * 0.9
    rare = {"shipped": {"category-forbidden"}, "places": {"expired", "not-validated"}}  # nothing listed; one scope each
    never = {rule for rule in policies if not tally.fired[rule]}
    assert never <= rare.get(name, set()), "what never fires is not tested"
    if name == "shipped":
        seen = {rule: tally.fired[rule] / (tally.fired[rule] + tally.gaps[rule]) for rule in tally.fired}
        assert {rule: share for rule, share in seen.items() if share < SEEN[rule]} == {}


def test_with_generated_rulesets() -> None:
    whole = Tally()
    for seed in range(SEED, SEED + 20):
        ruleset = rulesets.generated(seed)
        tally = judge(ruleset, policies_of(ruleset), cases(seed, 40))
        whole.judged += tally.judged
        whole.fired += tally.fired
        whole.gaps += tally.gaps
        whole.wrong += [f"ruleset {seed}: {said}" for said in tally.wrong]
    agree(whole)


@pytest.mark.long
def test_with_many_generated_rulesets() -> None:
    for seed in range(SEED + 1000, SEED + 1100):
        ruleset = rulesets.generated(seed)
        agree(judge(ruleset, policies_of(ruleset), cases(seed, 100)))


def test_a_ruleset_with_nothing_to_refuse_makes_no_policy() -> None:
    assert policies_of(rulesets.fixed()["nothing"]) == {}


_BROKEN: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "no end": ({"expiresOn": None}, "expiry-missing"),
    "two months": ({"expiresOn": "2027-01-21T12:00:00Z"}, "expiry-too-far"),
    "two years": ({"expiresOn": "2028-11-21T00:00:00Z"}, "expiry-too-far"),
    "no ticket": ({"metadata": {}}, "ticket-missing"),
    "no owner": ({"metadata": {"ticket": "SEC-1"}}, "owner-missing"),
    "anything": ({}, "scope-too-broad"),
}
_FIRST, _SECOND, _GROUPS = rulesets.FIRST, rulesets.SECOND, "/providers/Microsoft.Management/managementGroups/"


@pytest.mark.parametrize(
    ("scope", "what", "refused"),
    [
        (f"{_FIRST}/resourceGroups/other", "no end", True),
        (f"{_FIRST}/resourceGroups/SANDBOX", "no end", False),
        (f"{_FIRST}/resourceGroups/sandbox/providers/Microsoft.Sql/servers/a", "no end", False),
        (f"{_FIRST}/resourceGroups/sandbox2", "no end", True),
        (f"{_FIRST}/resourceGroups/sandbox", "no ticket", False),
        (f"{_FIRST}/resourceGroups/other", "two months", False),
        (f"{_FIRST}/resourceGroups/other", "two years", True),
        (f"{_FIRST}/resourceGroups/Prod-web", "two months", True),
        (f"{_SECOND}/resourceGroups/prod-web", "two months", False),
        (f"{_SECOND}/resourceGroups/prod-data", "no owner", False),  # two overrides of the rule: left to the service
        (f"{_FIRST}/resourceGroups/prod-data", "no owner", True),
        (f"{_FIRST}/resourceGroups/other", "no owner", False),
        (f"{_SECOND}/resourceGroups/other", "no owner", True),
        (_FIRST, "anything", True),
        (_SECOND, "anything", False),
        (_GROUPS + "contoso", "anything", False),
        (_GROUPS + "Contoso-eu", "anything", True),
        (f"{_FIRST}/resourceGroups/data(1)", "no end", False),
        (f"{_FIRST}/resourceGroups/data(11)", "no end", True),
        (f"{_FIRST}/resourceGroups/data(1)/providers/Microsoft.Sql/servers/a", "no end", False),
    ],
)
def test_a_policy_holds_where_its_rule_does(scope: str, what: str, refused: bool) -> None:
    properties, rule = _BROKEN[what]
    ruleset = rulesets.ruleset(rulesets.PLACES)
    identity = f"{scope}/providers/Microsoft.Authorization/policyExemptions/e"
    said = {"policyAssignmentId": "/a", "expiresOn": "2026-12-01T00:00:00Z", **properties}
    body = {"id": identity, "name": "e", "type": "Microsoft.Authorization/policyExemptions", "properties": said}
    assert set(policies_of(ruleset)[rule].answers(body, NOW).values()) == {"fires" if refused else ""}
    assert judge(ruleset, policies_of(ruleset), [(body, NOW)]).wrong == []


@pytest.mark.parametrize("kind", ["Microsoft.Storage/storageAccounts", "Microsoft.Authorization/policyAssignments"])
def test_other_types_are_left_alone(kind: str) -> None:
    identity = f"{_FIRST}/resourceGroups/other/providers/{kind}/x"
    body = {
        "id": identity,
        "name": "x",
        "type": kind,
        "location": "westeurope",
        "tags": {},
        "properties": {"metadata": {}},
    }
    for ruleset in rulesets.fixed().values():
        for name, policy in policies_of(ruleset).items():
            assert set(policy.answers(body, NOW).values()) == {""}, name


def test_no_policy_refuses_what_an_override_lets_pass_that_it_cannot_see() -> None:
    low = "/providers/microsoft.authorization/policydefinitions/"
    initiative = "/providers/Microsoft.Authorization/policySetDefinitions/both"
    assignment = Assignment("/a", initiative, {"a": low + "a", "b": low + "b"})
    policies = {low + "a": PolicyFact("Storage", "high"), low + "b": PolicyFact("Network", "")}
    fired, wrong, kept = 0, [], 0
    for seed in range(60):
        ruleset = rulesets.by_control(seed)
        refusing = policies_of(ruleset)
        kept += len(refusing)
        for body, now in cases(seed, 40):
            try:
                exemption = Exemption.from_arm(body, ruleset.names)
            except Permanent:
                continue
            facts = Facts(now=now, written_at=now, assignment=assignment, policies=policies)
            broken = {finding.rule for finding in assess(exemption, facts, ruleset).violations}
            for name, policy in refusing.items():
                if any(policy.answers(exemption.body, now).values()):
                    fired += 1
                    if name not in broken:
                        wrong.append(f"seed {seed}: {name} refuses, and the rule lets pass: {shown(exemption, now)}")
    assert not wrong, wrong[:5]
    assert fired > 200, "there was something to refuse"
    assert kept > 200


def test_what_an_override_lets_pass_nowhere_keeps_its_policy() -> None:
    stricter = {"severity": "high", "rules": {"expiry-too-far": {"options": {"months": 3}}}}
    looser = {"severity": "high", "rules": {"expiry-too-far": {"options": {"months": 30}}}}
    rules = {"expiry-too-far": "alert"}
    (kept,) = policies_of(rulesets.ruleset({"rules": rules, "overrides": [stricter]}, 2)).values()
    assert "Where overrides[0] holds: Everything: a policy does not see" in " ".join(kept.metadata["leaves"])
    assert policies_of(rulesets.ruleset({"rules": rules, "overrides": [looser]}, 2)) == {}
    mitigated = {**looser, "exemption_category": "Mitigated"}
    assert policies_of(rulesets.ruleset({"rules": rules, "overrides": [mitigated]}, 2)).keys() == {"expiry-too-far"}


def test_an_exclusion_ends_with_its_date() -> None:
    scope = f"{_FIRST}/resourceGroups/other"
    said = {
        "rules": {"expiry-missing": "alert"},
        "exclusions": [{"scope": scope, "reason": "x", "expires": "2027-01-01"}],
    }
    policy = policies_of(rulesets.ruleset(said))["expiry-missing"]
    identity = f"{scope}/providers/Microsoft.Authorization/policyExemptions/e"
    body = {
        "id": identity,
        "name": "e",
        "type": "Microsoft.Authorization/policyExemptions",
        "properties": {"policyAssignmentId": "/a"},
    }
    for time, answer in (
        (datetime(2026, 12, 31, 23, 59, 59, 999999, UTC), ""),
        (datetime(2027, 1, 1, tzinfo=UTC), "fires"),
    ):
        assert set(policy.answers(body, time).values()) == {answer}


def test_a_ruleset_of_many_overrides_stays_within_azures_limits() -> None:
    """A rule has at most 10 value counts, 4,096 conditions and 2,048 functions: Policy refuses more, as Azure does."""
    globs = [f"/subscriptions/{number:08}-1111-2222-3333-444455556666" for number in range(100)]
    rules = {name: setting for name, setting in rulesets.EVERYTHING.items() if name not in ("never-exempt",)}
    overrides = [{"scope": glob, "rules": {name: _other(name) for name in rules}} for glob in globs]
    ruleset = rulesets.ruleset({"rules": rules, "overrides": overrides})
    assert policies_of(ruleset).keys() >= {"expiry-too-far", "ticket-missing", "scope-too-broad"}


def _other(name: str) -> dict[str, Any]:
    changed: dict[str, dict[str, Any]] = {
        "expiry-too-far": {"options": {"months": 6}},
        "expired": {"options": {"keep_days": 3}},
        "scope-too-broad": {"options": {"levels": ["subscription"]}},
        "category-forbidden": {"options": {"categories": ["Mitigated"]}},
    }
    return changed.get(name, {"enabled": False})
