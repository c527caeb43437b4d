"""The check of sweeps: they come by, and saw everything."""

from datetime import timedelta
from typing import Final

from guardrails.decisions.schedule import last_sweep
from guardrails.doctor.model import Finding, failed, passed, unknown
from guardrails.doctor.world import World
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import spell_time

LATEST: Final = 3
"""How many times the longest gap of its schedule the last sweep may be old: 3 hours as the alert sweep-late counts."""


async def sweep(world: World) -> list[Finding]:
    """The last sweep that ended is not long ago. Raises what storage does."""
    run = await world.service.register.sweeps.last()
    began, latest = last_sweep(run), LATEST * world.settings.sweep_period
    if began is None:
        remediation = f"Wait for the next ({world.settings.sweep_schedule}, UTC), or: exg sweep run"
        return [unknown("no sweep has finished yet", remediation)]
    age = world.clock.now() - began
    seen = f"the last finished sweep began at {spell_time(began)}, {_words(age)} ago"
    if age > latest:
        remediation = "Look at the function sweep in the app's log, or run: exg sweep run"
        return [failed(f"{seen}; at most {_words(latest)} is normal", remediation)]
    missing = (run.report if run else {}).get("missing") or ()
    partly = f"; {number_of(len(missing), 'part')} of the tenant could not be seen" if missing else ""
    return [passed(seen + partly, remediation="exg sweep show" if missing else "")]


def _words(age: timedelta) -> str:
    minutes = max(int(age.total_seconds() // 60), 0)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
