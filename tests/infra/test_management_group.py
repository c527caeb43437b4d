"""Above the host: what onboarding makes in a subscription, the policy that does it, the roles, and the defaults."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from guardrails.exemption.targets import ALWAYS, MOST_TYPES, MOST_VALUES, operations
from guardrails.ruleset.model import load_ruleset
from sandbox.stack import EVENT_FUNCTIONS
from tests.policy.schemas import VALIDATORS, problems

from .arm_template import Deployed, Scope, deploy
from .bicep import checked

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
TEMPLATE: dict[str, Any] = json.loads((INFRA / "onboarding" / "subscription.json").read_text("utf-8"))
POLICY: dict[str, Any] = json.loads((INFRA / "onboarding" / "policy.json").read_text("utf-8"))
ROLES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((INFRA / "roles").glob("*.json"))}
ONBOARDING = (INFRA / "modules" / "onboarding.bicep").read_text("utf-8")
MAIN = (INFRA / "management-group.bicep").read_text("utf-8")

SUBSCRIPTION = "11111111-1111-1111-1111-111111111111"
HOST = "/subscriptions/22222222-2222-2222-2222-222222222222/resourceGroups/rg-guardrails/providers"
ACCOUNT = f"{HOST}/Microsoft.Storage/storageAccounts/stdeadletters"
GIVEN: dict[str, Any] = {
    "functionAppId": f"{HOST}/Microsoft.Web/sites/func-guardrails",
    "deadLetterAccountId": ACCOUNT,
    "deadLetterContainer": "dead-letters",
    "eventsIdentityId": f"{HOST}/Microsoft.ManagedIdentity/userAssignedIdentities/id-events",
    "version": "v1",
}
TOPIC = "Microsoft.EventGrid/systemTopics"
EVENTS = f"{TOPIC}/eventSubscriptions"
GROUP, NAME = "rg-exemption-guardrails-events", "evgt-exemption-guardrails"
TOPIC_DEPLOYMENT = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Resources/deployments/guardrails-topic"
)


def onboard(subscription: str = SUBSCRIPTION, **given: Any) -> list[Deployed]:
    """Return what the template makes in a subscription."""
    topic = {"outputs": {"principalId": {"value": "the topic's own identity"}}}
    return deploy(TEMPLATE, {**GIVEN, **given}, Scope(subscription, references={TOPIC_DEPLOYMENT: topic}))


def of_type(made: list[Deployed], kind: str) -> list[dict[str, Any]]:
    return [one.body for one in made if one.body["type"] == kind]


def event_subscriptions(**given: Any) -> dict[str, dict[str, Any]]:
    """Return function -> properties of its event subscription."""
    made = of_type(onboard(**given), EVENTS)
    return {
        one["properties"]["destination"]["properties"]["resourceId"].rpartition("/")[2]: one["properties"]
        for one in made
    }


def test_each_function_gets_the_events_that_the_sandbox_sends_it() -> None:
    found = event_subscriptions(targetTypes=["Microsoft.Storage/storageAccounts"])
    asked = {}
    for name, properties in found.items():
        (condition,) = properties["filter"]["advancedFilters"]
        assert (condition["operatorType"], condition["key"]) == ("StringIn", "data.operationName")
        asked[name] = properties["filter"]["includedEventTypes"], tuple(condition["values"])
    assert asked == {name: (types, tuple(values)) for name, (types, values) in EVENT_FUNCTIONS.items()}


def test_the_functions_are_there() -> None:
    source = (ROOT / "function_app.py").read_text("utf-8")
    triggered = re.findall(r"@app\.event_grid_trigger\(.*\)\n(?:@.*\n)*async def (\w+)\(", source)
    assert sorted(event_subscriptions()) == sorted(triggered)
    ids = [one["destination"]["properties"]["resourceId"] for one in event_subscriptions().values()]
    assert all(one.startswith(f"{GIVEN['functionAppId']}/functions/") for one in ids)


def test_by_default_only_deployments_and_groups_wake_up_for_targets() -> None:
    (condition,) = event_subscriptions()["on_scope_changed"]["filter"]["advancedFilters"]
    assert tuple(condition["values"]) == ALWAYS


def test_as_many_types_as_event_grid_takes_and_no_more() -> None:
    types = [f"Contoso.Some/type{number:02}" for number in range(MOST_TYPES)]
    (condition,) = event_subscriptions(targetTypes=types)["on_scope_changed"]["filter"]["advancedFilters"]
    assert tuple(condition["values"]) == operations(dict.fromkeys(types, 1))
    assert len(condition["values"]) <= MOST_VALUES
    with pytest.raises(AssertionError, match="targetTypes is too long"):
        event_subscriptions(targetTypes=[*types, "Contoso.Some/more"])
    assert re.search(rf"@maxLength\({MOST_TYPES}\)\nparam targetTypes", MAIN)


def test_one_event_at_a_time_retried_for_a_day_and_never_dropped() -> None:
    for properties in event_subscriptions().values():
        assert properties["destination"]["endpointType"] == "AzureFunction"
        assert properties["destination"]["properties"]["maxEventsPerBatch"] == 1
        assert properties["retryPolicy"] == {"maxDeliveryAttempts": 30, "eventTimeToLiveInMinutes": 1440}
        assert "deadLetterDestination" not in properties
        assert properties["deadLetterWithResourceIdentity"] == {
            "identity": {"type": "UserAssigned", "userAssignedIdentity": GIVEN["eventsIdentityId"]},
            "deadLetterDestination": {
                "endpointType": "StorageBlob",
                "properties": {"resourceId": ACCOUNT, "blobContainerName": "dead-letters"},
            },
        }


def test_a_group_and_a_global_topic_for_the_subscription_and_nothing_else() -> None:
    made = onboard(tags={"owner": "platform"})
    group, topic, *others = made
    assert (group.place, group.body["name"], group.body["location"]) == (f"{SUBSCRIPTION}/", GROUP, "westeurope")
    assert (topic.place, topic.body["name"], topic.body["location"]) == (f"{SUBSCRIPTION}/{GROUP}", NAME, "global")
    assert topic.body["properties"] == {
        "source": f"/subscriptions/{SUBSCRIPTION}",
        "topicType": "Microsoft.Resources.Subscriptions",
    }
    assert topic.body["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {GIVEN["eventsIdentityId"]: {}}}
    assert group.body["tags"] == topic.body["tags"] == {"owner": "platform"}
    assert [one.body["type"] for one in others] == [EVENTS] * 3


def test_each_topic_may_have_an_identity_of_its_own() -> None:
    made = onboard(deadLetterIdentity="SystemAssigned", eventsIdentityId="")
    (topic,) = of_type(made, TOPIC)
    assert topic["identity"] == {"type": "SystemAssigned"}
    at = [one.body["type"] for one in made].index("Microsoft.Authorization/roleAssignments")
    assert made[at].place == "22222222-2222-2222-2222-222222222222/rg-guardrails"
    assert made[at].body["scope"] == f"{ACCOUNT}/blobServices/default/containers/dead-letters"
    assert made[at].body["properties"]["principalId"] == "the topic's own identity"
    kinds = [one["deadLetterWithResourceIdentity"]["identity"] for one in event_subscriptions(
        deadLetterIdentity="SystemAssigned"
    ).values()]  # fmt: skip
    assert kinds == [{"type": "SystemAssigned"}] * 3
    assert [one.body["type"] for one in made[at + 1 :]] == [EVENTS] * 3  # they need the role when they are made


def test_a_topic_that_others_made_is_only_added_to() -> None:
    made = onboard(makeTopic=False, groupName="rg-others", topicName="theirs")
    assert {one.place for one in made} == {f"{SUBSCRIPTION}/rg-others"}
    assert [one.body["name"] for one in made] == [
        "theirs/on-scope-changed", "theirs/on-exemption-deleted", "theirs/on-exemption-written",
    ]  # fmt: skip


def test_the_same_names_every_time_and_everywhere() -> None:
    assert onboard() == onboard()
    other = onboard("33333333-3333-3333-3333-333333333333")
    assert [one.body["name"] for one in onboard()] == [one.body["name"] for one in other]


def bicep(value: Any) -> str:
    """Return a literal of Bicep."""
    if isinstance(value, dict):
        return "{\n" + "\n".join(f"'{key}': {bicep(one)}" for key, one in value.items()) + "\n}"
    if isinstance(value, list):
        return "[\n" + "\n".join(map(bicep, value)) + "\n]"
    return json.dumps(value) if isinstance(value, bool | int) else "'" + value.replace("'", "\\'") + "'"


@pytest.mark.parametrize("identity", ["UserAssigned", "SystemAssigned"])
def test_azure_knows_what_is_made(tmp_path: Path, identity: str) -> None:
    for number, one in enumerate(onboard(deadLetterIdentity=identity)):
        body = {key: found for key, found in one.body.items() if key not in ("type", "apiVersion", "scope")}
        target = "resourceGroup" if one.place.partition("/")[2] else "subscription"
        declared = f"resource made '{one.body['type']}@{one.body['apiVersion']}' = {bicep(body)}"
        (tmp_path / f"{number}.bicep").write_text(f"targetScope = '{target}'\n{declared}\n", "utf-8")
    assert "error" not in checked(str(tmp_path)).replace("0 errors", "")


def rule() -> dict[str, Any]:
    """Return the policy's rule with what modules/onboarding.bicep puts in."""
    found: dict[str, Any] = json.loads(json.dumps(POLICY["policyRule"]))
    details = found["then"]["details"]
    details["roleDefinitionIds"] = ["/providers/Microsoft.Authorization/roleDefinitions/onboarder"]
    details["deployment"]["properties"]["template"] = TEMPLATE
    return found


