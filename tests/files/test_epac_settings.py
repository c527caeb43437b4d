"""EPAC's settings: what it stops at is one clear message with its place, and no settings."""

import json
from typing import Any

import pytest

from guardrails.epac.world import Environment
from guardrails.files.epac_settings import BadSettings, read_settings

GROUP = "/providers/Microsoft.Management/managementGroups/corp"
SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"


def environment(selector: str = "corp", *, desired: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {
        "pacSelector": selector, "cloud": "AzureCloud", "tenantId": "t", "deploymentRootScope": GROUP,
        "managedIdentityLocation": "westeurope", **more,
        "desiredState": {"strategy": "full", "keepDfcSecurityAssignments": False, **(desired or {})},
    }  # fmt: skip


def read(*some: dict[str, Any], selector: str = "corp", **more: Any) -> Environment:
    data = json.dumps({"pacOwnerId": "me", "pacEnvironments": [*some], **more}, indent=1)
    return read_settings(data.encode(), "global-settings.jsonc", selector)


def test_an_environment_is_found_in_any_letter_case() -> None:
    found = read(environment("dev"), environment(desired={"strategy": "OwnedOnly"}), selector="CORP")
    assert (found.selector, found.owner, found.strategy) == ("corp", "me", "ownedOnly")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (environment(desired={"strategy": "none"}), "neither full nor ownedOnly"),
        (environment(desired={"deleteExpiredExemptions": True}), "deleteExpiredExemptions"),
        (environment(desired={"keepDfcPlanAssignments": "no"}), "neither true nor false"),
        (environment(desired={"excludedScopes": ["sandbox"]}), "'sandbox' is no scope"),
        (environment(desired={"excludedScopes": GROUP}), "no list of texts"),
        (environment(globalNotScopes=["/Subscriptions/x"]), "is no scope"),
        (environment(globalNotScopes=["/subscriptions/x/resourceGroupPatterns/y*"]), "is no scope"),
        (environment(rootScope={"SubscriptionId": "x"}), "rootScope"),
        (environment(globalNotScopes=[""]), "'' is no scope"),
        (environment(managedTenantId="contoso"), "managedTenantId: it is no GUID"),
        (environment(desired={"excludedPolicyAssignments": "x"}), "excludedPolicyAssignments is no list of texts"),
        (environment(tenantId=None), "has no tenantId"),
        (environment(deploymentRootScope=None), "has no deploymentRootScope"),
    ],
)
def test_epac_stops_at_a_mistake_of_any_environment(said: dict[str, Any], why: str) -> None:
    for some in ([said], [{**said, "pacSelector": "other"}, environment()]):
        with pytest.raises(BadSettings, match=why) as found:
            read(*some)
        assert found.value.place.line > 1


@pytest.mark.parametrize("field", ["globalNotScopes", "managedIdentityLocations"])
def test_epac_stops_at_what_environments_say_now(field: str) -> None:
    more: dict[str, Any] = {field: {"*": []}}
    with pytest.raises(BadSettings, match=field):
        read(environment(), **more)


def test_of_two_environments_of_one_name_none_is_chosen() -> None:
    with pytest.raises(BadSettings, match="two environments are called 'corp'"):
        read(environment(), environment("Corp"))


def test_where_all_subscriptions_are_excluded_the_management_groups_that_are_stay_so() -> None:
    group = f"{GROUP}-sandbox"
    found = read(environment(desired={"excludeSubscriptions": True, "excludedScopes": [SUBSCRIPTION, group]}))
    assert (found.no_subscriptions, found.excluded) == (True, (group,))
    assert read(environment(desired={"excludedScopes": [SUBSCRIPTION, group]})).excluded == (SUBSCRIPTION, group)


def test_what_epac_stops_without_is_named() -> None:
    assert read(environment()).lacks == ()
    said = environment(cloud=None, managedIdentityLocation=None, desired={"keepDfcSecurityAssignments": None})
    for some in ([said], [{**said, "pacSelector": "other"}, environment()]):
        assert read(*some).lacks == ("cloud", "managedIdentityLocation", "keepDfcSecurityAssignments")


def test_an_environment_of_another_tenant_is_taken() -> None:
    assert read(environment(managedTenantId="{99999999-8888-7777-6666-555555555555}")).other_tenant
    assert not read(environment()).other_tenant
