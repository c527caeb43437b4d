"""Messages of the notices queue, through the intake; tests/delivery has what becomes of them."""

import json
from typing import Any

import pytest

from guardrails.decisions import notify
from guardrails.notices.notice import Kind
from guardrails.ports import TryAgain
from tests.clock import VirtualClock

from .conftest import Desk

NOTICE = notify.service(Kind.POISON, "abc", at=VirtualClock().now(), done="It is kept.", why=("a reason",))


def message(**changes: Any) -> str:
    return json.dumps({"route": "team", "notice": NOTICE.to_json(), "attempt": 0} | changes)


async def test_a_notice_is_delivered_once(desk: Desk) -> None:
    assert await desk.intake.deliver(message())
    assert desk.channels.got == [(NOTICE.id, "team")]
    assert await desk.messages("notices") == []
    assert await desk.dead_letters() == []


async def test_a_channel_that_is_down_gets_the_same_notice_later(desk: Desk) -> None:
    desk.channels.answer = TryAgain("the webhook answered 503")
    text = message()
    for attempt in range(1, 4):
        assert not await desk.intake.deliver(text)
        (text,) = await desk.texts("notices")
        assert json.loads(text) == json.loads(message(attempt=attempt))
    assert desk.queues.delays == [10.0, 20.0, 40.0]
    assert set(desk.channels.got) == {(NOTICE.id, "team")}
    assert await desk.dead_letters() == []


@pytest.mark.parametrize(
    "text",
    [
        "", "null", "[]", "{", "{}", "[" * 60_000, message(notice=None), message(notice="text"), message(notice=[1]),
        message(notice={**NOTICE.to_json(), "at": "yesterday"}), message(notice={**NOTICE.to_json(), "kind": ["x"]}),
        message(notice={**NOTICE.to_json(), "findings": [5]}), message(notice={**NOTICE.to_json(), "exemption": 7}),
        json.dumps({"notice": NOTICE.to_json()}),
    ],
)  # fmt: skip
async def test_garbage_becomes_one_dead_letter(desk: Desk, text: str) -> None:
    for _ in range(2):
        assert not await desk.intake.deliver(text)
    (dead_letter,) = await desk.dead_letters()
    assert dead_letter.source == "notices"
    assert dead_letter.reason.startswith("not a notice: ")
    assert desk.channels.got == []
    assert await desk.messages("notices") == []
