"""Targets that go and come back are heard of: by their own events, their group's, and a deployment's."""

import json
from pathlib import Path
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from sandbox import tenant
from sandbox.tenant import PIPELINE, exemption_id, send

from .conftest import GOOD, Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVENT = json.loads((Path(__file__).parents[1] / "events" / "write.json").read_text())
FUNCTION = "on_scope_changed"


@pytest.fixture
def group(request: pytest.FixtureRequest) -> str:
    """A resource group that only this test has."""
    return f"{tenant.SUBSCRIPTION}/resourceGroups/{request.node.name.replace('[', '-').strip(']')}"


async def arm(site: Site, method: str, path: str, body: Any = None) -> None:
    status, answer = await send(site.sandbox, PIPELINE, method, path, body)
    assert status in (200, 201), answer


@pytest.mark.parametrize("schema", ["eventgrid", "cloudevents"])
@pytest.mark.parametrize("goes", ["account", "group", "deployment"])
async def test_an_exemption_whose_target_goes_is_known_to_be_gone(
    site: Site, group: str, schema: str, goes: str
) -> None:
    await site.sandbox.subscribe(schema)
    account = f"{group}/providers/Microsoft.Storage/storageAccounts/drop"
    await arm(site, "PUT", group, {"location": "westeurope"})
    await arm(site, "PUT", account, {"location": "westeurope"})
    path = exemption_id(account, "waived")
    await site.put(path, **GOOD)
    await site.settled(path, Status.COMPLIANT, "written")
    if goes == "deployment":
        empty = {"properties": {"mode": "Complete", "template": {"resources": []}}}
        await arm(site, "PUT", f"{group}/providers/Microsoft.Resources/deployments/wipe", empty)
    else:
        await arm(site, "DELETE", account if goes == "account" else group)

    async def known() -> bool:
        found = await site.register.read(ExemptionId.parse(path))
        return found is not None and found.row.status in (Status.LOST, Status.GONE)

    await until(known, f"{path} is not known to be gone")
    assert await site.body(path) is None


async def test_malformed_events_are_answered_and_what_cannot_be_read_is_kept(site: Site) -> None:
    elsewhere = {**EVENT, "subject": tenant.RESOURCE, "data": {"operationName": "Microsoft.Resources/tags/write"}}
    for event in (EVENT, elsewhere, {**EVENT, "eventType": "Microsoft.Resources.ResourceActionSuccess"}):
        assert await site.event([event], FUNCTION) == 202
    malformed = {
        **EVENT,
        "id": "scope-malformed-1",
        "subject": "",
        "data": {"operationName": "Microsoft.Web/sites/write"},
    }
    assert await site.event([malformed], FUNCTION) == 202
    dead_letter = await site.dead_letter(lambda one: "scope-malformed-1" in one.payload)
    assert dead_letter.reason == "it does not say what was written or deleted"
