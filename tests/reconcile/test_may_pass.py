"""What Azure may allow later is tried again; people are notified once."""

import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from guardrails.azure.refusals import REFUSALS
from guardrails.decisions.decide import UNKNOWN_RETRY
from guardrails.decisions.history import Entry
from guardrails.decisions.row import Status
from guardrails.errors import Retryable
from guardrails.exemption.times import spell_time
from sandbox.stack import ROOT
from sandbox.tenant import APPROVAL
from tests.reconcile.refusing import days, deny, lock
from tests.reconcile.world import ALICE, NO_TICKET, OPERATOR, World, rules

MAY_PASS = [400, 403, 409, 412, 423, 425, 501, 507, 520, 598]


@pytest.mark.parametrize("status", MAY_PASS)
@pytest.mark.parametrize("what", ["delete", "put-back", "tag"])
async def test_a_single_refusal_that_is_in_no_list_is_tried_again_and_nobody_hears_of_it(
    world: World, status: int, what: str
) -> None:
    one = world.id()
    if what == "put-back":
        await world.known(one)
    changes: dict[str, Any] = {"metadata": NO_TICKET} if what == "tag" else {"expiresOn": None}
    await world.write(one, ALICE, **changes)
    world.fault("DELETE" if what == "delete" else "PUT", status=status, code="SomethingNew", count=1)
    with pytest.raises(Retryable):
        await world.look(one)
    assert (await world.row(one)).status is not Status.CANNOT_ACT
    world.after_lease()
    assert (await world.look(one, "queue")).did == what
    assert await world.notice_kinds() == ["tagged" if what == "tag" else "reverted"]
    row = await world.row(one)
    assert (row.blocked, row.intent) == ("", None)


@pytest.mark.parametrize("status", MAY_PASS)
async def test_one_that_lasts_is_tried_for_as_long_and_done_once_it_passes(world: World, status: int) -> None:
    one = world.id()
    await world.bad(one)
    world.fault("DELETE", status=status, code="SomethingNew")
    for _ in range(30):
        with suppress(Retryable):
            await world.look(one, "queue")
        world.clock.advance(hours=1)
    assert await world.notice_kinds() == []
    world.arm.reset()
    assert (await world.look(one, "sweep")).did == "delete"
    assert await world.body(one) is None


def breaks_off(world: World) -> None:
    """Have Azure's answers to writes of exemptions break off: what is written is kept."""
    rest = world.reconciler._world.arm._port  # type: ignore[attr-defined] # a watched port
    put = rest.put

    async def put_and_break_off(*args: Any) -> dict[str, Any]:
        await put(*args)
        return {}

    rest.put = put_and_break_off


@pytest.mark.parametrize("what", ["put-back", "tag", "untag", "restore"])
async def test_an_answer_that_breaks_off_is_settled_by_looking(world: World, what: str) -> None:
    one = world.id()
    good = await world.known(one)
    if what == "untag":
        await world.write(one, ALICE, metadata=NO_TICKET)
        await world.settle(one)
        await world.write(one, metadata={**APPROVAL, "guardrails": await world.marker(one)})
    elif what == "tag":
        await world.write(one, ALICE, metadata=NO_TICKET)
    else:
        await world.bad(one)
    if what == "restore":
        await world.delete(one)
        await world.look(one)
    breaks_off(world)
    if what == "restore":
        await world.reconciler.restore(one, OPERATOR)
    else:
        assert (await world.look(one)).did == what
    row = await world.row(one)
    assert (row.intent, row.blocked) == (None, "")
    if what == "tag":
        assert await world.marker(one) is not None
    elif what != "restore":
        assert await world.properties(one) == good["properties"]
    assert await world.register.dead_letters() == []


