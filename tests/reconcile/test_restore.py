"""Restore: one command undoes a revert, or anybody's delete, and what it brings back is left alone until it changes."""

from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.reconcile.reconcile import Reconciler
from sandbox import tenant
from tests.reconcile.world import ALICE, NO_TICKET, OPERATOR, World, rules


async def restore(world: World, one: ExemptionId, *, dry_run: bool = False) -> Any:
    return await world.reconciler.restore(one, OPERATOR, dry_run=dry_run)


async def reverted(world: World, one: ExemptionId) -> dict[str, Any]:
    body = await world.bad(one)
    await world.look(one)
    assert await world.body(one) is None
    await world.forget()
    return body


async def test_after_a_delete_the_whole_body_is_back(world: World) -> None:
    one = world.id()
    body = await reverted(world, one)

    assert await restore(world, one) == body

    assert await world.properties(one) == body["properties"]
    row = await world.row(one)
    assert (row.kept, row.kept_why) == (row.content, f"restored by {OPERATOR}")
    assert (row.author, row.undo) == ("alice@contoso.com", None)
    assert (await world.events(one))[-2:] == ["intent", "restored"]
    assert await world.notice_kinds() == ["restored"]
    assert (await world.notice())["actor"] == OPERATOR
    assert world.writes() == 1


async def test_what_was_restored_is_left_alone_until_somebody_edits_it(world: World) -> None:
    one = world.id()
    await reverted(world, one)
    await restore(world, one)
    await world.settle(one)
    for source in ("event", "queue", "sweep", "operator"):
        world.clock.advance(hours=1)
        assert not (await world.look(one, source)).wrote
    assert "expiresOn" not in await world.properties(one)

    await world.bad(one, displayName="edited after the restore")

    assert (await world.look(one)).did == "delete"
    assert await world.body(one) is None


async def test_after_a_put_back_the_edit_can_be_restored_and_by_its_version_the_original(world: World) -> None:
    one = world.id()
    good = await world.known(one)
    edit = await world.bad(one)
    await world.look(one)
    await restore(world, one)
    assert await world.properties(one) == edit["properties"]
    await world.settle(one)
    row = await world.row(one)
    assert row.status is Status.VIOLATION
    await world.reconciler.restore(one, OPERATOR, at=row.undo)
    await world.settle(one)
    assert await world.properties(one) == good["properties"]
    assert (await world.row(one)).status is Status.COMPLIANT


async def test_after_somebodys_delete(world: World) -> None:
    one = world.id()
    body = await world.known(one)
    await world.delete(one)
    await world.look(one)
    await restore(world, one)
    assert await world.properties(one) == body["properties"]
    await world.settle(one)
    row = await world.row(one)
    assert (row.status, row.compliant_content) == (Status.COMPLIANT, row.content)


async def test_our_old_tag_is_not_restored(world: World) -> None:
    one = world.id()
    body = await world.write(one, ALICE, metadata=NO_TICKET)
    await world.look(one)
    await world.delete(one)
    await world.look(one)
    await restore(world, one)
    assert (await world.properties(one))["metadata"] == body["properties"]["metadata"]


async def test_a_dry_run_shows_it_and_changes_nothing(world: World) -> None:
    one = world.id()
    body = await reverted(world, one)
    stored, before = await world.stored(one), world.azure()
    assert await restore(world, one, dry_run=True) == body
    assert await world.stored(one) == stored
    assert world.azure() == before
    assert world.writes() == 0
    assert await world.notice_kinds() == []


@pytest.mark.parametrize("dry_run", [True, False])
async def test_nothing_to_undo(world: World, dry_run: bool) -> None:
    never, good = world.id("never"), world.id("good")
    await world.known(good)
    for one in (never, good):
        with pytest.raises(Permanent) as error:
            await restore(world, one, dry_run=dry_run)
        assert error.value.code == "nothing-to-undo"
    assert world.writes() == 0


