"""The run of all checks, at once, each in its time: whatever happens to one, the others are reported."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from itertools import count
from typing import Final

from guardrails.doctor import access, host, storage
from guardrails.doctor.app import FunctionApp
from guardrails.doctor.epac import epac
from guardrails.doctor.events import events
from guardrails.doctor.logs import logs
from guardrails.doctor.matches import matches
from guardrails.doctor.model import Finding, Report, Result, State, failed, unknown
from guardrails.doctor.routes import routes
from guardrails.doctor.sweep import sweep
from guardrails.doctor.world import World, connected
from guardrails.errors import GuardrailsError, Misconfigured, Retryable, defect
from guardrails.ports import Clock

type Check = Callable[[World], Awaitable[list[Finding]]]

CHECKS: Final[Mapping[str, Check]] = {
    "settings": host.settings,
    "ruleset": host.ruleset,
    "identity": access.identity,
    "permissions": access.permissions,
    "table": storage.table,
    "queues": storage.queues,
    "events": events,
    "routes": routes,
    "clock": host.clock,
    "sweep": sweep,
    "matches": matches,
    "epac": epac,
    "log": logs,
    "dead-letters": storage.dead_letters,
    "breaker": storage.breaker,
    "holds": storage.holds,
    "versions": host.versions,
}
"""Name -> check, in the order of the report."""

SECONDS: Final = 35.0
"""How long checks wait for answers; what has not answered is unknown."""
_GRACE: Final = 5.0
_AGAIN: Final = "Try again. If the error stays, look at the log of the function app"


async def examine(
    environ: Mapping[str, str],
    clock: Clock | None = None,
    *,
    only: Collection[str] = (),
    send: bool = False,
    app: FunctionApp | None = None,
    seconds: float = SECONDS,
    moved: Callable[[int, int], object] = lambda _done, _total: None,
) -> Report:
    """Run the checks, or `only` those of these names, within `seconds` and a few more. Never raises for what it finds.

    `environ` are the app settings; `send`: whether test notices go out; `app`: where events must go, where this is not
    the function app itself; `moved`: what hears how many checks are done, and of how many. With settings that cannot be
    read, all else is skipped.
    """
    names = [name for name in CHECKS if not only or name in only]
    done = count(1)

    async def run(name: str) -> Result:
        result = await _run(name, world, seconds + _GRACE)
        moved(next(done), len(names))
        return result

    try:
        async with connected(environ, clock, send=send, app=app, seconds=seconds) as world:
            return Report(await asyncio.gather(*map(run, names)))
    except Misconfigured as error:
        skipped = Finding(State.SKIPPED, "it was not checked: fix the settings first")
        rest = [Result(name, [skipped]) for name in names if name != "settings"]
        return Report([Result("settings", host.broken(error)), *rest])


async def _run(name: str, world: World, seconds: float) -> Result:
    try:
        async with asyncio.timeout(seconds):
            return Result(name, await CHECKS[name](world))
    except TimeoutError:
        return Result(name, [unknown(f"it did not finish within {seconds:g} seconds", _AGAIN)])
    except Retryable as error:
        return Result(name, [unknown(error.message, error.remedy or _AGAIN, about=error.subject)])
    except GuardrailsError as error:
        return Result(name, [failed(error.message, error.remedy or _AGAIN, about=error.subject)])
    except Exception as error:  # noqa: BLE001
        # a defect in one check must not hide what the others find
        return Result(name, [unknown(f"the check itself failed: {defect(error)}", "Report this defect")])
