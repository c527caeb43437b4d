"""A scope that was written or deleted: the exemptions attached to it and below it are looked at, queued, never lost."""

import asyncio
import json
from collections.abc import Iterable

import pytest

from guardrails.azure.events import Scope, read_scope_event
from guardrails.decisions.history import Entry
from guardrails.decisions.row import Row, Status
from guardrails.errors import Misconfigured, Permanent, Retryable
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.reconcile.visit import Outcome
from tests.azure.test_events import grid
from tests.patience import PATIENCE, jump

from .conftest import EXEMPTION, Desk, outcome

GROUP = "/subscriptions/ae640e6b-ba3e-4256-9d62-2993eecfa6f2/resourceGroups/Demo"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/drop"
WRITTEN = Hint("target", "target-write", "alice@contoso.com", "event-1")
DELETED = Hint("target", "target-delete", "alice@contoso.com", "event-1")
BUSY = Retryable("throttled", code="arm-busy", delay=7)


def some(count: int, scope: str = ACCOUNT) -> list[ExemptionId]:
    return [ExemptionId.parse(f"{scope}/providers/Microsoft.Authorization/policyExemptions/e{n}") for n in range(count)]


async def keep(desk: Desk, exemptions: Iterable[ExemptionId], status: Status = Status.LOST) -> None:
    now = desk.clock.now()

    async def one(exemption: ExemptionId) -> None:
        row = Row(exemption.text, status, now)
        assert await desk.register.commit(exemption, None, row, Entry(now, "judged", {"hint": "event"}))

    await asyncio.gather(*map(one, exemptions))


async def announce(desk: Desk, scope: str = GROUP, *, written: bool = True) -> int:
    return await desk.intake.scope(scope, written=written, actor="alice@contoso.com", event_id="event-1")


def queued(exemption: ExemptionId, target: str = "write", **more: object) -> dict[str, object]:
    return {"id": exemption.text, "actor": "alice@contoso.com", "event": "event-1", "target": target, **more}


