"""The check of the log: the service's own records reach the workspace, for the alerts count them and nothing else.

It is asked with the login of who runs the doctor; the app's identity may write logs and not read them.
"""

from collections.abc import Mapping
from typing import Any, Final

from guardrails.doctor.model import Finding, State, failed, passed, unknown
from guardrails.doctor.world import World
from guardrails.exemption import parse_time, spell_time
from guardrails.facts import Unread

SETTING: Final = "GUARDRAILS_INSIGHTS_ID"
INSIGHTS_VERSION: Final = "2020-02-02"

_GUIDE: Final = "docs/doctor.md#the-log"
_NAME: Final = f"Set {SETTING} to the resource id of the Application Insights component, an output of the deployment"
_READ: Final = f"Ask with a login that may read it, such as a Log Analytics Reader: {_GUIDE}"
_LOST: Final = f"No alert but that of dead letters can be trusted until one does: {_GUIDE}"


async def logs(world: World) -> list[Finding]:
    """A record of the service itself came to the workspace within the last day."""
    if world.hosted:
        return [
            Finding(State.SKIPPED, "what arrives is read by `python -m guardrails doctor` elsewhere than in the app")
        ]
    insights = "/" + world.environ.get(SETTING, "").strip().strip("/")
    if insights == "/":
        return [unknown("which Application Insights component is ours is not known", _NAME)]
    component = await world.estate.resource(insights, INSIGHTS_VERSION)
    if isinstance(component, Unread):
        return [unknown(f"the Application Insights component cannot be read: {component.reason}", _READ)]
    workspace = _workspace(component)
    if not workspace:
        return [unknown("the Application Insights component names no workspace", f"Look at it: {_GUIDE}")]
    rows = await world.estate.logs(workspace, _query(insights), "P1D")
    if isinstance(rows, Unread):
        return [unknown(f"the logs cannot be read: {rows.reason}", _READ, about=workspace.rpartition("/")[2])]
    return [_judged(rows[0] if rows else {})]


def _judged(row: Mapping[str, Any]) -> Finding:
    try:
        newest, count = parse_time(row.get("newest")), int(row.get("records") or 0)
    except ValueError:
        return unknown("Azure's answer about the logs cannot be read", _READ)
    if newest is None or not count:
        return failed("none of the service's own records reached the workspace within a day", _LOST)
    return passed(
        f"{count} records of the service reached the workspace within a day, the last at {spell_time(newest)}"
    )


def _query(insights: str) -> str:
    """Return the question for the records that alerts count: guardrails/telemetry.py writes them."""
    ours = f"where _ResourceId =~ '{insights.replace(chr(92), '').replace(chr(39), '')}'"
    facts = "where Message startswith '{' | where isnotempty(tostring(parse_json(Message).event))"
    return f"AppTraces | {ours} | {facts} | summarize records = count(), newest = max(TimeGenerated)"


def _workspace(component: Mapping[str, Any]) -> str:
    properties = component.get("properties")
    found = properties.get("WorkspaceResourceId") if isinstance(properties, Mapping) else None
    return found.rstrip("/") if isinstance(found, str) and found.startswith("/") else ""
