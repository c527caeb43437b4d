"""The sweep through the real worker library: what no event announced is answered all the same."""

import json
from typing import Any

import pytest

from guardrails.bypasses.model import BypassKind
from guardrails.bypasses.row import Kept
from guardrails.decisions.row import Status
from sandbox import tenant
from sandbox.tenant import ALICE, exemption_id, in_days

from .conftest import Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_what_no_event_announced_is_answered_after_the_next_sweep(site: Site) -> None:
    await site.sandbox.sweep()
    written, edited = (exemption_id(tenant.RESOURCE, name) for name in ("sweep-written", "sweep-edited"))
    await site.put(edited, expiresOn=in_days(100))
    await site.settled(edited, Status.COMPLIANT)
    await site.sandbox.control("PUT", "eventgrid", {"drop_next": 2})
    await site.put(written, ALICE)
    await site.put(edited, ALICE, displayName="For ever")
    await site.sandbox.sweep()
    await site.settled(written, Status.GONE, "reverted")
    await site.settled(edited, Status.COMPLIANT, "put-back")


async def test_a_reminder_arrives_at_the_webhook_and_the_last_report_is_kept(site: Site) -> None:
    one = exemption_id(tenant.RESOURCE, "sweep-ending")
    await site.put(one, expiresOn=in_days(6))
    stored, _ = await site.settled(one, Status.COMPLIANT)
    assert stored.row.expiry == "expiring-7"

    async def reminders() -> list[str]:
        found = await site.sandbox.control("GET", "received", part="sink")
        return [one["body"] for one in found if one["channel"] == "webhook" and "sweep-ending" in one["body"]]

    bodies = await until(reminders, "no reminder came")
    assert any("guardrails.exemption.expiring" in body or '"expiring"' in body for body in bodies)
    await site.sandbox.sweep()
    run = await site.register.sweeps.last()
    assert run is not None
    assert run.until is None
    assert run.report["missing"] == []


async def test_another_bypass_is_in_the_register_and_notified(site: Site) -> None:
    assignment = f"{tenant.GROUP}{tenant.AUTHORIZATION}/policyAssignments/e2e-relaxed"
    definition = f"{tenant.AUTHORIZATION}/policyDefinitions/require-tls"
    off = {"properties": {"policyDefinitionId": definition, "enforcementMode": "DoNotEnforce"}}
    tagged = {"location": "westeurope", "tags": {"policyExceptionId": "EX-1"}}
    await site.sandbox.control(
        "POST", "seed", [{"id": assignment, "body": off}, {"id": tenant.SCRATCH, "body": tagged}]
    )
    await site.sandbox.sweep()

    async def rows() -> list[Kept] | None:
        found = [one async for one in site.register.bypasses.rows()]
        return found if len(found) == 2 else None

    kept = {one.bypass.kind: one.bypass for one in await until(rows, "there are no such rows")}
    assert (kept[BypassKind.NOT_ENFORCED].subject, kept[BypassKind.NOT_ENFORCED].grade) == (assignment, "high")
    assert (kept[BypassKind.TAG].scope, kept[BypassKind.TAG].subject) == (tenant.SCRATCH, "EX-1")

    async def notices() -> list[dict[str, Any]]:
        found = [json.loads(one["body"])["data"] for one in await site.notices()]
        return [one for one in found if one["kind"] == "bypass-found"]

    (notice,) = await until(notices, "nobody was notified")
    assert notice["digest"]["bypasses"] == {"not-enforced": 1, "tag": 1}
    await site.sandbox.sweep()
    assert len(await notices()) == 1
