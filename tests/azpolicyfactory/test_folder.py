"""What AzPolicyFactory makes of files, alone and together: its schema, checks, build step and template."""

import json
from typing import Any

import pytest

from guardrails.azpolicyfactory.build import Build, build_of
from guardrails.azpolicyfactory.checks import checks_of
from guardrails.azpolicyfactory.folder import FolderAnswer, folder_answer
from guardrails.azpolicyfactory.people import same_person
from guardrails.azpolicyfactory.schema import schema_verdict
from guardrails.azpolicyfactory.template import Left, Sent, TemplateRefused
from guardrails.epac.instants import Runner
from guardrails.evaluation.plan import Outcome
from guardrails.evaluation.template import Stage
from guardrails.evaluation.values import Unknown
from guardrails.files.azpolicyfactory import read_config

from .samples import CORP, NOW, SUBSCRIPTION, config, file_of

UTC = Runner.of("UTC", "")
NOWHERE = Runner()


def answer(*said: Any, target: str = CORP) -> FolderAnswer:
    files = [file_of(one, f"{'abcdef'[number]}.json") for number, one in enumerate(said)]
    return folder_answer(files, target, UTC, NOW)


def effect(said: Any, target: str = CORP) -> Any:
    return answer(said, target=target).files[0].effect


@pytest.mark.parametrize(
    ("said", "status", "faults"),
    [
        (config(), "valid", []),
        (config(exemptionCategory="Waiver\n"), "valid", []),
        (config(exemptionCategory="waiver"), "invalid", [("/policyExemption/exemptionCategory", "pattern", "")]),
        (config(displayName="\U0001f600" * 65), "invalid", [("/policyExemption/displayName", "pattern", "")]),
        (config(name=7), "invalid", [("/policyExemption/name", "type", "")]),
        (config(description=None), "invalid", [("/policyExemption", "missing", "description")]),
        (config(resourceSelectors=7, policyDefinitionReferenceIds="x", more=1), "valid", []),
        ({"policyExemption": []}, "invalid", [("/policyExemption", "type", "")]),
        (json.dumps(config())[:-1] + ",}", "unreadable", []),
        (json.dumps(config()).replace('"displayName"', '"name": "b", "displayName"'), "unreadable", []),
        (b"\xff\xfe" + json.dumps(config()).encode("utf-16-le"), "valid", []),
        (json.dumps(config()).encode("utf-16-le"), None, []),
        (json.dumps(config(more={"b": 1})).replace('"b": 1', '"b": 1, "b": 2'), None, []),
    ],
)
def test_the_schema_asks_for_keys_types_and_patterns(said: Any, status: str | None, faults: list[Any]) -> None:
    verdict = schema_verdict(file_of(said))
    assert (verdict.status, [tuple(one) for one in verdict.faults]) == (status, faults)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Mara", " mara\u00a0", True), ("\ufb01nn", "FINN", True), ("Änne", "änne", True), ("Anne", "Änne", False),
        ("Mara", "Tomas", False), ("Мария", "Иван", False), ("Søren", "Tomas", False), ("Ma\u200bra", "Mara", None),
        ("Jorgen", "Jørgen", None),
    ],
)  # fmt: skip
def test_people_are_compared_as_the_invariant_culture_does(one: str, other: str, same: bool | None) -> None:
    assert same_person(one, other) is same


@pytest.mark.parametrize(
    ("people", "approved", "two"),
    [
        ({}, True, True),
        ({"approvedOn": "2026-11-28"}, True, True),
        ({"approvedOn": "2026-11-29"}, False, True),
        ({"approvedOn": "2026-02-30"}, False, True),
        ({"approvedOn": ["2026-10-01"]}, None, True),
        ({"approvedBy": 7}, True, False),
        ({"approvedBy": "2026-10-01T00:00:00Z"}, True, False),
        ({"approvedBy": ["Tomas"]}, True, None),
        ({"requestedBy": "", "approvedBy": ""}, True, False),
    ],
)
def test_the_checks_on_people_and_days(people: dict[str, Any], approved: bool | None, two: bool | None) -> None:
    file = file_of(config(people=people))
    checks = checks_of(file, schema_verdict(file), NOW)
    assert (checks.approved_before, checks.two_people, checks.schema_named) == (approved, two, True)


