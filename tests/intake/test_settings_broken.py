"""Broken app settings: the host counts failures, and what failed five times on a poison queue is never tried again."""

import asyncio

import azure.functions as func
import pytest
from azure.functions.decorators.function_app import FunctionBuilder

import function_app
from guardrails.errors import Misconfigured

FUNCTIONS = {name: one._function for name, one in vars(function_app).items() if isinstance(one, FunctionBuilder)}
QUEUES = ("reconcile_exemption", "on_reconcile_poison", "deliver_notice", "on_notice_poison")


@pytest.mark.parametrize("name", QUEUES)
async def test_a_message_is_held_before_it_fails(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    def broken() -> None:
        raise Misconfigured("1 setting is wrong", code="settings-broken")

    monkeypatch.setattr(function_app, "intake", broken)
    monkeypatch.setattr(asyncio, "sleep", sleep)
    with pytest.raises(Misconfigured):
        await FUNCTIONS[name].get_user_function()(func.QueueMessage(id="1", body=b"{}"))
    assert waited == [1200.0]


def test_every_queue_is_in_the_list_and_the_host_allows_the_time() -> None:
    triggers = {name: str(getattr(one.get_trigger(), "type", "")) for name, one in FUNCTIONS.items()}
    assert {name for name, kind in triggers.items() if kind == "queueTrigger"} == set(QUEUES)
    assert function_app.HELD < 30 * 60
