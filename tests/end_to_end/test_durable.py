"""An approved exemption goes with its resource group and is back after the redeployment, by the event of its target."""

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from sandbox import demo, tenant
from sandbox.tenant import PIPELINE, exemption_id, send

from .conftest import GOOD, Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_it_is_back_once_its_target_is(site: Site) -> None:
    one = exemption_id(tenant.REPORTS, "durable")
    await site.put(one, **GOOD)
    await site.settled(one, Status.COMPLIANT)
    before = (await site.body(one))["properties"]
    await site.sandbox.control("PUT", "latency", {"seconds": 0.1})
    await send(site.sandbox, PIPELINE, "DELETE", tenant.REPORTING)
    await site.settled(one, Status.LOST, "lost")
    await send(site.sandbox, PIPELINE, "PUT", tenant.REPORTING, {"location": "westeurope"})
    await demo.deploy(site.sandbox, tenant.REPORTING, "Incremental", tenant.REPORTS)
    found = await until(lambda: site.body(one), "the exemption did not come back")
    await site.sandbox.control("PUT", "latency", {"seconds": 0})
    assert found["properties"] == before
    stored, history = await site.settled(one, Status.COMPLIANT, "brought-back")
    assert len(stored.row.restored) == 1
    assert "its target is there" in history[-1].facts["why"]
    assert await site.register.verify(ExemptionId.parse(one)) == []


async def test_a_pipelines_delete_is_accepted(site: Site) -> None:
    one = exemption_id(tenant.RESOURCE, "accepted-delete")
    await site.put(one, **GOOD)
    await site.settled(one, Status.COMPLIANT)
    status, _ = await send(site.sandbox, PIPELINE, "DELETE", one)
    assert status in (200, 204)
    stored, history = await site.settled(one, Status.GONE, "deleted")
    assert stored.row.lost is None
    assert "deleted it, which is allowed" in history[-1].facts["accepted"]