def by_id(messages: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(messages, key=lambda message: str(message["id"]))


@pytest.mark.parametrize(("written", "hint", "found"), [(True, WRITTEN, 0), (False, DELETED, 1)])
async def test_a_write_is_for_the_lost_and_a_delete_for_those_that_are_there(
    desk: Desk, *, written: bool, hint: Hint, found: int
) -> None:
    exemptions = some(3)
    for one, status in zip(exemptions, (Status.LOST, Status.VIOLATION, Status.GONE), strict=True):
        await keep(desk, [one], status)
    await keep(desk, some(3, f"{GROUP}-2"))
    assert await announce(desk, GROUP.upper(), written=written) == 1
    assert desk.reconciler.asked == [(exemptions[found], hint)]
    assert await desk.messages("reconcile") == []


async def test_a_scope_without_exemptions_costs_nobody_anything(desk: Desk) -> None:
    assert await announce(desk) == 0
    assert await announce(desk, "/providers/Microsoft.Management/managementGroups/corp", written=False) == 0
    assert desk.reconciler.asked == []


async def test_eight_are_looked_at_at_once(desk: Desk) -> None:
    busy, most, eight = 0, 0, asyncio.Event()

    async def slow() -> Outcome:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        if busy == 8:
            for _ in range(100):  # would a ninth begin, it could
                await asyncio.sleep(0)
            eight.set()
        await eight.wait()
        busy -= 1
        return outcome()

    desk.reconciler.answers = [slow]
    await keep(desk, some(20))
    assert await announce(desk) == 20
    assert most == 8
    assert len(desk.reconciler.asked) == 20
    assert await desk.messages("reconcile") == []


async def test_more_than_twenty_go_on_the_queue_at_once_and_come_back_with_what_was_said(desk: Desk) -> None:
    exemptions = some(31)
    await keep(desk, exemptions, Status.COMPLIANT)
    assert await announce(desk, written=False) == 31
    now = {one for one, _ in desk.reconciler.asked}
    assert len(now) == 20
    texts = await desk.texts("reconcile")
    later = [one for one in exemptions if one not in now]
    assert by_id(map(json.loads, texts)) == by_id([queued(one, "delete") for one in later])
    assert set(desk.queues.delays) == {0.0}
    desk.reconciler.asked.clear()
    for text in texts:
        await desk.intake.message(text)
    assert {one for one, _ in desk.reconciler.asked} == set(later)
    assert {hint for _, hint in desk.reconciler.asked} == {DELETED}


async def test_what_takes_too_long_goes_on_the_queue_the_begun_and_the_others(desk: Desk) -> None:
    async def never() -> Outcome:
        if len(desk.reconciler.asked) == 8:
            jump(PATIENCE)
        await asyncio.Event().wait()
        return outcome()

    desk.reconciler.answers = [never]
    exemptions = some(12)
    await keep(desk, exemptions)
    assert await announce(desk) == 12
    assert len(desk.reconciler.asked) == 8
    assert by_id(await desk.messages("reconcile")) == by_id([queued(one, attempt=0) for one in exemptions])


async def test_one_in_trouble_does_not_hold_up_the_others(desk: Desk) -> None:
    desk.reconciler.answers = [BUSY, ZeroDivisionError("oops"), Permanent("no", code="register-altered"), outcome()]
    await keep(desk, some(6))
    assert await announce(desk) == 6
    assert len(desk.reconciler.asked) == 6
    messages = await desk.messages("reconcile")
    assert sorted(desk.queues.delays) == [0.0, 0.0, 7.0, 10.0]  # and two notices that one became a dead letter
    assert {message["target"] for message in messages} == {"write"}
    assert len(messages) == 2
    assert len(await desk.dead_letters()) == 1


async def test_what_was_said_is_kept_over_attempts(desk: Desk) -> None:
    desk.reconciler.answers = [BUSY, BUSY, outcome()]
    await keep(desk, some(1))
    await announce(desk)
    for attempt in range(2):
        (text,) = await desk.texts("reconcile")
        assert json.loads(text)["attempt"] == attempt
        await desk.intake.message(text)
    assert [hint for _, hint in desk.reconciler.asked] == [WRITTEN] * 3


@pytest.mark.parametrize("target", ["", None, "burn", 5, ["write"], {"write": 1}, True])
async def test_a_malformed_target_in_a_message_says_nothing(desk: Desk, target: object) -> None:
    await desk.intake.message(json.dumps({"id": EXEMPTION.text, "operation": "write", "target": target}))
    assert desk.reconciler.asked == [(EXEMPTION, Hint("queue", "write"))]


async def test_with_the_queue_down_the_event_is_to_come_again_and_nothing_is_left_out(desk: Desk) -> None:
    await keep(desk, some(25))
    desk.queues.fail = [Retryable("queue storage cannot be reached", code="storage-unreachable")]
    with pytest.raises(Retryable, match="storage-unreachable"):
        await announce(desk)
    assert len(desk.reconciler.asked) == 20
    desk.queues.fail.clear()
    assert await announce(desk) == 25
    assert len(await desk.messages("reconcile")) == 5


@pytest.mark.parametrize(
    "trouble", [Retryable("down", code="storage-busy"), Misconfigured("storage refuses us", code="register-forbidden")]
)
async def test_with_the_register_down_the_event_is_to_come_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    async def fail(*_: object, **__: object) -> list[str]:
        raise trouble

    monkeypatch.setattr(desk.register, "attached_ids", fail)
    with pytest.raises(type(trouble)):
        await announce(desk)


async def test_a_deployment_event_covers_what_is_below_its_scope(desk: Desk) -> None:
    (lost,) = some(1)
    await keep(desk, [lost])
    record = f"{GROUP}/providers/Microsoft.Resources/deployments/release-7"
    found = read_scope_event(json.dumps(grid(where=record, operationName="Microsoft.Resources/deployments/write")))
    assert isinstance(found, Scope)
    assert await desk.intake.scope(found.id, written=found.written, actor=found.actor, event_id=found.event_id) == 1
    assert [one for one, _ in desk.reconciler.asked] == [lost]
