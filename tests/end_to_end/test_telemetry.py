"""The path of the activity log, and the facts in the log that alerts and the workbook read."""

import json
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from sandbox.tenant import ALICE, exemption_id, in_days

from .conftest import Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

GROUP = "/providers/Microsoft.Management/managementGroups/contoso"


def record(path: str, verb: str = "WRITE", **changes: Any) -> dict[str, Any]:
    return {
        "resourceId": path.upper(),
        "operationName": f"MICROSOFT.AUTHORIZATION/POLICYEXEMPTIONS/{verb}",
        "resultType": "Success",
        "correlationId": "activity-1",
        "identity": {"authorization": {"scope": path}, "claims": {"upn": "alice@contoso.com"}},
        **changes,
    }


async def test_an_exemption_at_a_management_group_is_answered_by_the_activity_log(site: Site) -> None:
    path = exemption_id(GROUP, "activity-log")
    await site.sandbox.control("POST", "seed", [{"id": GROUP, "body": {"properties": {"displayName": "Contoso"}}}])
    await site.put(path, ALICE, expiresOn=in_days(60), assignmentScopeValidation="DoNotValidate")  # raises no event
    assert await site.register.read(ExemptionId.parse(path)) is None
    await site.invoke("on_activity_log", json.dumps({"records": [record(path, resultType="Start"), record(path)]}))
    await site.settled(path, Status.GONE, "reverted")  # a whole management group
    assert await site.body(path) is None


async def test_a_record_that_cannot_be_read_becomes_a_dead_letter(site: Site) -> None:
    broken = record("/nothing", identity={}, correlationId="activity-broken")
    await site.invoke("on_activity_log", json.dumps({"records": [broken]}))
    dead_letter = await site.dead_letter(lambda one: "activity-broken" in one.payload)
    assert "names none" in dead_letter.reason


async def test_a_revert_can_be_followed_from_the_event_to_the_notice(site: Site, path: str) -> None:
    await site.put(path, ALICE)
    await site.settled(path, Status.GONE, "reverted")

    async def facts(event: str, **fields: Any) -> list[dict[str, Any]]:
        return await until(lambda: site.facts(event, exemption=path, **fields), f"{event} is not in the log")

    (received, *_) = await facts("event_received", kind="write")
    (decision, *_) = await facts("decision", decision="delete")
    (acted, *_) = await facts("acted", did="delete")
    (notice, *_) = await facts("notice", state="delivered", kind="reverted")
    assert received["correlation"] == decision["correlation"] == acted["correlation"] != ""
    assert notice["correlation"] == received["correlation"]  # over the queue
    assert "EXG101" in decision["findings"]
    assert await site.facts("breaker", state="closed")
    assert await site.facts("queue_age", queue="notices")


async def test_a_sweep_says_what_it_saw(site: Site) -> None:
    before = len(await site.facts("sweep"))
    await site.sandbox.sweep()
    after = await until(lambda: site.facts("sweep"), "no sweep is in the log")
    assert len(after) > before
    assert after[-1]["seen"] >= 0
    assert "seconds" in after[-1]
    assert after[-1]["correlation"].startswith("sweep-")
    assert await site.facts("breaker", correlation=after[-1]["correlation"])  # an alert stays while it is open


async def test_the_log_of_azure_holds_no_line_a_request(site: Site) -> None:
    await site.sandbox.sweep()
    await until(lambda: site.facts("sweep"), "no sweep is in the log")
    said = site.log.read_text(encoding="utf-8", errors="replace")
    assert "http_logging_policy" not in said
    assert "Request URL" not in said
