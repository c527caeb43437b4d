"""Who deletes an approved exemption decides whether it comes back; and what prevents that is recorded once."""

from datetime import timedelta
from typing import Any, cast

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.hint import Hint
from guardrails.exemption.times import spell_time
from guardrails.ruleset.budgets import Budget, Use
from sandbox import tenant as places
from sandbox.tenant import APPROVAL
from tests.reconcile.durability import scene
from tests.reconcile.world import ALICE, OPERATOR, PIPELINE, World, in_days


@pytest.mark.parametrize(
    ("who", "more"),
    [
        ("pipeline@contoso.com", {"approved": ["pipeline@contoso.com"]}),
        ("data-platform@contoso.com", {}),
        ("tool@contoso.com", {"owners": [{"name": "A tool", "authors": ["tool@contoso.com"]}]}),
    ],
)
async def test_a_delete_by_who_may_is_accepted(world: World, who: str, more: dict[str, Any]) -> None:
    world.ruleset = scene.keeping(**more)
    one = await scene.approved(world)
    await world.delete(one)
    await scene.deleted_by(world, one, who)
    world.clock.advance(days=1)
    for source in ("wake-up", "sweep", "queue"):
        await world.look(one, source)
    row = await world.row(one)
    assert (row.status, row.lost) == (Status.GONE, None)
    assert await world.body(one) is None
    assert await world.notice_kinds() == []
    assert "which is allowed" in (await world.history(one))[-1].facts["accepted"]


async def test_a_delete_by_somebody_else_is_notified_and_undone_after_the_wait(world: World) -> None:
    one = await scene.approved(world)
    before = await world.properties(one)
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, "alice@contoso.com")
    assert await world.notice_kinds() == [], "an event alone accuses nobody"
    assert world.wakes() == [20 * 60]
    world.clock.advance(minutes=19)
    await scene.target_written(world, one)
    await world.look(one, "sweep")
    assert await world.body(one) is None, "half of a pipeline's replace is a delete"
    world.clock.advance(minutes=1)
    assert (await world.look(one, "wake-up")).did == "bring-back"
    assert await world.properties(one) == before
    assert await world.notice_kinds() == ["lost", "restored"]


async def test_one_that_a_pipeline_puts_back_itself_is_left_alone(world: World) -> None:
    one = await scene.approved(world)
    await world.delete(one)
    await scene.deleted_by(world, one, "somebody@contoso.com")
    world.clock.advance(minutes=5)
    await world.write(one, displayName="as the pipeline has it now")
    world.clock.advance(minutes=10)
    assert (await world.look(one, "wake-up")).did == ""
    row = await world.row(one)
    assert (row.status, row.lost, row.restored) == (Status.COMPLIANT, None, ())
    assert (await world.properties(one))["displayName"] == "as the pipeline has it now"


async def test_always_means_whoever_deletes_it(world: World) -> None:
    world.ruleset = scene.keeping(approved=["pipeline@contoso.com"], durability={"mode": "always", "wait": "1m"})
    one = await scene.approved(world)
    await world.delete(one)
    await scene.deleted_by(world, one, "pipeline@contoso.com")
    world.clock.advance(minutes=2)
    assert (await world.look(one, "wake-up")).did == "bring-back"


@pytest.mark.parametrize(
    ("durability", "said", "comes_back"),
    [
        ({"mode": "never"}, None, False),
        ({"mode": "never"}, True, True),
        ({"mode": "collateral"}, False, False),
        ({"mode": "never", "scopes": [{"scope": places.GROUP, "mode": "collateral"}]}, None, True),
        ({"mode": "always", "scopes": [{"scope": places.GROUP, "mode": "never"}]}, None, False),
    ],
)
async def test_which_are_durable(world: World, durability: dict[str, Any], said: Any, *, comes_back: bool) -> None:
    world.ruleset = scene.keeping(durability=durability)
    ours = {} if said is None else {"guardrails": {"restore": said}}
    one = await scene.approved(world, metadata={**APPROVAL, **ours})
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    await scene.target_written(world, one)
    assert (await world.body(one) is not None) is comes_back


