"""Budgets: who floods is held back, and nobody else: one exemption, one author, one subscription, and only then all."""

import asyncio
import json
import logging
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.row import Row, Status
from guardrails.decisions.watch import Watch
from guardrails.errors import Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.ruleset.budgets import Budget, Use
from sandbox import tenant
from sandbox.identity import token_for
from sandbox.tenant import Actor
from tests.reconcile.ports import Died
from tests.reconcile.world import ABOVE, ALICE, OPERATOR, PIPELINE, YEARS, World, rules

BOB = Actor("Bob", token_for("Bob", "bbbbbbbb-1111-4222-8333-444455556666", upn="bob@contoso.com", lifetime=YEARS))


async def flood(world: World, one: ExemptionId, times: int, actor: Actor = ALICE) -> list[str]:
    """Rewrite one exemption so often, ten seconds apart, each time with other words; return what was done."""
    did = []
    for number in range(times):
        await world.bad(one, actor, displayName=f"again {number}")
        did.append((await world.look(one)).did)
        world.clock.advance(seconds=10)
    return did


async def many(world: World, count: int, actor: Actor, name: str = "bad", scope: str = tenant.RESOURCE) -> list[str]:
    """Have one author write so many bad exemptions; return what was done with each."""
    ids = [world.id(f"{name}-{number}", scope) for number in range(count)]
    for one in ids:
        await world.bad(one, actor)
    return [(await world.look(one)).did for one in ids]


async def recent(world: World) -> int:
    state = await world.register.breaker(world.clock.now())
    assert state.opened_at is None
    return state.recent


async def test_one_exemption_rewritten_21_times_stops_nothing_else(world: World) -> None:
    one, other = world.id("fought"), world.id("other")

    assert await flood(world, one, 21) == ["delete"] * 3 + [""] * 18

    row = await world.row(one)
    assert (row.status, row.held, row.answer) == (Status.VIOLATION, "exemption", "delete")
    assert len(row.reverts) == 3
    assert await recent(world) == 3  # of what waits nothing is counted
    await world.bad(other)
    assert (await world.look(other)).did == "delete"


async def test_it_is_notified_once_and_goes_on_by_itself_at_the_very_second(world: World) -> None:
    one = world.id()
    await world.known(one)
    first = world.clock.now()
    assert await flood(world, one, 8) == ["put-back"] * 3 + [""] * 5
    assert (await world.notice_kinds()).count("fight") == 1
    assert (await world.notice_kinds()).count("evasion-attempted") == 1
    row = await world.row(one)
    assert row.due == first + timedelta(hours=1)
    assert max(world.wakes()) == 3600 - 30

    world.clock.time = row.due - timedelta(seconds=1)
    assert not (await world.look(one, "wake-up")).wrote
    world.clock.advance(seconds=1)
    assert (await world.look(one, "wake-up")).did == "put-back"

    assert (await world.properties(one)).get("expiresOn") is not None
    assert (await world.settle(one)).row.held == ""


async def test_the_notice_of_a_flood_names_who_writes_and_when_it_goes_on(world: World) -> None:
    one = world.id()
    await world.known(one)
    await flood(world, one, 4)
    (notice,) = [each["notice"] for each in await world.notices() if each["notice"]["kind"] == "fight"]
    assert notice["actor"] == "alice@contoso.com"
    assert notice["why"][0].startswith("3 reverts of it began since ")
    assert "If it still breaks the rules at" in notice["done"]
    assert one.text in notice["next"]


async def test_what_azure_refused_counts_and_nobody_says_that_it_was_reverted(world: World) -> None:
    world.deny("Microsoft.Authorization/policyExemptions/delete")
    one = world.id()
    assert await flood(world, one, 4) == [""] * 4
    assert await world.events(one) == ["intent", "cannot-act"] * 3 + ["held"]
    (notice,) = [each["notice"] for each in await world.notices() if each["notice"]["kind"] == "fight"]
    said = " ".join((*notice["why"], notice["done"]))
    assert "3 reverts of it began" in said
    assert "it was reverted" not in said


