"""What is built from a ruleset: which rules have a policy, what it holds, where it applies, what is said of the rest.

tests.policy.test_agreement compares the policies' answers with the rules'; here is what is in the files.
"""

import json
import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from guardrails.exemption.patterns import glob, modern
from guardrails.policy.build import build, is_ours
from guardrails.policy.condition import PATCHES, perhaps
from guardrails.policy.globs import covers, outside
from guardrails.rules import all_rules
from guardrails.rules.control import Form
from guardrails.ruleset.model import load_ruleset, parse_ruleset
from tests.policy.evaluator import READINGS, Policy

HEAD = "version: 1\nmode: audit\n"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
KIND = "/providers/Microsoft.Authorization/policyExemptions/"
SHIPPED = build(load_ruleset(), {})


def made(text: str) -> dict[str, str]:
    return build(parse_ruleset(HEAD + text), {})


def definitions(files: dict[str, str]) -> dict[str, Any]:
    """Return rule -> the properties of the definition that reports."""
    return {rule: said for rule, said in _all(files).items() if not rule.endswith("-deny")}


def denials(files: dict[str, str]) -> dict[str, Any]:
    """Return rule, or `delete` -> the properties of the definition that refuses."""
    found = {rule.removesuffix("-deny"): said for rule, said in _all(files).items() if rule.endswith("-deny")}
    return {**found, "delete": json.loads(files["definitions/exemption-delete-deny.json"])["properties"]}


def _all(files: dict[str, str]) -> dict[str, Any]:
    found = (json.loads(text) for path, text in files.items() if path.startswith("definitions/exg"))
    return {one["name"].partition("-")[2]: one["properties"] for one in found}


def initiative(files: dict[str, str], name: str = "exemption-guardrails") -> Any:
    return json.loads(files[f"initiatives/{name}.json"])["properties"]


def row(files: dict[str, str], rule: str) -> list[str]:
    """Return the cells of a rule in the README: rule, what reports, what refuses, what is left."""
    having, without = files["README.md"].split("\n### Rules without a policy\n")
    for line in having.splitlines():
        if f" `{rule}` |" in line:
            return [cell.strip() for cell in line.strip("|").split(" | ")]
    (line,) = (line for line in without.splitlines() if line.startswith("| `") and f"`{rule}`" in line.split(" | ")[0])
    return [rule, "none", "none", line.strip("|").split(" | ")[1].strip()]


def fires(properties: Any, scope: str = SUB, **said: Any) -> bool:
    """Whether a policy fires, in every reading, for an exemption at a scope."""
    body = {
        "id": f"{scope}{KIND}e",
        "name": "e",
        "type": "Microsoft.Authorization/policyExemptions",
        "properties": {"policyAssignmentId": "/a", **said},
    }
    found = {Policy(properties).fires(body, NOW, reading=reading) for reading in READINGS}
    assert len(found) == 1
    return found.pop()


def test_every_rule_has_a_form_or_a_sentence_why_not() -> None:
    for rule in all_rules().values():
        control = rule.control
        assert callable(control) or isinstance(control, Form) or (control[0].isupper() and control.endswith(".")), rule


def test_every_rule_is_in_the_readme_with_its_policy_or_the_reason() -> None:
    for rule in all_rules().values():
        _, reports, refuses, left = row(SHIPPED, rule.name)
        name = f"{rule.code.lower()}-{rule.name}"
        assert reports == (f"[{name}](definitions/{name}.json)" if rule.name in definitions(SHIPPED) else "none")
        denial = f"[{name}-deny](definitions/{name}-deny.json)"
        assert refuses == (denial if rule.name in denials(SHIPPED) else "none")
        assert left


def test_the_same_ruleset_gives_the_same_bytes() -> None:
    assert build(load_ruleset(), {}) == SHIPPED
    first = ["README.md", "policies.bicep", "inherit-role.bicep"]
    assert list(SHIPPED) == [*first, *sorted(list(SHIPPED)[3:])]