async def test_what_was_not_approved_is_not_put_back(world: World) -> None:
    world.ruleset = scene.keeping(on={"expiry-missing": "alert"})
    one = world.id()
    await world.bad(one)
    await world.look(one)
    await world.delete(one)
    await world.look(one)
    assert (await world.row(one)).status is Status.GONE


async def test_audit_mode_notifies_and_writes_nothing(world: World) -> None:
    world.ruleset = scene.keeping("audit")
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    writes = world.writes()
    await scene.target_written(world, one)
    assert world.writes() == writes
    assert (await world.row(one)).answer == "bring-back"
    world.ruleset = scene.keeping()
    world.clock.advance(minutes=16)
    await world.look(one, "sweep")
    assert await world.body(one) is not None


async def test_what_prevents_it_is_recorded_once_and_ends_it(world: World) -> None:
    one = await scene.approved(world, expiresOn=in_days(world.clock, 2))
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    world.clock.advance(days=3)
    await world.forget()
    for source in ("sweep", "queue", "sweep"):
        await world.look(one, source)
    assert await world.notice_kinds() == ["not-restored"]
    assert len(await world.notices()) == 1
    row = await world.row(one)
    assert (row.status, row.settled) == (Status.GONE, "it has expired meanwhile")


async def test_todays_rules_go(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    world.ruleset = scene.keeping(
        on={"never-exempt": {"response": "alert", "options": {"assignments": [places.ASSIGNMENT]}}}
    )
    await scene.target_written(world, one)
    assert "it breaks the present rules: EXG304 never-exempt" in (await world.row(one)).settled


async def test_an_assignment_that_is_gone_ends_it(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    await world.send(PIPELINE, "DELETE", places.ASSIGNMENT)
    world.clock.advance(minutes=20)
    for days in range(6):  # it may be deployed after its target: it is tried a few times
        await scene.target_written(world, one)
        await world.look(one, "sweep")
        assert bool((await world.row(one)).settled) is (days == 5)
        world.clock.advance(days=1)
    assert "assignment" in (await world.row(one)).settled
    assert (await world.notice_kinds()).count("not-restored") == 1


async def test_one_that_exists_by_another_name_is_not_doubled(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    await world.write(world.id("renamed"))
    await scene.target_written(world, one)
    assert "'renamed'" in (await world.row(one)).settled
    assert await world.body(one) is None


async def test_a_snapshot_that_a_hand_changed_is_not_put_back(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    await world.edit_history(one, 1, body=b"nonsense")
    world.sound = False
    await scene.target_written(world, one)
    assert await world.body(one) is None
    assert "changed from outside" in (await world.row(one)).settled


async def test_a_fight_ends_in_an_alert_with_both_actors(world: World) -> None:
    one = await scene.approved(world)
    for number in range(5):
        if await world.body(one) is None:
            break
        await world.delete(one, ALICE)
        await world.reconciler.reconcile(one, Hint("event", "delete", "alice@contoso.com", f"e-{number}"))
        world.clock.advance(minutes=20)
        await world.look(one, "wake-up")
    row = await world.row(one)
    assert (row.status, len(row.restored)) == (Status.GONE, 3)
    fights = [message["notice"] for message in await world.notices() if message["notice"]["kind"] == "fight"]
    assert len(fights) == 1
    assert "alice@contoso.com" in " ".join(fights[0]["why"])
    assert "guardrails" in " ".join(fights[0]["why"])
    await world.look(one, "sweep")
    assert await world.body(one) is None
    await world.reconciler.restore(one, OPERATOR)
    assert await world.body(one) is not None


async def test_the_late_event_of_an_accepted_delete_ends_the_wait(world: World) -> None:
    one = await scene.approved(world)
    await world.delete(one)
    await world.look(one, "sweep")
    assert (await world.row(one)).status is Status.LOST
    await scene.deleted_by(world, one, "data-platform@contoso.com")
    world.clock.advance(hours=1)
    await world.look(one, "sweep")
    assert (await world.row(one)).status is Status.GONE
    assert await world.body(one) is None


async def test_an_open_breaker_holds_it_back(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    await world.register.take_revert(world.clock.now(), Budget.of(0), Use())
    await scene.target_written(world, one)
    assert await world.body(one) is None
    await world.register.close_breaker(world.clock.now())
    world.clock.advance(minutes=16)
    await world.look(one, "sweep")
    assert await world.body(one) is not None


async def test_what_an_open_breaker_holds_back_waits_for_nothing_once_its_delete_is_accepted(world: World) -> None:
    one = await scene.approved(world)
    await world.register.take_revert(world.clock.now(), Budget.of(0), Use())
    await world.delete(one)
    await world.look(one, "sweep")
    world.clock.advance(minutes=16)
    await world.look(one, "sweep")
    assert await world.register.held() == {one.text: "breaker"}
    await world.look(one, "event", actor=str(APPROVAL["owner"]), operation="delete", verified=True)
    assert (await world.row(one)).status is Status.GONE
    assert await world.register.held() == {}


async def test_throttling_is_waited_for_and_nothing_is_done_twice(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    world.fault("PUT", status=429, code="TooManyRequests", retry_after="7", count=1)
    with pytest.raises(Exception, match="TooManyRequests"):
        await scene.target_written(world, one)
    world.after_lease()
    await world.look(one, "queue")
    assert await world.body(one) is not None
    assert len((await world.row(one)).restored) == 1


async def test_an_expiry_that_passes_while_it_waits_is_no_reminder(world: World) -> None:
    end = spell_time((world.clock.now() + timedelta(days=20)).replace(microsecond=0))
    one = await scene.approved(world, expiresOn=end)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await world.forget()
    world.clock.advance(days=15)
    await world.look(one, "sweep")
    assert await world.notice_kinds() == []


async def test_a_policy_that_left_the_initiative_ends_it(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    initiative = f"{places.AUTHORIZATION}/policySetDefinitions/storage-baseline"
    member = {"policyDefinitionId": f"{places.AUTHORIZATION}/policyDefinitions/require-tls"}
    left = {"properties": {"policyDefinitions": [{**member, "policyDefinitionReferenceId": "requireTls"}]}}
    world.arm.seed(initiative, left)
    world.clock.advance(minutes=20)
    await scene.target_written(world, one)
    assert (await world.row(one)).settled == "the initiative has no policy 'denyPublicNetwork' any more"


async def test_what_the_ruleset_says_when_it_may_come_back_counts(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    world.ruleset = scene.keeping(durability={"mode": "never"})
    await scene.target_written(world, one)
    assert "the ruleset no longer restores it" in (await world.row(one)).settled
    assert await world.body(one) is None


async def test_information_does_not_keep_it_from_coming_back(world: World) -> None:
    world.ruleset = scene.keeping(on={"ticket-missing": {"response": "alert", "severity": "info"}})
    no_ticket = {key: value for key, value in APPROVAL.items() if key != "approvalTicket"}
    one = await scene.approved(world, metadata=no_ticket)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    await scene.recreate_target(world)
    assert (await scene.target_written(world, one)).did == "bring-back"


async def test_where_azure_lists_at_a_scope_that_is_not_there_it_is_tried_once_a_day(world: World) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await scene.target_deleted(world, one)
    world.clock.advance(minutes=20)
    real = cast(Any, world.reconciler._world.arm)

    async def nothing(_: Any) -> list[Any]:
        return []

    real.at_same_scope = nothing
    for _ in range(5):
        await world.look(one, "sweep")
        world.clock.advance(hours=1)
    assert (await world.events(one)).count("intent") == 1
    del real.at_same_scope
    await scene.recreate_target(world)
    assert (await scene.target_written(world, one)).did == "bring-back"
