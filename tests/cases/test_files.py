"""Exemptions as tools save them, and initiatives as people do: read right, unknown, or refused with the remedy."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from guardrails.cli.main import main
from tests.cases.judging import NOW, Judged, Right, judge

UNKNOWN: Final = ("unknown",)
VIOLATION: Final = ("violation",)
ANY: Final = ("unknown", "violation")
EXPIRY: Final = {"expiry-missing": ANY, "expired": ANY, "review-due": ANY}
PEOPLE: Final = {"ticket-missing": VIOLATION, "owner-missing": VIOLATION}
MEMBERS: Final = {"whole-initiative": VIOLATION, "reference-unknown": VIOLATION}

AUTH = "/providers/Microsoft.Authorization"
SCOPE = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg-cases"
ASSIGNMENT = f"{SCOPE.partition('/resourceGroups')[0]}{AUTH}/policyAssignments/base"
INITIATIVE = f"{AUTH}/policySetDefinitions/base"
MS = 1_811_721_600_000
"""2027-05-31T00:00:00Z in milliseconds since 1970."""
SYSTEM = {
    "createdBy": "dev@contoso.com", "createdByType": "User", "createdAt": "2026-11-20T09:00:00Z",
    "lastModifiedBy": "dev@contoso.com", "lastModifiedByType": "User", "lastModifiedAt": "2026-11-20T09:00:00Z",
}  # fmt: skip
PROPERTIES: dict[str, Any] = {
    "policyAssignmentId": ASSIGNMENT,
    "policyDefinitionReferenceIds": ["denyPublic"],
    "exemptionCategory": "Waiver",
    "displayName": "Ingest storage",
    "description": "The partner feed cannot use private endpoints before spring.",
    "expiresOn": "2027-05-31T00:00:00Z",
    "metadata": {"ticket": "SEC-1234", "owner": "ingest@contoso.com", "approvedBy": "ciso@contoso.com",
                 "reviewDate": "2027-02-01"},
}  # fmt: skip
SELECTORS = [{"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]


def _id(name: str) -> str:
    return f"{SCOPE}{AUTH}/policyExemptions/{name}"


def _pascal(data: dict[str, Any]) -> dict[str, Any]:
    return {key[:1].upper() + key[1:]: value for key, value in data.items()}


def rest(name: str = "one", **properties: Any) -> dict[str, Any]:
    return {
        "id": _id(name), "name": name, "type": "Microsoft.Authorization/policyExemptions",
        "properties": PROPERTIES | properties, "systemData": SYSTEM,
    }  # fmt: skip


def _unsigned(**properties: Any) -> dict[str, Any]:
    return {key: value for key, value in rest(**properties).items() if key != "systemData"}


def az(name: str = "one", **properties: Any) -> dict[str, Any]:
    body = rest(name, **properties)
    lifted: dict[str, Any] = body.pop("properties")
    return body | lifted


def bag(name: str = "one", **properties: Any) -> dict[str, Any]:
    """Az.Resources before 7."""
    return {"Name": name, "ResourceId": _id(name), "Properties": _pascal(PROPERTIES | properties)}


def flat(name: str = "one", **properties: Any) -> dict[str, Any]:
    """Az.Resources 7 and newer: every field of its model, lists named in the singular."""
    merged = PROPERTIES | {"resourceSelectors": None, "assignmentScopeValidation": None} | properties
    merged["policyDefinitionReferenceId"] = merged.pop("policyDefinitionReferenceIds")
    merged["resourceSelector"] = merged.pop("resourceSelectors")
    system = {f"SystemData{key}": value for key, value in _pascal(SYSTEM).items()}
    return {"Id": _id(name), "Name": name} | _pascal(merged) | system


def graph(name: str = "one", **properties: Any) -> dict[str, Any]:
    body = rest(name, **properties)
    return body | {"type": body["type"].lower(), "tenantId": "99999999-0000-0000-0000-000000000000"}


def initiative(listed: Any = None, **more: Any) -> list[dict[str, Any]]:
    """The assignment and its initiative, saved with such a list of policies; more says other fields."""
    inner = {} if listed is None else {"policyDefinitions": listed}
    return [
        {"id": ASSIGNMENT, "properties": {"policyDefinitionId": INITIATIVE}},
        {"id": INITIATIVE, "properties": inner} | more,
    ]


POLICIES = [
    {"policyDefinitionReferenceId": name, "policyDefinitionId": f"{AUTH}/policyDefinitions/{name}"}
    for name in ("denyPublic", "tls", "keys")
]

type Give = Callable[..., Judged]


@pytest.fixture
def given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Give:
    """Judge these exemptions, the initiative known or saved in such a way."""

    def giving(exemptions: Any, assignments: Any = None, more: tuple[str, ...] = ()) -> Judged:
        path = tmp_path / "exemptions.json"
        path.write_text(exemptions if isinstance(exemptions, str) else json.dumps(exemptions), encoding="utf-8")
        known = initiative(POLICIES) if assignments is None else assignments
        (tmp_path / "assignments.json").write_text(json.dumps(known), encoding="utf-8")
        return judge(capsys, path, more=more)

    return giving


ALL = ["denyPublic", "tls", "keys"]
FIELDS: list[tuple[str, Any, Right]] = [
    ("rest", rest(), Right({"self-serve": UNKNOWN}, {"identity-based": ANY, "not-validated": ANY})),
    ("rest, self-serve", rest(exemptionManagementMode="UserSelfServe"), Right({"self-serve": VIOLATION})),
    ("rest, another of the list shows the mode", {"value": [rest(), rest("two", exemptionManagementMode="Admin")]},
     Right(never={"self-serve": ANY})),
    ("rest, without systemData", _unsigned(),
     Right({"expiry-too-far": UNKNOWN, "approver-is-author": UNKNOWN})),
    ("rest, too far even from now", _unsigned(expiresOn="2029-01-01T00:00:00Z"),
     Right({"expiry-too-far": VIOLATION})),
    ("rest, systemData null", rest() | {"systemData": None}, Right({"expiry-too-far": UNKNOWN})),
    ("az", [az()], Right({"self-serve": UNKNOWN}, {"identity-based": ANY, "not-validated": ANY})),
    ("az before 2.77 prints null", [az(description=None)],
     Right({"identity-based": UNKNOWN, "not-validated": UNKNOWN})),
    ("az before 2.77, whole initiative", [az(expiresOn=None, policyDefinitionReferenceIds=[])],
     Right({"whole-initiative": UNKNOWN, "expiry-missing": VIOLATION})),
    ("az, whole initiative", [az(policyDefinitionReferenceIds=ALL)], Right({"whole-initiative": VIOLATION})),
    ("bag", bag(), Right({"identity-based": UNKNOWN, "not-validated": UNKNOWN, "self-serve": UNKNOWN,
                          "expiry-too-far": UNKNOWN}, {"whole-initiative": ANY, **EXPIRY, **PEOPLE})),
    ("bag, whole initiative", bag(policyDefinitionReferenceIds=ALL), Right({"whole-initiative": UNKNOWN})),
    ("bag, an id that does not exist", bag(policyDefinitionReferenceIds=["gone"]),
     Right({"reference-unknown": VIOLATION})),
    ("bag, a selector is shown", bag(resourceSelectors=SELECTORS), Right({"identity-based": UNKNOWN})),
    ("bag, people are shown", bag(resourceSelectors=[{"selectors": [{"kind": "userPrincipalId", "in": ["1"]}]}]),
     Right({"identity-based": VIOLATION})),
    ("flat", flat(), Right({"self-serve": UNKNOWN}, {"not-validated": ANY, "expiry-too-far": ANY, **EXPIRY, **PEOPLE})),
    ("flat, people are in a selector", flat(resourceSelectors=[{"Name": "x", "Selector": [
        {"Kind": "userPrincipalId", "In": ["1"], "NotIn": None}]}]), Right({"identity-based": VIOLATION})),
    ("flat, not validated", flat(assignmentScopeValidation="DoNotValidate"), Right({"not-validated": VIOLATION})),
    ("flat, of a model that has the mode", flat(exemptionManagementMode=None),
     Right(never={"self-serve": ANY, "identity-based": ANY})),
    ("graph", {"data": [graph()]}, Right({"self-serve": UNKNOWN, "not-validated": UNKNOWN, "identity-based": UNKNOWN},
                                         {"whole-initiative": ANY})),
    ("graph, one row shows the mode", [graph(), graph("two", exemptionManagementMode="Admin")],
     Right({"self-serve": UNKNOWN})),
    ("graph, null", graph(assignmentScopeValidation=None, resourceSelectors=None),
     Right({"not-validated": UNKNOWN, "identity-based": UNKNOWN})),
    ("graph, an empty list of selectors", graph(resourceSelectors=[]), Right({"identity-based": UNKNOWN})),
    ("graph, whole initiative", graph(policyDefinitionReferenceIds=[]), Right({"whole-initiative": UNKNOWN})),
    ("graph, a table", {"data": {"columns": [{"name": k} for k in graph()], "rows": [[*graph().values()]]}},
     Right({"self-serve": UNKNOWN})),
    ("specification example", {"parameters": {"api-version": "2026-01-01-preview"},
                               "responses": {"200": {"body": rest()}}},
     Right(never={"self-serve": ANY})),
]  # fmt: skip
DATES: list[tuple[str, Any, Right]] = [
    ("5.1", bag(expiresOn=f"/Date({MS})/"), Right(never=EXPIRY)),
    ("5.1 escaped", json.dumps(bag(expiresOn=f"/Date({MS})/")).replace("/Date", "\\/Date"), Right(never=EXPIRY)),
    ("5.1 object", bag(expiresOn={"value": f"/Date({MS})/", "DateTime": "31 May"}), Right(never=EXPIRY)),
    ("5.1 zone", bag(expiresOn=f"/Date({MS}+0200)/"), Right(never=EXPIRY)),
    ("5.1 before 1970", bag(expiresOn="/Date(-1)/"), Right({"expired": VIOLATION})),
    ("5.1 review", bag(metadata=PROPERTIES["metadata"] | {"reviewDate": f"/Date({MS})/"}), Right(never=EXPIRY)),
    ("5.1 review object", bag(metadata=PROPERTIES["metadata"] | {
        "reviewDate": {"value": f"/Date({MS})/", "DisplayHint": 2, "DateTime": "31 May"}}), Right(never=EXPIRY)),
    ("5.1 review past", bag(metadata=PROPERTIES["metadata"] | {"reviewDate": "/Date(0)/"}),
     Right({"review-due": VIOLATION})),
    ("5.1 systemData", flat() | {"SystemDataLastModifiedAt": f"/Date({MS - 365 * 86_400_000})/"},
     Right(never={"expiry-too-far": ANY})),
    ("5.1 no date", bag(expiresOn="/Date(soon)/"), Right({"expiry-missing": UNKNOWN})),
    ("7, the machine's zone", bag(expiresOn="2027-05-31T02:00:00+02:00"), Right(never=EXPIRY)),
    ("5.1 list", {"value": [bag(policyDefinitionReferenceIds={"value": ["denyPublic"], "Count": 1})], "Count": 1},
     Right(never={"reference-unknown": VIOLATION, "whole-initiative": ANY})),
]  # fmt: skip
CUT: list[tuple[str, Any]] = [
    ("joined ids", bag(policyDefinitionReferenceIds="denyPublic tls keys")),
    ("joined ids, flat", flat(policyDefinitionReferenceIds="denyPublic tls")),
    ("a type for ids", bag(policyDefinitionReferenceIds="System.Object[]")),
    ("no ids left", bag(policyDefinitionReferenceIds="")),
    ("no selectors left", bag(resourceSelectors="")),
    ("a type for selectors", flat(resourceSelectors="System.Object[]")),
    ("selectors as text", [bag(resourceSelectors=["@{name=a; selectors=System.Object[]}"])]),
    ("conditions as text", bag(resourceSelectors=[{"name": "a", "selectors": "System.Object[]"}])),
    ("values joined", bag(resourceSelectors=[{"selectors": [{"kind": "resourceLocation", "in": "a b"}]}])),
    ("metadata as text", bag(metadata="@{ticket=SEC-1234; owner=x; approvers=System.Object[]; review=}")),
    ("a type for metadata", bag(metadata="System.Collections.Hashtable")),
    ("a value of metadata", rest(metadata=PROPERTIES["metadata"] | {"approvers": "System.Object[]"})),
    ("properties as text", {"value": [{"ResourceId": _id("one"), "Properties": "@{PolicyAssignmentId=x}"}]}),
    ("whole objects as text", ["@{Name=one; Properties=}"]),
    ("whole objects as types", {"value": ["Microsoft.Azure.PowerShell.Cmdlets.Policy.Models.PolicyExemption"]}),
    ("one of many", [*(bag(f"x{n}") for n in range(5)), bag("y", resourceSelectors="")]),
]  # fmt: skip
NOT_CUT: list[tuple[str, Any]] = [
    ("one id as a text", bag(policyDefinitionReferenceIds="denyPublic")),
    ("a sentence", bag(description="PowerShell wrote System.Object[] here, so we saved it again.")),
    ("a description of signs", bag(description="@{name=x} is what we call the partner's feed.")),
    ("a note", bag(metadata=PROPERTIES["metadata"] | {"note": "see System.Object[] in the log"})),
    ("a service", rest(metadata=PROPERTIES["metadata"] | {"service": "Microsoft.Storage"})),
    ("names with blanks, in a list", rest(resourceSelectors=[
        {"selectors": [{"kind": "resourceLocation", "in": ["West Europe"]}]}])),
    ("ids as a JSON text", rest(policyDefinitionReferenceIds='["denyPublic"]')),
    ("selectors as a JSON text", rest(resourceSelectors=json.dumps(SELECTORS))),
]  # fmt: skip
SAVED: list[tuple[str, list[dict[str, Any]]]] = [
    ("missing", initiative()),
    ("null", initiative(policyDefinitions=None)),
    ("no policies", initiative([])),
    ("blank", initiative("")),
    ("a type", initiative("System.Object[]")),
    ("texts", initiative(["@{policyDefinitionReferenceId=denyPublic; policyDefinitionId=x}"])),
    ("texts beside the id", initiative(PolicyDefinition=["@{policyDefinitionReferenceId=denyPublic}"])),
    ("one text", initiative("@{policyDefinitionReferenceId=denyPublic; policyDefinitionId=x}")),
    ("one of three a text", initiative([*POLICIES[:2], "@{policyDefinitionReferenceId=keys}"])),
    ("without ids", initiative([{"parameters": {}}, {"parameters": {}}])),
    ("without reference ids", initiative([{"policyDefinitionId": one["policyDefinitionId"]} for one in POLICIES])),
    ("without definitions", initiative([{"policyDefinitionReferenceId": "denyPublic"}])),
    ("one id twice", initiative([POLICIES[0], POLICIES[0]])),
    ("numbers", initiative([1, 2, 3])),
    ("an object that is none", initiative({"count": 3})),
]


@pytest.mark.parametrize(("saved", "right"), [pytest.param(*one, id=name) for name, *one in FIELDS])
def test_a_field_that_the_tool_leaves_out_is_not_at_its_default(given: Give, saved: Any, right: Right) -> None:
    assert right.wrong_in(given(saved)) == []


@pytest.mark.parametrize(("saved", "right"), [pytest.param(*one, id=name) for name, *one in DATES])
def test_dates_and_lists_of_windows_powershell_are_read(given: Give, saved: Any, right: Right) -> None:
    assert right.wrong_in(given(saved)) == []


@pytest.mark.parametrize("saved", [pytest.param(saved, id=name) for name, saved in CUT])
def test_a_file_in_which_something_is_lost_is_refused_in_one_line(given: Give, saved: Any) -> None:
    judged = given(saved)
    assert (judged.code, judged.found) == (2, {})
    assert judged.err.count("\n") == 1
    assert "PowerShell's ConvertTo-Json" in judged.err
    assert "-Depth 10" in judged.err


@pytest.mark.parametrize(
    "saved",
    [
        [{key: value for key, value in az().items() if key in ("id", "name", "policyAssignmentId", "expiresOn")}],
        [{key: value for key, value in flat(f"x{n}").items() if key != "Metadata"} for n in range(9)],
        {key: flat()[key] for key in ("Id", "PolicyAssignmentId")},
        {"id": _id("one"), "properties": {"policyAssignmentId": ASSIGNMENT}},
        {"ResourceId": _id("one"), "Properties": {"PolicyAssignmentId": ASSIGNMENT, "ExpiresOn": None}},
    ],
)
def test_a_part_of_an_exemption_is_refused_in_one_line(given: Give, saved: Any) -> None:
    judged = given(saved)
    assert (judged.code, judged.found) == (2, {})
    assert judged.err.count("\n") == 1
    assert "save the whole object" in judged.err


@pytest.mark.parametrize("saved", [pytest.param(saved, id=name) for name, saved in NOT_CUT])
def test_what_somebody_wrote_is_not_taken_for_lost(given: Give, saved: Any) -> None:
    assert Right(never={"reference-unknown": VIOLATION, **PEOPLE, **EXPIRY}).wrong_in(given(saved)) == []


@pytest.mark.parametrize("saved", [pytest.param(saved, id=name) for name, saved in SAVED])
def test_an_initiative_without_readable_policies_accuses_nobody(given: Give, saved: Any) -> None:
    judged = given(rest(), saved)
    assert Right({"whole-initiative": UNKNOWN, "reference-unknown": UNKNOWN}, MEMBERS).wrong_in(judged) == []


def test_assignments_of_which_only_texts_are_left_are_no_mistake(given: Give) -> None:
    judged = given(rest(), ["@{Name=base; Properties=}"])
    assert Right({"whole-initiative": UNKNOWN}, MEMBERS).wrong_in(judged) == []
    assert "left out" in judged.err


@pytest.mark.parametrize("left", ["base", None, 7, ["base", "other"], {}, [], ""], ids=str)
def test_what_replaces_an_initiative_is_left_out_and_no_mistake(given: Give, left: Any) -> None:
    for saved in ([initiative()[0], left], [left]):
        judged = given(rest(), saved)
        assert Right({"whole-initiative": UNKNOWN, "reference-unknown": UNKNOWN}, MEMBERS).wrong_in(judged) == []


def test_no_ids_are_the_whole_initiative_whatever_it_holds(given: Give) -> None:
    judged = given(rest(policyDefinitionReferenceIds=[]), initiative("System.Object[]"))
    assert Right({"whole-initiative": VIOLATION}).wrong_in(judged) == []


@pytest.mark.parametrize(
    ("version", "unknown"),
    [
        ("2026-01-01-preview", set[str]()),
        ("2025-12-01-preview", set[str]()),
        ("2024-12-01-preview", {"self-serve"}),
        ("2022-07-01-preview", {"self-serve", "identity-based", "reference-unknown"}),
        ("2020-07-01-preview", {"self-serve", "identity-based", "reference-unknown", "not-validated"}),
    ],
)
def test_the_api_version_settles_what_a_rest_export_leaves_open(given: Give, version: str, unknown: set[str]) -> None:
    judged = given({"value": [rest()]}, more=("--api-version", version))
    assert judged.found is not None
    assert set(judged.found) == unknown


def test_the_api_version_says_nothing_of_other_tools(given: Give) -> None:
    judged = given([az()], more=("--api-version", "2026-01-01-preview"))
    assert Right({"self-serve": UNKNOWN}).wrong_in(judged) == []


@pytest.mark.parametrize(
    ("kinds", "references", "right"),
    [
        (["applicationPrincipalId"], [], {"identity-based": UNKNOWN, "whole-initiative": UNKNOWN}),
        (["applicationPrincipalId", "userPrincipalId"], [], {"identity-based": VIOLATION}),
        (
            ["applicationPrincipalId", "resourceLocation"],
            [],
            {"whole-initiative": VIOLATION, "identity-based": UNKNOWN},
        ),
        (["policyEffect"], ["gone"], {"reference-unknown": VIOLATION}),
        (["policyEffect"], ["tls"], {"reference-unknown": UNKNOWN}),
        ([""], [], {"identity-based": UNKNOWN}),
    ],
)
def test_a_kind_of_selector_that_is_not_documented(
    given: Give, kinds: list[str], references: list[str], right: dict[str, tuple[str]]
) -> None:
    selectors = [{"name": kind, "selectors": [{"kind": kind, "in": ["x"]}]} for kind in kinds]
    judged = given(rest(policyDefinitionReferenceIds=references, resourceSelectors=selectors))
    assert Right(right).wrong_in(judged) == []


@pytest.mark.parametrize(
    "condition",
    [{}, {"in": None}, {"in": 7}, {"in": {"a": 1}}, {"in": [None]}, {"like": ["tls*"]},
     {"in": ["tls"], "notIn": {"a": 1}}, {"in": ALL, "like": ["tls*"]}],
    ids=str,
)  # fmt: skip
def test_a_selector_that_picks_policies_by_an_unknown_kind_accuses_nobody(
    given: Give, condition: dict[str, Any]
) -> None:
    selectors = [{"name": "x", "selectors": [{"kind": "policyDefinitionReferenceId", **condition}]}]
    judged = given(rest(policyDefinitionReferenceIds=[], resourceSelectors=selectors))
    never = MEMBERS | {"identity-based": VIOLATION}
    assert Right({"identity-based": UNKNOWN, "reference-unknown": UNKNOWN}, never).wrong_in(judged) == []
    wide = [*selectors, {"name": "w", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]
    judged = given(rest(policyDefinitionReferenceIds=[], resourceSelectors=wide))
    assert Right({"whole-initiative": VIOLATION}).wrong_in(judged) == []


def test_a_row_of_resource_graph_may_show_other_people_and_a_selector_that_is_not_documented(given: Give) -> None:
    strange = [{"name": "x", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["tls"]}, {"kind": "new"}]}]
    judged = given({"data": [graph(policyDefinitionReferenceIds=[], resourceSelectors=strange)]})
    assert Right({"whole-initiative": UNKNOWN, "identity-based": UNKNOWN}).wrong_in(judged) == []


def test_a_page_of_a_longer_list_is_no_pass(given: Give) -> None:
    version = ("--api-version", "2026-01-01-preview")
    assert given({"value": [rest()]}, more=version).code == 0
    judged = given({"value": [rest()], "nextLink": "https://management.azure.com/more"}, more=version)
    assert (judged.code, judged.found) == (3, {})
    assert "the list has more pages" in judged.err
    judged = given({"value": [rest(expiresOn=None)], "nextLink": "https://x"}, more=version)
    assert judged.code == 1


def test_other_files_are_judged_though_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cut, code, fine = tmp_path / "cut.json", tmp_path / "main.tf", tmp_path / "fine.json"
    cut.write_text(json.dumps(bag(resourceSelectors="")), encoding="utf-8")
    code.write_text('resource "azurerm_resource_policy_exemption" "x" {\n', encoding="utf-8")
    fine.write_text(json.dumps(rest(expiresOn=None)), encoding="utf-8")
    judged = judge(capsys, cut, code, fine)
    assert judged.code == 2
    assert judged.found is not None
    assert judged.found["expiry-missing"] == {"violation"}
    assert [line.partition(": ")[2].partition(": ")[0] for line in judged.err.splitlines()] == [str(cut), str(code)]


def test_the_summary_says_once_how_to_settle_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = []
    for name, saved in {"rest": [rest("a"), rest("b")], "az": [az("c")], "bag": [bag("d")]}.items():
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(saved), encoding="utf-8")
    main(["judge", *map(str, paths), "--now", NOW])
    said = capsys.readouterr().err
    assert said.count("--api-version") == 1
    assert said.count("az rest") == 1
    assert "2 findings unknown because a file does not name its api-version" in said
    names = "Get-AzPolicyExemption of Az.Resources before 7 and az policy exemption list"
    assert f"because {names} do not return all fields: save" in said
