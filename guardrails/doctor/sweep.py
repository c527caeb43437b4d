"""The check of sweeps: they come by, and saw everything."""

from datetime import datetime, timedelta
from typing import Final

from guardrails.doctor.model import Finding, failed, passed, unknown
from guardrails.doctor.world import World
from guardrails.exemption import parse_time, spell_time
from guardrails.record import Run

LATEST: Final = timedelta(hours=3)
"""How long ago the last sweep may have begun; the alert sweep-late counts the same."""


async def sweep(world: World) -> list[Finding]:
    """The last sweep that ended is not long ago. Raises what storage does."""
    run = await world.service.register.sweeps.last()
    began = _ended(run) if run else None
    if began is None:
        mend = f"Wait for the next ({world.settings.sweep_schedule}, UTC), or: python -m guardrails sweep run"
        return [unknown("no sweep has ended yet", mend)]
    age = world.clock.now() - began
    seen = f"the last that ended began at {spell_time(began)}, {_words(age)} ago"
    if age > LATEST:
        mend = "Look at the function sweep in the app's log; python -m guardrails sweep run does one now"
        return [failed(f"{seen}; it should be {_words(LATEST)} at most", mend)]
    missing = (run.report if run else {}).get("missing") or ()
    partly = f"; {len(missing)} parts of the tenant could not be seen" if missing else ""
    return [passed(seen + partly, mend="python -m guardrails sweep show" if missing else "")]


def _ended(run: Run) -> datetime | None:
    """Return when the last run that ended began: its report says so; a run under way keeps the report before it."""
    if run.until is None:
        return run.started
    try:
        return parse_time(run.report.get("started"))
    except ValueError:  # a damaged row
        return None


def _words(age: timedelta) -> str:
    minutes = max(int(age.total_seconds() // 60), 0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
