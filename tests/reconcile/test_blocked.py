"""What Azure does not allow, such as a lock: notified once, tried after a day, then weekly."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.history import Entry
from guardrails.decisions.row import Status
from guardrails.errors import Permanent
from sandbox import tenant
from sandbox.tenant import APPROVAL
from tests.reconcile.refusing import days, deny, lock, no_exempt_action, no_role
from tests.reconcile.world import ALICE, NO_TICKET, OPERATOR, PIPELINE, World, rules


async def test_an_edit_that_a_refused_restore_was_first_to_see_is_its_authors_and_not_taken_for_refused(
    world: World,
) -> None:
    one = world.id()
    await world.known(one)
    await world.bad(one, PIPELINE)
    assert (await world.look(one)).did == "put-back"
    await world.bad(one, PIPELINE)
    no_role(world)
    await world.look(one)
    await world.bad(one, displayName="more", metadata={**APPROVAL, "owner": "alice@contoso.com"})
    with pytest.raises(Permanent, match="Azure refused"):
        await world.reconciler.restore(one, OPERATOR)
    row = await world.row(one)
    assert (row.author, row.blocked, row.owners) == ("alice@contoso.com", "", ("data-platform@contoso.com",))
    world.arm.access.reset()
    assert (await world.look(one)).did == "put-back"
    assert (await world.row(one)).status is Status.COMPLIANT


async def test_what_a_refused_restore_was_first_to_see_is_judged_though_no_event_announces_it(world: World) -> None:
    one = world.id()
    await world.bad(one, PIPELINE)
    assert (await world.look(one)).did == "delete"
    await world.bad(one, displayName="made anew")
    await world.forget()
    no_role(world)
    with pytest.raises(Permanent, match="Azure refused"):
        await world.reconciler.restore(one, OPERATOR)
    assert (await world.row(one)).due == world.clock.now()
    assert world.wakes() == [1.0]
    world.arm.access.reset()
    assert (await world.look(one, "queue")).did == "delete"


@pytest.mark.parametrize("forbid", [lock, deny, no_role])
async def test_a_revert_that_azure_forbids_is_notified_once_and_left_for_a_day(
    world: World, forbid: Callable[[World], None]
) -> None:
    one = world.id()
    await world.bad(one)
    forbid(world)
    before = world.azure()

    outcome = await world.look(one)

    assert world.azure() == before
    row = await world.row(one)
    assert (row.status, row.answer, row.intent) == (Status.CANNOT_ACT, "none", None)
    assert row.due == row.retry_on == world.clock.time + timedelta(days=1)
    assert row.blocked
    assert outcome.did == ""
    assert await world.events(one) == ["intent", "cannot-act"]
    assert await world.notice_kinds() == ["cannot-act"]
    why = (await world.notice())["why"][-1]
    assert why == f"Azure refused: {row.blocked}"[:300]
    await world.forget()
    for source in ("event", "queue", "sweep"):
        assert not (await world.look(one, source)).wrote
    assert world.writes() == 0
    assert await world.notice_kinds() == []


@pytest.mark.parametrize(
    ("forbid", "changes"), [(lock, {"expiresOn": None}), (no_exempt_action, {"metadata": NO_TICKET})]
)
async def test_an_operator_may_ask_again(
    world: World, forbid: Callable[[World], None], changes: dict[str, Any]
) -> None:
    one = world.id()
    await world.write(one, ALICE, **changes)
    forbid(world)
    await world.look(one)
    await world.look(one, "operator")
    assert await world.notice_kinds() == ["cannot-act", "cannot-act"]
    world.arm.reset()
    assert (await world.look(one, "operator")).did in ("delete", "tag")
    assert (await world.row(one)).blocked == ""


async def test_it_is_tried_again_when_the_exemption_changes(world: World) -> None:
    one = world.id()
    await world.bad(one)
    world.arm.lock(tenant.GROUP)
    await world.look(one)
    world.arm.unlock(tenant.GROUP)
    await world.bad(one, displayName="changed")
    assert (await world.look(one)).did == "delete"


async def test_fixed_although_it_was_blocked(world: World) -> None:
    one = world.id()
    await world.bad(one)
    world.arm.lock(tenant.GROUP)
    await world.look(one)
    await world.write(one)
    await world.look(one)
    row = await world.row(one)
    assert (row.status, row.blocked) == (Status.COMPLIANT, "")


async def test_a_tag_needs_exempt_action_on_the_assignment(world: World) -> None:
    one = world.id()
    body = await world.write(one, ALICE, metadata=NO_TICKET)
    no_exempt_action(world)
    await world.look(one)
    assert await world.body(one) == body
    row = await world.row(one)
    assert row.status is Status.CANNOT_ACT
    assert "policyAssignments/exempt/action" in row.blocked
    await world.forget()
    assert not (await world.look(one)).wrote
    assert world.writes() == 0


async def test_a_put_back_that_is_refused_leaves_the_edit_and_its_body_in_the_register(world: World) -> None:
    one = world.id()
    await world.known(one)
    edited = await world.bad(one)
    deny(world)
    await world.look(one)
    assert await world.body(one) == edited
    row = await world.row(one)
    assert (row.status, row.compliant) == (Status.CANNOT_ACT, 1)
    assert row.snapshot is not None
    assert await world.register.body(one, row.snapshot) == edited
    assert await world.notice_kinds() == ["cannot-act"]


async def test_a_scope_that_takes_no_tags_is_cannot_act(world: World) -> None:
    world.ruleset = rules(tagging={"exemption": False, "scope": True})
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    world.deny("Microsoft.Resources/tags/write")
    await world.look(one)
    assert world.tags(tenant.RESOURCE) == {}
    assert (await world.row(one)).status is Status.CANNOT_ACT
    assert await world.notice_kinds() == ["cannot-act"]


async def test_a_body_that_azure_refuses_to_take_back(world: World) -> None:
    """The last good state names a reference that the initiative no longer has: 400, whoever asks."""
    one = world.id()
    await world.known(one)
    edited = await world.bad(one, policyDefinitionReferenceIds=["requireTls"])
    initiative = world.arm.store.entries["/providers/microsoft.authorization/policysetdefinitions/storage-baseline"]
    members = initiative.body["properties"]["policyDefinitions"]
    initiative.body["properties"] = {"policyDefinitions": [members[1]]}
    await world.look(one)
    assert await world.body(one) == edited
    assert (await world.row(one)).status is Status.CANNOT_ACT
    assert await world.notice_kinds() == ["cannot-act"]


LONG = pytest.mark.long


@pytest.mark.parametrize("source", [pytest.param("wake-up", marks=LONG), "event", pytest.param("sweep", marks=LONG)])
async def test_it_is_tried_after_a_day_then_weekly_and_notified_once(world: World, source: str) -> None:
    one = world.id()
    await world.bad(one)
    lock(world)
    await world.look(one)
    assert await days(world, one, 24, source) == [1, 8, 15, 22]
    assert await world.notice_kinds() == ["cannot-act"]
    row = await world.row(one)
    assert (row.status, row.refused) == (Status.CANNOT_ACT, 5)
    assert row.since < world.clock.time - timedelta(days=23)
    world.arm.unlock(tenant.GROUP)
    assert await days(world, one, 7, source) == [5]
    assert await world.body(one) is None
    assert "reverted" in await world.notice_kinds()
    row = await world.row(one)
    assert (row.status, row.blocked, row.refused, row.retry_on) == (Status.GONE, "", 0, None)


async def test_its_wake_ups_are_on_the_queue(world: World) -> None:
    one = world.id()
    await world.bad(one)
    lock(world)
    await world.look(one)
    assert world.wakes() == [86_400]
    world.clock.advance(days=1)
    await world.look(one, "wake-up")
    assert world.wakes() == [86_400, 7 * 86_400]


async def test_a_tag_and_an_untag_that_are_refused_are_tried_again(world: World) -> None:
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    deny(world)
    await world.look(one)
    assert await days(world, one, 2) == [1]
    world.arm.reset()
    assert await days(world, one, 8) == [6]
    assert await world.marker(one) is not None
    await world.write(one, metadata={**APPROVAL, "guardrails": await world.marker(one)})
    deny(world)
    await world.look(one)
    assert await days(world, one, 2) == [1]
    assert (await world.row(one)).refused == 2
    world.arm.reset()
    assert await days(world, one, 8) == [6]
    assert await world.marker(one) is None
    row = await world.row(one)
    assert (row.status, row.refused, row.retry_on, row.due) == (Status.COMPLIANT, 0, None, None)


async def test_an_edit_begins_anew_at_once(world: World) -> None:
    one = world.id()
    await world.bad(one)
    lock(world)
    await world.look(one)
    world.clock.advance(hours=1)
    await world.bad(one, displayName="changed")
    await world.look(one)
    row = await world.row(one)
    assert (row.refused, row.retry_on) == (1, world.clock.time + timedelta(days=1))
    assert await world.notice_kinds() == ["cannot-act", "cannot-act"]


@pytest.mark.parametrize("status", [Status.CANNOT_ACT, Status.COMPLIANT])
async def test_a_row_of_before_waits_a_day_from_now_then_a_week(world: World, status: Status) -> None:
    """It says that Azure refused, and not when it is to be tried again."""
    one = world.id()
    await world.bad(one)
    lock(world)
    await world.look(one)
    stored = await world.stored(one)
    old = replace(stored.row, status=status, retry_on=None, refused=0, due=None)
    await world.register.commit(one, stored, old, Entry(world.clock.time, "cannot-act", {}))
    world.clock.advance(days=90)
    await world.forget()
    if status is Status.CANNOT_ACT:  # nothing in the row's watch says that there is something to do
        (watch,) = [watch async for _, _, watch, _ in world.register.watches()]
        assert (watch.at, watch.begun) == (1, True)
    await world.look(one, "sweep")
    assert world.writes() == 0
    assert await days(world, one, 9) == [1, 8]
    world.arm.unlock(tenant.GROUP)
    assert await days(world, one, 7) == [6]
    assert await world.body(one) is None