def test_the_policy_keeps_the_schemas_of_rules() -> None:
    assert problems(rule()) == []
    broken = rule()
    broken["then"]["details"]["existenceCondition"]["counts"] = broken["then"]["details"]["existenceCondition"].pop(
        "count"
    )
    assert not any(schema.is_valid(broken) for schema in VALIDATORS)


def test_the_policy_looks_for_what_is_made_last_with_its_version() -> None:
    details = POLICY["policyRule"]["then"]["details"]
    assert POLICY["policyRule"]["if"] == {"field": "type", "equals": "Microsoft.Resources/subscriptions"}
    assert (details["deploymentScope"], details["existenceScope"]) == ("subscription", "resourceGroup")
    last = onboard()[-1].body
    looked_for = details["name"].replace("[concat(parameters('topicName'), '", f"{NAME}").replace("')]", "")
    assert (details["type"], looked_for) == (last["type"], last["name"])
    label = f"{EVENTS}/labels[*]"
    assert details["existenceCondition"] == {
        "count": {"field": label, "where": {"field": label, "equals": "[parameters('version')]"}},
        "greater": 0,  # of no labels at all, none is right
    }
    assert last["properties"]["labels"] == [GIVEN["version"]]
    (made,) = [one for one in TEMPLATE["resources"] if one.get("name") == "guardrails-event-subscriptions"]
    first, *others = made["properties"]["template"]["resources"]
    assert "dependsOn" not in first
    for before, one in enumerate(others):  # one waits for the other, so the last is there only when all are
        assert one["dependsOn"] == [
            f"[resourceId('{EVENTS}', parameters('topicName'), parameters('wanted')[{before}].name)]"
        ]


