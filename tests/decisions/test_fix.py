"""What must change, and the command: exact, by the ruleset in force, and safe whatever strangers call things."""

import json
import shlex
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from guardrails.decisions.fix import LONGEST, Fix, fix_of
from guardrails.exemption.facts import Facts
from guardrails.exemption.model import Exemption
from guardrails.rules import all_rules
from guardrails.rules.base import ASSIGNED, CATEGORY, EXPIRES, METADATA, REFERENCES, Case, Change, Rule, Violation
from guardrails.rules.sample import BODY, RESOURCE, read
from guardrails.ruleset.model import Ruleset, parse_ruleset

RULES = tuple(all_rules().values())
WITHOUT_CHANGE: dict[str, str] = {}
"""The rules whose violations no change of a field ends, by name, with the reason why: none so far."""
FIELDS = {
    "id", "name", ASSIGNED, CATEGORY, EXPIRES, REFERENCES, "properties.description", "properties.resourceSelectors",
    "properties.assignmentScopeValidation", "properties.exemptionManagementMode", "systemData.lastModifiedBy",
}  # fmt: skip
HOSTILE = (
    "$(reboot)", "`reboot`", "a;reboot", "a'b", 'a"b', "a\nreboot", "a b", "--debug", "-h", "@/etc/passwd", "{x:1}",
    "[1]", "null", "??", "\u202egnol", "a\u200bb", "a\u3164b", "é", "e\u0301", "a  b", "'q'", "$HOME", "!!", "a\\b", "",
)  # fmt: skip
OPTIONS = {
    "--expires-on": EXPIRES, "--exemption-category": CATEGORY, "--description": "properties.description",
    "--assignment-scope-validation": "properties.assignmentScopeValidation",
    "--policy-definition-reference-ids": REFERENCES,
}  # fmt: skip


def ruleset(*rules: str, **options: Any) -> Ruleset:
    """Return a ruleset with these rules alone; `options` of rules, by their names with `_` for `-`."""
    said = {name: {"response": "alert", "options": options.get(name.replace("-", "_"), {})} for name in rules}
    head = {"version": 1, "mode": "audit", "rules": said, "approved": options.get("approved", ["9b1c6a52"])}
    return parse_ruleset(json.dumps({**head, **options.get("more", {})}))


def violations() -> list[Any]:
    return [pytest.param(rule, case, id=f"{rule.name}-{case.title}") for rule in RULES for case in rule.bad]


def change_of(rule: Rule, case: Case) -> tuple[Exemption, Facts, Change]:
    exemption, facts = read(case)
    said = rule.check(exemption, facts, rule.options(**case.options))
    assert isinstance(said, Violation)
    assert said.change is not None
    return exemption, facts, said.change


@pytest.mark.parametrize(("rule", "case"), violations())
def test_every_violation_says_what_must_change(rule: Rule, case: Case) -> None:
    if rule.name in WITHOUT_CHANGE:
        return
    _, _, change = change_of(rule, case)
    strange = rule.name == "value-invalid" and change.field.startswith("properties.")  # a field that Azure lacks
    assert (
        strange
        or change.field in FIELDS
        or change.field.removeprefix(METADATA) in ("owner", "ticket", "approver", "review", "control")
    )
    assert change.allowed
    assert not change.allowed.endswith(".")
    assert not (change.delete and change.to is not None)
    json.dumps(change.current)


@pytest.mark.parametrize(("rule", "case"), violations())
def test_the_value_to_write_keeps_the_rule(rule: Rule, case: Case) -> None:
    exemption, facts, change = change_of(rule, case)
    if change.to is None or (isinstance(change.to, str) and change.to.startswith("<")):
        return
    body = {**exemption.body, "properties": {**exemption.body["properties"]}}
    body["properties"][change.field.removeprefix("properties.")] = (
        list(change.to) if isinstance(change.to, tuple) else str(change.to)
    )
    assert not isinstance(rule.check(Exemption.from_arm(body), facts, rule.options(**case.options)), Violation)


def fixed(case: Case, rules: Ruleset, done: str = "") -> Fix:
    return fix_of(*read(case), rules, done=done)


def words(command: str) -> dict[str, list[str]]:
    """Return the options of a command with their values, as a shell would give them to the CLI."""
    read_words = shlex.split(command)
    assert read_words[:3] == ["az", "policy", "exemption"]
    found: dict[str, list[str]] = {"": read_words[3:4]}
    option = ""
    for word in read_words[4:]:
        if word.startswith("--"):
            found[option := word] = []
        else:
            found[option].append(word)
    return found


