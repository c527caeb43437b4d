"""A tenant that wants a policy token with each write of ours: reverts, tags and restores pass as they do elsewhere."""

from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.errors import Permanent, Retryable
from sandbox.arm.policy_tokens import Demand
from tests.reconcile.world import NO_TICKET, OPERATOR, US_OID, World


def demand(world: World, **knobs: Any) -> None:
    world.arm.policy_tokens.demand = Demand(oids=[US_OID], **knobs)


async def test_a_bad_one_is_deleted_and_restored(world: World) -> None:
    one = world.id()
    demand(world)
    body = await world.bad(one)
    assert (await world.look(one)).did == "delete"
    assert await world.body(one) is None
    await world.reconciler.restore(one, OPERATOR)
    assert (await world.properties(one))["displayName"] == body["properties"]["displayName"]
    assert world.arm.policy_tokens.issued == 2


async def test_an_edit_is_put_back_and_one_without_a_ticket_is_tagged(world: World) -> None:
    one, two = world.id(), world.id("two")
    await world.known(one)
    await world.bad(one)
    await world.write(two, metadata=NO_TICKET)
    demand(world)
    assert (await world.look(one)).did == "put-back"
    assert (await world.look(two)).did == "tag"
    assert await world.marker(two)


@pytest.mark.parametrize("trouble", [{"status": 202, "retry_after": "7"}, {"status": 503, "retry_after": "7"}])
async def test_while_the_token_is_pending_nothing_is_changed_and_it_is_one_revert(
    world: World, trouble: dict[str, Any]
) -> None:
    one = world.id()
    demand(world)
    body = await world.bad(one)
    world.fault("POST", "acquirePolicyToken$", count=2, **trouble)
    for _ in range(2):
        with pytest.raises(Retryable) as caught:
            await world.look(one)
        assert caught.value.delay == 7
        assert await world.body(one) == body
        assert (await world.row(one)).intent
        world.after_lease()
    assert (await world.look(one)).did == "delete"
    assert len((await world.row(one)).reverts) == 1
    assert await world.notice_kinds() == ["reverted"]


@pytest.mark.parametrize(
    ("knobs", "why"),
    [
        ({"outcome": "Deny"}, "external evaluation"),
        ({"never": True}, "a policy token that is not enough"),
        ({"change_reference": "/changes/1"}, "GUARDRAILS_CHANGE_REFERENCE"),
    ],
)
async def test_what_the_policy_denies_is_notified_once_with_its_reason_and_tried_after_a_day(
    world: World, knobs: dict[str, Any], why: str
) -> None:
    one = world.id()
    demand(world, **knobs)
    body = await world.bad(one)
    await world.look(one)
    row = await world.row(one)
    assert row.status is Status.CANNOT_ACT
    assert why in row.blocked
    assert await world.body(one) == body
    assert await world.notice_kinds() == ["cannot-act"]
    assert why in str((await world.notice())["why"])
    asked = world.writes()
    await world.look(one)
    assert world.writes() == asked
    demand(world)
    world.clock.advance(seconds=timedelta(days=1).total_seconds() + 1)
    assert (await world.look(one)).did == "delete"


async def test_an_operator_hears_why_a_restore_is_refused(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await world.look(one)
    demand(world, change_reference="/changes/1")
    with pytest.raises(Permanent, match="GUARDRAILS_CHANGE_REFERENCE"):
        await world.reconciler.restore(one, OPERATOR)
    assert await world.body(one) is None
    demand(world)
    await world.reconciler.restore(one, OPERATOR)
    assert await world.body(one)
