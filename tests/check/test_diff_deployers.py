"""`check --diff` of EPAC's and AzPolicyFactory's files: what changes as their plan would have it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.azpolicyfactory.samples import CORP, config
from tests.files.repositories import commit, git, make

from .conftest import Check, Write
from .test_diff import changes, said, through

SUB = "/subscriptions/11111111-1111-1111-1111-111111111111"
AT = "/providers/Microsoft.Authorization"
NET = f"{CORP}{AT}/policyAssignments/net"
ENTRY: Mapping[str, Any] = {
    "name": "drop", "displayName": "Partner drop", "exemptionCategory": "Waiver", "scope": SUB,
    "policyAssignmentId": NET, "expiresOn": "2027-03-31T00:00:00Z", "metadata": {"owner": "web@contoso.com"},
}  # fmt: skip
OWNER = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
FOLDER = "Definitions/policyExemptions/corp"
SETTINGS = "Definitions/global-settings.jsonc"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make(tmp_path / "repo")


def entries(*some: Mapping[str, Any]) -> dict[str, Any]:
    """A file of entries; each says what differs from ENTRY, None takes a field away."""
    made = [{key: value for key, value in {**ENTRY, **one}.items() if value is not None} for one in some]
    return {"exemptions": made}


def settings(**more: Any) -> dict[str, Any]:
    own = {
        "pacSelector": "corp", "cloud": "AzureCloud", "tenantId": "T", "deploymentRootScope": CORP,
        "managedIdentityLocation": "westeurope",
        "desiredState": {"strategy": more.pop("strategy", "ownedOnly"), "keepDfcSecurityAssignments": False}, **more,
    }  # fmt: skip
    return {"pacOwnerId": OWNER, "pacEnvironments": [own]}


def deployed(name: str, **metadata: str) -> dict[str, Any]:
    properties = {
        "policyAssignmentId": NET, "exemptionCategory": "Waiver", "displayName": name, "metadata": metadata,
    }  # fmt: skip
    return {"id": f"{SUB}{AT}/policyExemptions/{name}", "name": name, "tenantId": "T", "properties": properties}


def azure(*more: dict[str, Any], definition: str = f"{CORP}{AT}/policyDefinitions/d") -> list[dict[str, Any]]:
    return [
        {"id": CORP, "name": "corp", "properties": {"displayName": "corp", "details": {"parent": None}}},
        {"id": SUB, "type": "microsoft.resources/subscriptions", "name": "web", "properties": {
            "displayName": "web", "managementGroupAncestorsChain": [{"name": "corp"}]}},
        {"id": NET, "name": "net", "properties": {"policyDefinitionId": definition, "notScopes": []}},
        {"id": definition, "name": "d", "properties": {"policyRule": {}, "metadata": {}}},
        *more,
    ]  # fmt: skip


@pytest.fixture
def epac(write: Write, repo: Path) -> None:
    write(SETTINGS, settings())
    write("azure/objects.json", azure(deployed("drop", pacOwnerId=OWNER), deployed("theirs")))
    write(".exg-check.yaml", (
        "version: 1\nazure: [azure/objects.json]\nazure_complete: true\ntime_zone: UTC\nculture: en-US\n"
    ))  # fmt: skip
    write(f"{FOLDER}/a.json", entries({}))
    commit(repo)


def diff(check: Check, *words: str, **more: Any) -> Any:
    return check("--diff", "HEAD", *words, place=False, **more)


@pytest.mark.usefixtures("epac")
@pytest.mark.parametrize(
    ("after", "effects", "text"),
    [
        ({"expiresOn": "2027-06-30T00:00:00Z"}, ["extended"], "91 days later"),
        ({"expiresOn": None}, ["extended"], "it never ends now"),
        ({"exemptionCategory": "Mitigated"}, ["changed"], "its category is Mitigated"),
        ({"metadata": {"owner": "bob@contoso.com"}}, ["changed"], "owner: bob@contoso.com instead of web@contoso.com"),
        ({"scope": CORP}, ["moved", "widened"], "its new scope holds the old one"),
        ({"expireson": "2027-03-31T00:00:00Z", "expiresOn": None}, ["extended"], "it never ends now"),
        ({"policyAssignmentId": f"{NET}x"}, ["removed"], "its assignment is not known under the root scope"),
        ({"scope": f"{SUB}9"}, ["removed"], "no assignment applies at its scope"),
        ({}, [], ""),
    ],
)
def test_an_entry_is_compared_as_epac_would_plan_it(
    write: Write, check: Check, *, after: Mapping[str, Any], effects: list[str], text: str
) -> None:
    write(f"{FOLDER}/a.json", entries(after))
    ran = diff(check)
    assert changes(ran) == ({"drop": effects} if effects else {})
    if effects:
        assert any(text in one["text"] for one in ran.json["diff"]["changes"][0]["details"])


@pytest.mark.usefixtures("epac")
def test_what_is_removed_says_whether_epac_deletes_it(write: Write, check: Check) -> None:
    write(f"{FOLDER}/a.json", entries())
    assert said(diff(check), "drop") == {"": "it is no longer deployed; EPAC deletes it"}
    write(".exg-check.yaml", "version: 1\ntime_zone: UTC\nculture: en-US\n")
    write("azure/objects.json", azure())
    assert "EPAC deletes it, if" in said(diff(check), "drop")[""]


@pytest.mark.usefixtures("epac")
def test_a_list_at_the_root_removes_all_of_its_entries(write: Write, check: Check) -> None:
    write(f"{FOLDER}/a.json", entries({})["exemptions"])
    ran = diff(check)
    assert changes(ran) == {"drop": ["removed"]}
    assert "EPAC deletes it" in said(ran, "drop")[""]
    assert ran.code == 1  # exemption-not-made, deleted-silently


@pytest.mark.usefixtures("epac")
def test_settings_that_make_epac_delete_more_are_named(write: Write, check: Check) -> None:
    write(SETTINGS, settings(strategy="full"))
    ran = diff(check)
    assert changes(ran) == {"theirs": ["removed"]}
    assert said(ran, "theirs") == {"": "EPAC deletes it in Azure now; it did not before"}
    assert f"{SETTINGS}:0" in through(ran, "theirs")


@pytest.mark.usefixtures("epac")
def test_settings_that_change_what_is_sent_are_named(write: Write, check: Check) -> None:
    write(SETTINGS, settings(deployedBy="the new pipeline"))
    ran = diff(check)
    assert changes(ran) == {"drop": ["changed"]}
    assert "deployedBy: the new pipeline instead of epac/" in said(ran, "drop")["/properties/metadata/deployedBy"]
    assert through(ran, "drop") == {f"{SETTINGS}:0"}


@pytest.mark.usefixtures("epac")
def test_an_assignment_that_is_gone_takes_the_exemption_with_it(write: Write, check: Check) -> None:
    without = [one for one in azure(deployed("drop", pacOwnerId=OWNER)) if one["id"] != NET]
    write("azure/objects.json", without)
    ran = diff(check)
    assert changes(ran)["drop"] == ["removed"]
    assert "its assignment is not known under the root scope" in said(ran, "drop")[""]
    assert through(ran, "drop") == {"azure/objects.json:0"}


@pytest.mark.usefixtures("epac")
def test_a_refused_run_changes_nothing_and_says_so(write: Write, check: Check) -> None:
    write(f"{FOLDER}/a.json", entries({"expiresOn": "2027-06-30T00:00:00Z"}, {"name": "bad", "exemptionCategory": "x"}))
    ran = diff(check)
    assert (ran.code, changes(ran)) == (2, {"drop": ["extended"]})
    assert ran.json["diff"]["runs"] == [
        f"EPAC, {FOLDER}: refused now, so nothing of it is deployed or deleted until that is corrected"
    ]
    shown = diff(check, form="text").out
    assert "refused now, so nothing of it is deployed" in shown


@pytest.mark.usefixtures("epac")
def test_a_run_that_is_deployed_again_says_so(write: Write, repo: Path, check: Check) -> None:
    write(f"{FOLDER}/b.json", entries({"name": "bad", "exemptionCategory": "x"}))
    commit(repo)
    write(f"{FOLDER}/b.json", entries({"name": "good"}))
    ran = diff(check)
    assert changes(ran) == {"good": ["added"]}
    assert "before, it was refused, so all of its exemptions take effect" in ran.json["diff"]["runs"][0]


@pytest.mark.usefixtures("epac")
def test_an_entry_that_goes_to_another_file_or_a_table_is_the_same(write: Write, repo: Path, check: Check) -> None:
    (repo / FOLDER / "a.json").unlink()
    write(f"{FOLDER}/b.csv", (
        "name,displayName,exemptionCategory,scope,assignmentReferenceId,expiresOn,metadata\n"
        f'drop,Partner drop,Waiver,{SUB},{NET},2027-03-31T00:00:00Z,"{{""owner"":""web@contoso.com""}}"\n'
    ))  # fmt: skip
    ran = diff(check)
    assert (ran.json["diff"]["changes"], ran.json["diff"]["unchanged"]) == ([], 1)


@pytest.mark.usefixtures("epac")
def test_what_epac_repeats_of_an_entry_is_not_said_twice(write: Write, check: Check) -> None:
    write(f"{FOLDER}/a.json", entries({"displayName": "Partner"}))
    assert list(said(diff(check), "drop")) == ["/properties/displayName"]


@pytest.mark.usefixtures("epac")
def test_without_its_folder_epac_leaves_an_environment_alone(repo: Path, check: Check) -> None:
    (repo / FOLDER / "a.json").unlink()
    emptied = diff(check)
    assert said(emptied, "drop") == {"": "it is no longer deployed; EPAC deletes it"}
    assert any("git keeps no empty folder" in note for note in emptied.json["notes"])
    (repo / FOLDER).rmdir()
    gone = diff(check)
    text = "it is no longer deployed; EPAC leaves it in Azure, for its environment has no folder now"
    assert said(gone, "drop") == {"": text}


@pytest.mark.usefixtures("epac")
def test_without_what_epac_needs_all_that_may_differ_is_said_and_nothing_else(
    write: Write, repo: Path, check: Check
) -> None:
    (repo / SETTINGS).unlink()
    (repo / ".exg-check.yaml").unlink()
    commit(repo)
    write(f"{FOLDER}/b.json", entries({"name": "other"}))
    ran = diff(check)
    assert [one["exemption"].rpartition("/")[2] for one in ran.json["diff"]["changes"]] == ["other"]
    assert ran.json["diff"]["unchanged"] == 1
    git(repo, "checkout", "-q", "HEAD~1", "--", SETTINGS)
    effects = changes(diff(check))
    assert set(effects["drop"]) & {"unknown", "changed"}


TO = ("--deploy-to", CORP)


@pytest.mark.parametrize(
    ("after", "effects", "text"),
    [
        ({"expiresOn": "2027-06-30T22:00:00Z"}, ["extended"], "91 days later"),
        ({"expiresOn": None}, ["extended"], "it never ends now"),
        ({"policyDefinitionReferenceIds": None}, ["widened"], "the whole assignment"),
        ({"root": {"subscriptionId": None, "resourceGroupName": None, "subscriptonId": "x"}}, ["moved", "widened"],
         "on a whole management group now"),
        ({"root": {"subscriptionId": None}}, ["removed"], "AzPolicyFactory does not delete it in Azure"),
        ({"expiresOn": "2026-03-31T22:00:00Z"}, ["removed"], "AzPolicyFactory does not delete it in Azure"),
        ({"people": {"owner": "bob@contoso.com"}}, ["changed"], "owner: bob@contoso.com instead of web@contoso.com"),
    ],
)  # fmt: skip
def test_a_file_of_azpolicyfactory_is_compared_as_its_template_sends_it(
    write: Write, repo: Path, check: Check, *, after: Mapping[str, Any], effects: list[str], text: str
) -> None:
    write("policyExemptions/dev/a.json", config())
    commit(repo)
    write("policyExemptions/dev/a.json", json.dumps(config(**after), indent=1))
    ran = diff(check, *TO)
    (one,) = ran.json["diff"]["changes"]
    assert one["effects"] == effects, one
    assert any(text in each["text"] for each in one["details"]), one


def test_where_azpolicyfactory_deploys_to_is_in_a_configuration(write: Write, repo: Path, check: Check) -> None:
    write("policyExemptions/dev/a.json", config(root={"subscriptionId": None, "resourceGroupName": None}))
    write(".exg-check.yaml", f"version: 1\ndeploy_to: [{CORP}]\n")
    commit(repo)
    write(".exg-check.yaml", f"version: 1\ndeploy_to: [{CORP}-two]\n")
    ran = diff(check)
    assert (changes(ran), through(ran, "pex-web")) == ({"pex-web": ["moved"]}, {".exg-check.yaml:0"})


def test_a_new_file_of_azpolicyfactory_that_cannot_be_read_stops_its_folder(
    write: Write, repo: Path, check: Check
) -> None:
    write("policyExemptions/dev/a.json", config())
    commit(repo)
    write("policyExemptions/dev/b.json", json.dumps(config(name="pex-b"))[:300])
    ran = diff(check, *TO)
    assert ran.code == 2
    assert "AzPolicyFactory, policyExemptions/dev: refused now" in ran.json["diff"]["runs"][0]
    assert "pex-web" not in changes(ran)


@pytest.mark.usefixtures("epac")
@pytest.mark.parametrize("lost", [SETTINGS, ".exg-check.yaml"])
def test_what_epac_adds_is_not_called_gone_where_its_plan_is_not_known(
    *, write: Write, repo: Path, check: Check, lost: str
) -> None:
    write(f"{FOLDER}/a.json", entries({"metadata": {"owner": "web@contoso.com", "ticket": "T-1"}}))
    commit(repo)
    (repo / lost).unlink()
    write(f"{FOLDER}/a.json", entries({}))
    found = said(diff(check), "drop")
    assert found[""] == "whether it is deployed is not known now"
    assert {at for at in found if at.startswith("/properties/metadata")} == {"/properties/metadata/ticket"}


def test_files_of_azpolicyfactory_in_another_order_bring_nothing(write: Write, repo: Path, check: Check) -> None:
    write("policyExemptions/dev/a.json", config())
    write("policyExemptions/dev/b.json", config(name="pex-b", policyDefinitionReferenceIds=["dns"]))
    commit(repo)
    git(repo, "mv", "policyExemptions/dev/a.json", "policyExemptions/dev/z.json")
    ran = diff(check, *TO)
    assert changes(ran) == {}
    assert {one["state"] for one in ran.json["diff"]["findings"]} == {"unchanged"}
    git(repo, "reset", "-q", "--hard")
    write("policyExemptions/dev/c.json", config(expiresOn="2027-06-30T22:00:00Z"))
    ran = diff(check, *TO)
    assert changes(ran) == {"pex-web": ["extended", "changed"]}
    assert said(ran, "pex-web")[""].startswith("policyExemptions/dev/c.json:1 deploys it now, too; ")