async def test_a_fight_over_days_is_found_by_count_and_reverted_once_an_hour(world: World) -> None:
    world.ruleset = rules(breaker={"fights": {"times": 4, "window": "1d"}})
    one = world.id()
    await world.known(one)
    did, held = [], 0
    for number in range(12):  # every half an hour: never three within an hour
        await world.bad(one, PIPELINE, displayName=f"run {number}")
        did.append((await world.look(one)).did)
        held += (await world.row(one)).held == "fight"
        world.clock.advance(minutes=30)
    assert did == ["put-back"] * 4 + ["", "put-back"] * 4
    assert held == 4
    assert (await world.notice_kinds()).count("fight") == 1  # one in its window


async def test_a_violation_does_not_win_by_persistence(world: World) -> None:
    """Whatever is written, and however often: at least one revert each hour, and the breaker stays closed."""
    one = world.id()
    await world.known(one)
    reverts = 0
    for minute in range(0, 12 * 60, 5):
        await world.bad(one, displayName=f"minute {minute}")
        await world.look(one)
        world.clock.advance(minutes=5)
        reverts += (await world.look(one)).did == "put-back"
    assert await recent(world) <= 3
    reverted = [entry for entry in await world.history(one) if entry.event == "put-back"]
    assert 12 <= len(reverted) <= 16


async def test_an_author_who_floods_is_held_back_and_others_are_not(world: World) -> None:
    assert await many(world, 13, ALICE) == ["delete"] * 10 + [""] * 3
    assert (await world.row(world.id("bad-12"))).held == "author"
    assert await many(world, 2, BOB, "bobs") == ["delete"] * 2
    assert await recent(world) == 12
    kinds = await world.notice_kinds()
    assert (kinds.count("budget-reached"), kinds.count("breaker-open")) == (1, 0)
    assert sorted((await world.register.held()).values()) == ["author"] * 3


async def test_a_pending_notice_that_comes_again_goes_once(world: World) -> None:
    async def unreachable() -> None:
        raise Retryable("it cannot be reached", code="storage-unreachable")

    one = world.id("one-more")
    await many(world, 10, ALICE)
    await world.bad(one)
    world.watch.before["register.budget_notified"] = unreachable
    with pytest.raises(Retryable):
        await world.look(one)
    world.after_lease()
    await world.bad(one, displayName="another text")
    await world.look(one)
    assert [message["notice"]["kind"] for message in await world.notices()].count("budget-reached") == 1
    assert (await world.row(one)).outbox == ()


async def test_a_budget_is_notified_once_where_the_clock_of_the_notifier_is_behind(world: World) -> None:
    await many(world, 10, ALICE)
    world.clock.advance(seconds=-2)  # another worker
    await many(world, 1, ALICE, "more")
    world.clock.advance(hours=1, seconds=1)  # the tenth revert still counts for a second
    await many(world, 1, ALICE, "last")
    assert [(await world.row(world.id(name))).held for name in ("more-0", "last-0")] == ["author"] * 2
    assert [message["notice"]["kind"] for message in await world.notices()].count("budget-reached") == 1


async def test_a_flood_is_notified_once_where_the_clock_of_the_notifier_is_behind(world: World) -> None:
    world.ruleset = rules(breaker={"reverts": {"exemption": 1}})
    one = world.id()
    assert await flood(world, one, 1) == ["delete"]
    world.clock.advance(seconds=-12)  # another worker
    await world.bad(one, displayName="another text")
    await world.look(one)
    world.clock.advance(hours=1, seconds=1)  # the revert still counts for a second
    assert (await world.look(one)).row.held == "exemption"
    assert (await world.notice_kinds()).count("fight") == 1


