"""Delivering notices: the same id however often, and a letter where nobody takes it."""

import json
from typing import Any

import pytest

from guardrails import tell
from guardrails.intake import MAX_ATTEMPTS, backoff
from guardrails.notice import Kind
from guardrails.ports import TryAgain, Undeliverable
from tests.conftest import VirtualClock

from .conftest import Desk

NOTICE = tell.service(Kind.POISON, "abc", at=VirtualClock().now(), done="It is kept.", why=("a reason",))


def message(**changes: Any) -> str:
    return json.dumps({"route": "team", "notice": NOTICE.to_json(), "attempt": 0} | changes)


async def test_a_notice_is_delivered_once(desk: Desk) -> None:
    assert await desk.intake.deliver(message())
    assert desk.channels.got == [(NOTICE.id, "team")]
    assert await desk.messages("notices") == []
    assert await desk.letters() == []


async def test_a_channel_that_is_down_gets_the_same_notice_later(desk: Desk) -> None:
    desk.channels.answer = TryAgain("the webhook answered 503")
    text = message()
    for attempt in range(1, 4):
        assert not await desk.intake.deliver(text)
        (text,) = await desk.texts("notices")
        assert json.loads(text) == json.loads(message(attempt=attempt))
    assert desk.queues.delays == [10.0, 20.0, 40.0]
    assert set(desk.channels.got) == {(NOTICE.id, "team")}
    assert await desk.letters() == []


@pytest.mark.parametrize(("asked", "waits"), [(None, 10.0), (3.0, 10.0), (90.0, 90.0), (1e9, 3600.0)])
async def test_the_channel_may_ask_for_a_longer_wait(desk: Desk, asked: float | None, waits: float) -> None:
    desk.channels.answer = TryAgain("busy", asked)
    await desk.intake.deliver(message())
    assert desk.queues.delays == [waits]


async def test_after_all_attempts_it_is_a_letter_and_no_new_notice(desk: Desk) -> None:
    desk.channels.answer = TryAgain("the webhook answered 503")
    text, rounds = message(), 0
    while text:
        rounds += 1
        await desk.intake.deliver(text)
        text = next(iter(await desk.texts("notices")), "")
    assert rounds == MAX_ATTEMPTS
    assert desk.queues.delays == [backoff(attempt) for attempt in range(MAX_ATTEMPTS - 1)]
    (letter,) = await desk.letters()
    assert (letter.source, letter.reason, letter.attempts) == ("notices", "the webhook answered 503", MAX_ATTEMPTS)
    assert json.loads(letter.payload)["notice"]["id"] == NOTICE.id


async def test_what_is_refused_for_good_is_one_letter_a_route(desk: Desk) -> None:
    desk.channels.answer = Undeliverable("the webhook answered 410")
    for route in ("team", "audit", "team"):
        assert not await desk.intake.deliver(message(route=route))
    assert [letter.reason for letter in await desk.letters()] == ["the webhook answered 410"] * 2
    assert await desk.messages("notices") == []


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{", "{}", "[" * 60_000, message(notice=None), message(notice="text"), message(notice=[1]),
        message(notice={**NOTICE.to_json(), "at": "yesterday"}), message(notice={**NOTICE.to_json(), "kind": ["x"]}),
        message(notice={**NOTICE.to_json(), "findings": [5]}), message(notice={**NOTICE.to_json(), "exemption": 7}),
        json.dumps({"notice": NOTICE.to_json()}),
    ],
)  # fmt: skip
async def test_garbage_becomes_one_letter(desk: Desk, text: str) -> None:
    for _ in range(2):
        assert not await desk.intake.deliver(text)
    (letter,) = await desk.letters()
    assert letter.source == "notices"
    assert letter.reason.startswith("not a notice: ")
    assert desk.channels.got == []
    assert await desk.messages("notices") == []
