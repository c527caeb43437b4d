"""Messages of the queues: tried with growing waits, kept as dead letters in the end, never lost."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from guardrails.errors import NO_TOKEN, Misconfigured, Permanent, Retryable
from guardrails.exemption.hint import Hint
from guardrails.notices.rate_limit import MAX_ATTEMPTS, PATIENT, backoff
from guardrails.sweep.differences import sweep_message

from .conftest import EXEMPTION, Desk, outcome

BUSY = Retryable("throttled", code="arm-busy", delay=1)
TEXT = json.dumps({"id": EXEMPTION.text, "operation": "delete", "actor": "bob", "event": "e-9"})
GARBAGE = [
    "", "null", "[]", "5", "{", '"text"', "{}", '{"id": null}', '{"id": 5}', '{"id": ["x"]}',
    '{"id": "/subscriptions/s"}', "\ud800", "[" * 60_000, '{"id": "/subscriptions/s/policyExemptions/x"}',
]  # fmt: skip


def test_waits_double_to_an_hour_and_span_more_than_a_day() -> None:
    waits = [backoff(attempt) for attempt in range(MAX_ATTEMPTS - 1)]
    assert waits[:10] == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]
    assert set(waits[9:]) == {3600}
    assert sum(waits) > 24 * 3600
    assert backoff(0, 99.0, chance=0.0) == 99
    assert backoff(5, 1.0) == 320
    assert backoff(0, 1e9, chance=0.0) == 3600
    assert backoff(10**9, None) == 3600


async def test_a_message_is_worked_off_with_what_it_says(desk: Desk) -> None:
    assert await desk.intake.message(TEXT) == outcome()
    assert desk.reconciler.asked == [(EXEMPTION, Hint("queue", "delete", "bob", "e-9"))]
    assert await desk.messages("reconcile") == []


async def test_attempts_are_counted_and_waits_grow_until_it_becomes_a_dead_letter(desk: Desk) -> None:
    desk.reconciler.answers = [BUSY]
    text, rounds = TEXT, 0
    while text:
        rounds += 1
        assert await desk.intake.message(text) is None
        text = next(iter(await desk.texts("reconcile")), "")
    assert rounds == MAX_ATTEMPTS
    waits, at_once = desk.queues.delays[: MAX_ATTEMPTS - 1], desk.queues.delays[MAX_ATTEMPTS - 1 :]
    assert waits == [backoff(attempt) for attempt in range(MAX_ATTEMPTS - 1)]
    assert at_once == [0.0, 0.0]
    (dead_letter,) = await desk.dead_letters()
    assert (dead_letter.source, dead_letter.attempts) == ("reconcile", MAX_ATTEMPTS)
    assert "throttled" in dead_letter.reason
    assert json.loads(dead_letter.payload)["id"] == EXEMPTION.text
    notices = await desk.messages("notices")
    assert sorted((one["route"], one["notice"]["kind"]) for one in notices) == [("audit", "poison"), ("team", "poison")]


async def test_a_wake_up_stays_one_over_its_attempts(desk: Desk) -> None:
    desk.reconciler.answers = [BUSY, outcome()]
    wake_up = {"id": EXEMPTION.text, "wake": True, "at": "2027-03-01T12:00:00.5Z"}
    await desk.intake.message(json.dumps(wake_up))
    (text,) = await desk.texts("reconcile")
    await desk.intake.message(text)
    due = datetime(2027, 3, 1, 12, 0, 0, 500_000, UTC)
    assert desk.reconciler.asked == [(EXEMPTION, Hint("wake-up", due=due))] * 2


async def test_while_nobody_gives_us_a_token_a_message_waits_and_never_becomes_a_dead_letter(desk: Desk) -> None:
    refused = Retryable("the managed identity endpoint gave no token", code=NO_TOKEN, delay=60)
    desk.reconciler.answers = [*(3 * MAX_ATTEMPTS * [refused]), BUSY, outcome()]
    text = TEXT
    for _ in range(3 * MAX_ATTEMPTS + 1):
        assert await desk.intake.message(text) is None
        (text,) = await desk.texts("reconcile")
    assert json.loads(text)["attempt"] == PATIENT + 1  # the tries that are left are for what comes after
    assert all(60 <= wait <= 3600 for wait in desk.queues.delays)
    assert await desk.intake.message(text) == outcome()
    assert await desk.dead_letters() == []


async def test_a_message_keeps_what_it_says_over_its_attempts(desk: Desk) -> None:
    desk.reconciler.answers = [BUSY, outcome()]
    await desk.intake.message(TEXT)
    (again,) = await desk.texts("reconcile")
    assert json.loads(again) == {**json.loads(TEXT), "attempt": 1}
    assert await desk.intake.message(again) == outcome()
    assert desk.reconciler.asked[0] == desk.reconciler.asked[1]


async def test_a_longer_wait_that_azure_asks_for_is_kept(desk: Desk) -> None:
    desk.reconciler.answers = [Retryable("throttled", code="arm-busy", delay=500)]
    await desk.intake.message(TEXT)
    assert desk.queues.delays == [pytest.approx(550.0)]  # spread by up to a fifth, never less than was asked


async def test_a_broken_ruleset_waits_five_minutes_and_counts(desk: Desk) -> None:
    broken = Misconfigured("one mistake", code="ruleset-broken", problems=("line 1",))
    desk.broken.append(broken)
    desk.reconciler.answers = [broken]
    await desk.intake.message(TEXT)
    (message,) = await desk.messages("reconcile")
    assert message["attempt"] == 1
    assert desk.queues.delays == [0.0, pytest.approx(330.0)]
    (notice,) = await desk.messages("notices")
    assert notice["notice"]["kind"] == "ruleset-broken"


async def test_what_no_retry_can_fix_becomes_one_dead_letter(desk: Desk) -> None:
    desk.reconciler.answers = [Permanent("cannot be trusted", code="register-altered")]
    for _ in range(3):
        await desk.intake.message(TEXT)
    (dead_letter,) = await desk.dead_letters()
    assert (dead_letter.source, dead_letter.payload) == ("reconcile", TEXT)
    assert len(await desk.messages("notices")) == 2
    assert await desk.messages("reconcile") == []


async def test_a_defect_is_left_to_the_host_which_counts(desk: Desk) -> None:
    desk.reconciler.answers = [ZeroDivisionError("oops")]
    with pytest.raises(ZeroDivisionError):
        await desk.intake.message(TEXT)
    assert await desk.dead_letters() == []


async def test_with_the_queue_down_the_message_stays_with_the_host(desk: Desk) -> None:
    desk.reconciler.answers = [BUSY]
    desk.queues.fail = [Retryable("down", code="storage-unreachable")]
    with pytest.raises(Retryable, match="storage-unreachable"):
        await desk.intake.message(TEXT)


@pytest.mark.parametrize("text", GARBAGE)
async def test_garbage_becomes_one_dead_letter(desk: Desk, text: str) -> None:
    for _ in range(2):
        assert await desk.intake.message(text) is None
    (dead_letter,) = await desk.dead_letters()
    assert dead_letter.source == "reconcile"
    assert dead_letter.reason.startswith("not a reconcile message: ")
    assert desk.reconciler.asked == []


@pytest.mark.parametrize("attempt", [-1, "3", None, True, 1.5, [], 10**30])
async def test_a_malformed_count_of_attempts_does_not_stop_it(desk: Desk, attempt: object) -> None:
    assert await desk.intake.message(json.dumps({"id": EXEMPTION.text, "attempt": attempt})) == outcome()


@pytest.mark.parametrize("queue", ["reconcile", "notices"])
@pytest.mark.parametrize("text", ["", "not JSON", "\ud800", TEXT])
async def test_what_the_host_gave_up_on_is_kept_once_and_notified(
    desk: Desk, queue: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "guardrails")
    for _ in range(2):
        await desk.intake.poison(queue, text)
    (dead_letter,) = await desk.dead_letters()
    assert dead_letter.source == queue
    assert poisoned(caplog) == {queue}
    notices = await desk.messages("notices")
    assert sorted(one["route"] for one in notices) == ["audit", "team"]
    assert {one["notice"]["kind"] for one in notices} == {"poison"}


@pytest.mark.parametrize("queue", ["reconcile", "notices"])
@pytest.mark.parametrize(
    "trouble", [Retryable("away", code="storage-busy"), Misconfigured("403", code="register-forbidden")]
)
async def test_what_the_host_gave_up_on_and_cannot_be_kept_goes_back_on_its_queue(
    desk: Desk, queue: str, trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the host would try it five times more, and then leave it where nobody sees it."""

    async def away(*_: Any) -> Any:
        raise trouble

    text = json.dumps({"id": EXEMPTION.text, "route": "team", "attempt": 3})
    with monkeypatch.context() as patched:
        patched.setattr(desk.register, "keep_dead_letter", away)
        await desk.intake.poison(queue, text)
        with pytest.raises(type(trouble)):
            await desk.intake.poison(queue, "no object")
    (again,) = await desk.messages(queue)
    assert again == json.loads(text)
    assert desk.queues.delays == [600.0]
    assert await desk.dead_letters() == []