async def test_twice_is_refused_the_second_time(world: World) -> None:
    one = world.id()
    await reverted(world, one)
    await restore(world, one)
    with pytest.raises(Permanent) as error:
        await restore(world, one)
    assert error.value.code == "nothing-to-undo"


async def test_somebody_has_recreated_it_just_so(world: World) -> None:
    one = world.id()
    await reverted(world, one)
    await world.bad(one)
    with pytest.raises(Permanent) as error:
        await restore(world, one)
    assert error.value.code == "nothing-to-undo"


async def test_somebody_has_recreated_it_otherwise_and_that_can_be_had_back(world: World) -> None:
    one = world.id()
    body = await reverted(world, one)
    other = await world.write(one, displayName="the new one")
    await restore(world, one)
    assert await world.properties(one) == body["properties"]
    row = await world.row(one)
    assert row.undo is not None
    assert await world.register.body(one, row.undo) == other


async def test_somebody_recreates_it_at_the_same_time(world: World) -> None:
    one = world.id()
    body = await reverted(world, one)

    async def recreate() -> None:
        await world.write(one, displayName="quicker")

    world.watch.before["register.commit"] = recreate
    assert await restore(world, one) == body
    assert await world.properties(one) == body["properties"]
    row = await world.row(one)
    assert row.undo is not None
    assert (await world.register.body(one, row.undo))["properties"]["displayName"] == "quicker"


@pytest.mark.parametrize("by", ["ruleset", "setting"])
async def test_an_operator_may_restore_in_audit_mode_too(world: World, by: str) -> None:
    one = world.id()
    body = await reverted(world, one)
    if by == "ruleset":
        world.ruleset = rules("audit")
    else:
        world.reconciler = Reconciler(world.reconciler._world, lambda: world.ruleset, audit_only=True)
    await restore(world, one)
    assert await world.properties(one) == body["properties"]
    assert world.writes() == 1
    await world.settle(one)
    assert world.writes() == 1


async def test_the_breaker_does_not_hold_a_restore(world: World) -> None:
    one = world.id()
    await reverted(world, one)
    world.ruleset = rules(breaker={"reverts_per_hour": 0})
    await restore(world, one)
    assert await world.body(one) is not None


@pytest.mark.parametrize("forbid", ["permission", "target gone"])
async def test_a_restore_that_azure_refuses_can_be_repeated(world: World, forbid: str) -> None:
    one = world.id()
    body = await reverted(world, one)
    if forbid == "permission":
        world.deny("Microsoft.Authorization/policyExemptions/write")
    else:
        resource = world.arm.store.remove(tenant.RESOURCE.lower())[0]
    with pytest.raises(Permanent) as error:
        await restore(world, one)
    assert error.value.code == "cannot-act"
    assert await world.notice_kinds() == ["cannot-act"]
    assert (await world.row(one)).status is Status.GONE
    for _ in range(2):
        await world.look(one)
    world.arm.reset()
    if forbid == "target gone":
        world.arm.store.put(resource)
    assert await restore(world, one) == body
    assert await world.properties(one) == body["properties"]


async def test_a_refused_restore_over_something_leaves_its_status(world: World) -> None:
    one = world.id()
    good = await world.known(one)
    await world.bad(one)
    await world.look(one)
    world.deny("Microsoft.Authorization/policyExemptions/write")
    with pytest.raises(Permanent):
        await restore(world, one)
    assert await world.properties(one) == good["properties"]
    assert (await world.row(one)).status is Status.COMPLIANT
    world.arm.reset()
    await restore(world, one)
    assert "expiresOn" not in await world.properties(one)


async def test_arm_is_busy(world: World) -> None:
    one = world.id()
    body = await reverted(world, one)
    world.fault("PUT", status=503, count=1)
    with pytest.raises(Retryable):
        await restore(world, one)
    with pytest.raises(Retryable):
        await restore(world, one)  # the first may still be at it
    world.after_lease()
    assert await restore(world, one) == body
    assert await world.notice_kinds() == ["restored"]
