"""The world of tests/reconcile, with what EPAC's recorded cases need in it."""

import pytest

from sandbox import tenant
from tests.epac.recorded import CORP
from tests.epac.states import RETIRED
from tests.reconcile.conftest import world
from tests.reconcile.world import World

__all__ = ["epac_world", "world"]


@pytest.fixture
async def epac_world(world: World) -> World:
    """The tenant of the recording beside the sandbox's: a management group above the subscription, and its policies."""
    arm, group = world.arm, CORP.partition("/providers/microsoft.authorization")[0]
    arm.add_management_group(group.rpartition("/")[2], parent="contoso")
    arm.add_subscription(tenant.PROD, name="contoso-prod", management_group="corp")
    authorization = f"{group}{tenant.AUTHORIZATION}"
    policies = {name: f"{authorization}/policyDefinitions/require-{name}" for name in ("tls", "https")}
    for policy in policies.values():
        arm.seed(policy, {"properties": {"policyRule": {"if": {}, "then": {"effect": "audit"}}, "mode": "All"}})
    members = [
        {"policyDefinitionId": policies[name], "policyDefinitionReferenceId": reference}
        for name, reference in (("tls", "tls12"), ("https", "https"))
    ]
    initiative = arm.seed(
        f"{authorization}/policySetDefinitions/web-set", {"properties": {"policyDefinitions": members}}
    )
    arm.seed(f"{CORP}/baseline", {"properties": {"policyDefinitionId": initiative}})
    arm.seed(f"{CORP}/https", {"properties": {"policyDefinitionId": policies["https"]}})
    arm.seed(RETIRED, {"properties": {"policyDefinitionId": policies["https"]}})
    return world
