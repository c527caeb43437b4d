"""Each role of infra/roles is enough for what it is for: the stand-in refuses whatever it does not allow."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from guardrails.decisions.row import Status
from sandbox import demo, tenant
from sandbox.identity import Identity
from sandbox.tenant import ALICE, PIPELINE, exemption_id, send
from tests.permissions import allowed

from .conftest import GOOD, Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

type Grant = Callable[..., Awaitable[None]]
NO_TICKET: dict[str, Any] = {**GOOD, "metadata": {**tenant.APPROVAL, "approvalTicket": None}}


@pytest_asyncio.fixture(loop_scope="session")
async def grant(site: Site) -> AsyncIterator[Grant]:
    """Give the service's identity these roles in both subscriptions, and nothing else."""

    async def give(*roles: str) -> None:
        actions = [action for role in roles for action in allowed(role)]
        grants = [{"scope": f"/subscriptions/{one}", "actions": actions} for one in (tenant.PROD, tenant.DEV)]
        await site.sandbox.control("PUT", "permissions", {Identity().oid: grants})

    yield give
    await site.sandbox.control("DELETE", "permissions")


async def refusals(site: Site) -> list[str]:
    """What the service was refused, so far."""
    requests = await site.sandbox.control("GET", "requests")
    ours = [one for one in requests if one["caller"] == Identity().name and one["status"] == 403]
    return [f"{one['method']} {one['path']}" for one in ours]


async def test_the_reader_is_all_that_audit_mode_needs(site: Site, grant: Grant, path: str) -> None:
    await grant("reader")
    before = await refusals(site)
    await site.sandbox.stop_functions()
    site.sandbox.environment["GUARDRAILS_MODE"] = "audit"
    try:
        await site.sandbox.start_functions()
        await site.put(path, ALICE)
        stored, _ = await site.settled(path, Status.VIOLATION)
        await site.about(path, "would-revert")
        await site.sandbox.sweep()
        run = await site.register.sweeps.last()
    finally:
        await site.sandbox.stop_functions()
        site.sandbox.environment["GUARDRAILS_MODE"] = ""
        await site.sandbox.start_functions()
    assert stored.row.answer == "delete"
    assert await site.body(path) is not None
    assert run is not None
    assert run.report["missing"] == []
    assert await refusals(site) == before
    await site.delete(path)


async def test_with_the_enforcer_it_tags_and_reverts(site: Site, grant: Grant, path: str) -> None:
    await grant("reader", "enforcer")
    before = await refusals(site)
    await site.put(path, ALICE)
    await site.settled(path, Status.GONE, "reverted")
    await site.put(path + "-tag", ALICE, **NO_TICKET)
    await site.settled(path + "-tag", Status.VIOLATION, "tagged")
    assert (await site.body(path + "-tag"))["properties"]["metadata"]["guardrails"]["codes"]
    assert await refusals(site) == before


async def test_with_the_restorer_it_brings_back_and_deletes_nothing(site: Site, grant: Grant) -> None:
    await grant("reader", "restorer")
    one = exemption_id(tenant.REPORTS, "restorer")
    await site.put(one, **GOOD)
    await site.settled(one, Status.COMPLIANT)
    before = await refusals(site)
    await send(site.sandbox, PIPELINE, "DELETE", tenant.REPORTING)
    await site.settled(one, Status.LOST, "lost")
    await send(site.sandbox, PIPELINE, "PUT", tenant.REPORTING, {"location": "westeurope"})
    await demo.deploy(site.sandbox, tenant.REPORTING, "Incremental", tenant.REPORTS)
    await until(lambda: site.body(one), "the exemption did not come back")
    await site.settled(one, Status.COMPLIANT, "brought-back")
    assert await refusals(site) == before
    bad = exemption_id(tenant.RESOURCE, "restorer-may-not-delete")
    await site.put(bad, ALICE)
    await site.settled(bad, Status.CANNOT_ACT)
    assert await site.body(bad) is not None


async def test_without_a_role_nothing_is_taken_for_gone(site: Site, grant: Grant, path: str) -> None:
    await site.put(path, **GOOD)
    await site.settled(path, Status.COMPLIANT)
    await grant()
    await site.event([tenant_event(path)], "on_exemption_written")
    await site.settled(path, Status.UNKNOWN)


def tenant_event(path: str) -> dict[str, Any]:
    return {
        "id": "e-roles", "eventType": "Microsoft.Resources.ResourceWriteSuccess", "subject": path,
        "eventTime": "2026-11-21T12:00:00Z", "dataVersion": "2", "topic": f"/subscriptions/{tenant.PROD}",
        "data": {"operationName": "Microsoft.Authorization/policyExemptions/write", "resourceUri": path},
    }  # fmt: skip
