"""What was begun and not ended is found by a sweep, whatever became of the exemption, its container or its row."""

from contextlib import suppress

import pytest

from guardrails.decisions.row import Row, Status
from guardrails.errors import Permanent
from guardrails.exemption.body import canonical_json
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.keys import address
from guardrails.sweep import judging
from tests.reconcile.durability import scene
from tests.reconcile.ports import Died
from tests.reconcile.world import ALICE, NO_TICKET, US_OID, World, rules
from tests.sweep.conftest import Tenant


async def swept(tenant: Tenant) -> World:
    await tenant.settled()
    tenant.world.clock.advance(hours=1)
    await tenant.world.forget()
    return tenant.world


async def sweeps(tenant: Tenant, times: int = 3) -> None:
    """Sweep each hour and work off what is found."""
    for _ in range(times):
        tenant.world.clock.advance(hours=1)
        await tenant.sweep()
        with suppress(Exception):
            await tenant.work()


async def unheard(world: World, one: ExemptionId, source: str = "event") -> None:
    """Look while the queue is away: its notices stay in the outbox."""
    world.queues.down = True
    with pytest.raises(Exception, match="queue is down"):
        await world.look(one, source, operation="target-delete" if source == "target" else "")
    world.queues.down = False
    assert (await world.row(one)).outbox != ()


def hide(tenant: Tenant, how: str) -> None:
    """Take the container, or part of the inventory, out of sight."""
    if how == "container":
        tenant.world.arm.control._put_permissions({US_OID: []})


async def hole(tenant: Tenant, how: str) -> None:
    if how == "page":
        await tenant.world.arm_graph(fail={"start": 0, "times": 99, "status": 500})


HIDDEN = ["nothing", "page", "container"]


@pytest.mark.parametrize("hidden", HIDDEN)
@pytest.mark.parametrize("source", ["event", "target"])
async def test_the_notice_of_a_deletion_is_sent(tenant: Tenant, hidden: str, source: str) -> None:
    world, one = tenant.world, tenant.world.id()
    await world.known(one)
    await swept(tenant)
    await scene.drop_target(world)
    await unheard(world, one, source)
    assert (await world.row(one)).status is Status.GONE
    hide(tenant, hidden)
    await hole(tenant, hidden)
    await sweeps(tenant)
    assert "deleted" in await world.notice_kinds()
    row = await world.row(one)
    assert (row.status, row.outbox) == (Status.GONE, ())
    assert [message["notice"]["kind"] for message in await world.notices()].count("deleted") == 1


@pytest.mark.parametrize("hidden", HIDDEN)
async def test_pending_notices_about_one_that_is_there_are_sent(tenant: Tenant, hidden: str) -> None:
    world, one = tenant.world, tenant.world.id()
    await swept(tenant)
    await world.write(one, ALICE, metadata=NO_TICKET)
    await unheard(world, one)
    hide(tenant, hidden)
    await hole(tenant, hidden)
    await sweeps(tenant)
    assert "tagged" in await world.notice_kinds()
    assert (await world.row(one)).outbox == ()


