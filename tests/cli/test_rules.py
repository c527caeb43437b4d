"""rules: a list of what is on, and an explanation of each."""

import pytest

from guardrails.ruleset.bypass_rules import FORMER, bypass_rules
from guardrails.ruleset.rule_pages import every_rule

from .conftest import Run, Save
from .shelf import FIRST, GROUP, Shelf, named, row

OWN = """
version: 1
mode: enforce
rules:
  expiry-missing: {response: revert, grace: 36h, severity: low}
  expiry-too-far: {response: alert, options: {months: 6}}
  expired: off
  bypass-ended: {severity: info}
  bypass-review-missing: off
overrides:
  - {scope: "*", rules: {expired: revert, bypass-ended: off}}
"""


def test_the_list_has_every_rule_and_what_follows(run: Run) -> None:
    ran = run("rules")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == ["code", "rule", "severity", "response", "grace", "SOC", "2", "requirement"]
    rules = every_rule()
    assert [line.split()[:2] for line in lines[1 : 1 + len(rules)]] == [[r.code, r.name] for r in rules.values()]
    assert lines[-1].startswith("ruleset.yaml (")
    assert "mode audit, 57 of 58 rules on" in lines[-1]


def test_a_ruleset_of_ones_own_is_shown(run: Run, save: Save) -> None:
    own = save("own.yaml", OWN)
    listed = {one["name"]: one for one in run("rules", "--ruleset", own, "--format", "json").json}
    missing = listed["expiry-missing"]
    assert (missing["enabled"], missing["response"], missing["grace"], missing["severity"]) == (
        True,
        "revert",
        "36h",
        "low",
    )
    bypasses = set(bypass_rules()) - {"bypass-review-missing"}
    assert {name for name, one in listed.items() if one["enabled"]} == {"expiry-missing", "expiry-too-far", *bypasses}
    assert {name for name, one in listed.items() if one["about"] == "bypasses"} == set(bypass_rules())
    ended, review = listed["bypass-ended"], listed["bypass-review-missing"]
    assert (ended["response"], ended["grace"], ended["severity"]) == ("alert", "0d", "info")
    assert (review["response"], review["severity"]) == ("off", "low")
    text = run("rules", "--ruleset", own).out
    assert "mode enforce, 8 of 58 rules on" in text
    assert "1 override; the table shows" in text


@pytest.mark.parametrize("name", ["EXG102", "exg102", "expiry-too-far"])
def test_a_rule_is_explained(run: Run, save: Save, name: str) -> None:
    ran = run("rules", name, "--ruleset", save("own.yaml", OWN))
    assert ran.code == 0
    assert ran.out.startswith(
        "EXG102 expiry-too-far\nAn exemption must end within a year.\nseverity medium, response alert"
    )
    for heading in ("What it does", "Why", "Example", "How to fix it", "Options", "Passes", "Violations", "Unknown"):
        assert f"\n{heading}\n" in ran.out
    months = next(line for line in ran.out.splitlines() if line.startswith("months "))
    assert months.split()[:4] == ["months", "number", "12", "6"]


def test_a_rule_as_json(run: Run, save: Save) -> None:
    shown = run("rules", "expiry-too-far", "--format", "json", "--ruleset", save("own.yaml", OWN)).json
    assert [(one["name"], one["default"], one["value"]) for one in shown["options"]] == [
        ("months", 12, 6),
        ("tolerance_days", 1, 1),
    ]


@pytest.mark.parametrize("name", ["EXG504", "exg504", "bypass-ended"])
def test_a_rule_about_bypasses_is_explained(run: Run, save: Save, name: str) -> None:
    ran = run("rules", name, "--ruleset", save("own.yaml", OWN))
    assert ran.code == 0
    head = (
        "EXG504 bypass-ended\nA bypass that has ended must be removed.\n"
        "severity info, response alert, SOC 2 CC6.1, CC7.1\n"
    )
    assert ran.out.startswith(head)
    headings = [
        line for line in ran.out.splitlines() if line in ("Options", "Passes", "Why", "Instead", "How to fix it")
    ]
    assert headings == ["Why", "How to fix it"]
    shown = run("rules", name, "--format", "json").json
    assert (shown["options"], list(shown["sections"])) == ([], ["What it does", "Why", "Example", "Instead"])


@pytest.mark.parametrize(("former", "name"), FORMER.items())
def test_a_former_name_leads_to_what_it_is_called_now(run: Run, former: str, name: str) -> None:
    ran = run("rules", former)
    assert ran.code == 2
    assert f"Did you mean {name}?" in ran.err


@pytest.mark.parametrize("rule", list(every_rule()))
def test_every_rule_can_be_explained(run: Run, rule: str) -> None:
    ran = run("rules", rule)
    assert (ran.code, ran.err) == (0, "")
    assert every_rule()[rule].remediation in ran.out


OLD = """
version: 1
mode: audit
rules: {expired: alert}
exclusions:
  - {scope: "/subscriptions/*/policyExemptions/first", reason: r}
  - {scope: "/subscriptions/*", reason: r}
durability: {scopes: [{scope: "*/policyExemptions/second", mode: never}]}
"""


def test_registered_exemptions_that_version_2_would_match_no_more_are_shown(run: Run, save: Save, shelf: Shelf) -> None:
    shelf.put([row(named("first")), row(named("second", FIRST)), row(named("first", GROUP))])
    own = save("old.yaml", OLD)
    ran = run("rules", "--registered", "--ruleset", own, "--format", "json")
    assert ran.code == 0
    assert [(one["place"], one["version_2"], one["exemptions"]) for one in ran.json] == [
        ("6:13", "/subscriptions/**/policyExemptions/first", [named("first")]),
        ("8:31", "**/policyExemptions/second", [named("second", FIRST)]),
    ]
    assert "old.yaml:6:13: exclusions[0].scope: '/subscriptions/*/policyExemptions/first' is in version 2 " in ran.err
    assert "2 of 3 registered exemptions would no longer match" in ran.err
    text = run("rules", "--registered", "--ruleset", own).out.splitlines()
    assert text[0] == "old.yaml:6:13: exclusions[0].scope: /subscriptions/*/policyExemptions/first"
    assert text[1] == f"  {named('first')}"


def test_what_version_1_means_is_shown_offline_and_version_2_has_nothing_to_compare(run: Run, save: Save) -> None:
    ran = run("rules", "--ruleset", save("old.yaml", OLD))
    assert (ran.code, ran.err.count("is in version 2")) == (0, 2)
    ran = run("rules", "--registered", "--format", "json")
    assert (ran.code, ran.json) == (0, [])
    assert "nothing to compare" in ran.err