async def test_what_waits_and_is_unknown_in_part_is_not_recorded_again(world: World) -> None:
    world.ruleset = rules(on={"whole-initiative": "revert"}, breaker={"reverts": {"exemption": 1}})
    one = world.id()
    assert await flood(world, one, 1) == ["delete"]
    world.fault("GET", path="policySetDefinitions", status=404)
    world.clock.advance(minutes=10)
    await world.bad(one, displayName="another text")
    assert (await world.look(one)).row.held == "exemption"
    assert not (await world.look(one)).wrote


async def test_two_who_flood_leave_room_for_a_third(world: World) -> None:
    """In two subscriptions would be more; in one its own budget ends it: 15 of 20."""
    assert (await many(world, 12, ALICE)).count("delete") == 10
    assert (await many(world, 12, BOB, "bobs")).count("delete") == 5
    assert (await world.row(world.id("bobs-11"))).held == "subscription"
    group = world.id("above", "/providers/Microsoft.Management/managementGroups/contoso")
    await world.bad(group, PIPELINE, policyAssignmentId=ABOVE, policyDefinitionReferenceIds=[])
    assert (await world.look(group)).did == "delete"
    assert await recent(world) == 16


async def test_what_waits_for_its_author_goes_on_when_there_is_room(world: World) -> None:
    await many(world, 13, ALICE)
    waiting = [world.id(f"bad-{number}") for number in (10, 11, 12)]
    due = (await world.row(waiting[0])).due
    assert due == world.clock.now() + timedelta(hours=1)
    world.clock.time = due
    assert [(await world.look(one, "wake-up")).did for one in waiting] == ["delete"] * 3
    assert await world.register.held() == {}
    assert await recent(world) == 3


async def test_what_still_has_to_wait_is_not_recorded_again_and_sweeps_ask_for_it(world: World) -> None:
    await many(world, 12, ALICE)
    one = world.id("bad-11")
    world.clock.advance(minutes=59)
    for number in range(20, 31):
        await world.bad(world.id(f"bad-{number}"))
    world.clock.advance(minutes=1)
    for number in range(20, 31):
        await world.look(world.id(f"bad-{number}"))
    before = await world.events(one)
    for _ in range(3):
        assert not (await world.look(one, "sweep")).wrote
    assert await world.events(one) == before
    assert 0 < Watch.of(await world.row(one)).at <= world.clock.now().timestamp()


async def test_two_reverts_of_one_exemption_are_two_though_clocks_give_them_one_time(world: World) -> None:
    world.ruleset = rules(breaker={"reverts": {"author": 2}})
    one = world.id()
    did = []
    for number in range(3):
        await world.bad(one, displayName=f"again {number}")
        did.append((await world.look(one)).did)  # by two workers, one of which is so much behind
    assert did == ["delete", "delete", ""]
    assert await recent(world) == 2
    assert (await world.row(one)).held == "author"


async def test_an_edit_by_another_is_that_others(world: World) -> None:
    """An identity that has used up its budget does not shelter what somebody else writes, nor the other way round."""
    await many(world, 11, PIPELINE)
    one = world.id("bad-10")
    assert (await world.row(one)).held == "author"
    await world.bad(one, BOB, displayName="mine now")
    assert (await world.look(one)).did == "delete"


async def test_two_workers_at_once_take_no_more_than_there_is(world: World) -> None:
    world.ruleset = rules(breaker={"reverts": {"author": 2}})
    ids = [world.id(f"bad-{number}") for number in range(6)]
    for one in ids:
        await world.bad(one)
    await asyncio.gather(*(world.look(one) for one in ids for _ in range(2)), return_exceptions=True)
    world.after_lease()
    for one in ids:
        await world.settle(one)
    assert sum([await world.body(one) is None for one in ids]) == 2
    assert await recent(world) == 2
    assert sorted((await world.register.held()).values()) == ["author"] * 4
    assert [kind for kind in await world.notice_kinds() if kind == "budget-reached"] == ["budget-reached"]
    messages = [message for message in await world.notices() if message["notice"]["kind"] == "budget-reached"]
    assert len(messages) == 1