@pytest.mark.parametrize("hidden", ["nothing", "page", "row"])
async def test_what_waited_for_the_breaker_is_reverted_by_the_first_sweep_after_it_is_closed(
    tenant: Tenant, hidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, one = tenant.world, tenant.world.id()
    world.ruleset = rules(breaker={"reverts_per_hour": 0})
    await swept(tenant)
    await world.bad(one)
    await world.look(one)
    await tenant.settled()
    await hole(tenant, hidden)
    if hidden == "row":
        monkeypatch.setattr(judging, "judged", unjudged)
        monkeypatch.setattr(judging, "_text_of", lambda _: None)  # nor is it as it was
    await sweeps(tenant)
    assert await world.body(one) is not None
    world.ruleset = rules(breaker={"reverts_per_hour": 5})
    await sweeps(tenant)
    assert await world.body(one) is not None
    await world.register.close_breaker(world.clock.now())
    await sweeps(tenant, times=1)
    assert await world.body(one) is None


def unjudged(*_: object, **__: object) -> str:
    """A row of the inventory that cannot be judged."""
    raise Permanent("it is no exemption", code="not-an-exemption")


@pytest.mark.parametrize("hidden", ["nothing", "page"])
@pytest.mark.parametrize("write", [2, 3])
async def test_a_put_back_of_a_lost_one_that_died_is_settled(tenant: Tenant, hidden: str, write: int) -> None:
    world = tenant.world
    one = await scene.approved(world)
    before = await world.properties(one)
    await swept(tenant)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    world.clock.advance(hours=1)
    world.watch.die_at(write, after=True)
    with suppress(Died):
        await world.look(one, "target", operation="target-write")
    world.watch.revive()
    assert (await world.row(one)).intent is not None or await world.body(one) is not None
    await hole(tenant, hidden)
    await sweeps(tenant)
    row = await world.row(one)
    assert (row.status, row.intent, row.outbox) == (Status.COMPLIANT, None, ())
    assert await world.properties(one) == before
    assert (await world.notice_kinds()).count("restored") == 1


@pytest.mark.parametrize("hidden", ["nothing", "page"])
@pytest.mark.parametrize("after", [False, True])
async def test_a_revert_that_died_and_whose_exemption_is_gone_is_settled(
    tenant: Tenant, hidden: str, after: bool
) -> None:  # fmt: skip
    world, one = tenant.world, tenant.world.id()
    await swept(tenant)
    await world.bad(one)
    world.watch.die_at(3, after=after)
    with suppress(Died):
        await world.look(one)
    world.watch.revive()
    assert (await world.row(one)).intent is not None
    await world.delete(one)
    await hole(tenant, hidden)
    await sweeps(tenant)
    row = await world.row(one)
    assert (row.status, row.intent, row.outbox) == (Status.GONE, None, ())


async def test_a_write_that_cannot_be_settled_now_keeps_no_notice_back(tenant: Tenant) -> None:
    """A row with an intent and an outbox, whose container cannot be seen: the outbox goes, the intent stays."""
    world, one = tenant.world, tenant.world.id()
    await swept(tenant)
    await world.write(one, ALICE, metadata=NO_TICKET)
    await unheard(world, one)
    world.after_lease()
    stored = await world.stored(one)
    outbox = stored.row.outbox
    await world.bad(one)
    world.queues.down = True
    world.watch.die_at(3, after=False)
    with suppress(Died, Exception):
        await world.look(one)
    world.watch.revive()
    world.queues.down = False
    row = await world.row(one)
    assert row.intent is not None
    assert row.outbox == outbox
    hide(tenant, "container")
    await sweeps(tenant)
    row = await world.row(one)
    assert row.outbox == ()
    assert row.intent is not None
    world.arm.reset()
    await sweeps(tenant)
    assert (await world.row(one)).intent is None


@pytest.mark.parametrize("hidden", HIDDEN)
async def test_what_is_due_is_looked_at_and_what_only_turns_is_left(tenant: Tenant, hidden: str) -> None:
    """Durable, deleted by somebody: due after a wait, its message lost. Beside it one that only has an end."""
    world = tenant.world
    one, other = await scene.approved(world), world.id("other")
    await world.known(other)
    before = await world.row(other)
    await swept(tenant)
    await world.delete(one)
    await scene.deleted_by(world, one, "alice@contoso.com")
    assert (await world.row(one)).due is not None
    await world._drain("reconcile")
    await hole(tenant, hidden)
    hide(tenant, hidden)
    await sweeps(tenant)
    row = await world.row(one)
    assert row.due is None
    assert row.status is (Status.LOST if hidden == "container" else Status.COMPLIANT)
    assert (await world.row(other)).status is before.status


async def test_what_cannot_be_seen_and_has_nothing_left_to_do_is_left_however_long(tenant: Tenant) -> None:
    world, ids = tenant.world, [tenant.world.id(f"n-{n}") for n in range(3)]
    for one in ids:
        await world.known(one)
    await world.delete(ids[0])
    await world.look(ids[0])
    await swept(tenant)
    rows = [await world.row(one) for one in ids]
    hide(tenant, "container")
    world.clock.advance(days=200)  # their ends have come and gone
    report = await tenant.sweep()
    assert report.queued == {}
    assert [await world.row(one) for one in ids] == rows


@pytest.mark.parametrize("column", ["id", "row", "both"])
async def test_a_row_whose_id_a_hand_was_in_is_found_by_its_history(tenant: Tenant, column: str) -> None:
    world, one = tenant.world, tenant.world.id()
    await world.known(one)
    await swept(tenant)
    await world.delete(one)
    other = world.id("other")
    forged = canonical_json({"id": other.text})
    wrong = {"id": {"id": other.text}, "row": {"row": forged}, "both": {"id": "", "row": forged}}[column]
    await world.edit_row(one, **wrong)
    await sweeps(tenant)
    assert (await world.row(one)).status is Status.GONE
    assert "deleted" in await world.notice_kinds()
    world.ids.discard(other)


async def test_a_row_that_does_not_name_its_exemption_is_named(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    await world.known(one)
    await swept(tenant)
    await world.delete(one)
    await world.edit_row(one, id="", row="")
    for seq in range(1, (await world.history(one))[-1].seq + 1):
        await world.table.delete_entity(address(one).partition, address(one).history(seq))
    report = await tenant.sweep()
    assert any("does not name its exemption" in text for text in report.remarks)
    world.sound = False


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("hidden", ["nothing", "page"])
async def test_a_watch_that_a_hand_was_in_asks_for_a_look_wherever_it_is(
    tenant: Tenant, gone: bool, hidden: str
) -> None:  # fmt: skip
    world, one = tenant.world, tenant.world.id()
    await world.known(one)
    await swept(tenant)
    if gone:
        await world.delete(one)
        await world.look(one)
    await world.edit_row(one, watch="repaired by hand")
    await hole(tenant, hidden)
    report = await tenant.sweep()
    assert report.queued.total() == 1
    await tenant.work()
    assert "register-altered" in await world.notice_kinds()
    assert "due" not in (await tenant.sweep()).queued


async def test_a_gone_one_with_nothing_left_costs_nothing(tenant: Tenant) -> None:
    world, one = tenant.world, tenant.world.id()
    await world.known(one)
    await world.delete(one)
    await world.look(one)
    await swept(tenant)
    assert Row.from_json((await world.row(one)).to_json()).outbox == ()
    await sweeps(tenant, 2)
    assert (await tenant.sweep()).queued == {}