@pytest.mark.parametrize("rule", sorted(definitions(SHIPPED)))
def test_a_definition_is_what_azure_takes(rule: str) -> None:
    properties = definitions(SHIPPED)[rule]
    assert (properties["policyType"], properties["mode"]) == ("Custom", "All")
    assert len(properties["displayName"]) <= 128
    assert len(properties["description"]) <= 512
    assert properties["policyRule"]["if"]["allOf"][0] == {
        "field": "type", "equals": "Microsoft.Authorization/policyExemptions",
    }  # fmt: skip
    assert properties["policyRule"]["then"] == {"effect": "[parameters('effect')]"}
    effect = properties["parameters"]["effect"]
    assert effect["defaultValue"] == "Audit"
    assert effect["allowedValues"] == ["Audit", "Disabled"], "it reports; what refuses is another definition"
    assert f"rule {all_rules()[rule].code} {rule} of ruleset.yaml" in properties["description"]
    assert '"[[' not in json.dumps(properties)


@pytest.mark.parametrize("rule", sorted(denials(SHIPPED)))
def test_a_definition_that_refuses_is_what_azure_takes(rule: str) -> None:
    properties = denials(SHIPPED)[rule]
    assert (properties["policyType"], properties["mode"]) == ("Custom", "All")
    assert len(properties["displayName"]) <= 128
    assert len(properties["description"]) <= 512
    effect, allowed, first = properties["parameters"]["effect"], ["Audit", "Deny", "Disabled"], "Audit"
    if rule == "delete":
        allowed, first = ["DenyAction", "Disabled"], "Disabled"
        assert properties["policyRule"]["then"]["details"] == {"actionNames": ["delete"]}
    assert (effect["allowedValues"], effect["defaultValue"]) == (allowed, first)
    assert properties["parameters"]["letPast"]["defaultValue"] == []
    assert rule != "expired", "to refuse what has ended would stop nobody from anything"


def test_the_texts_fit_whoever_is_approved_and_whatever_the_ruleset_is_called() -> None:
    ruleset = replace(load_ruleset(), source=f"{'r' * 250}.yaml", approved=frozenset({"bob@contoso.com"}))
    for path, text in build(ruleset, {}).items():
        if path.endswith(".json"):
            properties = json.loads(text)["properties"]
            assert len(properties["displayName"]) <= 128, path
            assert len(properties["description"]) <= 512, path


def test_what_people_read_compliance_data_of_looks_at_no_caller() -> None:
    """Compliance scans answer NotApplicable for a definition that reads requestContext().identity."""
    for files in (
        SHIPPED,
        made("approved: [00000000-0000-0000-0000-000000000001]\nrules: {author-not-approved: alert}"),
    ):
        assert not [rule for rule, said in definitions(files).items() if "requestContext" in json.dumps(said)]
        assert all("requestContext().identity" in json.dumps(said["policyRule"]) for said in denials(files).values())


def test_what_a_policy_leaves_is_said_in_it_and_in_the_readme() -> None:
    for rule, properties in definitions(SHIPPED).items():
        leaves = properties["metadata"]["leaves"]
        assert perhaps(PATCHES) in leaves
        certain = [text for text in leaves if not text.startswith("Perhaps ")]
        assert row(SHIPPED, rule)[3] == (" ".join(certain) or "nothing else")
        said = all(text in properties["description"] for text in leaves)
        assert said or "metadata.leaves" in properties["description"]
    untested = "Nobody has tested in Azure whether policies see these writes, so the service judges them too:"
    assert f"{untested}\n\n- Updates by PATCH.\n- Exemptions at management groups.\n\n" in SHIPPED["README.md"]


def test_policies_that_read_metadata_say_that_they_must_not_be_alone() -> None:
    for properties in definitions(SHIPPED).values():
        reads = "policyExemptions/metadata" in json.dumps(properties["policyRule"])
        assert ("only control" in properties["description"]) is reads


