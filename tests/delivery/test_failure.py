"""What a channel does not take: tried for more than a day with one id, then kept, announced elsewhere, replayable."""

import json
from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.history import DeadLetter
from guardrails.delivery.dead_letters import DeadLetterQueue
from guardrails.delivery.deliver import Courier
from guardrails.errors import Misconfigured, Retryable
from guardrails.notices.notice import Kind
from guardrails.notices.rate_limit import MAX_ATTEMPTS, SPREAD, backoff
from guardrails.notices.route_state import RateLimit, enabled
from guardrails.notices.routing import Route
from guardrails.ports import Delivered, TryAgain, Undeliverable
from guardrails.register.table_register import TableRegister
from guardrails.ruleset.model import Ruleset
from tests.channels.samples import notice
from tests.clock import VirtualClock
from tests.delivery.stage import BACKUP, START, TEAMS, MemoryQueue, Sink, Stage, courier, rules_with, some, stage

GONE = Undeliverable("the address is gone for good", disable=True)
NEXT_DAY = "service-delivery-failing-secops-20261103"


@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_retries_go_on_for_more_than_a_day(chance: float) -> None:
    waits = [backoff(attempt, chance=chance) for attempt in range(MAX_ATTEMPTS - 1)]
    assert sum(waits) > 24 * 3600
    assert waits[0] == pytest.approx(10 * (1 - SPREAD + 2 * SPREAD * chance))
    assert max(waits) <= 3600 * 1.2 + 0.001
    assert waits == sorted(waits)


@pytest.mark.parametrize("asked", [0, 30, 3600, 1e9])
def test_what_a_channel_asks_for_is_a_floor_of_at_most_an_hour(asked: float) -> None:
    for chance in (0.0, 0.5, 1.0):
        assert min(asked, 3600) <= backoff(0, asked, chance=chance) <= 0.001 + max(12, min(asked, 3600) * 1.2)


async def test_a_notice_that_fails_for_a_day_becomes_a_dead_letter_and_another_route_is_notified(world: Stage) -> None:
    world.sink.answer = lambda _notice, route: TryAgain("503") if route == "secops" else Delivered()
    await world.send(*some(3))
    await world.run()
    asked = [notice.id for _, route, notice in world.sink.asked if route == "secops"]
    assert {name: asked.count(name) for name in asked} == dict.fromkeys(("n0", "n1", "n2"), MAX_ATTEMPTS)
    assert world.clock.now() > START + timedelta(days=1)
    dead_letters = await world.register.dead_letters()
    assert {json.loads(dead_letter.payload)["notice"]["id"] for dead_letter in dead_letters} == {"n0", "n1", "n2"}
    assert {dead_letter.attempts for dead_letter in dead_letters} == {MAX_ATTEMPTS}
    assert world.sink.ids("backup") == [NEXT_DAY], "once a route and day"
    [alert] = [notice for route, notice in world.sink.took if route == "backup"]
    assert alert.kind is Kind.DELIVERY_FAILING
    assert "503" in alert.why[0]


async def test_while_nobody_gives_us_a_token_a_notice_waits_and_never_becomes_a_dead_letter(world: Stage) -> None:
    until = START + timedelta(days=3)
    refused = TryAgain("the managed identity endpoint gave no token", 60.0, waits=True)
    world.sink.answer = lambda _notice, _route: refused if world.clock.now() < until else Delivered()
    await world.send(*some(3))
    await world.run()
    assert sorted(world.sink.ids("secops")) == ["n0", "n1", "n2"]
    assert until < world.clock.now() < until + timedelta(hours=2)
    assert await world.register.dead_letters() == []


async def test_it_is_notified_again_the_next_day(world: Stage) -> None:
    world.sink.answer = lambda _notice, route: Undeliverable("400") if route == "secops" else Delivered()
    for _ in range(2):
        await world.send(*some(4))
        await world.run()
        world.clock.advance(days=1)
    days = ["service-delivery-failing-secops-20261102", "service-delivery-failing-secops-20261103"]
    assert world.sink.ids("backup") == days