async def test_what_a_sweep_says_is_handed_on_from_turn_to_turn(desk: Desk) -> None:
    together = {"overlap": {"name": "0a1b2c3d", "unknown": "not shown"}}
    hint = Hint("sweep", listed="a" * 28 + "0a1b2c3d00000000", seen=desk.clock.now(), together=together)
    desk.reconciler.answers = [BUSY, outcome()]
    await desk.intake.message(json.dumps(sweep_message(EXEMPTION.text, hint)))
    [again] = await desk.messages("reconcile")
    await desk.intake.message(json.dumps(again))
    assert [one for _, one in desk.reconciler.asked] == [hint, hint]


@pytest.mark.parametrize("together", [7, "x", [], None])
async def test_an_id_that_no_sweep_gave_is_refused(desk: Desk, together: object) -> None:
    await desk.intake.message(json.dumps({"id": EXEMPTION.text, "sweep": True, "listed": "x", "together": together}))
    await desk.intake.message(json.dumps({"id": EXEMPTION.text, "together": {"overlap": {"name": "y"}}}))
    assert [one.together for _, one in desk.reconciler.asked] == [{}, {}]


async def test_poison_during_a_broken_ruleset_is_notified_on_the_fallback_route(desk: Desk) -> None:
    desk.broken.append(Misconfigured("one mistake", code="ruleset-broken", problems=("line 1",)))
    await desk.intake.poison("reconcile", TEXT)
    assert [one["route"] for one in await desk.messages("notices")] == ["fallback"]


