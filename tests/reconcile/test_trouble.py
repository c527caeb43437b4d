"""Azure or the store is throttled, down, slow, or hides something: never a revert by mistake, nothing half done."""

import json
import re
from typing import Any

import pytest

from guardrails.decisions.row import Status
from guardrails.errors import Retryable
from guardrails.reconcile.outbox import LEASE
from guardrails.rules.everywhere import expiry_missing
from sandbox import tenant
from tests.reconcile.world import ALICE, NO_TICKET, PIPELINE_ID, World, in_days, rules

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "retry_after": "17"},
    "503": {"status": 503},
    "500 after": {"status": 500, "after": True},
    "dropped": {"drop": True},
    "dropped after": {"drop": True, "after": True},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_call_that_fails_is_retryable_and_the_next_look_finishes(
    world: World, method: str, fault: dict[str, Any]
) -> None:
    one, tagged = world.id(), world.id("tagged")
    await world.bad(one)
    await world.write(tagged, ALICE, metadata=NO_TICKET)
    for exemption in (one, tagged):
        failing = method == "GET" or (method == "DELETE") is (exemption == one)
        if not failing:
            continue
        world.fault(method, f"policyExemptions/{exemption.name}$", count=2, **fault)  # the client repeats a lost one
        with pytest.raises(Retryable) as error:
            await world.look(exemption)
        if "retry_after" in fault:
            assert error.value.delay == 17
        world.arm.faults.reset()
        world.after_lease()
    for exemption in (one, tagged):
        await world.settle(exemption)
    assert await world.body(one) is None
    assert (await world.marker(tagged))["codes"] == ["EXG201"]
    assert await world.notice_kinds() == ["reverted", "tagged"]


@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_the_reread_and_the_check_may_fail_too(world: World, nth: int) -> None:
    one = world.id()
    await world.bad(one)
    turn = 0

    async def fail_at_nth() -> None:
        nonlocal turn
        turn += 1
        if turn == nth:
            world.fault("GET", status=503, count=1)
        else:
            world.watch.before["arm.get"] = fail_at_nth

    world.watch.before["arm.get"] = fail_at_nth
    with pytest.raises(Retryable):
        await world.look(one)
    assert (await world.body(one) is None) is (nth == 3)
    world.after_lease()
    await world.settle(one)
    assert await world.body(one) is None
    assert await world.notice_kinds() == ["reverted"]


async def test_while_a_write_may_still_be_in_progress_others_wait(world: World) -> None:
    one = world.id()
    await world.bad(one)
    world.fault("DELETE", status=503, count=1)
    with pytest.raises(Retryable):
        await world.look(one)
    with pytest.raises(Retryable) as error:
        await world.look(one)
    assert error.value.code == "in-hand"
    assert 0 < error.value.delay <= LEASE.total_seconds()
    assert world.watch.calls["arm.delete"] == 1
    world.after_lease()
    assert (await world.look(one)).did == "delete"


async def test_an_assignment_that_cannot_be_read_is_unknown_and_retried_ever_later(world: World) -> None:
    one = world.id()
    await world.write(one, policyDefinitionReferenceIds=None)  # the whole initiative: reverted, if that were known
    before = world.azure()
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")

    outcome = await world.look(one)

    row = await world.row(one)
    assert (row.status, row.answer, row.attempts) == (Status.UNKNOWN, "none", 0)
    assert set(row.findings) == {"EXG302?"} or all(code.endswith("?") for code in row.findings)
    assert outcome.plan is not None
    assert row.due is not None
    assert await world.notice_kinds() == ["unknown"]
    assert not (await world.look(one)).wrote
    for _ in range(9):
        world.clock.time = (await world.row(one)).due or world.clock.time
        await world.look(one, "queue")
    assert world.wakes() == [600, 600, 1200, 2400, 4800, 9600, 19200, 21600, 21600, 21600]
    assert world.azure() == before
    assert world.writes() == 0
    assert await world.notice_kinds() == ["unknown"]

    world.arm.faults.reset()
    world.clock.advance(seconds=6)
    assert (await world.look(one)).did == "delete"


async def test_without_a_time_of_the_write_nothing_is_reverted_for_it(world: World) -> None:
    one, far = world.id(), world.id("far")
    for written, days in ((one, 300), (far, 900)):
        await world.write(written, expiresOn=in_days(world.clock, days))
        entry = world.arm.store.get(written.key)
        assert entry is not None
        entry.system = None
        entry.rendered.clear()

    await world.look(one)

    row = await world.row(one)
    assert (row.status, row.answer, row.written_at) == (Status.UNKNOWN, "none", None)
    assert set(row.findings) == {"EXG102?"}
    assert (await world.look(far)).did == "delete"  # too far even from now
    assert world.writes() == 1


async def test_an_assignment_that_throttles_is_unknown_too(world: World) -> None:
    one = world.id()
    await world.write(one)
    world.fault("GET", "policyAssignments", status=429)
    assert (await world.look(one)).row.status is Status.UNKNOWN
    world.arm.faults.reset()
    world.clock.advance(minutes=10)
    assert (await world.look(one, "queue")).row.status is Status.COMPLIANT


