"""From a write in Azure to its answer: judged, acted on, recorded, announced."""

import json
from pathlib import Path
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from sandbox import tenant
from sandbox.tenant import ALICE, EPAC, exemption_id

from .conftest import GOOD, Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVENT = json.loads((Path(__file__).parents[1] / "events" / "write.json").read_text())


def about(path: str, **changes: Any) -> dict[str, Any]:
    return {**EVENT, "subject": path, "data": {**EVENT["data"], "resourceUri": path}, **changes}


@pytest.mark.parametrize("schema", ["eventgrid", "cloudevents"])
async def test_each_kind_of_write_is_answered(site: Site, schema: str) -> None:
    await site.sandbox.subscribe(schema)
    good, endless, bare, owned, edited = (
        exemption_id(tenant.RESOURCE, f"{schema}-{name}") for name in ("good", "endless", "bare", "owned", "edited")
    )
    whole = exemption_id(tenant.SUBSCRIPTION, f"{schema}-whole")
    excluded = exemption_id(tenant.EXCLUDED, f"{schema}-excluded")
    unapproved = {key: value for key, value in tenant.APPROVAL.items() if key != "approvalTicket"}
    await site.put(good, **GOOD)
    await site.put(edited, **GOOD)
    await site.put(endless, ALICE)
    await site.put(whole, ALICE, **GOOD)
    await site.put(bare, ALICE, **GOOD, metadata=unapproved)
    await site.put(owned, EPAC, metadata={**tenant.APPROVAL, "pacOwnerId": "epac"})
    await site.put(excluded, ALICE)
    before = await site.body(excluded), await site.body(owned)
    await site.settled(good, Status.COMPLIANT, "written")
    await site.settled(endless, Status.GONE, "reverted")
    await site.settled(whole, Status.GONE, "reverted")
    await site.settled(bare, Status.VIOLATION, "tagged")
    await site.settled(owned, Status.VIOLATION, "written")
    await site.settled(excluded, Status.EXCLUDED, "excluded")
    await site.settled(edited, Status.COMPLIANT, "written")
    kept = (await site.body(edited))["properties"]
    await site.put(edited, ALICE, displayName="For ever")
    await site.settled(edited, Status.COMPLIANT, "put-back")
    await site.delete(good)
    await site.settled(good, Status.LOST, "lost")

    assert await site.body(endless) is None
    assert await site.body(whole) is None
    assert (await site.body(edited))["properties"] == kept
    assert (await site.body(bare))["properties"]["metadata"]["guardrails"]["status"] == "violation"
    assert (await site.body(excluded), await site.body(owned)) == before
    for path, kind in ((endless, "reverted"), (whole, "reverted"), (bare, "tagged"), (owned, "violation"),
                       (edited, "reverted"), (good, "lost")):  # fmt: skip
        (notice,) = await site.about(path, kind)
        assert notice["actor"]
    for path in (good, endless, whole, bare, owned, excluded, edited):
        assert await site.register.verify(ExemptionId.parse(path)) == []
    received = await site.sandbox.control("GET", "received", part="sink")
    assert [one["problems"] for one in received if one["problems"]] == []


@pytest.mark.parametrize("order", ["same", "reversed", "shuffled"])
async def test_the_same_events_five_times_in_any_order_are_one_answer(site: Site, path: str, order: str) -> None:
    await site.sandbox.control("PUT", "eventgrid", {"duplicates": 5})
    await site.sandbox.control("POST", "eventgrid-pause")
    before = (await site.sandbox.control("GET", "eventgrid"))["metrics"]["delivered"]
    await site.put(path, **GOOD)
    await site.delete(path)
    metadata = {key: value for key, value in tenant.APPROVAL.items() if key != "owner"}
    await site.put(path, ALICE, **GOOD, metadata=metadata)
    await site.sandbox.control("PUT", "eventgrid", {"duplicates": 1})
    await site.sandbox.control("POST", "eventgrid-resume", {"order": order})
    _, history = await site.settled(path, Status.VIOLATION, "tagged")

    async def all_answered() -> bool:
        metrics = (await site.sandbox.control("GET", "eventgrid"))["metrics"]
        return bool(metrics["delivered"] >= before + 15 and not metrics["pending"])

    await until(all_answered, "not every event is answered")
    found, history = await site.settled(path, Status.VIOLATION)
    assert [entry.event for entry in history] == ["intent", "tagged"]
    assert found.row.answer == "tag"
    (notice,) = await site.about(path)
    assert notice["kind"] == "tagged"
    assert not any(notice["id"] in name for name in await site.sandbox.control("GET", "duplicates", part="sink"))


@pytest.mark.parametrize("moment", ["2026-11-21T12:00:00+02:00", "2026-11-21", "2026-11-21T12:00:00", None, "soon", 5])
async def test_no_malformed_time_keeps_an_event_from_its_answer(site: Site, path: str, moment: Any) -> None:
    await site.sandbox.control("POST", "eventgrid-pause")
    await site.put(path, **GOOD)
    assert await site.event([about(path, eventTime=moment)]) == 202
    await site.settled(path, Status.COMPLIANT)
    cloud = {"specversion": "1.0", "type": EVENT["eventType"], "source": "/", "id": "c", "time": moment}
    assert await site.event({**cloud, "subject": path, "data": EVENT["data"]}) == 202


@pytest.mark.parametrize(
    "event",
    [5, "text", None, [], {}, {"id": "wrong-1"}, {"id": "wrong-2", "eventType": 7}, {"id": "wrong-3", "type": ["x"]},
     about("/subscriptions/x", id="wrong-4", data={"operationName": "Microsoft.Authorization/policyExemptions/write"}),
     about("\ud800", id="wrong-5", data={"operationName": "Microsoft.Authorization/policyExemptions/write"})],
)  # fmt: skip
async def test_a_malformed_event_is_answered_and_kept(site: Site, event: Any) -> None:
    assert await site.event([event]) == 202
    payload = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    shown = payload.encode("utf-8", "backslashreplace").decode()
    dead_letter = await site.dead_letter(lambda one: one.source == "event" and one.payload in (payload, shown))
    assert dead_letter.reason


async def test_one_bad_event_in_a_batch_does_not_hold_up_the_others(site: Site, path: str) -> None:
    await site.sandbox.control("POST", "eventgrid-pause")
    await site.put(path, **GOOD)
    dropped = about("/subscriptions/s/resourceGroups/rg", data={"operationName": "Microsoft.Resources/tags/write"})
    assert await site.event([5, about(path), dropped]) == 202
    await site.settled(path, Status.COMPLIANT)