@pytest.mark.parametrize("name", ["exemption-guardrails", "exemption-guardrails-deny"])
def test_an_initiative_has_each_policy_with_parameters_of_its_own(name: str) -> None:
    whole = initiative(SHIPPED, name)
    policies = denials(SHIPPED) if name.endswith("-deny") else definitions(SHIPPED)
    assert [one["policyDefinitionReferenceId"] for one in whole["policyDefinitions"]] == list(policies)
    for one in whole["policyDefinitions"]:
        rule = one["policyDefinitionReferenceId"]
        assert f"definitions/{one['policyDefinitionName']}.json" in SHIPPED
        assert one["parameters"].keys() == policies[rule]["parameters"].keys()
        for parameter, value in one["parameters"].items():
            theirs = whole["parameters"][value["value"].removeprefix("[parameters('").removesuffix("')]")]
            ours = policies[rule]["parameters"][parameter]
            assert {**theirs, "metadata": 0} == {**ours, "metadata": 0}
        assert one["parameters"]["effect"] == {"value": f"[parameters('effect-{rule}')]"}
        if name.endswith("-deny"):
            assert one["parameters"]["letPast"] == {"value": f"[parameters('letPast-{rule}')]"}
    assert whole["parameters"]["maximumDays"]["defaultValue"] == 368


def test_the_bicep_loads_every_file() -> None:
    for path in SHIPPED:
        if path.endswith(".json"):
            assert f"loadJsonContent('{path}')" in SHIPPED["policies.bicep"]


def test_a_ruleset_without_any_form_has_no_initiative_for_azure_refuses_an_empty_one() -> None:
    files = made("rules: {self-serve: alert}")
    assert definitions(files) == {}
    assert "initiatives/exemption-guardrails.json" not in files
    assert "guardrailInitiative" not in files["policies.bicep"]
    assert "output guardrailsId string = ''" in files["policies.bicep"], "what deploys it still compiles"
    assert list(denials(files)) == ["delete"]
    assert row(files, "expiry-missing")[3] == "It is off in the ruleset."


@pytest.mark.parametrize(
    ("rules", "rule", "reason"),
    [
        ("{expiry-too-far: {options: {months: 1300}}}", "expiry-too-far", "36,500"),
        ("{expired: {options: {keep_days: 40000}}}", "expired", "36,500"),
        ("{review-due: {options: {required: false}}}", "review-due", "`required` to `false`"),
        ("{never-exempt: {options: {definitions: [x]}}}", "never-exempt", "List assignments"),
        ("{never-exempt: {options: {assignments: ['a?b']}}}", "never-exempt", "cannot express a?b"),
        ("{scope-too-broad: {options: {levels: []}}}", "scope-too-broad", "no level"),
        ("{ticket-missing: tag}\nmetadata: {ticket: ['tïcket']}", "ticket-missing", "other characters"),
    ],
)
def test_a_form_that_cannot_be_made_is_no_policy_and_the_reason_is_given(rules: str, rule: str, reason: str) -> None:
    files = made(f"rules: {rules}")
    assert rule not in definitions(files)
    assert row(files, rule)[1] == "none"
    assert reason in row(files, rule)[3]


def test_an_override_is_a_branch_of_its_own_with_its_options() -> None:
    text = f"""
rules: {{expiry-too-far: {{options: {{months: 12}}}}}}
overrides:
  - {{scope: "{SUB}", rules: {{expiry-too-far: {{options: {{months: 1, tolerance_days: 0}}}}}}}}
"""
    policy = definitions(made(text))["expiry-too-far"]
    assert policy["parameters"]["maximumDays"]["defaultValue"] == 368
    assert "addDays(utcNow(),max(32,min(32,36500)))" in json.dumps(policy["policyRule"])
    assert fires(policy, SUB, expiresOn="2027-01-15T00:00:00Z")
    assert not fires(policy, SUB[:-1] + "0", expiresOn="2027-01-15T00:00:00Z")
    assert fires(policy, SUB[:-1] + "0", expiresOn="2028-01-15T00:00:00Z")


