"""The ARM stand-in with a policy of external evaluation: what it takes for a token that is good."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.arm.policy_tokens import HEADER, content_of
from sandbox.cloud import Cloud
from tests.sandbox.conftest import CORP, GROUP, LATEST, SUBSCRIPTION, VAULT, Answer, Client, exemption, exemption_id

ONE = exemption_id(GROUP, "one")
BODY = json.dumps(exemption(displayName="ü")).encode()
AT = "/providers/Microsoft.Authorization/acquirePolicyToken"


async def write(client: Client, token: str = "", *, method: str = "PUT", path: str = ONE, body: bytes = BODY) -> Answer:
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    headers |= {HEADER: token} if token else {}
    url = f"{client.address}{path}?api-version={LATEST}"
    async with client.session.request(method, url, data=body, headers=headers) as answer:
        text = await answer.text()
        return Answer(answer.status, dict(answer.headers), json.loads(text) if text else None)


async def acquire(
    client: Client, *, method: str = "PUT", path: str = ONE, body: bytes = BODY, at: str = SUBSCRIPTION, **more: Any
) -> Answer:
    operation = {"uri": f"{client.address}{path}?api-version={LATEST}", "httpMethod": method}
    raw = json.dumps({"operation": operation, **more}).encode()
    raw = raw.replace(b'"}', b'", "content": ' + body + b"}", 1) if body else raw
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": "application/json"}
    url = f"{client.address}{at}{AT}?api-version=2025-11-01"
    async with client.session.post(url, data=raw, headers=headers) as answer:
        return Answer(answer.status, dict(answer.headers), await answer.json())


async def test_without_a_demand_no_token_is_wanted(client: Client) -> None:
    assert (await write(client)).status == 201


async def test_a_write_without_a_token_is_refused_as_azure_does(client: Client) -> None:
    await client.control("PUT", "policy-tokens", {})
    answer = await write(client)
    assert (answer.status, answer.code) == (403, "RequestDisallowedByPolicy")
    (more,) = answer.body["error"]["additionalInfo"]
    assert more["type"] == "PolicyViolation"
    assert more["info"]["evaluationDetails"]["missingPolicyTokenDetails"] == {
        "shouldDeny": True, "endpointKind": "AzureResourceGraph", "isChangeReferenceRequired": False,
    }  # fmt: skip
    assert (await client.get(ONE)).status == 404
    await client.control("DELETE", "policy-tokens")
    assert (await write(client)).status == 201


async def test_a_token_is_good_once(client: Client) -> None:
    await client.control("PUT", "policy-tokens", {})
    answer = await acquire(client)
    assert (answer.status, answer.body["result"]) == (200, "Succeeded")
    token = answer.body["token"]
    assert token.startswith("PoP ")
    assert (await write(client, token)).status == 201
    again = await write(client, token)
    assert (again.status, "used before" in again.message) == (403, True)


@pytest.mark.parametrize(
    "other",
    [
        {"method": "DELETE", "body": b""}, {"path": exemption_id(GROUP, "two")}, {"body": BODY + b" "},
        {"body": BODY.replace(b": ", b":")}, {"body": json.dumps(json.loads(BODY), ensure_ascii=False).encode()},
    ],
)  # fmt: skip
async def test_a_token_is_for_one_method_address_and_body_alone(client: Client, other: dict[str, Any]) -> None:
    await client.control("PUT", "policy-tokens", {})
    token = (await acquire(client)).body["token"]
    answer = await write(client, token, **other)
    assert (answer.status, "for another request" in answer.message) == (403, True)
    assert (await write(client, token)).status == 201


async def test_a_token_lasts_only_so_long(client: Client) -> None:
    await client.control("PUT", "policy-tokens", {"lifetime": -1})
    token = (await acquire(client)).body["token"]
    answer = await write(client, token)
    assert (answer.status, "has expired" in answer.message) == (403, True)
    assert (await write(client, "PoP made-up")).status == 403


async def test_only_what_is_named_needs_one(client: Client, cloud: Cloud) -> None:
    await client.control("PUT", "policy-tokens", {"path": "/one$", "methods": ["DELETE"], "oids": ["somebody-else"]})
    assert (await write(client)).status == 201
    assert (await write(client, method="DELETE", body=b"")).status == 200
    await client.control("PUT", "policy-tokens", {"path": "/ONE$", "methods": ["DELETE"]})
    assert (await write(client)).status == 201
    assert (await write(client, path=exemption_id(GROUP, "two"))).status == 201
    assert (await write(client, method="DELETE", path=exemption_id(GROUP, "two"), body=b"")).status == 200
    assert (await write(client, method="DELETE", body=b"")).status == 403
    cloud.arm.reset()
    assert (await write(client, method="DELETE", body=b"")).status == 200


async def test_an_evaluation_may_fail_deny_or_want_a_change_reference(client: Client) -> None:
    await client.control("PUT", "policy-tokens", {"outcome": "Deny"})
    answer = await acquire(client)
    assert (answer.body["results"][0]["policyAction"], "token" in answer.body) == ("Deny", False)
    await client.control("PUT", "policy-tokens", {"outcome": "Failed", "retry_after": 60})
    before = datetime.now(UTC)
    answer = await acquire(client)
    again = datetime.fromisoformat(answer.body["retryAfter"]) - timedelta(seconds=60)
    assert (answer.body["result"], before <= again <= datetime.now(UTC)) == ("Failed", True)
    await client.control("PUT", "policy-tokens", {"change_reference": "/changes/1"})
    assert (await acquire(client)).body["result"] == "Failed"
    assert (await acquire(client, changeReference="/changes/1")).body["token"]


async def test_who_asks_needs_the_built_in_reader(client: Client, cloud: Cloud) -> None:
    oid = "00000000-0000-4000-8000-0000000000ad"
    own = "Microsoft.Authorization/policyExemptions/*"
    cloud.arm.control._put_permissions({oid: [{"scope": SUBSCRIPTION, "actions": [own]}]})
    assert (await acquire(client)).code == "AuthorizationFailed"
    cloud.arm.control._put_permissions({oid: [{"scope": GROUP, "actions": [own, "*/read"]}]})
    assert (await acquire(client)).code == "AuthorizationFailed"
    cloud.arm.control._put_permissions({oid: [{"scope": SUBSCRIPTION, "actions": [own, "*/read"]}]})
    assert (await acquire(client)).status == 200
    cloud.arm.reset()
    assert (await acquire(client, at=CORP)).status == 200


async def test_what_a_deployment_writes_needs_no_token_of_its_callers(client: Client) -> None:
    await client.control("PUT", "policy-tokens", {"path": "vaults"})
    resource = {
        "type": "Microsoft.KeyVault/vaults",
        "name": "new",
        "apiVersion": "2023-07-01",
        "location": "westeurope",
    }
    template = {"properties": {"mode": "Incremental", "template": {"resources": [resource]}}}
    path = f"{GROUP}/providers/Microsoft.Resources/deployments/d"
    assert (await client.put(path, template, version="2025-04-01")).status in (200, 201)
    assert (await client.put(VAULT, {"location": "westeurope"}, version="2023-07-01")).status == 403


@pytest.mark.parametrize("raw", [b"{}", b'{"operation": {"uri": 7, "httpMethod": "PUT"}}', b"[]"])
async def test_a_request_that_names_no_operation_is_refused(client: Client, raw: bytes) -> None:
    answer = await write(client, method="POST", path=SUBSCRIPTION + AT, body=raw)
    assert (answer.status, answer.code) == (400, "InvalidRequestContent")


async def test_a_demand_takes_only_what_it_has(client: Client) -> None:
    async with client.session.put(f"{client.address}/_sandbox/policy-tokens", json={"paht": ""}) as answer:
        assert answer.status == 400
        assert "paht" in await answer.text()


def test_the_content_is_read_byte_for_byte() -> None:
    assert content_of(b'{"operation": {"uri": "\\"content\\": 7", "content": {"a":  [1 ,"]}"]}}, "b": 1}') == (
        b'{"a":  [1 ,"]}"]}'
    )
    assert content_of(b'{"operation": {"uri": "x"}}') == b""


async def test_a_delete_has_no_content_or_null(client: Client) -> None:
    """azure-cli 2.91.0 sends null."""
    for body in (b"", b"null"):
        await client.put(ONE, exemption())
        await client.control("PUT", "policy-tokens", {})
        token = (await acquire(client, method="DELETE", body=body)).body["token"]
        assert (await write(client, token, method="DELETE", body=b"")).status == 200
        await client.control("DELETE", "policy-tokens")
