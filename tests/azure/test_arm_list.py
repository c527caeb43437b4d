"""Lists of exemptions from ARM: all in a subscription, or those at one management group; nothing inherited."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from guardrails.azure.arm import ArmRest
from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Unread
from sandbox.arm.reply import Call
from sandbox.cloud import Cloud
from tests.azure.conftest import OID
from tests.azure.inventory import fail, seed
from tests.sandbox.conftest import CORP, GROUP, SUB, SUBSCRIPTION, VAULT, exemption, exemption_id

ROOT = "/providers/Microsoft.Management/managementGroups/root"
OTHER = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(autouse=True)
def everywhere(cloud: Cloud) -> dict[str, str]:
    """One exemption at each level, and one in another subscription."""
    cloud.arm.add_subscription(OTHER, management_group="corp")
    scopes = {"root": ROOT, "corp": CORP, "sub": SUBSCRIPTION, "group": GROUP, "vault": VAULT}
    scopes["other"] = f"/subscriptions/{OTHER}"
    return {name: cloud.arm.seed(exemption_id(scope, name), exemption()) for name, scope in scopes.items()}


def names(found: Sequence[Mapping[str, Any]] | Unread) -> set[str]:
    assert not isinstance(found, Unread), found
    return {row["name"] for row in found}


async def test_a_subscription_has_all_levels_in_it_and_none_above(arm: ArmRest) -> None:
    assert names(await arm.list(SUB)) == {"sub", "group", "vault"}
    assert names(await arm.list(OTHER)) == {"other"}


@pytest.mark.parametrize("name", ["root", "corp"])
async def test_a_management_group_has_its_own_only(arm: ArmRest, name: str) -> None:
    assert names(await arm.list(f"mg~{name}")) == {name}


async def test_every_exemption_is_in_the_list_of_its_container(arm: ArmRest, everywhere: dict[str, str]) -> None:
    for name, identity in everywhere.items():
        assert name in names(await arm.list(ExemptionId.parse(identity).container))


async def test_rows_are_bodies_as_get_returns_them(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.seed(exemption_id(CORP, "corp"), exemption(exemptionManagementMode="Admin"))
    found = await arm.list("mg~corp")
    assert not isinstance(found, Unread)
    assert found[0] == await arm.get(ExemptionId.parse(exemption_id(CORP, "corp")))
    assert found[0]["properties"]["exemptionManagementMode"] == "Admin"


async def test_a_long_list_is_read_to_its_end(arm: ArmRest, cloud: Cloud) -> None:
    seed(cloud, 250)
    assert len(names(await arm.list(SUB))) == 253
    assert len(cloud.arm.log.requests) == 3


async def test_casing_does_not_matter(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.seed(exemption_id(SUBSCRIPTION.upper(), "SHOUTED"), exemption())
    assert "SHOUTED" in names(await arm.list(SUB))


async def test_a_next_page_elsewhere_is_not_followed(
    arm: ArmRest, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.arm.control._put_paging({"size": 1})
    monkeypatch.setattr(Call, "url", property(lambda _: "https://example.invalid/list"))
    found = await arm.list(SUB)
    assert isinstance(found, Unread)
    assert len(cloud.arm.log.requests) == 1


async def test_pages_that_go_in_a_circle_end(arm: ArmRest, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.arm.control._put_paging({"size": 1})
    monkeypatch.setattr("sandbox.arm.listing._read_token", lambda _: "")
    assert isinstance(await arm.list(SUB), Unread)
    assert len(cloud.arm.log.requests) == 2


@pytest.mark.parametrize("container", ["00000000-0000-0000-0000-00000000dead", "mg~absent"])
async def test_a_container_that_is_not_there_is_unread(arm: ArmRest, container: str) -> None:
    found = await arm.list(container)
    assert isinstance(found, Unread)
    assert "NotFound: " in found.reason


@pytest.mark.parametrize("container", [SUB, "mg~corp"])
async def test_a_container_that_we_may_not_read_is_unread(arm: ArmRest, cloud: Cloud, container: str) -> None:
    cloud.arm.control._put_permissions({OID: []})
    found = await arm.list(container)
    assert isinstance(found, Unread)
    assert found.reason.startswith("AuthorizationFailed: ")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_page_that_may_come_later_is_tried_again_later(arm: ArmRest, cloud: Cloud, status: int) -> None:
    fail(cloud, path="policyExemptions", status=status, retry_after="17")
    with pytest.raises(Retryable) as caught:
        await arm.list(SUB)
    assert caught.value.delay == 17