async def test_a_route_that_is_gone_is_tried_once_and_notified_once(world: Stage) -> None:
    world.sink.answer = lambda _notice, route: GONE if route == "secops" else Delivered()
    await world.send(*some(4))
    await world.run()
    assert len([route for _, route, _ in world.sink.asked if route == "secops"]) == 1
    world.clock.advance(days=3)
    await world.send(*some(5)[4:])
    await world.run()
    assert len([route for _, route, _ in world.sink.asked if route == "secops"]) == 1
    assert len(await world.register.dead_letters()) == 5
    [alert] = [notice for route, notice in world.sink.took if route == "backup"]
    assert "exg notices enable secops" in alert.next

    world.sink.answer = lambda _notice, _route: Delivered()
    assert await world.register.rate_limits.change("teams-SECOPS_URL", lambda rate_limit: enabled(rate_limit, "secops"))
    for dead_letter in await world.register.dead_letters():
        await world.queue.send("notices", json.loads(dead_letter.payload))
    await world.run()
    assert {name for name in world.sink.ids() if name.startswith("n")} == {f"n{n}" for n in range(5)}


def _enable_before_a_dead_letter_is_kept(world: Stage) -> None:
    """Have an operator enable the route, and replay its dead letters, just before the next one is kept."""
    keep_dead_letter = world.register.keep_dead_letter

    async def late(dead_letter: DeadLetter) -> bool:
        await world.register.rate_limits.change("teams-SECOPS_URL", lambda rate_limit: enabled(rate_limit, "secops"))
        world.register.keep_dead_letter = keep_dead_letter  # type: ignore[method-assign]
        return await keep_dead_letter(dead_letter)

    world.register.keep_dead_letter = late  # type: ignore[method-assign]


async def test_what_is_refused_just_when_its_route_is_enabled_goes_on_and_is_not_notified_again(world: Stage) -> None:
    world.sink.answer = lambda _notice, route: GONE if route == "secops" else Delivered()
    await world.send(*some(1))
    await world.run()
    alerts = world.sink.ids("backup")
    world.sink.answer = lambda _notice, _route: Delivered()
    _enable_before_a_dead_letter_is_kept(world)
    await world.send(*some(2)[1:])
    await world.run()
    assert world.sink.ids() == ["n1"]
    assert world.sink.ids("backup") == alerts
    assert len(alerts) == 1
    assert [json.loads(dead_letter.payload)["notice"]["id"] for dead_letter in await world.register.dead_letters()] == [
        "n0"
    ]


async def test_a_route_that_is_enabled_as_soon_as_it_is_disabled_is_not_notified(world: Stage) -> None:
    answers = iter((GONE,))
    world.sink.answer = lambda _notice, _route: next(answers, Delivered())
    _enable_before_a_dead_letter_is_kept(world)
    await world.send(*some(1))
    await world.run()
    assert [(route, notice.id) for route, notice in world.sink.took] == [("secops", "n0")]
    assert await world.register.dead_letters() == []


async def test_a_disabled_route_leaves_others_on_its_address_alone(
    register: TableRegister, clock: VirtualClock
) -> None:
    world = stage(register, clock, (TEAMS, Route("other", "teams", "SECOPS_URL"), BACKUP))
    world.sink.answer = lambda _notice, route: GONE if route == "secops" else Delivered()
    await world.send(*some(1))
    await world.send(*some(2), route="other")
    await world.run()
    assert [name for name in world.sink.ids("other") if name.startswith("n")] == ["n0", "n1"]


async def test_where_no_other_route_is_left_the_fallback_hears_it(register: TableRegister, clock: VirtualClock) -> None:
    queue, sink, rules = MemoryQueue(clock), Sink(clock), rules_with(TEAMS)
    sink.answer = lambda _notice, route: Undeliverable("400") if route == "secops" else Delivered()
    fallback = (Route("fallback", "teams", "ALERT"),)
    one = courier(sink, queue, clock, register.rate_limits, register.digest_items, register, rules, fallback)
    world = Stage(clock, queue, sink, register, one, rules)
    await world.send(*some(1))
    await world.run()
    assert world.sink.ids("fallback") == ["service-delivery-failing-secops-20261102"]


async def test_without_a_fallback_any_other_route_hears_it(register: TableRegister, clock: VirtualClock) -> None:
    world = stage(register, clock, (TEAMS, Route("siem", "webhook", "SIEM_URL", kinds=("expired",))))
    world.sink.answer = lambda _notice, route: Undeliverable("400") if route == "secops" else Delivered()
    await world.send(*some(1))
    await world.run()
    assert world.sink.ids("siem") == ["service-delivery-failing-secops-20261102"]