@pytest.mark.parametrize("write", [1, 2, 3])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_crash_between_the_share_and_the_act_counts_once(world: World, write: int, after: bool) -> None:
    """The intent, the share, the delete: wherever the process dies, one revert is one, in the row and in all."""
    one = world.id()
    await world.bad(one)
    world.watch.die_at(write, after=after)
    with suppress(Died):
        await world.look(one)
    world.watch.revive()
    world.after_lease()
    await world.settle(one)
    assert await world.body(one) is None
    assert len((await world.row(one)).reverts) == 1
    assert await recent(world) == 1


async def test_azure_that_fails_time_and_again_uses_up_one_share(world: World) -> None:
    one = world.id()
    await world.bad(one)
    world.fault("DELETE", status=503, count=50)
    for _ in range(6):
        with suppress(Retryable):
            await world.look(one)
        world.after_lease()
    assert await recent(world) == 1
    world.arm.faults.rules.clear()
    await world.settle(one)
    assert await world.body(one) is None
    assert (await recent(world), len((await world.row(one)).reverts)) == (1, 1)


async def test_an_operator_who_restores_ends_the_fight(world: World) -> None:
    one = world.id()
    await flood(world, one, 4)
    await world.delete(one)
    await world.look(one)
    await world.reconciler.restore(one, OPERATOR)
    row = await world.row(one)
    assert (row.reverts, row.warned, row.held) == ((), "", "")


async def test_a_row_of_an_older_version_that_waits_for_the_breaker_goes_on(world: World) -> None:
    old = {"id": "/x", "status": "violation", "since": "2026-11-21T12:00:00Z", "answer": "delete", "held": "breaker"}
    row = Row.from_json(old)
    assert (row.held, row.reverts, row.hold, Watch.of(row).held) == ("breaker", (), None, True)
    assert row.to_json() == old


async def test_the_log_says_which_budget_holds_a_revert(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "guardrails")
    await many(world, 11, ALICE)
    lines: list[dict[str, Any]] = [
        json.loads(one.message) for one in caplog.records if one.name == "guardrails.telemetry"
    ]
    facts = [one for one in lines if one["event"] == "breaker"]
    assert [one.get("full", "") for one in facts] == [""] * 10 + ["author"]
    assert {one["state"] for one in facts} == {"closed"}


async def test_removals_use_up_nothing_that_reverts_have(world: World) -> None:
    now, budget = world.clock.now(), Budget.of(4)
    removals = [Use.of(world.id(f"ended-{n}"), "", now, removal=True) for n in range(3)]
    assert [(await world.register.take_revert(now, budget, one)).taken for one in removals] == [True, True, False]
    reverts = [Use.of(world.id(f"bad-{n}"), f"author-{n}", now) for n in range(3)]
    assert [(await world.register.take_revert(now, budget, one)).taken for one in reverts] == [True, True, True]
    assert await recent(world) == 3


async def test_a_revert_asks_no_more_of_storage_for_its_budgets(world: World) -> None:
    """One look at the breaker's row and one share of it, as for the total alone; what waits costs the look."""
    one = world.id()
    await world.bad(one)
    await world.forget()
    await world.look(one)
    calls = {name: count for name, count in world.watch.calls.items() if name.startswith("register.")}
    assert calls == {
        "register.read": 1, "register.breaker": 1, "register.take_revert": 1, "register.commit": 2,
    }  # fmt: skip
    await many(world, 10, ALICE)
    held = world.id("held")
    await world.bad(held)
    await world.look(held)
    await world.forget()
    await world.look(held, "sweep")
    assert dict(world.watch.calls) == {"register.read": 1, "arm.get": 1, "arm.assignment": 1, "register.breaker": 1}
