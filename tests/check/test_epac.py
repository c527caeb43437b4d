"""What `check` says of files of EPAC: its plan, and what it does without a word."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from guardrails.check.azure_objects import key_of
from guardrails.check.config import Options
from guardrails.check.epac_world import world_of
from guardrails.cli.check_epac import WrongCall, calling_of
from guardrails.dataclass import replace
from guardrails.epac.instants import Runner, ticks_of
from guardrails.epac.lifecycle import plan as planned
from guardrails.epac.plan import Action, EpacPlan, Said
from guardrails.epac.planner import Planner
from guardrails.epac.world import Environment, Switches, World
from guardrails.evaluation.plan import Outcome
from guardrails.files.epac import read_epac
from guardrails.files.epac_cells import JsonCells
from tests.oracles.command import printed
from tests.oracles.epac import BUILT_IN, CORP, NOW, OWNER, TENANT, TEST, WEB, azure, environment, run
from tests.oracles.test_epac_command import written_out

BASELINE: Final = f"{CORP}/providers/Microsoft.Authorization/policyAssignments/baseline"
HTTPS: Final = f"{CORP}/providers/Microsoft.Authorization/policyAssignments/https"
ENTRY: Final[Mapping[str, Any]] = {
    "name": "drop", "displayName": "Partner drop", "exemptionCategory": "Waiver", "scope": WEB,
    "policyAssignmentId": BASELINE,
}  # fmt: skip
HEADER: Final = "name,displayName,exemptionCategory,scope,assignmentReferenceId,resourceSelectors,expiresOn"
ROW: Final = f"drop,Partner drop,Waiver,{WEB},{BASELINE}"


def file(*entries: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a file of entries; each says what differs from ENTRY, None takes a field away."""
    made = [{key: value for key, value in {**ENTRY, **one}.items() if value is not ...} for one in entries]
    return [("a.json", json.dumps({"exemptions": made}))]


def deployed(plan: EpacPlan, **more: Any) -> dict[str, Any]:
    """Return the one exemption of a plan as Azure has it then, with other properties."""
    (one,) = plan.written()
    properties = {"policyAssignmentId": one.assignment_id, "displayName": one.display_name, "metadata": one.metadata,
                  "exemptionCategory": one.category, **more}  # fmt: skip
    return {"id": one.id, "name": one.name, "tenantId": TENANT, "properties": json.loads(json.dumps(properties))}


def actions(plan: EpacPlan) -> list[Action | None]:
    return [one.action for one in plan.items]


def test_an_entry_makes_an_exemption_that_a_second_run_finds_unchanged() -> None:
    plan = run(file({}), {})
    (one,) = plan.items
    assert (plan.outcome, one.action, one.id) == (
        Outcome.DEPLOYS, Action.NEW, f"{WEB}/providers/Microsoft.Authorization/policyExemptions/drop",
    )  # fmt: skip
    assert one.metadata["pacOwnerId"] == OWNER
    assert plan.second is not None
    assert plan.second.settles


