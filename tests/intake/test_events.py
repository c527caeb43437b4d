"""An event is answered whatever happens, and what it asked for is done, queued or kept."""

import asyncio
import json
import logging

import pytest

from guardrails.azure.events import Malformed, read_event
from guardrails.decisions.history import DeadLetter
from guardrails.errors import Misconfigured, Permanent, Retryable
from guardrails.exemption.exemption_id import TYPE
from guardrails.reconcile.outbox import IN_HAND
from guardrails.reconcile.visit import Outcome
from guardrails.register import dead_letters
from tests.canaries import BODY
from tests.patience import PATIENCE, jump

from .conftest import EXEMPTION, HINT, Desk, outcome

QUEUED = {
    "id": EXEMPTION.text, "operation": "write", "actor": "alice@contoso.com", "event": "event-1", "attempt": 0,
}  # fmt: skip
BROKEN = Misconfigured("the ruleset has 1 mistake", code="ruleset-broken", problems=("ruleset.yaml:3:1: no mode",))


async def test_what_can_be_done_now_is_done_now(desk: Desk) -> None:
    found = await desk.intake.event(EXEMPTION, HINT)
    assert found == outcome()
    assert desk.reconciler.asked == [(EXEMPTION, HINT)]
    assert await desk.messages("reconcile") == []
    assert await desk.dead_letters() == []


@pytest.mark.parametrize("delay", [1.0, 42.0, 3600.0])
async def test_what_may_work_later_is_queued_with_its_delay(desk: Desk, delay: float) -> None:
    desk.reconciler.answers = [Retryable("throttled", code="arm-busy", delay=delay)]
    assert await desk.intake.event(EXEMPTION, HINT) is None
    assert await desk.messages("reconcile") == [QUEUED]
    assert desk.queues.delays == [delay]
    assert await desk.dead_letters() == []


async def test_what_takes_too_long_is_queued(desk: Desk) -> None:
    async def slow() -> Outcome:
        jump(PATIENCE)
        await asyncio.Event().wait()
        return outcome()

    desk.reconciler.answers = [slow]
    assert await desk.intake.event(EXEMPTION, HINT) is None
    assert await desk.messages("reconcile") == [QUEUED]
    assert desk.queues.delays == [10.0]


async def test_another_worker_at_it_is_waited_for_a_moment(desk: Desk) -> None:
    in_hand = Retryable("another worker is at it", code=IN_HAND, delay=10)
    desk.reconciler.answers = [in_hand, outcome()]
    assert await desk.intake.event(EXEMPTION, HINT) == outcome()
    assert len(desk.reconciler.asked) == 2
    assert await desk.messages("reconcile") == []


async def test_patience_ends_with_the_budget(desk: Desk) -> None:
    async def busy() -> Outcome:
        jump(PATIENCE)
        raise Retryable("another worker is at it", code=IN_HAND, delay=7)

    desk.reconciler.answers = [busy]
    assert await desk.intake.event(EXEMPTION, HINT) is None
    assert len(desk.reconciler.asked) == 1
    assert await desk.messages("reconcile") == [QUEUED]
    assert desk.queues.delays == [10.0]


async def test_patience_ends_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.intake._PATIENCE", (0.001, 0.001, 0.001))
    desk.reconciler.answers = [Retryable("another worker is at it", code=IN_HAND, delay=7)]
    assert await desk.intake.event(EXEMPTION, HINT) is None
    assert len(desk.reconciler.asked) == 4
    assert await desk.messages("reconcile") == [QUEUED]
    assert desk.queues.delays == [7.0]


async def test_other_troubles_are_not_waited_for(desk: Desk) -> None:
    desk.reconciler.answers = [Retryable("throttled", code="arm-busy", delay=30)]
    await desk.intake.event(EXEMPTION, HINT)
    assert len(desk.reconciler.asked) == 1


