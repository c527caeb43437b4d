"""What would stop a first deployment, or leave something behind: what no type of Bicep shows."""

import json
import re
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from tests.infra.arm_template import Scope
from tests.infra.bicep import INFRA, ROOT, code, names, resources, value, variable
from tools.package.build import deployed_files

MAIN = code("main")
DEPLOY = (ROOT / "docs" / "deploy.md").read_text("utf-8")
ONBOARDING = (ROOT / "docs" / "onboarding.md").read_text("utf-8")
SUBSCRIPTION: dict[str, Any] = json.loads((INFRA / "onboarding" / "subscription.json").read_text("utf-8"))
DEPLOYMENTS = "Microsoft.Resources/deployments"


def test_azd_finds_one_resource_of_the_service() -> None:
    """azd refuses to deploy where two resources have the tag (Azure/azure-dev, issue 5152)."""
    (service,) = yaml.safe_load((ROOT / "azure.yaml").read_text("utf-8"))["services"]
    tagged = [
        one.type for name in ("main", "modules/functions") for one in resources(name) if "azd-service-name" in one.body
    ]
    assert tagged == ["Microsoft.Web/sites"]
    assert "'azd-service-name'" not in MAIN  # a module's tags would be those of all its resources
    assert f"{{ 'azd-service-name': '{service}' }}" in code("modules/functions")


def test_what_is_read_of_a_deployment_waits_for_it() -> None:
    """reference() by an id makes nothing wait (Microsoft Learn, "Define the order for deploying resources")."""
    scope = Scope("11111111-1111-1111-1111-111111111111", variables=SUBSCRIPTION["variables"])
    scope.parameters = {"groupName": "rg-events"}
    topic = scope.value(
        f"[resourceId(subscription().subscriptionId, parameters('groupName'), '{DEPLOYMENTS}',"
        " variables('topicDeployment'))]"
    )
    readers = [
        one
        for one in SUBSCRIPTION["resources"]
        if one["type"] == DEPLOYMENTS and "reference(" in json.dumps(one["properties"]["parameters"])
    ]
    assert len(readers) == 1
    for one in readers:
        assert topic in [scope.value(each) for each in one["dependsOn"]], one["name"]


@pytest.mark.parametrize("name", ["onboarding", "onboarding-host", "onboarding-access", "role-assignments"])
def test_a_role_assignment_is_named_by_who_has_it(name: str) -> None:
    """Azure lets nobody take over an assignment: RoleAssignmentUpdateNotPermitted, once an identity is made anew."""
    given = [one for one in resources(f"modules/{name}") if one.type == "Microsoft.Authorization/roleAssignments"]
    assert bool(given) is (name != "onboarding")  # it does not know who it will be
    for one in given:
        assert re.match(r"guid\(.*\bprincipalId\b.*\)$", value(one.body, "name")), one.symbol


def test_the_policys_identity_may_name_where_dead_letters_go_and_touch_no_other_account() -> None:
    (permissions,) = json.loads((INFRA / "roles" / "onboarder-host.json").read_text("utf-8"))["permissions"]
    assert "Microsoft.Storage/storageAccounts/write" in permissions["actions"]  # Event Grid demands it
    placed = {
        one.symbol: (value(one.body, "scope") if "scope:" in one.body else "group", value(one.body, "roleDefinitionId"))
        for one in resources("modules/onboarding-host")
        if one.type == "Microsoft.Authorization/roleAssignments"
    }
    assert {symbol: place for symbol, (place, role) in placed.items() if role == "hostRoleId"} == {
        "onApp": "app", "onAccount": "account",
    }  # fmt: skip
    (group,) = [role for place, role in placed.values() if place == "group"]
    assert group == "groupRoleId"
    (deploying,) = json.loads((INFRA / "roles" / "onboarder-group.json").read_text("utf-8"))["permissions"]
    assert {one.rpartition("/deployments/")[0] for one in deploying["actions"]} == {"Microsoft.Resources"}


def test_one_address_is_written_as_each_service_takes_it() -> None:
    """Storage refuses /31 and /32 (Microsoft Learn, "Create an IP network rule for Azure Storage")."""
    storage = code("modules/storage")
    rule = "{ value: endsWith(block, '/32') ? split(block, '/')[0] : block }"
    assert variable(storage, "ipRules") == f"for block in allowedRanges: {rule}"
    accounts = [one for one in resources("modules/storage") if one.type == "Microsoft.Storage/storageAccounts"]
    assert [value(one.body, "ipRules") for one in accounts] == ["ipRules", "ipRules"]


