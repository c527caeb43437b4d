"""Facts in the log: what they carry, and that what does not concern us is not logged."""

import base64
import json
import logging
import re
import traceback
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import azure.functions as func
import pytest

import function_app
from guardrails.errors import Defect, Misconfigured
from guardrails.register.probe import _since
from guardrails.runtime.telemetry import Fact, correlated, correlation, fact, origin, queue_age
from tests.canaries import BODY


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


def lines(said: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [json.loads(record.message) for record in said.records if record.name == "guardrails.telemetry"]


class Message:
    """A message of a queue, as the worker hands it over."""

    id = "message-1"
    insertion_time = datetime.now(UTC)

    def __init__(self, text: str) -> None:
        self._text = text

    def get_body(self) -> bytes:
        return self._text.encode()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"correlation": "event-1"}', "event-1"),
        ('{"correlation": 5}', ""),
        ("{}", ""),
        ("[]", ""),
        ("{", ""),
        ("[" * 60_000, ""),
    ],
)
def test_the_id_that_a_message_carries(text: str, wanted: str) -> None:
    assert origin(text) == wanted


@pytest.mark.parametrize(("text", "wanted"), [('{"correlation": "event-1"}', "event-1"), ("{}", "message-1")])
async def test_what_a_message_does_is_logged_with_its_id_or_that_of_what_began_it(
    said: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, text: str, wanted: str
) -> None:
    seen = []

    async def work(_: str) -> None:
        seen.append(correlation())
        fact(Fact.DECISION)

    monkeypatch.setattr(function_app, "_intake", SimpleNamespace(message=work, deliver=work))
    for function in (function_app.reconcile_exemption, function_app.deliver_notice):
        await cast(Any, function)._function.get_user_function()(cast(func.QueueMessage, Message(text)))
    assert seen == [wanted, wanted]
    assert {one["correlation"] for one in lines(said)} == {wanted}
    assert [one["event"] for one in lines(said)] == ["queue_age", "decision"] * 2


def test_a_message_that_nests_too_deeply_is_logged_all_the_same(said: pytest.LogCaptureFixture) -> None:
    queue_age("reconcile", "[" * 60_000, datetime.now(UTC))
    assert [one["queue"] for one in lines(said)] == ["reconcile"]
    inserted = datetime.now(UTC)
    assert _since(base64.b64encode(b"[" * 60_000), inserted) == inserted


def test_within_nothing_the_id_stays(said: pytest.LogCaptureFixture) -> None:
    with correlated("a"), correlated(""):
        fact(Fact.POISON, queue="x")
    fact(Fact.POISON, queue="x")
    assert [one.get("correlation") for one in lines(said)] == ["a", None]


def test_requests_of_the_sdk_are_not_logged_in_the_function_app() -> None:
    """The worker logs from INFO on: the SDK says two long lines for each request."""
    for name in ("azure.core.pipeline.policies.http_logging_policy", "azure.storage.queue", "azure.identity"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING


@pytest.mark.parametrize("failing", [ValueError(BODY), ExceptionGroup(BODY, [KeyError(BODY)])])
async def test_what_the_host_logs_of_a_defect_has_no_text_that_may_quote_somebody(
    monkeypatch: pytest.MonkeyPatch, failing: Exception
) -> None:
    async def work(_: str) -> None:
        raise failing

    monkeypatch.setattr(function_app, "_intake", SimpleNamespace(message=work))
    with pytest.raises(Defect) as caught:
        await cast(Any, function_app.reconcile_exemption)._function.get_user_function()(Message("{}"))
    said = "".join(traceback.format_exception(caught.value))
    assert BODY not in said
    assert re.search("(Value|Key)Error", said)


async def test_an_error_of_ours_keeps_its_kind_and_hides_what_led_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(_: str) -> None:
        raise Misconfigured("the settings are wrong", code="settings-broken") from ValueError(BODY)

    monkeypatch.setattr(function_app, "_intake", SimpleNamespace(message=work))
    with pytest.raises(Misconfigured) as caught:
        await cast(Any, function_app.reconcile_exemption)._function.get_user_function()(Message("{}"))
    assert BODY not in "".join(traceback.format_exception(caught.value))
