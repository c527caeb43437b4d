"""What else is attached to an exemption's scope, and whether that scope is there; and writes where it is not."""

import pytest

from guardrails.azure.arm import ArmRest
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Gone, Unread
from sandbox.cloud import Cloud
from tests.azure.conftest import OID
from tests.azure.inventory import fail
from tests.azure.test_arm import answered, http
from tests.sandbox.conftest import CORP, GROUP, SUBSCRIPTION, VAULT, exemption, exemption_id

ABSENT = f"{SUBSCRIPTION}/resourceGroups/absent"
SCOPES = [CORP, SUBSCRIPTION, GROUP, VAULT]


def one(scope: str, name: str = "e") -> ExemptionId:
    return ExemptionId.parse(exemption_id(scope, name))


@pytest.fixture(autouse=True)
def everywhere(cloud: Cloud) -> None:
    """Two exemptions at each level."""
    for scope in SCOPES:
        for name in ("e", "twin"):
            cloud.arm.seed(exemption_id(scope, name), exemption(displayName=f"{name} at {scope}"))


@pytest.mark.parametrize("scope", SCOPES)
async def test_all_at_the_very_scope_and_no_others(arm: ArmRest, scope: str) -> None:
    found = await arm.at_same_scope(one(scope.upper()))
    assert not isinstance(found, Gone | Unread)
    assert [row["properties"]["displayName"] for row in found] == [f"{name} at {scope}" for name in ("e", "twin")]
    assert found[0] == await arm.get(one(scope))


async def test_it_is_one_request_and_asks_for_the_very_scope(arm: ArmRest, cloud: Cloud) -> None:
    await arm.at_same_scope(one(VAULT))
    assert [seen.status for seen in cloud.arm.log.requests] == [200]


async def test_a_long_list_is_read_to_its_end(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.control._put_paging({"size": 1})
    found = await arm.at_same_scope(one(GROUP))
    assert not isinstance(found, Gone | Unread)
    assert len(found) == 2
    assert len(cloud.arm.log.requests) == 2


async def test_a_scope_that_has_none_is_empty_and_one_that_is_not_there_is_gone(arm: ArmRest, cloud: Cloud) -> None:
    other_vault = VAULT.replace("kv1", "kv2")
    assert await arm.at_same_scope(one(other_vault)) == Gone()
    cloud.arm.seed(other_vault, {"location": "westeurope"})
    assert await arm.at_same_scope(one(other_vault)) == []
    assert await arm.at_same_scope(one(ABSENT)) == Gone()
    assert await arm.at_same_scope(one("/providers/Microsoft.Management/managementGroups/absent")) == Gone()
    assert isinstance(await arm.at_same_scope(one("/subscriptions/00000000-0000-0000-0000-00000000dead")), Unread)


@pytest.mark.http
async def test_a_filter_that_is_not_heeded_makes_no_difference() -> None:
    rows = ", ".join(f'{{"id": "{exemption_id(scope, "e")}"}}' for scope in SCOPES)
    answer = http("200 OK", f'{{"value": [{rows}, 5, {{}}, {{"id": "x"}}]}}'.encode())
    found = await answered(answer, lambda arm: arm.at_same_scope(one(GROUP)))
    assert found == [{"id": exemption_id(GROUP, "e")}]


@pytest.mark.parametrize(
    ("status", "code", "gone"),
    [
        (404, "ResourceNotFound", True), (404, "ParentResourceNotFound", True), (404, "ResourceGroupNotFound", True),
        (404, "SubscriptionNotFound", False), (404, "InvalidResourceType", False), (403, "ResourceNotFound", False),
        (400, "NoRegisteredProviderFound", False),
    ],
)  # fmt: skip
async def test_gone_is_only_what_azure_says_is_gone(
    arm: ArmRest, cloud: Cloud, status: int, code: str, gone: bool
) -> None:
    fail(cloud, path="policyExemptions", status=status, code=code, message="as answered")
    assert await arm.at_same_scope(one(VAULT)) == (Gone() if gone else Unread(f"{code}: as answered"))


async def test_what_we_may_not_read_is_unread(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.control._put_permissions({OID: []})
    assert isinstance(await arm.at_same_scope(one(VAULT)), Unread)


async def test_what_may_come_later_is_retryable(arm: ArmRest, cloud: Cloud) -> None:
    fail(cloud, path="policyExemptions", status=503, retry_after="17")
    with pytest.raises(Retryable) as caught:
        await arm.at_same_scope(one(VAULT))
    assert caught.value.delay == 17


@pytest.mark.parametrize(
    ("scope", "code"), [(VAULT.replace("kv1", "kv2"), "ResourceNotFound"), (ABSENT, "ResourceGroupNotFound")]
)
async def test_writing_where_no_target_is_says_so(arm: ArmRest, scope: str, code: str) -> None:
    with pytest.raises(Permanent) as caught:
        await arm.put(one(scope), exemption())
    assert (caught.value.code, caught.value.subject) == ("no-target", one(scope).text)
    assert caught.value.message.startswith(f"{code}: ")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("status", "code"), [(404, "SubscriptionNotFound"), (404, "PolicyAssignmentNotFound"), (403, "AuthorizationFailed")]
)
async def test_other_refusals_stay_cannot_act(arm: ArmRest, cloud: Cloud, status: int, code: str) -> None:
    fail(cloud, path="policyExemptions", status=status, code=code, message="as answered")
    with pytest.raises(Permanent) as caught:
        await arm.put(one(VAULT), exemption())
    assert caught.value.code == "cannot-act"