def test_all_changes_are_one_command() -> None:
    case = Case(
        "", {"expiresOn": "2030-01-01T00:00:00Z", "metadata": None, "assignmentScopeValidation": "DoNotValidate"}
    )
    found = fixed(case, ruleset("expiry-too-far", "owner-missing", "ticket-missing", "not-validated"))
    assert [rule for rule, _ in found.changes] == ["expiry-too-far", "ticket-missing", "owner-missing", "not-validated"]
    assert words(found.command) == {
        "": ["update"], "--name": ["partner-ingestion"], "--scope": [RESOURCE],
        "--expires-on": ["2027-11-21T09:00:00Z"], "--assignment-scope-validation": ["Default"],
        "--metadata": ["approvalTicket='<ticket>'", "owner='<owner>'"],
    }  # fmt: skip


def test_what_is_allowed_is_what_the_ruleset_allows_there() -> None:
    far = Case("", {"expiresOn": "2030-01-01T00:00:00Z"})
    overrides = [{"scope": RESOURCE, "reason": "lax", "rules": {"expiry-too-far": {"options": {"months": 24}}}}]
    for rules, limit, said in (
        (ruleset("expiry-too-far", expiry_too_far={"months": 3, "tolerance_days": 0}), "2027-02-20", "3 months after"),
        (ruleset("expiry-too-far", more={"overrides": overrides}), "2028-11-21", "24 months and 1 day after the write"),
    ):
        found = fixed(far, rules).to_json()
        assert found["changes"][0]["allowed"].startswith(f"no later than {limit} 09:00 UTC, {said}")
        assert f"--expires-on {limit}T09:00:00Z" in found["command"]


def test_who_has_no_end_learns_how_far_it_may_be() -> None:
    none = Case("", {"expiresOn": None})
    bounded = fixed(none, ruleset("expiry-missing", "expiry-too-far")).to_json()
    assert bounded["changes"] == [
        {
            "rule": "expiry-missing",
            "field": EXPIRES,
            "current": None,
            "allowed": "no later than 2027-11-21 09:00 UTC, 12 months and 1 day after the write",
        }
    ]
    assert "--expires-on 2027-11-21T09:00:00Z" in bounded["command"]
    assert "--expires-on '<YYYY-MM-DDTHH:MM:SSZ>'" in fixed(none, ruleset("expiry-missing")).command


def test_of_two_limits_the_earlier_one_is_written() -> None:
    early = datetime(2027, 3, 31, tzinfo=UTC)
    case = next(case for case in all_rules()["expiry-extended"].bad if case.title == "two months later")
    found = fixed(replace(case, properties={"expiresOn": "2030-01-01"}), ruleset("expiry-extended", "expiry-too-far"))
    assert len(found.changes) == 2
    assert words(found.command)["--expires-on"] == [early.isoformat().replace("+00:00", "Z")]


def test_metadata_is_named_as_the_ruleset_and_the_exemption_name_it() -> None:
    rules = ruleset("owner-missing", more={"metadata": {"owner": ["costOwner", "boss"]}})
    assert fixed(Case("", {"metadata": None}), rules).changes[0][1].field == "properties.metadata.costOwner"
    assert fixed(Case("", {"metadata": {"Boss": "TBD"}}), rules).changes[0][1].field == "properties.metadata.Boss"
    assert words(fixed(Case("", {"metadata": {"Boss": "TBD"}}), rules).command)["--metadata"] == ["Boss='<owner>'"]
    assert fixed(Case("", {"metadata": {"bo ss": "TBD"}}), rules).command == ""


def test_where_only_a_delete_helps_the_command_deletes() -> None:
    case = Case("", {"metadata": None, "expiresOn": "2026-01-01"})
    rules = ruleset("expired", "owner-missing")
    assert words(fixed(case, rules).command) == {"": ["delete"], "--name": ["partner-ingestion"], "--scope": [RESOURCE]}
    assert fixed(case, rules, "delete").command == ""


def test_what_no_command_can_change_has_none() -> None:
    case = all_rules()["author-not-approved"].bad[0]
    found = fixed(case, ruleset("author-not-approved"))
    assert found.changes[0][1].current == "bob@contoso.com"
    assert found.command == ""