def test_a_network_made_here_finds_what_it_closed() -> None:
    network = code("modules/network")
    (zone,) = (one for one in resources("modules/network") if one.type == "Microsoft.Network/privateDnsZones")
    assert zone.made
    (link,) = (one for one in resources("modules/network") if one.type.endswith("/virtualNetworkLinks"))
    assert value(link.body, "registrationEnabled") == "false"
    zones = variable(network, "endpoints")
    assert len(re.findall(r"zone: ", zones)) == 4
    assert not re.findall(r"\.(?:net|com|cn|us)'", zones), "the domain is of one cloud"


def test_ten_decisions_with_those_that_no_parameter_shows() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", DEPLOY, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 11))
    said = " ".join(what for _, what in rows)
    assert "subscription" in said
    assert "management group" in said
    first, _, _ = (INFRA / "main.bicep").read_text("utf-8").partition("// --- what seldom changes")
    assert re.findall(r"`(\w+)`", said) == re.findall(r"^param (\w+)", first, re.MULTILINE)


def test_three_commands() -> None:
    """Those of the first block; a command may go over several lines."""
    block = DEPLOY.split("```sh\n")[1].split("```")[0].replace("\\\n", " ")
    assert len([line for line in block.splitlines() if line.strip()]) == 3
    assert "REGION" not in block  # the second is made where the first was
    assert names(MAIN, "output")["AZURE_LOCATION"] == "string = location"


def test_who_deploys_may_make_roles_and_policies() -> None:
    """Role Based Access Control Administrator gives roles and makes none; nor does it write policies."""
    for guide in (DEPLOY, ONBOARDING):
        assert "User Access Administrator" in " ".join(guide.split()).replace("*", "")


def test_every_parameter_file_is_of_the_same_host() -> None:
    for file in ("main", "audit", "enforce"):
        text = (INFRA / f"{file}.bicepparam").read_text("utf-8")
        assert re.findall(r"readEnvironmentVariable\('(AZURE_ENV_NAME)', '(\w+)'\)", text) == [
            ("AZURE_ENV_NAME", "guardrails")
        ], file
        assert "readEnvironmentVariable('AZURE_LOCATION', 'westeurope')" in text


def test_without_azd_the_same_package_is_made() -> None:
    """The words of `zip` in the guide, against .funcignore."""
    (line,) = re.findall(r"zip -qr build/app\.zip (.+)$", DEPLOY.replace("\\\n", " "), re.MULTILINE)
    taken, _, left = line.partition(" -x ")
    patterns = [pattern.strip("'") for pattern in left.split()]
    files = [
        str(file.relative_to(ROOT))
        for name in taken.split()
        for file in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))
        if file.is_file()
    ]
    packed = sorted(file for file in files if not any(fnmatch(file, pattern) for pattern in patterns))
    assert packed == deployed_files(ROOT)


def test_every_action_of_every_role_is_explained() -> None:
    said = (ROOT / "docs" / "permissions.md").read_text("utf-8")
    for path in sorted((INFRA / "roles").glob("*.json")):
        (permissions,) = json.loads(path.read_text("utf-8"))["permissions"]
        assert {action for action in permissions["actions"] if f"`{action}`" not in said} == set(), path.name


@pytest.mark.parametrize("role", ["Reader", "Enforcer", "Restorer", "Onboarder"])
def test_a_section_explains_the_actions_of_its_roles_and_no_others(role: str) -> None:
    said = (ROOT / "docs" / "permissions.md").read_text("utf-8")
    section = said.split(f"\n## {role}\n", 1)[1].split("\n## ", 1)[0]
    explained = {
        action
        for line in section.splitlines() if line.startswith("| `")
        for action in re.findall(r"`(Microsoft\.[\w./]+)`", line.split("|")[1])
    }  # fmt: skip
    allowed: set[str] = set()
    for path in sorted((INFRA / "roles").glob(f"{role.lower()}*.json")):
        allowed |= set(json.loads(path.read_text("utf-8"))["permissions"][0]["actions"])
    in_words = {one for one in allowed if "/deployments/" in one}
    assert explained - allowed == set()
    assert allowed - explained - in_words == set()


def test_an_empty_list_is_no_list_of_an_empty_name() -> None:
    """split('', ',') is [''], and Azure refuses a setting or a receiver without a name."""
    text = (INFRA / "main.bicepparam").read_text("utf-8")
    lists = re.findall(r"^param \w+ = empty\((\w+)\) \? \[\] : split\((\w+), ','\)$", text, re.MULTILINE)
    assert [one for one, other in lists if one == other] == ["scopes", "settings", "emails", "ranges"]
    assert text.count("split(") == len(lists)
    assert text.count(", ' ', '')") == len(lists)  # a blank after the comma is no part of a name