async def test_a_violation_is_answered_and_an_unknown_looked_at_again(world: World) -> None:
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET, policyDefinitionReferenceIds=None)
    world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")
    await world.settle(one)
    row = await world.row(one)
    assert (row.status, row.answer) == (Status.VIOLATION, "tag")
    assert world.wakes() == [600]
    for _ in range(3):
        world.clock.time = (await world.row(one)).due or world.clock.time
        await world.look(one, "queue")
    assert world.wakes() == [600, 600, 1200, 2400]
    assert await world.notice_kinds() == ["tagged"]
    world.arm.faults.reset()
    world.clock.advance(seconds=6)
    assert (await world.look(one, "queue")).did == "delete"


async def test_an_exemption_that_we_may_not_read_is_unknown(world: World) -> None:
    one = world.id()
    await world.known(one)
    before = world.azure()
    world.fault("GET", "policyExemptions", status=403, code="AuthorizationFailed")
    outcome = await world.look(one)
    assert (outcome.row.status, outcome.row.answer) == (Status.UNKNOWN, "none")
    assert await world.events(one) == ["written", "unknown"]
    assert await world.notice_kinds() == ["unknown"]
    for _ in range(4):
        assert not (await world.look(one)).wrote
        world.clock.time = (await world.row(one)).due or world.clock.time
        await world.look(one, "queue")
    assert world.wakes() == [600, 600, 1200, 2400, 4800]
    assert world.azure() == before
    assert await world.notice_kinds() == ["unknown"]
    world.arm.faults.reset()
    assert (await world.look(one)).row.status is Status.COMPLIANT
    assert (await world.row(one)).due is None


@pytest.mark.parametrize(
    "body",
    [
        {"properties": {}},
        {"id": "/nowhere", "properties": {"policyAssignmentId": tenant.ASSIGNMENT}},
        {"properties": {"policyAssignmentId": tenant.ASSIGNMENT, "metadata": [1]}},
        {"properties": {"policyAssignmentId": tenant.ASSIGNMENT, "policyDefinitionReferenceIds": 7}},
        {"properties": "text"},
        [],
    ],
    ids=str,
)
async def test_a_body_that_is_no_exemption_is_unknown(world: World, body: Any) -> None:
    one = world.id()
    await world.known(one)
    entry = world.arm.store.entries[one.key]
    entry.rendered[2] = json.dumps({"id": one.text, **body} if isinstance(body, dict) else body).encode()
    for _ in range(2):
        outcome = await world.look(one)
        assert outcome.row.status is Status.UNKNOWN
    assert world.writes() == 0
    assert await world.notice_kinds() == ["unknown"]
    assert await world.events(one) == ["written", "unknown"]


async def test_a_queue_that_is_down_loses_no_notice(world: World) -> None:
    one = world.id()
    await world.bad(one)
    world.queues.down = True
    with pytest.raises(Retryable):
        await world.look(one)
    assert await world.body(one) is None
    assert await world.notice_kinds() == []
    world.queues.down = False
    with pytest.raises(Retryable, match="another worker"):
        await world.look(one)
    world.after_lease()
    assert not (await world.look(one)).wrote
    assert await world.notice_kinds() == ["reverted"]


async def test_a_broken_rule_is_unknown_and_never_a_revert(world: World) -> None:
    one = world.id()
    await world.write(one)

    def crash(*_: object) -> None:
        raise ZeroDivisionError

    original = expiry_missing.RULE.check
    object.__setattr__(expiry_missing.RULE, "check", crash)
    try:
        outcome = await world.look(one)
    finally:
        object.__setattr__(expiry_missing.RULE, "check", original)
    assert outcome.row.status is Status.UNKNOWN
    assert set(outcome.row.findings) == {"EXG101?"}
    assert world.writes() == 0
    assert re.search("crashed with ZeroDivisionError", str((await world.notice())["findings"]))


async def test_an_exemption_that_cannot_be_read_just_before_acting_is_left_and_looked_at_again(world: World) -> None:
    one = world.id()
    await world.bad(one)
    world.fault("GET", latency=0.001, count=1)  # the first look goes through
    world.fault("GET", status=403, code="AuthorizationFailed", count=1)
    with pytest.raises(Retryable):
        await world.look(one)
    assert await world.body(one) is not None
    world.after_lease()
    assert (await world.look(one)).did == "delete"


async def test_writing_the_same_again_changes_nothing_whoever_does_it(world: World) -> None:
    world.ruleset = rules(on={"author-not-approved": "revert"}, approved=[PIPELINE_ID])
    one = world.id()
    await world.write(one)
    await world.look(one)
    await world.write(one, ALICE)
    outcome = await world.look(one)
    assert (outcome.did, outcome.wrote, outcome.row.status) == ("", False, Status.COMPLIANT)
    assert await world.body(one) is not None