def test_one_that_was_deleted_is_made_anew_with_all_else_as_it_was() -> None:
    case = Case(
        "", {"expiresOn": "2030-01-01T00:00:00Z", "metadata": {"owner": "o'neill", "guardrails": {"status": "x"}}}
    )
    said = words(fixed(case, ruleset("expiry-too-far", "ticket-missing"), "delete").command)
    assert said[""] == ["create"]
    properties = BODY["properties"]
    assert said["--policy-assignment"] == [properties["policyAssignmentId"]]
    assert said["--exemption-category"] == ["Waiver"]
    assert said["--policy-definition-reference-ids"] == ["denyPublicNetwork"]
    assert said["--description"] == [properties["description"]]
    assert said["--expires-on"] == ["2027-11-21T09:00:00Z"]
    assert json.loads(said["--metadata"][0]) == {"owner": "o'neill", "approvalTicket": "<ticket>"}


def test_selectors_are_not_lost_by_a_command_that_cannot_write_them() -> None:
    selectors = [{"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]
    case = Case("", {"metadata": None, "resourceSelectors": selectors})
    assert fixed(case, ruleset("owner-missing"), "delete").command == ""
    assert "--metadata" in fixed(case, ruleset("owner-missing")).command


def test_after_what_was_is_put_back_there_is_no_command() -> None:
    found = fixed(Case("", {"metadata": None}), ruleset("owner-missing"), "put-back")
    assert found.changes
    assert found.command == ""


def test_a_compliant_exemption_has_nothing_to_fix() -> None:
    assert fixed(Case(""), ruleset("owner-missing", "expiry-too-far")).to_json() == {}


def test_reference_ids_that_two_rules_leave() -> None:
    case = Case("", {"policyDefinitionReferenceIds": ["denyPublicNetwork", "requireTls", "gone"]})
    rules = ruleset("reference-unknown", "never-exempt", never_exempt={"definitions": ["require-tls"]})
    assert words(fixed(case, rules).command)["--policy-definition-reference-ids"] == ["denyPublicNetwork"]


REFERENCE_IDS = "--policy-definition-reference-ids"
KNOWN = {"", "--name", "--scope", "--metadata", "--policy-assignment", "--display-name", *OPTIONS}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("done", ["", "delete"])
def test_a_strangers_text_is_one_word_of_the_command_or_there_is_none(text: str, done: str) -> None:
    rules = ruleset("owner-missing", "reference-unknown")
    for properties, option, count in (
        ({"description": text, "metadata": {}}, "--description", 1),
        ({"displayName": text, "metadata": {}}, "--display-name", 1),
        ({"metadata": {"note": text}}, "--metadata", 1),
        ({"metadata": {text: "x"}}, "--metadata", 1),
        ({"metadata": {}, "policyDefinitionReferenceIds": ["requireTls", text]}, REFERENCE_IDS, 2),
        ({"metadata": {}, "policyDefinitionReferenceIds": [text, "gone"]}, REFERENCE_IDS, 1),
    ):
        command = fixed(Case("", properties), rules, done).command
        said = words(command) if command else {}
        assert said.keys() <= KNOWN
        assert command.isprintable()
        assert len(said.get(option, [])) <= count


@given(some.text(min_size=1, max_size=40))
def test_any_name_is_quoted(name: str) -> None:
    exemption, facts = read(Case("", {"metadata": None}))
    exemption = replace(exemption, id=replace(exemption.id, name=name))
    command = fix_of(exemption, facts, ruleset("owner-missing")).command
    if command:
        assert shlex.split(command)[4:6] == ["--name", name]
        assert command.isprintable()
    else:
        assert not name.isascii() or not name.isalnum() or name == "null"


def test_metadata_nested_deeper_than_json_is_written_have_no_command() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    exemption, facts = read(Case("", {"metadata": {"ticket": "x"}}))
    exemption = replace(exemption, metadata={"deep": deep})
    found = fix_of(exemption, facts, ruleset("owner-missing"), done="delete")
    assert found.command == ""
    assert found.changes


def test_a_command_that_nobody_would_read_is_left_out() -> None:
    case = Case("", {"metadata": None, "description": "why " * LONGEST})
    assert fixed(case, ruleset("owner-missing"), "delete").command == ""
    assert fixed(case, ruleset("owner-missing")).command
