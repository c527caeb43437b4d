"""The triggers of the function app: decode, call, return. No logic.

Events are taken as text: the worker's own decoder fails on dates that real events carry, before our code runs, and
Event Grid would then send them for a day.
"""

import asyncio
import itertools
import logging
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import azure.functions as func

from guardrails.azure.events import Dropped, Malformed, Scope, Wanted, read_event, read_scope_event
from guardrails.errors import Misconfigured
from guardrails.runtime.telemetry import Fact, correlated_without_texts, fact, origin, queue_age

if TYPE_CHECKING:
    from guardrails.intake import Intake
    from guardrails.runtime.health import Watch

log = logging.getLogger("guardrails")
logging.getLogger("azure").setLevel(logging.WARNING)  # the worker logs from INFO on: two long lines a request otherwise
app = func.FunctionApp()
_intake: "Intake | None" = None
_watch: "Watch | None" = None
_dropped = itertools.count(1)

HELD = 1200.0
"""Seconds that a message is held while the settings are broken: each failure counts, and the fifth makes it poison."""


def intake() -> "Intake":
    """Return the use cases, connected at the first call: indexing the app then costs no Azure SDK."""
    global _intake  # noqa: PLW0603
    if _intake is None:
        from guardrails.runtime.garbage import starting  # noqa: PLC0415

        with starting():
            from guardrails.wiring import connect  # noqa: PLC0415

            service = connect()
            service.log_problems()
        _intake = service.intake
    return _intake


async def held() -> "Intake":
    """Return the use cases for a message of a queue. Raises Misconfigured, and takes its time for it."""
    try:
        return intake()
    except Misconfigured as error:
        log.error("a message waits for %.0f minutes, because it cannot be processed now: %s", HELD / 60, error)  # noqa: TRY400
        await asyncio.sleep(HELD)
        raise


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
    with correlated_without_texts(wanted.hint.event_id):
        fact(Fact.EVENT_RECEIVED, exemption=wanted.id.text, kind=wanted.hint.operation)
        await intake().event(wanted.id, wanted.hint)


@app.event_grid_trigger(arg_name="event")
async def on_scope_changed(event: str) -> None:
    """A target of exemptions was written or deleted, or something was deployed."""
    match read_scope_event(event):
        case Scope(scope, written, actor, event_id):
            with correlated_without_texts(event_id):
                count = await intake().scope(scope, written=written, actor=actor, event_id=event_id)
                fact(Fact.EVENT_RECEIVED, scope=scope, kind="target-write" if written else "target-delete", found=count)
        case Malformed() | Dropped() as other:
            await _set_aside(event, other)


async def _set_aside(raw: str, event: Malformed | Dropped) -> None:
    if isinstance(event, Malformed):
        await intake().malformed(raw, event.event_id, event.reason, forged=event.forged)
    else:
        log.info("event dropped, number %d of this worker: %s", next(_dropped), event.reason)


@app.queue_trigger(arg_name="message", queue_name="reconcile", connection="AzureWebJobsStorage")
async def reconcile_exemption(message: func.QueueMessage) -> None:
    """An exemption is to be looked at (again)."""
    with _taken(message) as text:
        queue_age("reconcile", text, message.insertion_time)
        await (await held()).message(text)


@app.queue_trigger(arg_name="message", queue_name="reconcile-poison", connection="AzureWebJobsStorage")
async def on_reconcile_poison(message: func.QueueMessage) -> None:
    """The host gave up on a message of the reconcile queue."""
    with _taken(message) as text:
        await (await held()).poison("reconcile", text)


@app.queue_trigger(arg_name="message", queue_name="notices", connection="AzureWebJobsStorage")
async def deliver_notice(message: func.QueueMessage) -> None:
    """A notice is to be delivered to one route."""
    with _taken(message) as text:
        queue_age("notices", text, message.insertion_time)
        await (await held()).deliver(text)


@app.queue_trigger(arg_name="message", queue_name="notices-poison", connection="AzureWebJobsStorage")
async def on_notice_poison(message: func.QueueMessage) -> None:
    """The host gave up on a notice."""
    with _taken(message) as text:
        await (await held()).poison("notices", text)


@app.timer_trigger(arg_name="timer", schedule=os.environ.get("GUARDRAILS_SWEEP_SCHEDULE") or "0 10 * * * *")
async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - it may be late: that makes no difference
    """It is time to look at the whole tenant."""
    with correlated_without_texts(f"sweep-{uuid.uuid4().hex}"):
        await intake().sweep()


@app.timer_trigger(
    arg_name="timer",
    schedule="0 40 5 * * *",
    run_on_startup=os.environ.get("GUARDRAILS_DOCTOR_AT_START", "").lower() != "false",
)
async def doctor(timer: func.TimerRequest) -> None:  # noqa: ARG001 - at start, and once a day
    """It is time to see whether everything is as we need it, and that sweeps come by."""
    from guardrails.doctor.at_start import report, wind  # noqa: PLC0415 - at first use, as above

    await report()
    await wind(intake)


@app.route("health", methods=("GET", "HEAD"), auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:  # noqa: ARG001 - whoever asks, and with whatever
    """Somebody outside asks whether sweeps come by."""
    global _watch  # noqa: PLW0603
    if _watch is None:
        from guardrails.runtime.health import Watch  # noqa: PLC0415 - at first use, as above

        _watch = Watch(_age_of_sweeps)
    found = await _watch.look()
    headers = {"Cache-Control": "no-store"}
    return func.HttpResponse(found.to_json(), status_code=found.code, mimetype="application/json", headers=headers)


async def _age_of_sweeps() -> tuple[timedelta | None, timedelta]:
    return await intake().age(), intake().late


@contextmanager
def _taken(message: func.QueueMessage) -> Iterator[str]:
    """Yield the text of a message; what is logged within carries the id of what began it, or its own."""
    text = message.get_body().decode("utf-8", "replace")
    with correlated_without_texts(origin(text) or message.id or ""):
        yield text


if os.environ.get("GUARDRAILS_ACTIVITY_HUB"):  # off unless a hub is named: without one the host could not start it
    from guardrails.azure.activity_log import read_records

    @app.retry(
        strategy="exponential_backoff", max_retry_count="5", minimum_interval="00:00:02", maximum_interval="00:01:00"
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
