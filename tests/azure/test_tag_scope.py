"""Tags on the scope of an exemption, through the real azure-mgmt-resource."""

from asyncio import IncompleteReadError, StreamReader, StreamWriter, start_server
from contextlib import suppress

import pytest

from guardrails.azure.arm import ArmRest
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from sandbox.cloud import Cloud
from tests.azure.conftest import OID
from tests.clock import VirtualClock
from tests.reconcile.world import StaticToken
from tests.register.answers import faults, http
from tests.sandbox.conftest import CORP, GROUP, SUBSCRIPTION, VAULT, exemption_id

NAME = "guardrails-exemption-waived"


def tags(cloud: Cloud, scope: str) -> dict[str, str]:
    return dict(cloud.arm.store.entries[scope.lower()].body.get("tags") or {})


@pytest.mark.parametrize("scope", [SUBSCRIPTION, GROUP, VAULT])
async def test_a_tag_is_merged_changed_and_removed(arm: ArmRest, cloud: Cloud, scope: str) -> None:
    cloud.arm.store.entries[scope.lower()].body["tags"] = {"owner": "data"}
    await arm.tag_scope(scope, NAME, "violation: E001")
    assert tags(cloud, scope) == {"owner": "data", NAME: "violation: E001"}
    await arm.tag_scope(scope, NAME, "violation: E002")
    assert tags(cloud, scope) == {"owner": "data", NAME: "violation: E002"}
    await arm.tag_scope(scope, NAME, None)
    assert tags(cloud, scope) == {"owner": "data"}
    await arm.tag_scope(scope, NAME, None)
    assert tags(cloud, scope) == {"owner": "data"}


@pytest.mark.parametrize("name", ["a#b", "a?b", "a b", "ü", "a%", "a;b"])
async def test_a_tag_of_an_unusually_named_scope_is_on_no_other(arm: ArmRest, cloud: Cloud, name: str) -> None:
    kind = f"{GROUP}/providers/Microsoft.KeyVault/vaults"
    for one in ("a", name):
        cloud.arm.seed(f"{kind}/{one}", {})
    await arm.tag_scope(f"{kind}/{name}", NAME, "violation: E001")
    assert tags(cloud, f"{kind}/{name}") == {NAME: "violation: E001"}
    assert tags(cloud, f"{kind}/a") == {}
    await arm.tag_scope(f"{kind}/{name}", NAME, None)
    assert tags(cloud, f"{kind}/{name}") == {}


async def test_a_tag_of_another_casing_is_removed_too(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.store.entries[GROUP.lower()].body["tags"] = {NAME.upper(): "x", "owner": "data"}
    await arm.tag_scope(GROUP, NAME, None)
    assert tags(cloud, GROUP) == {"owner": "data"}


@pytest.mark.parametrize("value", ["x", None])
async def test_a_scope_that_is_gone(arm: ArmRest, value: str | None) -> None:
    with pytest.raises(Permanent) as caught:
        await arm.tag_scope(f"{SUBSCRIPTION}/resourceGroups/absent", NAME, value)
    assert caught.value.code == "cannot-act"
    assert "ResourceGroupNotFound" in caught.value.message


async def test_a_scope_that_is_locked_or_cannot_have_tags(arm: ArmRest, cloud: Cloud) -> None:
    with pytest.raises(Permanent, match="cannot-act"):
        await arm.tag_scope(CORP, NAME, "x")
    cloud.arm.lock(GROUP, "ReadOnly")
    with pytest.raises(Permanent) as caught:
        await arm.tag_scope(GROUP, NAME, "x")
    assert (caught.value.code, caught.value.subject) == ("cannot-act", GROUP)
    assert "ScopeLocked" in caught.value.message
    assert tags(cloud, GROUP) == {}


async def test_without_permission(arm: ArmRest, cloud: Cloud) -> None:
    cloud.arm.control._put_permissions({OID: [{"scope": "", "actions": ["*/read"]}]})
    with pytest.raises(Permanent, match="cannot-act"):
        await arm.tag_scope(VAULT, NAME, "x")


@pytest.mark.parametrize("trouble", [{"status": 429, "retry_after": "40"}, {"status": 503}, {"drop": True}])
@pytest.mark.parametrize("value", ["x", None])
async def test_what_may_pass_is_retryable(
    arm: ArmRest, cloud: Cloud, trouble: dict[str, object], value: str | None
) -> None:
    cloud.arm.control._post_faults(trouble)
    with pytest.raises(Retryable) as caught:
        await arm.tag_scope(VAULT, NAME, value)
    assert caught.value.subject == VAULT
    assert caught.value.delay == (40 if "retry_after" in trouble else 10)


TEXT = b'{"properties": {"tags": {}}}'
FOREIGN = {
    **faults("get_entity"),
    **{f"charset {name}": http(200, TEXT, f"application/json; charset={name}") for name in ("hex", "zlib", "rot13")},
}


@pytest.mark.parametrize("value", ["x", None])
async def test_an_answer_that_is_not_azures_is_retryable(value: str | None, clock: VirtualClock) -> None:
    """Where the SDK reads it all the same, nothing is raised; a defect of ours never is."""
    answer = [b""]

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        with suppress(IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer[0].replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            await writer.drain()
        writer.close()

    seen: dict[str, str] = {}
    async with await start_server(serve, "127.0.0.1", 0) as server:
        arm = ArmRest(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", StaticToken(), clock)
        for name, fault in FOREIGN.items():
            answer[0] = fault
            try:
                await arm.tag_scope(GROUP, NAME, value)
                await arm.get(ExemptionId.parse(exemption_id(GROUP, "one")))
            except Retryable as error:
                seen[name] = error.subject
        await arm.close()
    assert seen["JSON '[]'"] == seen["JSON 'null'"] == seen["JSON that is deep"] == seen["cut in its body"] == GROUP
    assert value is not None or seen["JSON '{}'"] == GROUP


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("value", ["x", None])
async def test_a_redirect_is_not_followed(value: str | None, status: int, clock: VirtualClock) -> None:
    """It would take the body, and a policy token, to wherever it says."""
    asked: list[bytes] = []

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        asked.append(await reader.readline())
        here = f"http://127.0.0.1:{writer.get_extra_info('sockname')[1]}/elsewhere"
        writer.write(http(status, b"{}", more=f"Location: {here}\r\nConnection: close\r\n"))
        await writer.drain()
        writer.close()

    async with await start_server(serve, "127.0.0.1", 0) as server:
        arm = ArmRest(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", StaticToken(), clock)
        with pytest.raises(Retryable):
            await arm.tag_scope(GROUP, NAME, value)
        await arm.close()
    assert [line.split()[1].endswith(b"elsewhere") for line in asked] == [False]