async def test_a_test_does_not_wait_behind_an_hour_of_notices(world: Stage) -> None:
    free = int((START + timedelta(hours=1)).timestamp() * 1000)
    await world.register.rate_limits.change("teams-SECOPS_URL", lambda _rate_limit: (RateLimit(free), None))
    assert await world.courier.probe("secops") == TryAgain(
        "route 'secops' is busy: 60 minutes of notices go before the test"
    )
    assert world.sink.asked == []


async def test_the_failure_of_an_alert_is_not_sent_to_its_own_route(world: Stage) -> None:
    world.sink.answer = lambda _notice, _route: Undeliverable("400")
    await world.send(*some(1))
    await world.run()
    asked = [(route, notice.id) for _, route, notice in world.sink.asked]
    assert ("secops", "service-delivery-failing-secops-20261102") not in asked
    assert ("backup", "service-delivery-failing-backup-20261102") not in asked
    assert len(asked) == len(set(asked)) <= 4


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"route": 1, "notice": {}}', '{"route": "secops", "notice": {}}', '{"digest": 1}',
     '{"digest": {"route": "secops", "window": "soon", "seconds": 900}}'],
)  # fmt: skip
async def test_what_is_no_message_becomes_a_dead_letter(world: Stage, text: str) -> None:
    assert not await world.courier.deliver(text)
    [dead_letter] = await world.register.dead_letters()
    assert (dead_letter.source, dead_letter.payload) == ("notices", text)


async def test_what_the_host_gave_up_on_is_kept_and_notified(world: Stage) -> None:
    await world.courier.poisoned(json.dumps({"route": "secops", "notice": notice(id="n9").to_json()}))
    await world.courier.poisoned("{")
    await world.run()
    assert len(await world.register.dead_letters()) == 2
    assert "service-poison-notices-20261102" in world.sink.ids("secops") + world.sink.ids("backup")
    assert [name for name in world.sink.ids("backup") if "poison" not in name] == [
        "service-delivery-failing-secops-20261102"
    ]


async def test_a_test_notice_goes_to_a_disabled_route_too(world: Stage) -> None:
    world.sink.answer = lambda notice, _route: GONE if notice.id == "n0" else Delivered()
    await world.send(*some(1))
    await world.run()
    assert await world.courier.probe("secops") == Delivered()
    assert world.sink.ids()[-1].startswith("test-secops-")


async def test_while_the_ruleset_is_broken_notices_wait_and_the_fallback_is_notified(
    register: TableRegister, clock: VirtualClock
) -> None:
    fallback = Route("fallback", "teams", "ALERT")
    queue, sink, rules = MemoryQueue(clock), Sink(clock), rules_with(TEAMS)

    def ruleset() -> Ruleset:
        if clock.now() < START + timedelta(days=3):
            raise Misconfigured("the ruleset is broken", code="ruleset-broken")
        return rules

    async def sleep(seconds: float) -> None:
        clock.advance(seconds=seconds)

    dead_letters = DeadLetterQueue(register, queue, clock, ruleset, (fallback,))
    one = Courier(
        sink, queues=queue, clock=clock, rate_limits=register.rate_limits, digest_items=register.digest_items,
        dead_letters=dead_letters,
        ruleset=ruleset, sleep=sleep,
    )  # fmt: skip
    world = Stage(clock, queue, sink, register, one, rules)
    await world.send(*some(2))
    assert await dead_letters.notify(notice(Kind.RULESET_BROKEN, id="broken")) == 1
    await world.run()
    assert sink.ids("fallback") == ["broken"]
    assert sink.ids() == ["n0", "n1"]
    assert await register.dead_letters() == []


@pytest.mark.parametrize(
    "trouble",
    [
        Retryable("storage is away", code="storage-unreachable"),
        Misconfigured("storage refuses us", code="register-forbidden"),
    ],
)
async def test_while_the_register_is_away_notices_wait(world: Stage, trouble: Exception) -> None:
    change = world.register.rate_limits.change

    async def away(*args: Any) -> Any:
        if world.clock.now() < START + timedelta(hours=2):
            raise trouble
        return await change(*args)

    world.register.rate_limits.change = away  # type: ignore[method-assign,assignment]
    await world.send(*some(2))
    await world.run()
    assert world.sink.ids() == ["n0", "n1"]