@pytest.mark.parametrize(
    ("end", "build"),
    [
        ("2026-03-31T22:00:00Z", Build.EXPIRED), ("2026-03-31", Build.KEPT), ("2026-02-30T00:00:00Z", Build.KEPT),
        ("2026-03-31T24:00:00Z", Build.EXPIRED), ("03/31/2027", Build.EXPIRED), ("12/31/2020", Build.KEPT),
        ("1/1/2027", Build.EXPIRED), ("never", Build.KEPT), ("", Build.KEPT), (0, Build.KEPT), (7, Build.STOPS),
        (True, Build.KEPT), (False, Build.KEPT), ({"a": 1}, None), ("\u0662027", None),
        (" 2027-03-31", Build.EXPIRED), ("+2027-03-31", Build.EXPIRED), ("'2027'", Build.EXPIRED),
        ("\u00e9", Build.KEPT), ("11/28/2026", Build.EXPIRED), ("11", Build.EXPIRED), ("11/29", Build.KEPT),
        ("11/28/2026 15:40:00", None), ("\t2027", None),
    ],
)  # fmt: skip
def test_an_end_is_compared_as_a_date_or_as_a_text(end: Any, build: Build | None) -> None:
    assert build_of(file_of(config(expiresOn=end)), UTC, NOW) == build


@pytest.mark.parametrize(
    ("said", "named"), [("x", True), (" ", True), (0, True), (False, True), ("", False), (None, False), ([], None)]
)
def test_the_schema_is_named_by_all_that_is_not_empty(said: Any, named: bool | None) -> None:
    file = file_of({**config(), "$schema": said})
    assert checks_of(file, schema_verdict(file), NOW).schema_named is named


@pytest.mark.parametrize("text", ["[1,,2]", "[,]"])
def test_what_the_compiler_may_read_otherwise_than_powershell_is_not_known(text: str) -> None:
    assert read_config(f'{{"a": {text}}}'.encode(), "a.json", "a.json").doubt


def test_an_end_with_an_offset_depends_on_the_time_zone_of_the_runner() -> None:
    file = file_of(config(expiresOn="2026-11-29T05:00:00+10:00"))
    found = {zone: build_of(file, Runner.of(zone, ""), NOW) for zone in ("UTC", "America/Los_Angeles")}
    assert found == {"UTC": Build.KEPT, "America/Los_Angeles": Build.EXPIRED}
    assert build_of(file, NOWHERE, NOW) is None
    assert build_of(file_of(config(expiresOn="2027-11-29T05:00:00+10:00")), NOWHERE, NOW) is Build.KEPT


