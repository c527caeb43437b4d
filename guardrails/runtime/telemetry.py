"""Telemetry: one line of JSON for each fact that alerts, workbooks and people count. Needs no SDK.

The Functions host sends the lines of the worker to Application Insights, where they are traces; queries read them with
`parse_json(Message).event`. A line names the fact and what it is about, and holds no body, address or secret. All lines
of one wake-up carry the id of what woke us.

What others wrote is one line in every log of this product: control characters and the like are escaped in what is
filled into its lines, from the import of this module on.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from guardrails.errors import Defect, GuardrailsError, defect, plain

log = logging.getLogger("guardrails.telemetry")

DUE: Final = "due"
"""When a delayed message is to be seen, in its body: that time does not count as its queue's age."""

CORRELATION: Final = "correlation"
"""The id of what woke us, in facts and in the bodies of messages."""

_LONGEST: Final = 1000
_correlation: ContextVar[str] = ContextVar("correlation", default="")


_record: Final = logging.getLogRecordFactory()


def _on_one_line(*args: Any, **more: Any) -> logging.LogRecord:
    """Make a record of the log; where it is one of ours, texts and errors in it become plain."""
    record = _record(*args, **more)
    if record.name.partition(".")[0] == "guardrails" and isinstance(record.args, tuple):
        record.args = tuple(_plain(one) for one in record.args)
    return record


def _plain(said: object) -> object:
    """Return a text or an error as `errors.plain` has it; errors of ours are so, and their lists keep their lines."""
    return plain(str(said)) if isinstance(said, str | Exception) and not isinstance(said, GuardrailsError) else said


logging.setLogRecordFactory(_on_one_line)


class Fact(StrEnum):
    """The facts that are logged; docs/monitoring.md has the fields of each."""

    EVENT_RECEIVED = "event_received"
    DECISION = "decision"
    ACTED = "acted"
    UNKNOWN = "unknown"
    NOTICE = "notice"
    QUEUE_AGE = "queue_age"
    SWEEP = "sweep"
    SWEEP_BROKEN = "sweep_broken"
    RECORD = "record"
    POISON = "poison"
    BREAKER = "breaker"
    RULESET_BROKEN = "ruleset_broken"
    DOCTOR = "doctor"
    RUNNING = "running"


@contextmanager
def correlated(name: str) -> Iterator[None]:
    """Let all that is logged within carry this id, in tasks begun within too. "" keeps what is set."""
    token = _correlation.set(name or _correlation.get())
    try:
        yield
    finally:
        _correlation.reset(token)


@contextmanager
def correlated_without_texts(name: str) -> Iterator[None]:
    """As `correlated`; and what fails within fails without texts that may quote anybody, for the host logs them.

    Raises GuardrailsError, whose text is ours, without what led to it; Defect for any other error.
    """
    try:
        with correlated(name):
            yield
    except GuardrailsError as error:
        raise error from None
    except Exception as error:  # noqa: BLE001 - any kind, and it is raised as another
        raise Defect(defect(error)) from None


def correlation() -> str:
    """Return the id that is set; "" where none is."""
    return _correlation.get()


def origin(text: str) -> str:
    """Return the id that the message of a queue carries; "" where it carries none, or is none of ours."""
    try:
        said = json.loads(text).get(CORRELATION)
    except (ValueError, RecursionError, AttributeError):  # no message of ours: reported elsewhere
        return ""
    return said if isinstance(said, str) else ""


def queue_age(queue: str, text: str, inserted: datetime | None) -> None:
    """Log how long a message of a queue could have been taken and was not, in seconds.

    `text`: its JSON, which names the time that it was to be seen where it was delayed; `inserted`: when it was put on
    the queue, UTC.
    """
    try:
        said = json.loads(text).get(DUE)
        since = datetime.fromisoformat(said) if said else inserted
    except (ValueError, TypeError, RecursionError, AttributeError):  # no message of ours: reported elsewhere
        since = inserted
    if since is not None:
        since = since if since.tzinfo else since.replace(tzinfo=UTC)
        fact(Fact.QUEUE_AGE, queue=queue, seconds=round(max((datetime.now(UTC) - since).total_seconds(), 0.0), 1))


def fact(what: Fact, **fields: object) -> None:
    """Log a fact. Fields are JSON-ready; texts are cut at 1,000 characters, empty ones left out."""
    if not log.isEnabledFor(logging.INFO):
        return
    said: dict[str, object] = {"event": str(what), **fields, CORRELATION: correlation()}
    cut = {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in said.items()}
    log.info("%s", json.dumps({name: value for name, value in cut.items() if value not in ("", None)}, default=str))
