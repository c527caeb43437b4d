"""Timer triggers: six-field NCRONTAB schedules in UTC."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

from azure_functions_runtime.bindings.datumdef import Datum

from sandbox.host.settings import HostError, resolve
from sandbox.host.worker import Function, Worker

FIELDS = (("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 6))
HORIZON = 366 * 8  # days: a leap day may be eight years off


class Schedule:
    """A schedule `second minute hour day month weekday`: `*`, numbers, ranges, lists and steps; weekday 0 is Sunday.

    Raises:
        HostError: the text is not such a schedule, or no time ever matches it.
    """

    def __init__(self, text: str) -> None:
        parts = text.split()
        if len(parts) != len(FIELDS):
            raise HostError(f"timer schedule {text!r}: six fields are wanted (second minute hour day month weekday)")
        self.text = text
        self._seconds, self._minutes, self._hours, self._days, self._months, self._weekdays = (
            _values(part, *bounds, text=text) for part, bounds in zip(parts, FIELDS, strict=True)
        )

    def after(self, moment: datetime) -> datetime:
        """The first matching time after the moment (UTC)."""
        start = moment.replace(microsecond=0) + timedelta(seconds=1)
        midnight = start.replace(hour=0, minute=0, second=0)
        for offset in range(HORIZON):
            day = midnight + timedelta(days=offset)
            if not (day.month in self._months and day.day in self._days and day.isoweekday() % 7 in self._weekdays):
                continue
            for hour in self._hours:
                if day.replace(hour=hour, minute=59, second=59) < start:
                    continue
                for minute in self._minutes:
                    if (found := day.replace(hour=hour, minute=minute, second=self._seconds[-1])) >= start:
                        return next(at for second in self._seconds if (at := found.replace(second=second)) >= start)
        raise HostError(f"timer schedule {self.text!r} never comes")


def _values(part: str, name: str, low: int, high: int, *, text: str) -> list[int]:
    values: set[int] = set()
    try:
        for item in part.split(","):
            span, _, step = item.partition("/")
            first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
            end = int(last) if last else (high if step else int(first))
            values |= set(range(int(first), end + 1, int(step or 1)))
    except ValueError as error:
        raise HostError(f"timer schedule {text!r}: {part!r} is not a {name}") from error
    if not values or min(values) < low or max(values) > high:
        raise HostError(f"timer schedule {text!r}: {part!r} is outside {name} {low}-{high}")
    return sorted(values)


def schedule(function: Function) -> Schedule:
    """The schedule of a timer-triggered function, `%SETTING%` replaced."""
    return Schedule(resolve(str(function.trigger.get("schedule", ""))))


def payload(last: datetime | None, upcoming: datetime) -> Datum:
    """What the real host passes to a timer function: JSON with schedule status."""
    before = last.isoformat() if last else "0001-01-01T00:00:00"
    status = {"Last": before, "Next": upcoming.isoformat(), "LastUpdated": before}
    body = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False}
    return Datum(type="json", value=json.dumps(body))


async def run_timer(worker: Worker, function: Function) -> None:
    """Run the function at each due time, never twice at once, until cancelled."""
    due = schedule(function)
    last: datetime | None = None
    if function.trigger.get("runOnStartup"):
        last = datetime.now(UTC)
        await worker.invoke(function, payload(None, due.after(last)))
    upcoming = datetime.now(UTC)
    while True:
        upcoming = due.after(max(upcoming, datetime.now(UTC)))
        await asyncio.sleep((upcoming - datetime.now(UTC)).total_seconds())
        await worker.invoke(function, payload(last, due.after(upcoming)))
        last = upcoming
