"""The start of the function app: a check that sends nothing and writes into the log, and the second clock of sweeps.

Neither fails the app.
"""

import asyncio
import logging
import os
import platform
from typing import TYPE_CHECKING, Final

from guardrails import __version__
from guardrails.doctor.app import FunctionApp
from guardrails.doctor.examine import examine
from guardrails.doctor.model import Report, Result, State
from guardrails.errors import defect
from guardrails.runtime.telemetry import Fact, fact

if TYPE_CHECKING:
    from collections.abc import Callable

    from guardrails.intake import Intake

log = logging.getLogger("guardrails")

LONGEST: Final = 55.0
"""Seconds after which it is given up."""
_MOST_LINES: Final = 20


async def report() -> None:
    """Log what runs and what the checks find: a fact each, and an error line for each failure with how to fix it."""
    fact(Fact.RUNNING, python=platform.python_version(), release=__version__)
    try:
        async with asyncio.timeout(LONGEST):
            report = await examine(os.environ, app=FunctionApp.parse(os.environ.get("GUARDRAILS_FUNCTION_APP_ID", "")))
    except Exception as error:  # noqa: BLE001
        # the app is there to judge exemptions, whatever becomes of this check
        log.warning("the check at start failed: %s", defect(error))
        fact(Fact.DOCTOR, check="doctor", state=str(State.UNKNOWN), detail=defect(error))
        return
    write(report)


async def wind(intake: "Callable[[], Intake]") -> None:
    """See that the second clock of sweeps goes, though the timer should never call. Settings may keep us from it."""
    try:
        await intake().start()
    except Exception as error:  # noqa: BLE001 - as above; the check reports wrong settings
        log.warning("the second clock could not be checked: %s", defect(error))


def write(report: Report) -> None:
    """Log a report."""
    for result in report.results:
        fact(Fact.DOCTOR, check=result.check, state=str(result.state), detail=result.detail)
        _complain(result)


def _complain(result: Result) -> None:
    failures = [finding for finding in result.findings if finding.state is State.FAIL]
    for finding in failures[:_MOST_LINES]:
        log.error("doctor, %s: %s. Fix: %s", result.check, finding.line, finding.remediation)
    if len(failures) > _MOST_LINES:
        log.error("doctor, %s: and %d more: exg doctor", result.check, len(failures) - _MOST_LINES)