@pytest.mark.parametrize(
    "entry",
    [
        {"metadata": {"owner": "team"}},
        {"metadata": {"owner": None}},
        {"metadata": {"owner": ""}},
        {"metadata": {"createdBy": "jo"}},
        {"metadata": {"pacOwnerId": "somebody"}},
        {"metadata": {"epacMetadata": "own"}},
        {"metadata": {"owner": "a", "Owner": "b"}},
        {"metadata": {"Keys": ["owner"], "owner": "team"}},
        {"metadata": {"Count": "1"}},
        {"metadata": {"since": "2026-11-01T00:00:00Z"}},
        {"metadata": {"since": "2026-11-01T00:00:00"}},
        {"metadata": {"more": {"owner": None}, "some": ["a", None, 1], "level": 1, "on": True}},
        {"description": ""},
        {"description": " "},
        {"expiresOn": "2027-03-01T00:00:00Z"},
        {"expiresOn": "2027-03-01T00:00:00+05:00"},
        {"expiresOn": "2027-03-01T00:00:00"},
        {"expiresOn": "2020-03-01T00:00:00Z"},
        {"exemptionCategory": "waiver"},
        {"policyDefinitionReferenceIds": ["tls12", "https"]},
        {"policyDefinitionReferenceIds": []},
        {"policyDefinitionReferenceIds": "tls12"},
        {"resourceSelectors": [{"name": "a", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]},
        {"resourceSelectors": []},
        {"policyAssignmentId": ..., "policyDefinitionName": "require-https"},
        {"assignmentScopeValidation": "DoNotValidate"},
        {"assignmentScopeValidation": "DoNotValidate", "policyAssignmentId": f"{BASELINE}-gone"},
    ],
    ids=str,
)
@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_what_surely_settles_is_what_a_second_run_finds_unchanged(
    entry: Mapping[str, Any], zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = file(entry, {"name": "other", "metadata": {"owner": None}})
    quick = run(files, {}, zone)
    monkeypatch.setattr(Planner, "settled", lambda _: [])
    whole = run(files, {}, zone)
    assert (quick.second, quick.outcome) == (whole.second, whole.outcome)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"exemptionCategory": "Temporary"}, Said.CATEGORY),
        ({"scope": ...}, Said.ONE_SCOPE),
        ({"policyDefinitionName": "require-tls"}, Said.ONE_TARGET),
        ({"name": "a:b"}, Said.NAME_INVALID),
        ({"expiresOn": "never"}, Said.DATE),
        ({"policyDefinitionReferenceIds": ["policyDefinitions/require-tls"]}, Said.REFERENCE_FORM),
        ({"scope": ..., "scopes": [f":{WEB}", TEST]}, Said.EMPTY_PREFIX),
        ({"metadata": "SEC-1"}, Said.METADATA),
    ],
)
def test_one_bad_entry_refuses_the_plan_of_all(entry: Mapping[str, Any], said: Said) -> None:
    plan = run(file(entry, {"name": "other"}), {})
    assert plan.outcome is Outcome.REFUSED
    assert [one.said for one in plan.errors] == [said]
    assert plan.deletes == []
    assert plan.written() == []


@pytest.mark.parametrize(
    ("scopes", "said"),
    [
        (["a:b:/subscriptions/x", 5], [Said.SCOPES_LIST, Said.COLONS]),
        ([5, ":/subscriptions/x"], [Said.SCOPES_LIST, Said.EMPTY_PREFIX]),
        (":/subscriptions/x", [Said.SCOPES_LIST, Said.EMPTY_PREFIX]),
        ("/subscriptions/x", [Said.SCOPES_LIST]),
        ({"a": "b:c:d"}, [Said.SCOPES_LIST]),
        ([], [Said.ONE_SCOPE]),
    ],
)
def test_scopes_of_the_wrong_kind_are_looked_at_all_the_same(scopes: Any, said: list[Said]) -> None:
    plan = run(file({"scope": ..., "scopes": scopes}), {})
    assert [one.said for one in plan.errors] == said


@pytest.mark.parametrize(("preference", "outcome"), [("Stop", Outcome.REFUSED), ("Continue", Outcome.DEPLOYS)])
def test_where_there_is_no_assignment_at_all_powershell_has_an_error(preference: str, outcome: Outcome) -> None:
    case = {"removeAssignments": ["baseline", "https"]}
    plan = run(file({}), {"world": case, "errorActionPreference": preference})
    assert (plan.outcome, actions(plan)) == (outcome, [] if preference == "Stop" else [Action.LEFT_OUT])
    assert run([], {"world": case, "errorActionPreference": preference}).outcome is Outcome.DEPLOYS


@pytest.mark.parametrize(("preference", "outcome"), [("Stop", Outcome.REFUSED), ("Continue", Outcome.DEPLOYS)])
def test_reference_ids_that_are_a_text_are_an_error_of_powershell_where_nothing_is_checked(
    preference: str, outcome: Outcome
) -> None:
    gone = {"policyAssignmentId": f"{BASELINE}-gone", "assignmentScopeValidation": "DoNotValidate"}
    plan = run(file({**gone, "policyDefinitionReferenceIds": "tls12"}), {"errorActionPreference": preference})
    assert (plan.outcome, [one.references for one in plan.items]) == (outcome, [] if preference == "Stop" else [[]])


