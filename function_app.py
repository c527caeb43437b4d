"""The triggers of the function app: decode, call, return. No logic.

Events are taken as text: the worker's own decoder fails on dates that real events carry, before our code runs, and
Event Grid would then send them for a day.
"""

import itertools
import logging
import os
from typing import TYPE_CHECKING

import azure.functions as func

from guardrails.azure.events import Dropped, Malformed, Scope, Wanted, read_event, read_scope_event
from guardrails.telemetry import Fact, correlated, fact, queue_age

if TYPE_CHECKING:
    from guardrails.intake import Intake

log = logging.getLogger("guardrails")
app = func.FunctionApp()
_intake: "Intake | None" = None
_dropped = itertools.count(1)


def intake() -> "Intake":
    """Return the use cases, connected at the first call: indexing the app then costs no Azure SDK."""
    global _intake  # noqa: PLW0603
    if _intake is None:
        from guardrails.wiring import connect  # noqa: PLC0415

        service = connect()
        service.log_problems()
        _intake = service.intake
    return _intake


@app.event_grid_trigger(arg_name="event")
async def on_exemption_written(event: str) -> None:
    """An exemption was created or changed."""
    await _look_at(event)


@app.event_grid_trigger(arg_name="event")
async def on_exemption_deleted(event: str) -> None:
    """An exemption was deleted."""
    await _look_at(event)


async def _look_at(raw: str) -> None:
    match read_event(raw):
        case Wanted() as wanted:
            await _reconcile(wanted)
        case Malformed() | Dropped() as other:
            await _set_aside(raw, other)


async def _reconcile(wanted: Wanted) -> None:
    with correlated(wanted.hint.event_id):
        fact(Fact.EVENT_RECEIVED, exemption=wanted.id.text, kind=wanted.hint.operation)
        await intake().event(wanted.id, wanted.hint)


@app.event_grid_trigger(arg_name="event")
async def on_scope_changed(event: str) -> None:
    """A target of exemptions was written or deleted, or something was deployed."""
    match read_scope_event(event):
        case Scope(scope, written, actor, event_id):
            with correlated(event_id):
                count = await intake().scope(scope, written=written, actor=actor, event_id=event_id)
                fact(Fact.EVENT_RECEIVED, scope=scope, kind="target-write" if written else "target-delete", found=count)
        case Malformed() | Dropped() as other:
            await _set_aside(event, other)


async def _set_aside(raw: str, event: Malformed | Dropped) -> None:
    if isinstance(event, Malformed):
        await intake().malformed(raw, event.event_id, event.reason)
    else:
        log.info("event dropped, number %d of this worker: %s", next(_dropped), event.reason)


@app.queue_trigger(arg_name="message", queue_name="reconcile", connection="AzureWebJobsStorage")
async def reconcile_exemption(message: func.QueueMessage) -> None:
    """An exemption is to be looked at (again)."""
    queue_age("reconcile", _text(message), message.insertion_time)
    await intake().message(_text(message))


@app.queue_trigger(arg_name="message", queue_name="reconcile-poison", connection="AzureWebJobsStorage")
async def on_reconcile_poison(message: func.QueueMessage) -> None:
    """The host gave up on a message of the reconcile queue."""
    await intake().poison("reconcile", _text(message))


@app.queue_trigger(arg_name="message", queue_name="notices", connection="AzureWebJobsStorage")
async def deliver_notice(message: func.QueueMessage) -> None:
    """A notice is to be delivered to one route."""
    queue_age("notices", _text(message), message.insertion_time)
    await intake().deliver(_text(message))


@app.queue_trigger(arg_name="message", queue_name="notices-poison", connection="AzureWebJobsStorage")
async def on_notice_poison(message: func.QueueMessage) -> None:
    """The host gave up on a notice."""
    await intake().poison("notices", _text(message))


@app.timer_trigger(arg_name="timer", schedule=os.environ.get("GUARDRAILS_SWEEP_SCHEDULE") or "0 10 * * * *")
async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - it may be late: that makes no difference
    """It is time to look at the whole tenant."""
    await intake().sweep()


@app.timer_trigger(
    arg_name="timer",
    schedule="0 40 5 * * *",
    run_on_startup=os.environ.get("GUARDRAILS_DOCTOR_AT_START", "").lower() != "false",
)
async def doctor(timer: func.TimerRequest) -> None:  # noqa: ARG001 - at start, and once a day
    """It is time to see whether everything is as we need it."""
    from guardrails.doctor.at_start import tell  # noqa: PLC0415 - at first use, as above

    await tell()


def _text(message: func.QueueMessage) -> str:
    return message.get_body().decode("utf-8", "replace")


if os.environ.get("GUARDRAILS_ACTIVITY_HUB"):  # off unless a hub is named: without one the host could not start it
    from guardrails.azure.activity_log import read_records

    @app.retry(
        strategy="exponential_backoff",
        max_retry_count="5",
        minimum_interval="00:00:02",
        maximum_interval="00:01:00",
    )
    @app.event_hub_message_trigger(
        arg_name="message",
        event_hub_name="%GUARDRAILS_ACTIVITY_HUB%",
        connection="GUARDRAILS_ACTIVITY_HUB_CONNECTION",
        cardinality=func.Cardinality.ONE,
        consumer_group="guardrails",
    )
    async def on_activity_log(message: func.EventHubEvent) -> None:
        """The activity log of a management group has records."""
        for raw, record in read_records(message.get_body().decode("utf-8", "replace")):
            if isinstance(record, Wanted):
                await _reconcile(record)
            else:
                await _set_aside(raw, record)