def test_the_template_has_no_loop() -> None:
    """Bicep makes a variable of it; Resource Manager runs a `copy` in a variable at once (Azure/bicep, issue 7241)."""
    assert '"copy"' not in json.dumps(TEMPLATE)


def test_the_policy_hands_everything_on() -> None:
    passed = POLICY["policyRule"]["then"]["details"]["deployment"]["properties"]["parameters"]
    assert passed == {name: {"value": f"[parameters('{name}')]"} for name in passed}
    assert set(passed) == set(TEMPLATE["parameters"]) - {"makeTopic"}
    assert set(POLICY["parameters"]) == {*passed, "effect"}
    assigned = re.findall(r"^      (\w+): \{ value: \1 \}$", ONBOARDING, re.MULTILINE)
    assert sorted(assigned) == sorted(POLICY["parameters"])
    kinds = [one["parameters"]["deadLetterIdentity"]["allowedValues"] for one in (POLICY, TEMPLATE)]
    assert kinds[0] == kinds[1]


def test_whatever_changes_what_is_deployed_changes_the_version() -> None:
    (arguments,) = re.findall(r"^var version = uniqueString\((.+?)^\)$", ONBOARDING, re.MULTILINE | re.DOTALL)
    hashed = set(re.findall(r"\w+", arguments)) - {"string"}
    where_not_what = {"location", "groupName", "topicName", "makeTopic", "version"}
    assert hashed == {"template"} | set(TEMPLATE["parameters"]) - where_not_what


def test_brackets_of_the_template_are_its_own() -> None:
    text = json.dumps(TEMPLATE)
    assert '"[[' not in text  # loadJsonContent() escapes them; the policy does not look into the template
    assert "loadJsonContent('../onboarding/subscription.json')" in ONBOARDING
    assert "template: template" in ONBOARDING


def actions(role: str) -> set[str]:
    (permissions,) = ROLES[role]["permissions"]
    assert not permissions["notActions"]
    assert not permissions["dataActions"]  # not allowed with a management group as scope
    assert not permissions["notDataActions"]
    assert permissions["actions"] == sorted(set(permissions["actions"]), key=str.lower)
    return set(permissions["actions"])


def test_no_role_has_a_wildcard() -> None:
    assert sorted(ROLES) == ["enforcer", "onboarder", "onboarder-group", "onboarder-host", "reader", "restorer"]
    assert not [one for role in ROLES for one in actions(role) if "*" in one]
    assert len({found["roleName"] for found in ROLES.values()}) == len(ROLES)


