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
        case Wanted(exemption_id, hint):
            outcome = await intake().event(exemption_id, hint)
            if outcome:
                log.info("%s: %s, answer %s, did %s", exemption_id, outcome.row.status, outcome.row.answer, outcome.did)
        case Malformed() | Dropped() as other:
            await _set_aside(raw, other)


@app.event_grid_trigger(arg_name="event")
async def on_scope_changed(event: str) -> None:
    """A target of exemptions was written or deleted, or something was deployed."""
    match read_scope_event(event):
        case Scope(scope, written, actor, event_id):
            count = await intake().scope(scope, written=written, actor=actor, event_id=event_id)
            log.info("%s was %s: %d looked at or queued", scope, "written" if written else "deleted", count)
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
    await intake().message(_text(message))


@app.queue_trigger(arg_name="message", queue_name="reconcile-poison", connection="AzureWebJobsStorage")
async def on_reconcile_poison(message: func.QueueMessage) -> None:
    """The host gave up on a message of the reconcile queue."""
    await intake().poison("reconcile", _text(message))


@app.queue_trigger(arg_name="message", queue_name="notices", connection="AzureWebJobsStorage")
async def deliver_notice(message: func.QueueMessage) -> None:
    """A notice is to be delivered to one route."""
    await intake().deliver(_text(message))


@app.queue_trigger(arg_name="message", queue_name="notices-poison", connection="AzureWebJobsStorage")
async def on_notice_poison(message: func.QueueMessage) -> None:
    """The host gave up on a notice."""
    await intake().poison("notices", _text(message))


@app.timer_trigger(arg_name="timer", schedule=os.environ.get("GUARDRAILS_SWEEP_SCHEDULE") or "0 10 * * * *")
async def sweep(timer: func.TimerRequest) -> None:  # noqa: ARG001 - it may be late: that makes no difference
    """It is time to look at the whole tenant."""
    await intake().sweep()


def _text(message: func.QueueMessage) -> str:
    return message.get_body().decode("utf-8", "replace")