def poisoned(caplog: pytest.LogCaptureFixture) -> set[str]:
    """The queues for which the log has poison."""
    facts = [json.loads(one.message) for one in caplog.records if one.name == "guardrails.telemetry"]
    return {one["queue"] for one in facts if one["event"] == "poison"}


@pytest.mark.parametrize("text", ["{}", json.dumps({"id": EXEMPTION.text, "attempt": MAX_ATTEMPTS})])
async def test_every_dead_letter_of_a_message_is_notified_as_poison(
    desk: Desk, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "guardrails")
    desk.reconciler.answers = [BUSY]
    assert await desk.intake.message(text) is None
    assert len(await desk.dead_letters()) == 1
    assert poisoned(caplog) == {"reconcile"}


async def test_an_event_that_cannot_be_read_is_notified_as_poison(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "guardrails")
    await desk.intake.malformed("{", "", "not JSON")
    assert poisoned(caplog) == {"event"}


async def test_a_notice_that_cannot_be_read_is_notified_as_poison(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "guardrails")
    assert not await desk.intake.deliver("{}")
    assert poisoned(caplog) == {"notices"}


class NoToken:
    """Waits as an outage of the identity does, and ends it after some time."""

    def __init__(self, desk: Desk, ends_after: float) -> None:
        self.waited = 0.0
        self._desk, self._ends_after = desk, ends_after
        desk.queues.fail.append(Retryable("no token for storage", code=NO_TOKEN, delay=60))
        desk.intake._sleep = self

    async def __call__(self, seconds: float) -> None:
        self.waited += seconds
        if self.waited >= self._ends_after:
            self._desk.queues.fail.clear()


async def test_a_message_is_kept_in_hand_while_storage_gives_no_token(desk: Desk) -> None:
    """The host counts no failure: nothing is raised, and it goes on the queue once there is a token."""
    desk.reconciler.answers = [Retryable("busy", code="arm-busy")]
    outage = NoToken(desk, ends_after=600)
    assert await desk.intake.message(TEXT) is None
    assert outage.waited == 600
    assert [one["attempt"] for one in await desk.messages("reconcile")] == [1]
    assert await desk.dead_letters() == []


async def test_another_failure_of_storage_is_the_hosts_to_repeat(desk: Desk) -> None:
    desk.reconciler.answers = [Retryable("busy", code="arm-busy")]
    desk.queues.fail.append(Retryable("busy", code="storage-busy"))
    with pytest.raises(Retryable, match="storage-busy"):
        await desk.intake.message(TEXT)