def test_where_a_rule_is_off_its_policy_is_off_and_where_it_is_on_only_there() -> None:
    text = f"""
rules: {{expiry-missing: revert, ticket-missing: off}}
overrides:
  - {{scope: "{SUB}/resourceGroups/sandbox*", rules: {{expiry-missing: off}}}}
  - {{scope: "{SUB}", rules: {{ticket-missing: tag}}}}
"""
    policies = definitions(made(text))
    assert fires(policies["expiry-missing"], f"{SUB}/resourceGroups/prod")
    assert not fires(policies["expiry-missing"], f"{SUB}/resourceGroups/SANDBOX-1")
    assert fires(policies["ticket-missing"], SUB)
    assert not fires(policies["ticket-missing"], "/providers/Microsoft.Management/managementGroups/corp")


def test_what_follows_a_violation_and_other_rules_overrides_change_no_policy() -> None:
    plain = definitions(made("rules: {expiry-missing: revert}"))["expiry-missing"]
    text = """
rules: {expiry-missing: revert}
overrides:
  - {scope: "*/a", rules: {expiry-missing: alert, ticket-missing: tag}}
  - {scope: "*/b", rules: {expiry-missing: {grace: 3d, severity: low}}}
"""
    assert definitions(made(text))["expiry-missing"] == plain


def test_where_two_overrides_meet_it_is_left_and_said() -> None:
    text = f"""
rules: {{expiry-missing: revert}}
overrides:
  - {{scope: "{SUB}", rules: {{expiry-missing: off}}}}
  - {{scope: "{SUB}/resourceGroups/prod", rules: {{expiry-missing: revert}}}}
"""
    files = made(text)
    assert not fires(definitions(files)["expiry-missing"], f"{SUB}/resourceGroups/prod")
    assert fires(definitions(files)["expiry-missing"], SUB[:-1] + "0")
    assert "All where two overrides of the rule apply." in row(files, "expiry-missing")[3]


def test_a_glob_that_azure_cannot_say_keeps_the_policy_off_more_widely_and_is_named() -> None:
    text = """
rules: {expiry-missing: revert}
overrides: [{scope: "/subscriptions/?1*/resourceGroups/*x", rules: {expiry-missing: off}}]
exclusions: [{scope: "*/a-*/b-*", reason: x}]
"""
    files = made(text)
    left = row(files, "expiry-missing")[3]
    assert "`/subscriptions/?1*/resourceGroups/*x`" in left
    assert "`*/a-*/b-*`" in left
    assert not fires(definitions(files)["expiry-missing"], f"{SUB}/resourceGroups/abx")
    assert not fires(definitions(files)["expiry-missing"], f"{SUB}/b-1/a-1")


def test_an_exclusion_holds_until_its_end() -> None:
    text = "rules: {expiry-missing: revert}\nexclusions: [{scope: '%s', reason: x, expires: %s}]"
    running, over = (definitions(made(text % (SUB, day)))["expiry-missing"] for day in ("2026-11-22", "2026-11-21"))
    assert not fires(running, SUB)
    assert fires(over, SUB)
    assert fires(running, SUB[:-1] + "0")


def test_many_overrides_stay_within_azures_ten_counts_of_values() -> None:
    scopes = "\n".join(
        f"  - {{scope: '{SUB}/resourceGroups/g{n}', rules: {{expiry-too-far: {{options: {{months: {n + 1}}}}}}}}}"
        for n in range(15)
    )
    policy = definitions(made(f"rules: {{expiry-too-far: alert}}\noverrides:\n{scopes}"))["expiry-too-far"]
    assert fires(policy, f"{SUB}/resourceGroups/g0", expiresOn="2027-01-15T00:00:00Z")
    assert not fires(policy, f"{SUB}/resourceGroups/g9", expiresOn="2027-01-15T00:00:00Z")