@pytest.mark.parametrize(
    ("root", "scope"),
    [
        ({}, f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-web"),
        ({"resourceGroupName": ""}, f"/subscriptions/{SUBSCRIPTION}"),
        ({"resourceGroupName": None, "managementGroupId": "online"}, f"/subscriptions/{SUBSCRIPTION}"),
        ({"resourceGroupName": None, "subscriptionId": "", "managementGroupID": "online"}, f"{CORP[:-4]}online"),
        ({"resourceGroupName": None, "subscriptionId": None, "subscription": SUBSCRIPTION}, CORP),
    ],
)
def test_the_scope_is_the_first_that_has_a_value(root: dict[str, Any], scope: str) -> None:
    sent = effect(config(root))
    assert isinstance(sent, Sent)
    assert (sent.scope, sent.id) == (scope, f"{scope}/providers/Microsoft.Authorization/policyExemptions/pex-web")


def test_a_scope_that_nobody_said_is_unknown_and_a_group_alone_deploys_nothing() -> None:
    nowhere = effect(config({"resourceGroupName": None, "subscriptionId": None}), target="")
    assert isinstance(nowhere.id, Unknown)
    assert isinstance(effect(config({"subscriptionId": None})), Left)


def test_the_template_writes_its_own_metadata_and_takes_keys_in_any_letter_case() -> None:
    sent = effect(config(people={"CreatedBy": "me", "none": {"a": [None]}}, expiresOn=None, ExpiresOn="2027-03-31"))
    assert isinstance(sent, Sent)
    metadata = sent.properties["metadata"]
    assert isinstance(metadata["createdBy"], Unknown)
    assert "CreatedBy" not in metadata
    assert metadata["none"] == {"a": [None]}
    assert (sent.properties["expiresOn"], sent.properties["resourceSelectors"]) == ("2027-03-31", None)


@pytest.mark.parametrize(
    ("said", "at", "stage"),
    [
        (config(name="n" * 65), "/policyExemption/name", Stage.COMPILE),
        (config(name=""), "/policyExemption/name", Stage.EVALUATE),
        (config(assignmentScopeValidation=None), "/policyExemption", Stage.COMPILE),
        (
            config(policyDefinitionReferenceIds=["a", 1]),
            "/policyExemption/policyDefinitionReferenceIds/1",
            Stage.COMPILE,
        ),
        (config({"subscriptionId": 7}), "/subscriptionId", Stage.COMPILE),
        (config({"subscriptionId": "prod", "resourceGroupName": None}), "/subscriptionId", Stage.EVALUATE),
        (
            config(resourceSelectors=[{"name": "n", "selectors": [{"kind": "userPrincipalId"}]}]),
            "/policyExemption/resourceSelectors/0/selectors/0/kind",
            Stage.COMPILE,
        ),
        ([config()], "", None),
        ("[]", "", Stage.COMPILE),
    ],
)
def test_what_the_template_refuses(said: Any, at: str, stage: Stage | None) -> None:
    run = answer(said)
    found = run.files[0].effect
    if stage is None:
        assert run.outcome is Outcome.UNKNOWN
        return
    assert isinstance(found, TemplateRefused)
    assert (found.at, run.outcome, run.stage) == (at, Outcome.REFUSED, stage)


def test_one_file_that_cannot_be_read_stops_the_checks_of_later_files_and_the_build_of_all() -> None:
    run = answer(config(), json.dumps(config(name="pex-b"))[:200], config(name="pex-c"))
    assert [one.checks is None for one in run.files] == [False, True, True]
    assert [one.build for one in run.files] == [Build.STOPS] * 3
    assert (run.outcome, run.building) == (Outcome.REFUSED, True)


def test_keys_that_differ_in_letter_case_stop_all_and_a_key_twice_does_not() -> None:
    casing = json.dumps(config()).replace('"ticketRef"', '"TicketRef": 1, "ticketRef"')
    assert answer(casing).building
    twice = json.dumps(config()).replace('"exemptionCategory"', '"exemptionCategory": "x", "exemptionCategory"')
    assert effect(twice).properties["exemptionCategory"] == "Waiver"


def test_a_required_key_in_another_letter_case_is_refused_alone_and_sent_with_others() -> None:
    unnamed = config(name=None, Name="pex-x")
    assert (answer(unnamed).outcome, answer(unnamed).stage) == (Outcome.REFUSED, Stage.COMPILE)
    both = answer(unnamed, config())
    assert both.outcome is Outcome.DEPLOYS
    assert [one.effect.name for one in both.files if isinstance(one.effect, Sent)] == ["pex-x", "pex-web"]


def test_names_of_files_decide_what_is_read_and_may_break_the_template() -> None:
    files = [
        file_of(config(name=f"pex-{at}"), name) for at, name in enumerate(("a.JSON", "b.jsonc", ".c.json", "d/e.json"))
    ]
    run = folder_answer(files, CORP, UTC, NOW)
    assert [one.build for one in run.files] == [Build.KEPT, Build.NOT_SEEN, Build.NOT_SEEN, Build.KEPT]
    broken = folder_answer([file_of(config(), "it's.json")], CORP, UTC, NOW)
    assert (broken.outcome, broken.stage) == (Outcome.REFUSED, Stage.COMPILE)
    unsure = folder_answer([file_of(config(), "a[1].json")], CORP, UTC, NOW)
    assert unsure.outcome is Outcome.UNKNOWN
