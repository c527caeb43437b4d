"""What is down comes back, and nothing was lost."""

import asyncio
import json

import pytest

from guardrails.decisions.notify import notice_id
from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.notices.notice import Kind
from sandbox import tenant
from sandbox.tenant import ALICE, exemption_id

from .conftest import GOOD, Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def some(name: str, count: int) -> list[str]:
    return [exemption_id(tenant.RESOURCE, f"{name}-{number}") for number in range(count)]


async def test_a_killed_host_loses_nothing_that_was_written_meanwhile(site: Site) -> None:
    await site.sandbox.control("PUT", "eventgrid", {"time_scale": 0.002})
    good, bad = some("killed-good", 5), some("killed-bad", 5)
    await site.sandbox.stop_functions(kill=True)
    await asyncio.gather(*(site.put(path, **GOOD) for path in good), *(site.put(path, ALICE) for path in bad))
    await site.sandbox.start_functions()
    for path in good:
        await site.settled(path, Status.COMPLIANT, "written")
    for path in bad:
        await site.settled(path, Status.GONE, "reverted")
        assert await site.body(path) is None
        (notice,) = await site.about(path)
        assert notice["kind"] == "reverted"
    metrics = (await site.sandbox.control("GET", "eventgrid"))["metrics"]
    assert metrics["retried"] > 0
    assert metrics["dead_lettered"] == 0


@pytest.mark.long
@pytest.mark.parametrize("sandbox", ["processes"], indirect=True, scope="session")
async def test_a_host_killed_in_the_midst_of_its_work_leaves_nothing_half_done(site: Site) -> None:
    """In one process, at each write there is: tests/battery/test_matrix.py."""
    await site.sandbox.control("PUT", "eventgrid", {"time_scale": 0.002})
    good, bad = some("midst-good", 20), some("midst-bad", 20)
    await asyncio.gather(*(site.put(path, **GOOD) for path in good), *(site.put(path, ALICE) for path in bad))
    await site.sandbox.stop_functions(kill=True)
    await site.sandbox.start_functions()
    for path in good:
        await site.settled(path, Status.COMPLIANT)
    for path in bad:
        await site.settled(path, Status.GONE)
        assert await site.body(path) is None
    for path in good + bad:
        assert await site.register.verify(ExemptionId.parse(path)) == []


@pytest.mark.parametrize(
    "trouble", [{"status": 503, "retry_after": "1"}, {"status": 429, "retry_after": "1"}], ids=["down", "throttled"]
)
async def test_while_arm_is_down_events_wait_on_the_queue(site: Site, path: str, trouble: dict[str, object]) -> None:
    await site.sandbox.control("POST", "faults", {"path": "policyExemptions/", "method": "GET", **trouble})
    before = (await site.sandbox.functions_status())["on_exemption_written"]
    await site.put(path, ALICE)

    async def answered() -> bool:
        now = (await site.sandbox.functions_status())["on_exemption_written"]
        return bool(now["successes"] > before["successes"])

    await until(answered, "the event is not answered")
    assert await site.register.read(ExemptionId.parse(path)) is None
    await site.sandbox.control("DELETE", "faults")
    _, history = await site.settled(path, Status.GONE, "reverted")
    assert history[0].facts["hint"] == "queue"
    assert (await site.sandbox.functions_status())["on_exemption_written"]["failures"] == before["failures"]


async def test_a_sink_that_is_down_costs_nothing_but_time(site: Site) -> None:
    with site.in_a_hurry():
        await site.sandbox.control("POST", "fail", {"count": None, "status": 503}, part="sink")
        paths = some("unheard", 5)
        await asyncio.gather(*(site.put(path, ALICE) for path in paths))
        for path in paths:
            await site.settled(path, Status.GONE, "reverted")

        ids = {notice_id(ExemptionId.parse(path), 1, Kind.REVERTED): path for path in paths}

        async def refused() -> list[str]:
            found = [one for one in await site.sandbox.control("GET", "received", part="sink") if one["status"] == 503]
            cards = [one["body"] for one in found if one["channel"] == "teams" and "unheard-" in one["body"]]
            return cards if set(ids) <= {one["id"] for one in found} and len(cards) >= len(paths) else []

        cards = await until(refused, "the notices were not tried")
        await site.sandbox.control("POST", "fail", {"count": 0}, part="sink")
        for identity, path in ids.items():
            (notice,) = await site.about(path)
            assert notice["id"] == identity

        async def heard() -> bool:
            return set(cards) <= {one["body"] for one in await site.notices("teams")}

        await until(heard, "the cards did not come")


async def test_a_message_that_cannot_be_processed_is_kept_and_notified(site: Site) -> None:
    text = json.dumps({"id": exemption_id(tenant.RESOURCE, "poisoned"), "attempt": 3})
    await site.enqueue("reconcile-poison", text)
    dead_letter = await site.dead_letter(lambda one: one.payload == text)
    assert (dead_letter.source, dead_letter.reason) == ("reconcile", "the host gave up on it after repeated failures")

    async def kinds() -> list[str]:
        return [
            json.loads(one["body"])["data"]["kind"] for one in await site.notices() if dead_letter.id in one["body"]
        ]

    assert await until(kinds, "nobody was notified") == ["poison"]


@pytest.mark.parametrize("text", ["garbage", "{}", '{"id": "\\ud800"}', f'{{"id": "{tenant.EXCLUDED}"}}'])
async def test_garbage_on_the_queue_becomes_a_dead_letter(site: Site, text: str) -> None:
    await site.enqueue("reconcile", text)
    assert (await site.dead_letter(lambda one: (one.source, one.payload) == ("reconcile", text))).reason
    await site.enqueue("notices", text)
    assert (await site.dead_letter(lambda one: (one.source, one.payload) == ("notices", text))).reason


async def test_a_message_that_breaks_the_function_ends_as_poison(site: Site) -> None:
    malformed = json.dumps({"id": exemption_id(tenant.RESOURCE, "half\ud800")})
    await site.enqueue("reconcile", malformed)
    assert (await site.dead_letter(lambda one: one.payload == malformed)).source == "reconcile"
