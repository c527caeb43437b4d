"""What Azure does not allow, such as a lock: told once, tried after a day, then weekly; all else may pass."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from guardrails.azure.refusals import REFUSALS
from guardrails.decisions.decide import UNKNOWN_RETRY
from guardrails.decisions.history import Entry
from guardrails.decisions.row import Status
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.times import spell_time
from sandbox import tenant
from sandbox.stack import ROOT
from sandbox.tenant import APPROVAL
from tests.reconcile.world import ALICE, NO_TICKET, OPERATOR, PIPELINE, World, rules

DELETE = "Microsoft.Authorization/policyExemptions/delete"
WRITE = "Microsoft.Authorization/policyExemptions/write"
US = "0d5f2a52-0000-4000-8000-00000000f00d"


def lock(world: World) -> None:
    world.arm.lock(tenant.GROUP, "CanNotDelete")


def deny(world: World) -> None:
    world.deny(DELETE, WRITE)


def no_role(world: World) -> None:
    reader = [{"scope": "/", "actions": ["*/read"]}]
    world.arm.control._put_permissions({US: [{**one, "scope": ""} for one in reader]})


def no_exempt_action(world: World) -> None:
    """Enough to write exemptions, but not exempt/action on the assignment, which a put needs too."""
    world.arm.control._put_permissions({US: [{"scope": "", "actions": ["*/read", "*/policyExemptions/*"]}]})


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


async def days(world: World, one: Any, count: int, source: str = "wake-up") -> list[int]:
    """Look each hour for so many days; return the days, counted from here, on which something was tried."""
    tried, began = list[int](), world.clock.time
    for _ in range(24 * count):
        world.clock.advance(hours=1)
        before = world.writes()
        await world.look(one, source)
        if world.writes() > before:
            tried.append((world.clock.time - began).days)
    return tried


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


# What may pass


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
    """Have Azure's answers to writes of exemptions break off: what is written stands."""
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
