"""A running cloud, and a client that speaks to its ARM as somebody."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientSession

from sandbox.cloud import Cloud
from sandbox.identity import token_for

SUB = "ae640e6b-ba3e-4256-9d62-2993eecfa6f2"
SUBSCRIPTION = f"/subscriptions/{SUB}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/demoCluster"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/kv1"
CORP = "/providers/Microsoft.Management/managementGroups/corp"
AUTH = "/providers/Microsoft.Authorization"
SINGLE = f"{CORP}{AUTH}/policyAssignments/single"
INITIATIVE = f"{CORP}{AUTH}/policyAssignments/initiative"
LATEST = "2026-01-01-preview"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def message(self) -> str:
        return str(self.body["error"]["message"])


class Client:
    """Sends requests with a token; `version` is the api-version unless the call names one."""

    def __init__(self, session: ClientSession, address: str, token: str) -> None:
        self.session = session
        self.address = address
        self.token = token

    async def send(self, method: str, path: str, body: Any = None, *, version: str = LATEST, **query: str) -> Answer:
        url = path if path.startswith("http") else self.address + path
        params = {} if "api-version=" in url or not version else {"api-version": version}
        params |= {f"${key}": value for key, value in query.items()}
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with self.session.request(method, url, json=body, params=params, headers=headers) as answer:
            text = await answer.text()
            return Answer(answer.status, dict(answer.headers), json.loads(text) if text else None)

    async def put(self, path: str, body: Any, **more: str) -> Answer:
        return await self.send("PUT", path, body, **more)

    async def get(self, path: str, **more: str) -> Answer:
        return await self.send("GET", path, **more)

    async def names(self, path: str, **more: str) -> list[str]:
        answer = await self.get(path, **more)
        assert answer.status == 200, answer
        return [row["name"] for row in answer.body["value"]]

    async def control(self, method: str, name: str, body: Any = None) -> Any:
        async with self.session.request(method, f"{self.address}/_sandbox/{name}", json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def as_(self, token: str) -> "Client":
        return Client(self.session, self.address, token)


def exemption(assignment: str = SINGLE, **properties: Any) -> dict[str, Any]:
    """A body that ARM accepts, with some properties set; None removes one."""
    merged = {"policyAssignmentId": assignment, "exemptionCategory": "Waiver"} | properties
    return {"properties": {key: value for key, value in merged.items() if value is not None}}


def exemption_id(scope: str, name: str) -> str:
    return f"{scope}{AUTH}/policyExemptions/{name}"


def build_tenant(cloud: Cloud) -> None:
    """Management group root > corp > a subscription with a resource group and a vault; one policy, one initiative."""
    arm = cloud.arm
    arm.add_management_group("root")
    arm.add_management_group("corp", parent="root")
    arm.add_subscription(SUB, name="demo", management_group="corp")
    policy = arm.seed(f"{AUTH}/policyDefinitions/tls", {"properties": {"displayName": "TLS"}})
    members = [{"policyDefinitionId": policy, "policyDefinitionReferenceId": one} for one in ("Limit_Skus", "tls")]
    initiative = arm.seed(f"{AUTH}/policySetDefinitions/base", {"properties": {"policyDefinitions": members}})
    arm.seed(SINGLE, {"properties": {"policyDefinitionId": policy}})
    arm.seed(INITIATIVE, {"properties": {"policyDefinitionId": initiative}})
    arm.seed(GROUP, {"location": "westeurope"})
    arm.seed(VAULT, {"location": "westeurope"})


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    async with Cloud(time_scale=0.001) as running:
        build_tenant(running)
        yield running


@pytest.fixture
async def client(cloud: Cloud) -> AsyncIterator[Client]:
    token = token_for("Ada", "00000000-0000-4000-8000-0000000000ad", upn="ada@contoso.com")
    async with ClientSession() as session:
        yield Client(session, cloud.addresses["arm"], token)
