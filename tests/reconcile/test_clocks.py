"""Who may write one exemption cannot restart a clock."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.grace import TOGGLES
from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from sandbox import tenant
from sandbox.tenant import Actor
from tests.reconcile.clocks import edit, gone, left_alone
from tests.reconcile.ports import Died
from tests.reconcile.world import ABOVE, ALICE, NO_TICKET, OPERATOR, PIPELINE, World, in_days, rules

HOUR = timedelta(hours=1)
NEVER_ENDS: Mapping[str, Any] = {"expiresOn": None}
NO_MEMBER: Mapping[str, Any] = {"policyDefinitionReferenceIds": None}
ELSEWHERE: Mapping[str, Any] = {"policyAssignmentId": ABOVE, "policyDefinitionReferenceIds": None}
GRACE = {"response": "revert", "grace": "12h"}
TEN = timedelta(hours=10)


@pytest.fixture
def one(world: World) -> ExemptionId:
    world.ruleset = rules(on={"expiry-missing": GRACE, "whole-initiative": GRACE})
    return world.id()


async def has_left(world: World, one: ExemptionId, time: timedelta) -> bool:
    """Whether it is reverted after this time, and not a second before."""
    return await left_alone(world, one, time - timedelta(seconds=1)) and not await left_alone(
        world, one, timedelta(seconds=1)
    )


async def test_alternating_between_two_rules(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    assert await edit(world, one, **NO_MEMBER)
    assert await has_left(world, one, 2 * HOUR)
    assert await world.body(one) is None
    assert await world.notice_kinds() == ["reverted", "tagged", "tagged"]


async def test_fixed_for_a_moment(world: World, one: ExemptionId) -> None:
    await edit(world, one)
    good = await world.properties(one)
    await edit(world, one, **NEVER_ENDS)
    await left_alone(world, one, TEN)
    await edit(world, one)
    world.clock.advance(minutes=1)
    assert await edit(world, one, **NEVER_ENDS)
    assert await has_left(world, one, 2 * HOUR)
    assert await world.properties(one) == {**good, "expiresOn": (await world.properties(one))["expiresOn"]}
    assert not await edit(world, one, **NEVER_ENDS)


async def test_who_breaks_it_again_each_time_it_is_fixed_is_notified_once(world: World, one: ExemptionId) -> None:
    world.ruleset = rules(on={"expiry-missing": {"response": "revert", "grace": "20d"}})
    for _ in range(TOGGLES + 2):
        assert await edit(world, one, **NEVER_ENDS)
        await left_alone(world, one, HOUR)
        assert await edit(world, one)
        await left_alone(world, one, HOUR)
    assert (await world.notice_kinds()).count("evasion-attempted") == 1


async def test_an_assignment_that_cannot_be_read(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NO_MEMBER)
    assert await left_alone(world, one, TEN)
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    world.clock.advance(hours=1)
    assert (await world.look(one)).row.status is Status.UNKNOWN
    world.arm.faults.reset()
    world.clock.advance(minutes=30)
    assert (await world.look(one)).row.status is Status.VIOLATION
    assert await has_left(world, one, timedelta(minutes=30))


async def test_an_unreadable_assignment_past_the_end_is_no_reason_to_revert(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NO_MEMBER)
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    world.clock.advance(hours=1)
    await world.look(one)
    assert await left_alone(world, one, timedelta(days=3))
    assert await world.body(one) is not None


async def test_an_exemption_that_cannot_be_read(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    world.fault("GET", "policyExemptions", status=403, code="AuthorizationFailed", count=1)
    assert (await world.look(one)).row.status is Status.UNKNOWN
    assert await has_left(world, one, 2 * HOUR)


async def test_deleted_and_made_again(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await world.delete(one)
    await world.look(one)
    world.clock.advance(days=1)
    assert await edit(world, one, **NEVER_ENDS, displayName="a new one")
    assert await has_left(world, one, 2 * HOUR)


async def test_another_name(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await gone(world, one)
    other, third = world.id("another-name"), world.id("a-third-name")
    assert await edit(world, other, **NEVER_ENDS)
    assert await left_alone(world, other, HOUR)
    await gone(world, other)
    assert await edit(world, third, **NEVER_ENDS)
    assert await has_left(world, third, HOUR)
    assert await world.body(third) is None


async def test_several_names_at_once_and_in_turn(world: World, one: ExemptionId) -> None:
    other = world.id("another-name")
    await edit(world, one, **NEVER_ENDS)
    await left_alone(world, one, timedelta(hours=4))
    await edit(world, other, **NEVER_ENDS)
    await left_alone(world, other, timedelta(hours=4))
    await edit(world, one)
    await edit(world, other)
    assert await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, 3 * HOUR)
    await edit(world, one)
    assert await edit(world, other, **NEVER_ENDS)
    assert await has_left(world, other, HOUR)


@pytest.mark.parametrize("editor", [ALICE, PIPELINE], ids=["by its author", "by a second account"])
async def test_another_name_that_first_broke_a_rule_without_grace(
    world: World, one: ExemptionId, editor: Actor
) -> None:
    """Its revert is refused. An edit that leaves only what has a grace wins no more time than under the first name."""
    world.ruleset = rules(on={"expiry-missing": GRACE, "expiry-too-far": "revert"})
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, timedelta(hours=6))
    other = world.id("another-name")
    world.deny("Microsoft.Authorization/policyExemptions/delete")
    await edit(world, other, expiresOn=in_days(world.clock, 900))
    assert (await world.row(other)).status is Status.CANNOT_ACT
    world.clock.advance(hours=4)
    await edit(world, one)
    world.arm.control._put_denials([])
    assert await edit(world, other, editor, **NEVER_ENDS)
    assert await has_left(world, other, 2 * HOUR)
    assert await world.body(other) is None


@pytest.mark.parametrize(
    ("scope", "actor", "changes"),
    [
        (tenant.RESOURCE, ALICE, {"policyDefinitionReferenceIds": ["requireTls"]}),
        (tenant.ARCHIVE, ALICE, {}),
        (tenant.RESOURCE, PIPELINE, {}),
        (tenant.RESOURCE, ALICE, ELSEWHERE),
    ],
    ids=["another control", "another scope", "another author", "another assignment"],
)
async def test_what_is_not_alike_has_a_grace_of_its_own(
    world: World, one: ExemptionId, scope: str, actor: Actor, changes: dict[str, Any]
) -> None:
    await edit(world, one, **NEVER_ENDS)
    await left_alone(world, one, TEN)
    other = world.id("another-name", scope)
    await edit(world, other, actor, **NEVER_ENDS, **changes)
    assert await has_left(world, other, 12 * HOUR)


async def test_what_others_used_is_read_where_a_period_begins_and_nowhere_else(world: World, one: ExemptionId) -> None:
    def reads() -> int:
        return world.watch.calls["register.grace_uses_at_same_scope"]

    await edit(world, one)
    assert reads() == 0
    await edit(world, one, **NEVER_ENDS)
    assert reads() == 1
    await left_alone(world, one, TEN)
    await edit(world, one, **NEVER_ENDS, displayName="another name")
    assert reads() == 1
    world.ruleset = rules()
    await edit(world, world.id("reverted-at-once"), **NEVER_ENDS)
    assert reads() == 1


@pytest.mark.parametrize("seen", [True, False], ids=["the delete is seen", "it is not"])
async def test_another_assignment_and_back(world: World, one: ExemptionId, seen: bool) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, timedelta(hours=5))
    await gone(world, one, seen=seen)
    assert await edit(world, one, **NEVER_ENDS, **ELSEWHERE)
    assert await left_alone(world, one, timedelta(hours=5))
    await gone(world, one, seen=seen)
    assert await edit(world, one, **NEVER_ENDS)
    assert await has_left(world, one, 2 * HOUR)


async def test_an_exclusion_or_an_owner_that_comes_and_goes(world: World, one: ExemptionId) -> None:
    on = {"expiry-missing": GRACE}
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, timedelta(hours=4))
    world.ruleset = rules(on=on, exclusions=[{"scope": "/subscriptions/**", "reason": "for a while"}])
    await world.look(one)
    assert await left_alone(world, one, timedelta(hours=4))
    world.ruleset = rules(on=on, owners=[{"name": "Alice's tool", "authors": ["alice@contoso.com"]}])
    await world.look(one)
    assert await left_alone(world, one, timedelta(hours=2))
    world.ruleset = rules(on=on)
    await world.look(one)
    assert await has_left(world, one, 2 * HOUR)


async def test_a_category_for_which_it_is_only_an_alert(world: World, one: ExemptionId) -> None:
    mild = {"exemption_category": "Mitigated", "rules": {"expiry-missing": "alert"}}
    world.ruleset = rules(on={"expiry-missing": GRACE}, overrides=[mild])
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await edit(world, one, **NEVER_ENDS, exemptionCategory="Mitigated")
    assert await left_alone(world, one, timedelta(days=3))
    assert not await edit(world, one, **NEVER_ENDS)


async def test_a_rule_switched_off_and_on(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    before, world.ruleset = world.ruleset, rules(on={"expiry-missing": "off"})
    await world.settle(one)
    world.clock.advance(days=2)
    world.ruleset = before
    await world.settle(one)
    assert await has_left(world, one, 2 * HOUR)


async def test_what_an_operator_restored_is_kept_and_the_next_edit_is_not(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert not await left_alone(world, one, 12 * HOUR)
    await world.reconciler.restore(one, OPERATOR)
    assert await left_alone(world, one, timedelta(days=3))
    await world.look(one)
    assert not await edit(world, one, **NEVER_ENDS, displayName="kept no more")


@pytest.mark.parametrize("seen", [True, False])
async def test_what_went_over_to_another_assignment_uses_up_no_more_of_the_old_one(
    world: World, one: ExemptionId, seen: bool
) -> None:
    other = world.id("another-name")
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await gone(world, one, seen=seen)
    await edit(world, one, **ELSEWHERE)
    assert await edit(world, other, **NEVER_ENDS)
    assert await left_alone(world, other, HOUR)
    await gone(world, other)
    world.clock.advance(days=60)
    assert await edit(world, other, **NEVER_ENDS)
    assert await has_left(world, other, timedelta(hours=12))


async def test_what_asks_for_no_revert_uses_up_nothing_though_a_hold_on_it_is_released(
    world: World, one: ExemptionId
) -> None:
    other = world.id("another-name")
    assert await edit(world, one, metadata=NO_TICKET)
    until = world.clock.now() + timedelta(days=2)
    await world.reconciler.hold(one, OPERATOR, until=until, reason="an incident")
    assert await left_alone(world, one, TEN)
    await world.reconciler.release(one, OPERATOR)
    await edit(world, one)
    assert await edit(world, other, **NEVER_ENDS)
    assert await has_left(world, other, timedelta(hours=12))


@pytest.mark.parametrize("seen", [True, False], ids=["the delete is seen", "it is not"])
async def test_what_was_used_from_the_old_assignment_is_no_others_from_the_new_one(
    world: World, one: ExemptionId, seen: bool
) -> None:
    other = world.id("another-name")
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await gone(world, one, seen=seen)
    await edit(world, one, **ELSEWHERE)
    assert await edit(world, other, **NEVER_ENDS, **ELSEWHERE)
    assert await has_left(world, other, timedelta(hours=12))


@pytest.mark.parametrize("why", ["adopted", "restored"])
async def test_what_is_allowed_uses_up_nothing(world: World, one: ExemptionId, why: str) -> None:
    other = world.id("another-name")
    await world.bad(one)
    world.clock.advance(days=1)
    await world.look(one, "sweep", adopt=world.clock.now() if why == "adopted" else None)
    if why == "restored":
        assert await left_alone(world, one, timedelta(hours=11))
        await gone(world, one)
        await world.reconciler.restore(one, OPERATOR)
    assert await left_alone(world, one, timedelta(days=60))
    assert await edit(world, other, **NEVER_ENDS)
    assert await has_left(world, other, timedelta(hours=12))


@pytest.mark.parametrize("why", ["adopted", "restored"])
async def test_what_stood_until_somebody_edits_it_has_its_whole_grace_then(
    world: World, one: ExemptionId, why: str
) -> None:
    await world.bad(one)
    world.clock.advance(days=1)
    await world.look(one, "sweep", adopt=world.clock.now() if why == "adopted" else None)
    if why == "restored":
        await gone(world, one)
        await world.reconciler.restore(one, OPERATOR)
    assert await left_alone(world, one, timedelta(days=60))
    await edit(world, one, PIPELINE, **NEVER_ENDS, displayName="still without an end")
    assert await has_left(world, one, timedelta(hours=12))


async def becomes_unknown(world: World, one: ExemptionId) -> None:
    """From now on its assignment cannot be read."""
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    world.clock.advance(hours=1)
    await world.look(one)
    assert (await world.row(one)).unclear


async def test_our_put_back_ends_a_period_though_the_rule_is_unknown_then(world: World, one: ExemptionId) -> None:
    world.ruleset = rules(on={"expiry-missing": GRACE, "whole-initiative": "revert"})
    await edit(world, one)
    await world.write(one, ALICE, **NO_MEMBER)
    world.watch.die_at(3, after=True)
    with pytest.raises(Died):
        await world.look(one)
    world.watch.revive()
    await becomes_unknown(world, one)
    assert (await world.events(one))[-1] == "put-back"
    world.clock.advance(days=3)
    assert await edit(world, one, **NEVER_ENDS)
    assert await has_left(world, one, 11 * HOUR)


async def test_a_restore_ends_a_period_though_the_rule_is_unknown_then(world: World, one: ExemptionId) -> None:
    await edit(world, one)
    await edit(world, one, **NO_MEMBER)
    await becomes_unknown(world, one)
    await world.reconciler.restore(one, OPERATOR, at=1)
    world.clock.advance(days=3)
    await edit(world, one, PIPELINE, **NO_MEMBER)
    world.arm.faults.reset()
    world.clock.advance(hours=1)
    await world.look(one)
    assert await has_left(world, one, 12 * HOUR)


async def test_what_is_allowed_again_ends_a_period_though_the_rule_is_unknown_then(
    world: World, one: ExemptionId
) -> None:
    left_alone = world.ruleset
    await world.write(one, ALICE, **NO_MEMBER)
    world.clock.advance(days=1)
    await world.look(one, "sweep", adopt=world.clock.now())
    on = {"expiry-missing": GRACE, "whole-initiative": GRACE}
    world.ruleset = rules(on=on, adoption={"until": "2020-01-01"})
    await world.look(one)
    world.ruleset = left_alone
    await becomes_unknown(world, one)
    world.clock.advance(days=3)
    assert await edit(world, one, PIPELINE, **NEVER_ENDS)
    assert await has_left(world, one, 12 * HOUR)


@pytest.mark.parametrize("until", [{}, {"adoption": {"until": "2099-01-01"}}], ids=["left alone", "left alone until"])
async def test_what_stood_and_is_made_anew_from_another_assignment_has_its_whole_grace_then(
    world: World, one: ExemptionId, until: dict[str, Any]
) -> None:
    world.ruleset = rules(on={"expiry-missing": GRACE, "whole-initiative": GRACE}, **until)
    await world.bad(one)
    world.clock.advance(days=1)
    await world.look(one, "sweep", adopt=world.clock.now())
    world.clock.advance(days=5)
    await gone(world, one, seen=False)
    assert await edit(world, one, **NEVER_ENDS, **ELSEWHERE)
    assert await has_left(world, one, timedelta(hours=12))


async def test_somebody_else_has_a_grace_of_his_own(world: World, one: ExemptionId) -> None:
    await edit(world, one, **NEVER_ENDS)
    assert await left_alone(world, one, TEN)
    await edit(world, one)
    await edit(world, one, PIPELINE, **NEVER_ENDS)
    assert await has_left(world, one, 12 * HOUR)


async def test_in_audit_mode_it_is_counted_alike(world: World, one: ExemptionId) -> None:
    world.ruleset = rules("audit", on={"expiry-missing": GRACE})
    await edit(world, one, **NEVER_ENDS)
    await left_alone(world, one, TEN)
    await edit(world, one)
    await edit(world, one, **NEVER_ENDS)
    assert (await world.row(one)).due == world.clock.time + 2 * HOUR
    await left_alone(world, one, 2 * HOUR)
    row = await world.row(one)
    assert (row.answer, row.due) == ("put-back", None)
    assert world.writes() == 0