async def test_a_defect_of_ours_is_queued_and_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    desk.reconciler.answers = [ZeroDivisionError(f"its text may quote: {BODY}")]  # which no log may hold
    assert await desk.intake.event(EXEMPTION, HINT) is None
    assert await desk.messages("reconcile") == [QUEUED]
    (said,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert EXEMPTION.text in said
    assert "ZeroDivisionError in conftest.py:" in said


@pytest.mark.parametrize(
    "trouble",
    [Retryable("busy", code="arm-busy"), ZeroDivisionError("oops"), BROKEN],
    ids=["busy", "defect", "broken ruleset"],
)
async def test_with_the_queue_down_as_well_the_event_fails(desk: Desk, trouble: Exception) -> None:
    desk.reconciler.answers = [trouble]
    desk.queues.fail = [Retryable("queue storage cannot be reached", code="storage-unreachable")]
    with pytest.raises(Retryable, match="storage-unreachable"):
        await desk.intake.event(EXEMPTION, HINT)


async def test_what_no_retry_can_fix_becomes_one_dead_letter_and_one_notice(desk: Desk) -> None:
    desk.reconciler.answers = [Permanent("the row cannot be trusted", code="register-altered", remedy="Fix it")]
    for _ in range(3):
        assert await desk.intake.event(EXEMPTION, HINT) is None
    (dead_letter,) = await desk.dead_letters()
    assert dead_letter.source == "event"
    assert dead_letter.reason == "the row cannot be trusted. Fix it [register-altered]"
    assert json.loads(dead_letter.payload)["id"] == EXEMPTION.text
    notices = await desk.messages("notices")
    assert sorted(one["route"] for one in notices) == ["audit", "team"]
    assert {one["notice"]["kind"] for one in notices} == {"poison"}
    assert dead_letter.id in notices[0]["notice"]["done"]
    assert await desk.messages("reconcile") == []


async def test_a_broken_ruleset_queues_everything_and_notifies_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.broken.append(BROKEN)
    desk.reconciler.answers = [BROKEN]
    await asyncio.gather(*(desk.intake.event(EXEMPTION, HINT) for _ in range(12)))
    assert await desk.messages("reconcile") == [QUEUED] * 12
    (notice,) = await desk.messages("notices")
    assert notice["route"] == "fallback"
    assert notice["notice"]["kind"] == "ruleset-broken"
    assert notice["notice"]["why"] == list(BROKEN.problems)
    assert sorted(desk.queues.delays) == [0.0] + [300.0] * 12
    assert [dead_letter.source for dead_letter in await desk.dead_letters()] == ["ruleset"]
    assert sum("ruleset-broken" in record.message for record in caplog.records if record.levelno == logging.ERROR) == 1


async def test_a_ruleset_broken_otherwise_or_on_another_day_is_notified_again(desk: Desk) -> None:
    desk.broken.append(BROKEN)
    desk.reconciler.answers = [BROKEN]
    await desk.intake.event(EXEMPTION, HINT)
    other = Misconfigured("two mistakes", code="ruleset-broken", problems=("a", "b"))
    desk.reconciler.answers = [other]
    await desk.intake.event(EXEMPTION, HINT)
    desk.reconciler.answers = [BROKEN]
    desk.clock.advance(days=1)
    await desk.intake.event(EXEMPTION, HINT)
    notices = await desk.messages("notices")
    assert len({one["notice"]["id"] for one in notices}) == len(notices) == 3


async def test_a_notice_that_could_not_be_queued_is_sent_at_the_next_try(desk: Desk) -> None:
    desk.broken.append(BROKEN)
    desk.reconciler.answers = [BROKEN]
    desk.queues.fail = [Retryable("down", code="storage-unreachable")]
    with pytest.raises(Retryable):
        await desk.intake.event(EXEMPTION, HINT)
    assert await desk.dead_letters() == []
    desk.queues.fail.clear()
    await desk.intake.event(EXEMPTION, HINT)
    assert len(await desk.messages("notices")) == 1


async def test_a_notice_with_a_wrong_setting_waits_on_the_queue_without_a_dead_letter(desk: Desk) -> None:
    desk.reconciler.answers = [Misconfigured("storage refuses us", code="register-forbidden")]
    await desk.intake.event(EXEMPTION, HINT)
    assert await desk.messages("reconcile") == [QUEUED]
    assert desk.queues.delays == [300.0]
    assert await desk.dead_letters() == []


@pytest.mark.parametrize(
    ("raw", "event_id"),
    [("", ""), ("{", ""), ("\ud800", ""), ("x" * 2_000_000, ""), ('{"id": "e-1"}', "e-1"), ("null", "e/#?\\\u0000")],
)
async def test_a_malformed_event_becomes_one_dead_letter(desk: Desk, raw: str, event_id: str) -> None:
    for _ in range(2):
        await desk.intake.malformed(raw, event_id, "not JSON")
    (dead_letter,) = await desk.dead_letters()
    assert (dead_letter.source, dead_letter.reason) == ("event", "not JSON")
    assert dead_letter.payload.startswith(raw.encode("utf-8", "backslashreplace").decode()[:1000])
    assert await desk.messages("notices") == []


async def test_different_malformed_events_are_different_dead_letters(desk: Desk) -> None:
    await desk.intake.malformed("a", "", "not JSON")
    await desk.intake.malformed("b", "", "not JSON")
    await desk.intake.malformed("b", "e-1", "not JSON")
    assert len(await desk.dead_letters()) == 3


@pytest.mark.parametrize("source", ["event", "reconcile"])
async def test_of_what_strangers_send_a_limited_number_is_kept(
    desk: Desk, source: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(dead_letters, "MOST", 3)
    for number in range(6):
        text = json.dumps({"id": f"/subscriptions/s/../{number}\n"})
        if source == "event":
            await desk.intake.malformed(text, f"event-{number}\nERROR", "it names\nno exemption")
        else:
            await desk.intake.message(text)
    kept = {dead_letter.id: dead_letter for dead_letter in await desk.dead_letters()}
    assert len(kept) == 4
    last = kept[f"{source}-beyond"]
    assert last.payload == text
    assert "3 dead letters of this source are kept already" in last.reason
    assert all(one.getMessage().isprintable() for one in caplog.records)
    await desk.register.keep_dead_letter(
        DeadLetter("notices-x", "notices", "a notice that could not be delivered", "{}", last.at)
    )
    assert len(await desk.dead_letters()) == 5


async def test_an_id_that_cannot_name_one_exemption_is_notified_once_an_hour_as_evasion(desk: Desk) -> None:
    for number in range(3):
        forged = f"/subscriptions/s/../{number}/providers/{TYPE}/a\ud800<b>"
        event = {"id": f"e-{number}", "eventType": "Microsoft.Resources.ResourceWriteSuccess", "subject": forged}
        raw = json.dumps({**event, "data": {"operationName": f"{TYPE}/write", "resourceUri": forged}})
        read = read_event(raw)
        assert isinstance(read, Malformed)
        await desk.intake.malformed(raw, read.event_id, read.reason, forged=read.forged)
    notices = [message["notice"] for message in await desk.messages("notices")]
    assert {(one["id"], one["kind"]) for one in notices} == {(notices[0]["id"], "evasion-attempted")}
    assert notices[0]["exemption"]["name"] == "a?<b>"
    assert len(await desk.dead_letters()) == 3
    await desk.intake.malformed("{}", "e-4", "not an object")
    assert len(await desk.messages("notices")) == 0


async def test_a_forged_id_is_notified_when_its_event_comes_again_after_a_failed_try(desk: Desk) -> None:
    forged = f"/subscriptions/s/../x/providers/{TYPE}/a"
    desk.queues.fail = [Retryable("queue storage cannot be reached", code="storage-unreachable")]
    with pytest.raises(Retryable, match="storage-unreachable"):
        await desk.intake.malformed("{}", "e-1", "it names no exemption", forged=forged)
    desk.queues.fail = []
    desk.clock.advance(minutes=5)
    await desk.intake.malformed("{}", "e-1", "it names no exemption", forged=forged)
    assert {message["notice"]["kind"] for message in await desk.messages("notices")} == {"evasion-attempted"}
