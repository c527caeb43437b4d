"""The check of sweeps: they come by, and saw everything."""

from datetime import timedelta
from typing import Final

from guardrails.decisions.schedule import last_sweep
from guardrails.doctor.model import Finding, failed, passed, unknown
from guardrails.doctor.world import World
from guardrails.exemption.times import spell_time

LATEST: Final = 3
"""How many times the longest gap of its schedule the last sweep may be old: 3 hours as the alert sweep-late counts."""


async def sweep(world: World) -> list[Finding]:
    """The last sweep that ended is not long ago. Raises what storage does."""
    run = await world.service.register.sweeps.last()
    began, latest = last_sweep(run), LATEST * world.settings.sweep_period
    if began is None:
        remediation = f"Wait for the next ({world.settings.sweep_schedule}, UTC), or: exg sweep run"
        return [unknown("no sweep has ended yet", remediation)]
    age = world.clock.now() - began
    seen = f"the last that ended began at {spell_time(began)}, {_words(age)} ago"
    if age > latest:
        remediation = "Look at the function sweep in the app's log; exg sweep run does one now"
        return [failed(f"{seen}; it should be {_words(latest)} at most", remediation)]
    missing = (run.report if run else {}).get("missing") or ()
    partly = f"; {len(missing)} parts of the tenant could not be seen" if missing else ""
    return [passed(seen + partly, remediation="exg sweep show" if missing else "")]


def _words(age: timedelta) -> str:
    minutes = max(int(age.total_seconds() // 60), 0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