def test_for_a_role_what_is_above_the_scope_that_assignments_were_last_looked_up_for_counts() -> None:
    group = f"{WEB}/resourceGroups/rg-one"
    role = {"name": "role", "scope": f"{WEB}/providers/Microsoft.Authorization/roleDefinitions/x"}
    gone = {"name": "gone", "scope": TEST, "policyAssignmentId": f"{BASELINE}-gone"}
    world = {"world": {"notScopes": [WEB]}, "skipResourceValidation": True}
    plan = run(file({"scope": group}, gone, role), world)  # the second one looks nothing up
    assert actions(plan) == [Action.LEFT_OUT] * 3
    assert actions(run(file({"scope": TEST}, gone, role), world)) == [Action.NEW, Action.LEFT_OUT, Action.NEW]


def test_what_is_deployed_is_updated_left_or_deleted() -> None:
    first = run(file({}), {})
    there = {"deployed": [deployed(first)]}
    assert actions(run(file({}), there)) == [Action.UNCHANGED]
    changed = run(file({"displayName": "Other"}), there)
    assert [(one.action, one.because) for one in changed.items] == [(Action.UPDATE, ("displayName", "metadata"))]
    moved = run(file({"policyAssignmentId": HTTPS}), there)
    assert actions(moved) == [Action.REPLACE]
    assert run([("a.json", '{"exemptions": []}')], there).deletes == [there["deployed"][0]["id"]]


def test_an_end_with_an_offset_is_off_where_the_runner_is_not_in_utc() -> None:
    here = run(file({"expiresOn": "2099-01-02T03:04:05+02:00"}), {})
    there = run(file({"expiresOn": "2099-01-02T03:04:05+02:00"}), {}, "America/New_York")
    assert (here.second and here.second.settles, there.second and there.second.settles) == (True, False)
    assert there.items[0].expires_on == "2099-01-01T20:04:05-05:00"


def test_without_the_zone_of_the_runner_an_end_with_an_offset_is_planned_and_a_second_run_is_not_known() -> None:
    plan = run(file({"expiresOn": "2099-01-02T03:04:05+02:00"}, {"name": "other"}), {}, "")
    assert (plan.outcome, actions(plan), plan.second) == (Outcome.DEPLOYS, [Action.NEW, Action.NEW], None)


@pytest.mark.parametrize("said", ["/Date(999999999999999)/", "/Date(-62135596800001)/", "/Date(4070912645000+02)/"])
def test_a_date_of_microsoft_that_cannot_be_read_is_not_known_in_json_and_none_in_a_table(said: str) -> None:
    assert run(file({"expiresOn": said}), {}).outcome is Outcome.UNKNOWN
    table = run([("a.csv", f"{HEADER}\n{ROW},,{said}")], {})
    assert [one.said for one in table.errors] == [Said.DATE]


@pytest.mark.parametrize("zone", ["", "UTC", "Asia/Tokyo"])
def test_an_end_at_the_end_of_what_dotnet_can_count_is_not_known(zone: str) -> None:
    plan = run(
        file({"expiresOn": "9999-12-31T23:59:59-05:00", "metadata": {"a": "9999-12-31T23:59:59-05:00"}}), {}, zone
    )
    assert (plan.outcome, actions(plan)) == (Outcome.UNKNOWN, [None])


def run_with(files: Sequence[tuple[str, str]], more: Sequence[Mapping[str, Any]], **settings: Any) -> EpacPlan:
    """Return the plan of files where Azure has more objects, with settings that differ."""
    runner = Runner.of("UTC", "en-US")
    given = World(runner, ticks_of(NOW), switches=Switches(alone=True), complete=True)
    objects = {key_of(one["id"]): one for one in [*azure({}), *more]}
    made: Environment = replace(environment({}), **settings)
    read = [read_epac(text.encode(), name, runner) for name, text in files]
    return planned(read, world_of(objects, [], given, made), JsonCells(runner))


ABOVE: Final = "/providers/Microsoft.Management/managementGroups/above"