@pytest.mark.parametrize(("version", "least"), [(1, 1000), (2, 700)])
def test_covers_and_outside_agree_with_the_rulesets_globs(version: int, least: int) -> None:
    pick = random.Random(7)  # noqa: S311 - nothing secret
    exact = 0
    for _ in range(3000):
        pattern = modern("/" * pick.randrange(2) + "".join(pick.choices("ab/**?[", k=pick.randrange(1, 7))), version)
        subject = "/" + "".join(pick.choices("ab/", k=pick.randrange(0, 9)))
        inside = glob(pattern).matches(subject)
        body = {"id": subject, "type": "x"}
        policies = [one and Policy(_rule(one)) for one in (covers(pattern), outside(pattern))]
        holds = [one and one.fires(body, NOW, reading=reading) for one in policies for reading in READINGS]
        if policies[0] is not None:
            exact += 1
            assert set(holds[: len(READINGS)]) == {inside}, (pattern, subject)
        assert not (inside and any(holds[len(READINGS) :])), (pattern, subject)
    assert exact > least


def _rule(condition: Any) -> dict[str, Any]:
    return {"policyRule": {"if": condition, "then": {"effect": "deny"}}}


def test_the_fields_of_a_patch_alone_are_refused_by_no_policy() -> None:
    """Whether Azure shows a policy the whole exemption then is not known; a PUT always names the assignment."""
    body = {"id": f"{SUB}{KIND}e", "type": "Microsoft.Authorization/policyExemptions", "properties": {}}
    patches: list[Any] = [{}, {"resourceSelectors": []}, {"assignmentScopeValidation": "Default"}, None]
    for properties in patches:
        for rule, one in definitions(SHIPPED).items():
            assert set(Policy(one).answers({**body, "properties": properties}, NOW).values()) == {""}, rule


def test_what_was_not_seen_in_azure_is_said() -> None:
    patches = "Perhaps updates by PATCH: nobody has tested in Azure whether policies see them."
    for properties in definitions(SHIPPED).values():
        assert patches in properties["metadata"]["leaves"]
    wanted = "Perhaps exemptions at management groups: nobody has tested in Azure whether policies see them."
    assert wanted in definitions(SHIPPED)["scope-too-broad"]["metadata"]["leaves"]


def test_a_file_of_ours_is_known_by_its_mark() -> None:
    assert all(is_ours(text) for path, text in SHIPPED.items() if path.endswith(".json"))
    assert not any(map(is_ours, ("", "{", "[]", "1", '{"properties": {"metadata": {"generator": "me"}}}', "[" * 9000)))


def test_the_forbidden_categories_are_for_the_assigner_to_set() -> None:
    for rules, default in (("alert", []), ("{response: alert, options: {categories: [waiver]}}", ["Waiver"])):
        files = made(f"rules: {{category-forbidden: {rules}}}")
        parameter = definitions(files)["category-forbidden"]["parameters"]["forbiddenCategories"]
        assert (parameter["type"], parameter["defaultValue"]) == ("Array", default)
        assert parameter["allowedValues"] == ["Mitigated", "Waiver"], "a typing error is refused"
        text = files["initiatives/exemption-guardrails.json"]
        assert "forbiddenCategories" in json.loads(text)["properties"]["parameters"]


def test_an_override_has_its_own_categories_in_place_of_the_parameter() -> None:
    files = made(
        "rules: {category-forbidden: alert}\n"
        "overrides: [{scope: /subscriptions/s, rules: {category-forbidden: {options: {categories: [Waiver]}}}}]"
    )
    said = json.dumps(definitions(files)["category-forbidden"]["policyRule"])
    assert '"in": ["Waiver"]' in said
    assert '"in": "[parameters(\'forbiddenCategories\')]"' in said
