"""Table, queues, dead letters, breaker and sweeps."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from azure.data.tables.aio import TableClient

from guardrails.decisions.history import DeadLetter
from guardrails.doctor.model import State
from guardrails.doctor.storage import QUEUES
from guardrails.exemption.times import spell_time
from guardrails.register.probe import Probe
from guardrails.register.table_client import LeanTableClient
from guardrails.ruleset.budgets import Budget, Use
from guardrails.runtime.telemetry import DUE
from tests.clock import VirtualClock

from .conftest import Clinic, states


async def test_a_table_that_is_not_there_is_unknown_and_is_not_made(clinic: Clinic) -> None:
    clinic.environ["GUARDRAILS_TABLE"] = "absent" + clinic.environ["GUARDRAILS_TABLE"]
    assert states(await clinic.check("table")) == {clinic.environ["GUARDRAILS_TABLE"]: State.UNKNOWN}
    connection, name = clinic.environ["AzureWebJobsStorage"], clinic.environ["GUARDRAILS_TABLE"]
    async with TableClient.from_connection_string(connection, name) as client:
        await client.create_table()  # it would be a conflict
        await client.delete_table()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:azure")  # how the SDK reads the date of a refusal
async def test_a_key_that_storage_refuses_fails_and_says_which_role(clinic: Clinic) -> None:
    wrong = base64.b64encode(b"wrong").decode()
    parts = clinic.environ["AzureWebJobsStorage"].split(";")
    parts = [f"AccountKey={wrong}" if part.startswith("AccountKey=") else part for part in parts]
    clinic.environ["AzureWebJobsStorage"] = ";".join(parts)
    for check, role in (("table", "Storage Table Data Contributor"), ("queues", "Storage Queue Data Contributor")):
        result = await clinic.check(check)
        assert result.state is State.FAIL, result
        assert role in result.findings[0].remediation
        assert wrong not in str(result.to_json())


async def test_storage_that_is_away_is_unknown(clinic: Clinic) -> None:
    parts = clinic.environ["AzureWebJobsStorage"].split(";")
    away = [f"{part.partition('=')[0]}=http://127.0.0.1:1/x" if "Endpoint=" in part else part for part in parts]
    clinic.environ["AzureWebJobsStorage"] = ";".join(away)
    report = await clinic.examine("table", "queues", "dead-letters", "breaker", "sweep")
    assert [result.state for result in report.results] == [State.UNKNOWN] * 5
    assert report.exit_code == 3


async def test_a_row_that_cannot_be_read_back_is_taken_away_all_the_same(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await clinic.rows()

    async def broken(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(LeanTableClient, "get_entity", broken)
    assert (await clinic.check("table")).state is State.UNKNOWN
    assert await clinic.rows() == before


@asynccontextmanager
async def put(clinic: Clinic, queue: str, *texts: str) -> AsyncIterator[None]:
    async with clinic.queues() as queues:
        client = queues.get_queue_client(queue)
        for text in texts:
            await client.send_message(text)
        yield
        assert (await client.get_queue_properties()).approximate_message_count == len(texts)
        await client.clear_messages()


async def test_what_waits_in_a_queue_is_reported_and_stays(clinic: Clinic) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    clinic.clock = VirtualClock(now)
    due = spell_time(now - timedelta(minutes=10))
    delayed = base64.b64encode(json.dumps({DUE: due}).encode()).decode()
    async with put(clinic, "notices", delayed, "<not base64>"), put(clinic, "reconcile", *["x"] * 33):
        result = await clinic.check("queues")
    assert states(result) == dict.fromkeys(QUEUES, State.PASS)
    seen = {finding.about: finding.seen for finding in result.findings}
    assert seen["reconcile"].startswith("32 or more messages wait, the oldest for ")
    assert seen["reconcile-poison"] == "nothing waits"
    assert seen["notices"].startswith("2 messages wait, the oldest for 600 seconds")


async def test_messages_that_nobody_takes_are_no_pass(clinic: Clinic) -> None:
    due = spell_time(datetime.now(UTC) - timedelta(minutes=31))
    async with put(clinic, "reconcile", base64.b64encode(json.dumps({DUE: due}).encode()).decode()):
        result = await clinic.check("queues")
    assert states(result) == dict.fromkeys(QUEUES, State.PASS) | {"reconcile": State.UNKNOWN}


async def test_a_queue_that_is_not_there_is_unknown_and_is_not_made(clinic: Clinic) -> None:
    async with clinic.queues() as queues:
        await queues.delete_queue("notices-poison")
        result = await clinic.check("queues")
        await queues.create_queue("notices-poison")  # it would not be new
    assert states(result)["notices-poison"] is State.UNKNOWN
    assert states(result)["notices"] is State.PASS


async def test_waiting_dead_letters_are_reported(clinic: Clinic) -> None:
    at = datetime(2026, 11, 2, tzinfo=UTC)
    await clinic.register.keep_dead_letter(
        DeadLetter(id="a", source="events", reason="malformed", payload="{}", at=at, attempts=1)
    )
    result = await clinic.check("dead-letters")
    assert result.state is State.PASS
    assert result.detail == "1 dead letter waits for an operator, the oldest since 2026-11-02T00:00:00Z"


async def test_an_open_breaker_fails(clinic: Clinic) -> None:
    now = datetime.now(UTC)
    for _ in range(2):
        await clinic.register.take_revert(now, Budget.of(1), Use())
    result = await clinic.check("breaker")
    assert result.state is State.FAIL
    assert "breaker close" in result.findings[0].remediation
    await clinic.register.close_breaker(now)
    assert (await clinic.check("breaker")).state is State.PASS


@pytest.mark.parametrize(("minutes", "state"), [(179, State.PASS), (181, State.FAIL)])
async def test_a_sweep_is_late_after_three_hours(clinic: Clinic, minutes: int, state: State) -> None:
    await clinic.swept(timedelta(minutes=minutes))
    result = await clinic.check("sweep")
    assert result.state is state
    assert f"{minutes // 60} h ago" in result.detail


async def test_no_sweep_yet_is_unknown(clinic: Clinic) -> None:
    clinic.environ["GUARDRAILS_TABLE"] = "absent" + clinic.environ["GUARDRAILS_TABLE"]
    assert (await clinic.check("sweep")).state is State.UNKNOWN


async def test_a_sweep_in_progress_does_not_count(clinic: Clinic) -> None:
    began = datetime.now(UTC)
    await clinic.register.sweeps.begin(began, "another", timedelta(minutes=5))
    assert "20 min ago" in (await clinic.check("sweep")).detail


async def test_a_sweep_that_did_not_see_all_says_so(clinic: Clinic) -> None:
    await clinic.swept(timedelta(minutes=1), {"missing": ["the subscription x"]})
    result = await clinic.check("sweep")
    assert result.detail.endswith("; 1 part of the tenant could not be seen")
    assert result.findings[0].remediation == "exg sweep show"


def test_no_identity_and_no_string_is_no_account() -> None:
    with pytest.raises(Exception, match="cannot be read"):
        Probe.connect("t")
