"""Exemptions that are gone: by somebody, by us, twice, or before we ever knew them."""

import pytest

from guardrails.decisions.row import Status
from sandbox import tenant
from tests.reconcile.world import ABOVE, ALICE, NO_TICKET, World, in_days, rules


async def test_the_notice_of_a_deleted_compliant_one_says_what_it_was(world: World) -> None:
    one = world.id()
    body = await world.known(one)
    await world.delete(one)
    before = world.azure()
    outcome = await world.look(one, actor="alice@contoso.com")
    assert world.azure() == before
    row = outcome.row
    assert (row.status, row.answer, row.content, row.due, row.undo) == (Status.GONE, "none", "", None, 1)
    assert await world.register.body(one, 1) == body
    assert await world.events(one) == ["written", "deleted"]
    assert await world.notice_kinds() == ["deleted"]
    notice = await world.notice()
    assert notice["actor"] == "alice@contoso.com"
    assert notice["exemption"]["ticket"] == "SEC-1234"
    assert f"restore '{one.text}'" in notice["next"]


async def test_twice_gone_is_once_gone(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.delete(one)
    await world.look(one)
    await world.forget()
    for source in ("event", "queue", "sweep", "operator"):
        assert not (await world.look(one, source)).wrote
    assert await world.notice_kinds() == []
    assert world.ours() == {"GET policyExemptions": 4}


async def test_a_bad_one_that_somebody_deletes_is_no_loss(world: World) -> None:
    one = world.id()
    await world.write(one, metadata=NO_TICKET)
    await world.look(one)
    await world.forget()
    await world.delete(one)
    assert (await world.look(one)).row.status is Status.GONE
    assert await world.notice_kinds() == []


async def test_an_expired_one_that_somebody_clears_away_is_no_loss(world: World) -> None:
    one = world.id()
    await world.known(one, expiresOn=in_days(world.clock, 5))
    world.clock.advance(days=6)
    await world.delete(one)
    await world.look(one)
    assert await world.notice_kinds() == []


async def test_one_that_the_register_never_knew(world: World) -> None:
    one = world.id("never-seen")
    outcome = await world.look(one)
    assert (outcome.row.status, outcome.row.undo, outcome.wrote) == (Status.GONE, None, False)
    assert await world.register.read(one) is None
    assert await world.events(one) == []
    assert await world.notice_kinds() == []


@pytest.mark.parametrize("gone", ["resource", "group"])
async def test_its_target_is_deleted_and_takes_it_along(world: World, gone: str) -> None:
    one = world.id()
    await world.known(one)
    target = {"resource": tenant.RESOURCE, "group": tenant.GROUP}[gone]
    world.arm.store.remove(target.lower())
    assert (await world.look(one)).row.status is Status.GONE
    assert await world.notice_kinds() == ["deleted"]


async def test_one_that_went_within_its_grace_is_not_waited_for(world: World) -> None:
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "1d"}})
    one = world.id()
    await world.bad(one, ALICE)
    await world.settle(one)
    await world.delete(one)
    await world.look(one)
    await world.forget()
    world.clock.advance(days=1)
    assert not (await world.look(one, "queue")).wrote
    assert world.wakes() == []
    assert world.writes() == 0


@pytest.mark.parametrize("good", [True, False])
async def test_one_that_went_unseen_for_another_with_its_name_is_notified_once(world: World, good: bool) -> None:
    one = world.id()
    await world.known(one)
    await world.delete(one)
    await (world.write if good else world.bad)(one, ALICE, policyAssignmentId=ABOVE, policyDefinitionReferenceIds=None)
    for source in ("event", "sweep", "queue"):
        await world.look(one, source)
    kinds = await world.notice_kinds()
    assert kinds.count("deleted") == 1
    notice = next(each["notice"] for each in await world.notices() if each["notice"]["kind"] == "deleted")
    assert "another was made under its name" in str(notice["why"])
    assert notice["exemption"]["ticket"] == "SEC-1234"
    await world.reconciler.restore(one, "olga@contoso.com", at=1) if not good else None
    await world.settle(one)
    assert (await world.notice_kinds()).count("deleted") == 1