async def test_an_edit_meanwhile_is_not_taken_for_ours_where_the_answer_breaks_off(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.bad(one)
    rest = world.reconciler._world.arm._port  # type: ignore[attr-defined]
    put = rest.put

    async def put_and_edit(*args: Any) -> dict[str, Any]:
        rest.put = put
        await put(*args)
        await world.bad(one, displayName="quicker")
        return {}

    rest.put = put_and_edit
    assert (await world.look(one)).did == "put-back"
    assert (await world.properties(one)).get("displayName") != "quicker"
    bodies = [await world.register.body(one, e.seq) for e in await world.history(one) if e.keeps_body]
    assert any(body["properties"].get("displayName") == "quicker" for body in bodies)


def test_what_is_documented_is_what_is_in_the_list() -> None:
    text = (ROOT / "docs/decisions.md").read_text()
    codes = text[text.index("Azure's codes: ") :].split("\n\n")[0].partition(". ")[0]
    assert re.findall(r"`(\w+)`", codes) == list(REFUSALS)
    assert "(../guardrails/azure/refusals.py)" in text  # what each means


async def test_what_is_to_be_changed_again_is_tried_and_announced_anew(world: World) -> None:
    asks = world.ruleset
    one = world.id()
    await world.bad(one)
    lock(world)
    await world.look(one)
    world.ruleset = rules(on={"expiry-missing": "off"})
    row = (await world.look(one, "sweep")).row
    assert (row.status, row.blocked, row.refused, row.due) == (Status.COMPLIANT, "", 0, None)
    world.ruleset = asks
    row = (await world.look(one, "sweep")).row
    assert (row.status, row.refused, row.retry_on) == (Status.CANNOT_ACT, 1, world.clock.now() + timedelta(days=1))
    assert await world.notice_kinds() == ["cannot-act", "cannot-act", "compliant"]


async def refused(world: World, one: Any, **changes: Any) -> None:
    """Have it carry our tag, and have Azure refuse what is then to be changed."""
    await world.write(one, ALICE, metadata=NO_TICKET)
    assert (await world.look(one)).did == "tag"
    await world.write(one, ALICE, metadata={**APPROVAL, "guardrails": await world.marker(one)}, **changes)
    deny(world)
    await world.look(one)
    await world.forget()


async def judged_by(world: World, one: Any, response: Any, status: Status) -> None:
    """Have a sweep look at it by a ruleset with another response to what it breaks."""
    world.ruleset = rules(on={"whole-initiative": response})
    assert (await world.look(one, "sweep")).row.status is status


async def is_tried_and_announced_once(world: World, one: Any, *notices: str) -> None:
    """Check that Azure refused it just now, and that later refusals are not announced."""
    row = await world.row(one)
    assert (row.status, row.refused, row.retry_on) == (Status.CANNOT_ACT, 1, world.clock.now() + timedelta(days=1))
    assert await world.notice_kinds() == sorted(notices)
    assert await days(world, one, 17, "sweep") == [1, 8, 15]
    row = await world.row(one)
    assert (row.status, row.refused) == (Status.CANNOT_ACT, 4)
    assert await world.notice_kinds() == sorted(notices)


@pytest.mark.parametrize("tries", [0, 2], ids=["at once", "after more refusals of the untagging"])
async def test_whoever_was_notified_that_it_complies_is_notified_that_it_cannot_be_reverted(
    world: World, tries: int
) -> None:
    """Its tag remains: an untagging is still wanted, and refused, while it complies."""
    world.ruleset = rules(on={"whole-initiative": "revert"})
    one = world.id()
    await refused(world, one, policyDefinitionReferenceIds=None)
    assert (await world.row(one)).status is Status.CANNOT_ACT
    await judged_by(world, one, "off", Status.COMPLIANT)
    assert (await world.row(one)).refused == 1
    assert len(await days(world, one, 8 if tries else 0)) == tries
    assert await world.notice_kinds() == ["compliant"]
    await judged_by(world, one, "revert", Status.CANNOT_ACT)
    await is_tried_and_announced_once(world, one, "compliant", "cannot-act")


@pytest.mark.parametrize("counted", [True, False], ids=["counted", "in a row of before"])
async def test_a_violation_is_announced_though_the_untagging_was_refused_before_it(world: World, counted: bool) -> None:
    world.ruleset = rules(on={"whole-initiative": "off"})
    one = world.id()
    await refused(world, one, policyDefinitionReferenceIds=None)
    row = await world.row(one)
    assert (row.status, dict(row.findings)) == (Status.CANNOT_ACT, {})
    if not counted:
        old = replace(row, retry_on=None, refused=0, due=None)
        await world.register.commit(one, await world.stored(one), old, Entry(world.clock.time, "cannot-act", {}))
    await judged_by(world, one, "revert", Status.CANNOT_ACT)
    await is_tried_and_announced_once(world, one, "cannot-act")


@pytest.mark.parametrize("meanwhile", ["unknown", "unread", "alert", "excluded", "audit", "hold"])
async def test_it_is_announced_though_it_was_something_else_between(world: World, meanwhile: str) -> None:
    world.ruleset = rules(on={"whole-initiative": "revert"})
    one = world.id()
    await refused(world, one, policyDefinitionReferenceIds=None)
    await judged_by(world, one, "off", Status.COMPLIANT)
    asks = {"whole-initiative": "revert"}
    if meanwhile == "unknown":
        world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
        world.clock.advance(days=1)
        await judged_by(world, one, "revert", Status.UNKNOWN)
        world.arm.faults.reset()
        world.clock.advance(hours=1)
    elif meanwhile == "unread":
        world.fault("GET", status=403, code="AuthorizationFailed")
        assert (await world.look(one)).row.status is Status.UNKNOWN
        world.arm.faults.reset()
    elif meanwhile == "alert":
        await judged_by(world, one, "alert", Status.VIOLATION)
    elif meanwhile == "excluded":
        world.ruleset = rules(on=asks, exclusions=[{"scope": "/**", "reason": "a test"}])
        assert (await world.look(one, "sweep")).row.status is Status.EXCLUDED
    elif meanwhile == "audit":
        world.ruleset = rules("audit", on=asks)
        assert (await world.look(one, "sweep")).row.status is Status.VIOLATION
    else:
        until = world.clock.now() + timedelta(hours=1)
        await world.reconciler.hold(one, OPERATOR, until=until, reason="it must stay")
        await judged_by(world, one, "revert", Status.VIOLATION)
        world.clock.advance(hours=1)
    await judged_by(world, one, "revert", Status.CANNOT_ACT)
    assert (await world.row(one)).refused == 1
    assert (await world.notice_kinds()).count("cannot-act") == 1
    assert len(await days(world, one, 9)) == 2
    assert (await world.notice_kinds()).count("cannot-act") == 1


async def test_a_removal_that_stays_refused_is_announced_once(world: World) -> None:
    world.ruleset = rules(expired={"delete_after_days": 0})
    one = world.id()
    await world.write(one, ALICE, expiresOn=spell_time(world.clock.now() + timedelta(hours=1)))
    await world.look(one)
    lock(world)
    world.clock.advance(hours=2)
    await world.look(one, "sweep")
    assert await days(world, one, 16, "sweep") == [1, 8, 15]
    notices = await world.notice_kinds()
    assert (notices.count("cannot-act"), notices.count("compliant")) == (1, 1)


@pytest.mark.parametrize("meanwhile", ["unknown", "hold"])
async def test_what_is_not_tried_for_a_while_is_not_notified_anew(world: World, meanwhile: str) -> None:
    world.ruleset = rules(on={"whole-initiative": "revert"})
    one = world.id()
    await world.write(one, ALICE, policyDefinitionReferenceIds=None)
    lock(world)
    await world.look(one)
    if meanwhile == "hold":
        until = world.clock.now() + timedelta(days=2)
        await world.reconciler.hold(one, OPERATOR, until=until, reason="it must stand")
    else:
        world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
        world.clock.advance(days=1)
        assert (await world.look(one)).row.status is Status.UNKNOWN
        world.arm.faults.reset()
    await days(world, one, 3)
    row = await world.row(one)
    assert (row.status, row.refused) == (Status.CANNOT_ACT, 2)
    assert (await world.notice_kinds()).count("cannot-act") == 1


@pytest.mark.parametrize("meanwhile", ["hold", "audit"])
async def test_an_untagging_that_is_not_tried_for_a_while_is_not_notified_anew(world: World, meanwhile: str) -> None:
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    await world.look(one)
    await world.write(one, metadata={**APPROVAL, "guardrails": await world.marker(one)})
    deny(world)
    await world.look(one)
    enforced = world.ruleset
    if meanwhile == "hold":
        until = world.clock.now() + timedelta(days=2)
        await world.reconciler.hold(one, OPERATOR, until=until, reason="it must stand")
    else:
        world.ruleset = rules("audit")
    assert await days(world, one, 1) == []
    row = await world.row(one)
    assert (row.status, row.answer, row.refused) == (Status.COMPLIANT, "untag", 1)
    world.ruleset = enforced
    await days(world, one, 2)
    assert (await world.row(one)).refused == 2
    assert (await world.notice_kinds()).count("cannot-act") == 1
    world.arm.access.reset()
    await days(world, one, 8)
    row = await world.row(one)
    assert (row.status, row.refused, await world.marker(one)) == (Status.COMPLIANT, 0, None)


async def test_an_edit_that_cannot_be_read_does_not_wait_for_the_next_try_of_what_azure_refused(world: World) -> None:
    world.ruleset = rules(on={"whole-initiative": "revert"})
    one = world.id()
    await world.bad(one)
    lock(world)
    await world.look(one)
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    world.clock.advance(days=1)
    row = (await world.look(one)).row
    assert (row.status, row.unclear, row.due) == (Status.CANNOT_ACT, True, world.clock.now() + timedelta(days=7))
    world.arm.faults.reset()
    world.arm.access.reset()
    await world.write(one, ALICE)
    world.deny("Microsoft.Authorization/policyExemptions/read")
    row = (await world.look(one, "sweep")).row
    assert (row.status, row.due) == (Status.UNKNOWN, world.clock.now() + UNKNOWN_RETRY)
    world.arm.access.reset()
    world.clock.advance(seconds=UNKNOWN_RETRY.total_seconds())
    assert (await world.look(one, "wake-up")).row.status is Status.COMPLIANT