def assigned(definition: str, *members: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return an assignment at the root scope, and the initiative that it assigns."""
    identity = f"{CORP}/providers/Microsoft.Authorization/policyAssignments/more"
    return [
        {"id": definition, "properties": {"policyDefinitions": [*members]}},
        {"id": identity, "name": "more", "properties": {"policyDefinitionId": definition}},
    ]


def member(scope: str, name: str, kind: str = "policyDefinitions") -> dict[str, str]:
    identity = f"{scope}/providers/Microsoft.Authorization/{kind}/{name}"
    return {"policyDefinitionId": identity, "policyDefinitionReferenceId": name}


MORE: Final = {"policyAssignmentId": f"{CORP}/providers/Microsoft.Authorization/policyAssignments/more"}


@pytest.mark.parametrize(
    ("at", "settings", "known"),
    [
        (CORP, {}, True),
        ("", {}, True),
        (ABOVE, {}, False),  # EPAC reads policies at its root scope, and those of Microsoft
        (WEB, {}, False),
        (WEB, {"child_definitions": True}, True),
        (WEB, {"child_definitions": True, "excluded": (WEB,)}, False),
        (ABOVE, {"child_definitions": True}, False),
        (CORP, {"excluded_initiatives": ("*/more",)}, False),
        (CORP, {"excluded_policies": ("*/more",)}, True),
        ("", {"excluded_initiatives": ("*/more",)}, True),
    ],
)
def test_of_an_initiative_that_epac_does_not_read_no_reference_id_is_known(
    at: str, settings: Mapping[str, Any], known: bool
) -> None:
    initiative = member(at, "more", "policySetDefinitions")["policyDefinitionId"]
    objects = assigned(initiative, member(CORP, "require-tls"))
    chosen = run_with(file({**MORE, "policyDefinitionReferenceIds": ["require-tls"]}), objects, **settings)
    assert [one.said for one in chosen.errors] == ([] if known else [Said.REFERENCE_UNREAD])
    assert actions(run_with(file(MORE), objects, **settings)) == [Action.NEW]
    by_name = {"policyAssignmentId": ..., "policySetDefinitionName": "more"}
    found = actions(run_with(file(by_name), objects, **settings))
    assert found == [Action.NEW if known and at in ("", CORP) else Action.LEFT_OUT]


@pytest.mark.parametrize(
    ("at", "settings", "known"),
    [
        (CORP, {}, True), ("", {}, True), (ABOVE, {}, False), (WEB, {}, False),
        (WEB, {"child_definitions": True}, True), (CORP, {"excluded_policies": ("*/one",)}, False),
    ],
)  # fmt: skip
def test_policies_that_epac_does_not_read_are_not_in_its_initiatives(
    at: str, settings: Mapping[str, Any], known: bool
) -> None:
    one = member(at, "one")
    objects = [
        {"id": one["policyDefinitionId"]},
        *assigned(member(CORP, "more", "policySetDefinitions")["policyDefinitionId"], one),
    ]
    chosen = run_with(file({**MORE, "policyDefinitionReferenceIds": ["one"]}), objects, **settings)
    assert [each.said for each in chosen.errors] == ([] if known else [Said.REFERENCE_UNREAD])
    by_id = {"policyAssignmentId": ..., "policyDefinitionId": one["policyDefinitionId"]}
    assert actions(run_with(file(by_id), objects, **settings)) == [Action.NEW if known else Action.LEFT_OUT]


@pytest.mark.parametrize(
    ("settings", "action"),
    [
        ({}, Action.NEW),
        ({"excluded": ("/subscriptions/*",), "not_scopes": ("/subscriptions/*",)}, Action.NEW),
        ({"no_subscriptions": True}, Action.LEFT_OUT),
    ],
)
def test_a_root_scope_is_not_excluded_by_a_pattern(settings: Mapping[str, Any], action: Action) -> None:
    own = f"{WEB}/providers/Microsoft.Authorization/policyAssignments/own"
    there = [{"id": own, "name": "own", "properties": {"policyDefinitionId": BUILT_IN}}]
    plan = run_with(file({"policyAssignmentId": own}), there, root=WEB, **settings)
    assert actions(plan) == [action]


def test_a_root_scope_that_is_below_itself_is_said_and_plans_nothing() -> None:
    group = "/providers/Microsoft.Management/managementGroups/team"
    around = [{"id": CORP, "children": [{"id": group, "children": [{"id": CORP}]}]}]
    plan = run_with(file({}), around)
    assert (plan.outcome, plan.deletes, actions(plan)) == (Outcome.UNKNOWN, None, [None])
    assert plan.uncertain == f"{CORP} is below itself, by what --azure gives"
    elsewhere = [{"id": one, "properties": {"details": {"parent": {"id": other}}}}
                 for one, other in ((group, ABOVE), (ABOVE, group))]  # fmt: skip
    assert run_with(file({}), elsewhere).outcome is Outcome.DEPLOYS


def test_what_is_not_known_is_unknown() -> None:
    for files, zone, culture in (
        (file({"expiresOn": "12/3/2099"}), "UTC", ""),
        (file({"expiresOn": "2099-01-02"}), "UTC", "xx-XX"),
        (file({"displayName": 5}), "UTC", "en-US"),
        ([("a.json", '{"exemptions": [[{"name": "x"}]]}')], "UTC", "en-US"),
        ([("a.json", '{"exemptions": [NaN]}')], "UTC", "en-US"),
    ):
        plan = run(files, {}, zone, culture)
        assert plan.outcome is Outcome.UNKNOWN, files
        assert plan.uncertain
        assert (plan.deletes, plan.second) == (None, None)
        assert all(action is None for action in actions(plan))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [('{"exemptions": [', 1, "not closed"), ('{"exemptions": [\n{"name": "a" "b"}]}', 2, "comma"), ("", 1, "empty")],
)
def test_a_broken_file_is_one_line_with_its_place(text: str, line: int, message: str) -> None:
    plan = run([("a.json", text), *[("b.json", file({})[0][1])]], {})
    assert plan.outcome is Outcome.REFUSED
    (error,) = plan.errors
    assert (error.place.path, error.place.line) == ("a.json", line)
    assert message in error.text


def test_bytes_that_epac_reads_otherwise_are_unknown() -> None:
    text = file({})[0][1]
    assert run([("a.json", text.encode("utf-16"))], {}).outcome is Outcome.DEPLOYS
    assert run([("a.json", text.encode("utf-16-le"))], {}).outcome is Outcome.UNKNOWN
    assert run([("a.json", "\ufeff\ufeff".encode() + text.encode())], {}).outcome is Outcome.UNKNOWN
    assert run([("a.json", "\ufeff".encode() + text.encode())], {}).outcome is Outcome.DEPLOYS


def test_tables_are_read_as_powershell_reads_them() -> None:
    rows = f'{HEADER}\n\n"drop" ,Partner drop,Waiver,{WEB},{BASELINE},,2099-01-02\n{ROW.replace("drop,", "two,", 1)}'
    plan = run([("a.csv", rows)], {})
    assert [(one.name, one.entry.number, one.entry.place.line) for one in plan.items] == [("drop", 2, 3), ("two", 3, 4)]
    assert [one.expires_on for one in plan.items] == ["2099-01-02T00:00:00Z", None]


def test_a_table_on_which_powershell_has_an_error_is_unknown() -> None:
    twice = run([("a.csv", f"{HEADER},NAME\n{ROW}")], {})  # it goes on, unless the preference for errors is Stop
    assert (twice.outcome, twice.items, twice.deletes) == (Outcome.UNKNOWN, [], None)


@pytest.mark.parametrize("entry", [{}, {"exemptionCategory": "Temporary"}, None])
def test_a_folder_called_as_the_environment_in_another_letter_case_may_not_be_found(
    entry: Mapping[str, Any] | None, tmp_path: Path
) -> None:
    files = [(name, text.encode()) for name, text in file(entry)] if entry is not None else []
    arguments = written_out(tmp_path, files, {})
    own = tmp_path / "Definitions" / "policyExemptions" / "corp"
    (other := own.with_name("Corp")).mkdir()
    for one in own.iterdir():
        one.rename(other / one.name)
    own.rmdir()
    (run,) = printed(arguments)["deployments"]
    assert (run["outcome"], run["deletes"]) == ("unknown", None)
    (named,) = printed([*arguments, "--pac-selector", "corp"])["deployments"]
    assert named["outcome"] == ("refused" if entry and "exemptionCategory" in entry else "deploys")


@pytest.mark.parametrize(
    ("entry", "folder", "outcome"),
    [
        ({"policyDefinitionReferenceIds": ["new"]}, "policySetDefinitions", "unknown"),
        ({"policyDefinitionReferenceIds": ["tls12"]}, "policySetDefinitions", "deploys"),
        ({}, "policySetDefinitions", "deploys"),
        ({"policyAssignmentId": ..., "policyDefinitionName": "require-tls"}, "policyDefinitions", "unknown"),
        ({"policyAssignmentId": ..., "policyDefinitionName": "new"}, "policyDefinitions", "unknown"),
        ({"policyDefinitionReferenceIds": ["new"]}, "policyDocumentations", "refused"),
    ],
)
def test_what_epac_plans_of_policies_in_the_same_run_is_not_known(
    entry: Mapping[str, Any], folder: str, outcome: str, tmp_path: Path
) -> None:
    arguments = written_out(tmp_path, [(name, text.encode()) for name, text in file(entry)], {})
    (definitions := tmp_path / "Definitions" / folder).mkdir()
    (definitions / "set.jsonc").write_text("{}")
    (run,) = printed(arguments)["deployments"]
    assert run["outcome"] == outcome
    (alone,) = printed([*arguments, "--epac-switch", "BuildExemptionsOnly"])["deployments"]
    assert alone["outcome"] != "unknown"


def test_other_files_of_epac_are_no_exemptions_whatever_the_options_say(tmp_path: Path) -> None:
    definitions = Path(written_out(tmp_path, [], {})[0])
    (definitions / "policyExemptions" / "corp").rmdir()  # so no environment has exemptions
    (parameters := definitions / "policyAssignments").mkdir()
    (parameters / "parameters.csv").write_text("name,displayName,exemptionCategory\na,A,Waiver\n")
    assert printed([str(definitions), "--pac-selector", "corp"])["deployments"] == []
    loose = tmp_path / "elsewhere"
    loose.mkdir()
    (loose / "a.json").write_text(file({})[0][1])
    settings = str(definitions / "global-settings.jsonc")
    (run,) = printed([str(loose), "--pac-selector", "corp", "--epac-settings", settings])["deployments"]
    assert run["files"][0]["path"].endswith("a.json")


@pytest.mark.parametrize("more", [(), ("--pac-selector", "corp")])
def test_files_above_the_folders_of_environments_are_not_planned(more: Sequence[str], tmp_path: Path) -> None:
    arguments = written_out(tmp_path, [(name, text.encode()) for name, text in file({})], {})
    (tmp_path / "Definitions" / "policyExemptions" / "b.json").write_text(file({"name": "loose"})[0][1])
    said = printed([*arguments, *more])
    assert {one["name"]: one["action"] for one in said["exemptions"]} == {"drop": "new", "loose": None}
    assert [(one["outcome"], one["deletes"]) for one in said["deployments"]] == [("deploys", []), ("unknown", None)]
    assert said["errors"] == []
    assert [one for one in said["notes"] if "EPAC reads no file of this folder itself" in one]


def test_files_above_are_planned_where_the_options_say_whose_they_are(tmp_path: Path) -> None:
    arguments = written_out(tmp_path, [], {})
    (above := tmp_path / "Definitions" / "policyExemptions").joinpath("corp").rmdir()
    (above / "a.json").write_text(file({})[0][1])
    said = printed([*arguments, "--pac-selector", "corp"])
    assert [(one["outcome"], one["deletes"]) for one in said["deployments"]] == [("deploys", [])]
    assert [one for one in said["notes"] if "EPAC reads no file of this folder itself" in one]


def test_a_run_reads_the_folder_of_its_environment_alone(tmp_path: Path) -> None:
    arguments = written_out(tmp_path, [(name, text.encode()) for name, text in file({})], {})
    other = tmp_path / "Definitions" / "policyExemptions" / "dev"
    other.mkdir()
    (other / "a.json").write_text(file({"name": "other"})[0][1])
    both = printed(arguments)
    assert [one["name"] for one in both["exemptions"]] == ["drop", "other"]
    one = printed([*arguments, "--pac-selector", "CORP"])
    assert [each["name"] for each in one["exemptions"]] == ["drop"]
    assert [each for each in one["notes"] if "policyExemptions/dev is not read" in each]


def test_settings_that_epac_stops_without_are_a_note(tmp_path: Path) -> None:
    arguments = written_out(tmp_path, [(name, text.encode()) for name, text in file({})], {})
    settings = tmp_path / "Definitions" / "global-settings.jsonc"
    settings.write_text(settings.read_text().replace('"managedIdentityLocation"', '"location"'))
    said = printed(arguments)
    assert [one for one in said["notes"] if "EPAC stops, because" in one and "lacks managedIdentityLocation" in one]
    assert [one["action"] for one in said["exemptions"]] == ["new"]


def found(tmp_path: Path, files: Sequence[tuple[str, str]], case: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the rules on deployers that find something, each with the corrections."""
    said = printed(written_out(tmp_path, [(name, text.encode()) for name, text in files], case))
    rules: dict[str, list[str]] = {}
    for one in said["exemptions"]:
        for each in one["findings"]:
            if "deployer" in each["evidence"]:
                rules.setdefault(each["rule"], []).append(each["evidence"]["correction"])
    return rules


@pytest.mark.parametrize(
    ("files", "rules"),
    [
        ([("a.json", json.dumps([ENTRY]))], {"exemption-not-made"}),
        ([("a.json", json.dumps({"Exemptions": [ENTRY]}))], {"exemption-not-made"}),
        ([("b.json", '{"exemptions": []}'), (".a.json", file({})[0][1])], {"exemption-not-made"}),
        (file({"policyAssignmentId": f"{BASELINE}x"}), {"exemption-not-made"}),
        (file({"scope": "/subscriptions/subscriptionsPattern/none*"}), {"exemption-not-made"}),
        (file({"expireson": "2099-01-01"}), {"end-not-as-written"}),
        (file({"expiresOn": "1/2/99"}), {"end-not-as-written", "depends-on-runner"}),
        (file({"expiresOn": "12/3/2099"}), {"depends-on-runner"}),
        (file({"expiresOn": "12 3 2099"}), {"depends-on-runner"}),
        (file({"expiresOn": "31.12.2099"}), {"depends-on-runner"}),
        (file({"expiresOn": "31/31/2099"}), set()),  # refused in every culture
        (file({"expiresOn": "12/31"}), {"depends-on-runner"}),
        (file({"expiresOn": "10:00"}), {"depends-on-runner"}),
        (file({"expiresOn": "2 Jan 2099"}), set()),
        (file({"scope": f"{WEB}*"}), {"scope-wider-than-written"}),
        (file({"scope": "/subscriptions/subscriptionsPattern/prod*/resourceGroups/*"}), {"scope-wider-than-written"}),
        ([("a.csv", f"{HEADER}\n{ROW},{{}},")], {"value-ignored"}),
        (file({"approvalTicket": "SEC-1"}), {"value-ignored"}),
        (file({"policyAssignmentId": HTTPS, "policyDefinitionReferenceIds": ["x"]}), {"value-ignored"}),
        (file({"metadata": {"note": None}}), {"never-settles"}),
        (file({}, {"name": "b", "exemptionCategory": "no"}), {"one-file-stops-all"}),
        (file({"metadata": {"": 1}}), {"one-file-stops-all"}),
        (file({"metadata": {"a": {"b": 1, "B": 2}}}), {"one-file-stops-all"}),
        (file({}), set()),
        (file({"expiresOn": "2099-01-02T00:00:00Z", "policyDefinitionReferenceIds": ["TLS12"]}), set()),
        (file({"scopes": [f"a:{WEB}", f"b:{TEST}"], "scope": ...}), set()),
        (file({"scope": f"{WEB}/resourceGroups/rg-*"}), set()),
        (file({"expiresOn": "2020-01-01T00:00:00Z"}), set()),
        ([("a.csv", f"{HEADER}\n{ROW},,2099-01-02")], set()),
    ],
)  # fmt: skip
def test_what_is_done_without_a_word_is_found(
    tmp_path: Path, files: Sequence[tuple[str, str]], rules: set[str]
) -> None:
    said = found(tmp_path, files, {})
    assert said.keys() == rules
    assert all(correction for some in said.values() for correction in some)


def test_a_deletion_that_nobody_means_is_found_and_another_is_not(tmp_path: Path) -> None:
    there = {"deployed": [deployed(run(file({}), {}))]}
    misspelt = file({"policyAssignmentId": f"{BASELINE}x"})
    assert found(tmp_path / "a", misspelt, there).keys() == {"exemption-not-made", "deleted-silently"}
    assert found(tmp_path / "b", file({"name": "other"}), there) == {}
    assert found(tmp_path / "c", [], there).keys() == {"deleted-silently"}


def test_without_settings_nothing_wrong_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(file({})[0][1])
    said = printed([str(tmp_path / "a.json")])
    (one,) = said["exemptions"]
    (run_,) = said["deployments"]
    assert (one["action"], one["deployed"], run_["outcome"], run_["deletes"]) == (None, None, "unknown", None)
    assert one["properties"]["displayName"] == "Partner drop"
    assert any("--epac-settings" in note for note in said["notes"])


@pytest.mark.parametrize(
    ("switch", "why"),
    [
        ("SkipExemptions", "with 'SkipExemptions' EPAC plans no exemptions"),
        ("FailOnExemptionError=yes", "says neither true nor false"),
        ("ErrorActionPreference=halt", "says neither true nor false"),
        ("FailOnExemptionErorr", "none that matters to exemptions"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused(switch: str, why: str) -> None:
    with pytest.raises(WrongCall, match=why):
        calling_of(Options(epac_switch=(switch,)))


@pytest.mark.parametrize(
    ("switch", "switches"),
    [
        ("FailOnExemptionError", Switches(fail=True)),
        ("-FailOnExemptionError=$TRUE", Switches(fail=True)),
        ("FailOnExemptionError=0", Switches()),
        ("ErrorActionPreference= Stop", Switches(stop=True)),
        ("ErrorActionPreference=SilentlyContinue", Switches()),
        ("SkipExemptions=false", Switches()),
    ],
)
def test_a_switch_is_on_or_off(switch: str, switches: Switches) -> None:
    assert calling_of(Options(epac_switch=(switch,))).switches == switches


def test_a_file_that_cannot_be_read_here_leaves_the_plan_unknown(tmp_path: Path) -> None:
    there = {"deployed": [deployed(run(file({}), {}))]}
    arguments = written_out(tmp_path, [("a.json", file({"name": "b"})[0][1].encode())], there)
    (tmp_path / "Definitions" / "policyExemptions" / "corp" / "link.json").symlink_to("/etc/hostname")
    said = printed(arguments)
    (run_,) = said["deployments"]
    assert (run_["outcome"], run_["deletes"], run_["second_run"]) == ("unknown", None, None)
    assert [one["path"].rpartition("/")[2] for one in said["errors"]] == ["link.json"]
    assert {one["action"] for one in said["exemptions"]} == {None}
    assert not any("deleted-silently" in str(one["findings"]) for one in said["exemptions"])


def test_settings_that_lack_the_environment_are_one_line(tmp_path: Path) -> None:
    arguments = written_out(tmp_path, [("a.json", file({})[0][1].encode())], {})
    said = printed([*arguments, "--pac-selector", "prod"])
    (error,) = said["errors"]
    assert error["path"].endswith("global-settings.jsonc")
    assert "corp" in error["message"]
    assert any("the outcome is unknown" in one and "no environment is called 'prod'" in one for one in said["notes"])
    assert "say where it is with" not in json.dumps(said)