def test_each_role_allows_its_own_and_no_more() -> None:
    exemptions = "Microsoft.Authorization/policyExemptions"
    exempt = "Microsoft.Authorization/policyAssignments/exempt/action"
    assert all(one.endswith("/read") for one in actions("reader"))
    assert actions("restorer") == {f"{exemptions}/write", exempt}
    tags = {"Microsoft.Resources/tags/read", "Microsoft.Resources/tags/write"}
    assert actions("enforcer") == actions("restorer") | {f"{exemptions}/delete"} | tags
    for role in ("onboarder", "onboarder-group", "onboarder-host"):
        assert not [
            one for one in actions(role) if one.lower().endswith(("/delete", "keys/action", "roleassignments/write"))
        ]


def test_all_that_the_policy_deploys_is_in_its_role() -> None:
    allowed = actions("onboarder")
    for one in onboard():
        assert {
            f"{one.body['type'].replace('Resources/resource', 'Resources/subscriptions/resource')}/write"
        } <= allowed
    assert "Microsoft.Resources/deployments/write" in allowed
    assert "Microsoft.Web/sites/functions/write" in actions("onboarder-host")


def test_every_role_file_is_made_into_a_role() -> None:
    bicep_files = "".join(path.read_text("utf-8") for path in (INFRA / "modules").glob("*.bicep"))
    assert {f"../roles/{name}.json" for name in ROLES} <= set(re.findall(r"loadJsonContent\('([^']+)'\)", bicep_files))


def test_unless_asked_the_app_only_reads_and_no_log_is_sent() -> None:
    defaults = dict(re.findall(r"^param (\w+) [\w\[\]]+ = (.+)$", MAIN, re.MULTILINE))
    off = {name: defaults[name] for name in ("enforce", "restore", "readTags", "activityLogGroups")}
    assert off == {"enforce": "false", "restore": "false", "readTags": "false", "activityLogGroups": "[]"}
    given = dict(
        re.findall(r"^param (\w+) = (.+)$", (INFRA / "management-group.bicepparam").read_text("utf-8"), re.MULTILINE)
    )
    assert (given["enforce"], given["restore"], given["activityLogGroups"]) == ("false", "false", "[]")
    assignments = (INFRA / "modules" / "role-assignments.bicep").read_text("utf-8")
    wanted = re.findall(r"^  (\w+) \? \[(\w+)\] : \[\],?$", assignments, re.MULTILINE)
    assert wanted == [("enforce", "enforcerId"), ("restore", "restorerId"), ("readTags", "builtInReader")]


def test_the_parameter_file_reads_what_the_host_puts_out() -> None:
    read = set(
        re.findall(r"readEnvironmentVariable\('(\w+)'", (INFRA / "management-group.bicepparam").read_text("utf-8"))
    )
    put_out = set(re.findall(r"^output (\w+) ", (INFRA / "main.bicep").read_text("utf-8"), re.MULTILINE))
    assert read <= put_out


def test_who_assigns_the_onboarding_policy_by_hand_deploys_nothing_unasked() -> None:
    assert POLICY["parameters"]["effect"]["defaultValue"] == "auditIfNotExists"
    assert "effect: { value: effect }" in ONBOARDING, "the deployment says it"


def test_what_refuses_lets_the_service_past() -> None:
    prevention = (INFRA / "modules" / "prevention.bicep").read_text("utf-8")
    assert "'letPast-${one}', one => { value: union([principalId], letPast[?one] ?? []) }" in prevention
    for template, default in ((prevention, ""), (MAIN, " = {}")):
        assert f"param letPast {{ *: string[] }}{default}\n" in template, "one id in place of a list is refused first"
    assert re.search(r"module prevention .*?references: denials\n    principalId: principalId\n", MAIN, re.DOTALL)
    initiative = json.loads((INFRA / "policies/initiatives/exemption-guardrails-deny.json").read_text("utf-8"))
    members = [one["policyDefinitionReferenceId"] for one in initiative["properties"]["policyDefinitions"]]
    assert {f"letPast-{one}" for one in members} <= initiative["properties"]["parameters"].keys()
    assert "effect-delete" in initiative["properties"]["parameters"]


def test_an_assignment_of_ours_has_a_name_that_a_management_group_takes_and_nobody_may_exempt_from_it() -> None:
    prevention = (INFRA / "modules" / "prevention.bicep").read_text("utf-8")
    names = re.findall(r"policyAssignments@.*?name: '([^']+)'", prevention, re.DOTALL)
    assert names == ["exemption-guardrails", "guardrails-deny", "tag-exceptions"]
    assert all(len(name) <= 24 for name in names)
    listed = load_ruleset().limits.rules["never-exempt"]["options"]["assignments"]
    assert {f"**/policyAssignments/{name}" for name in names[:2]} == set(listed)
