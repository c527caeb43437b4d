"""The check of the log: the service's own records get to the workspace, for the alerts count them and nothing else.

The record of the last start says which Python ran. The workspace is asked with the login of who runs the doctor; the
app's identity may write logs and not read them.
"""

from collections.abc import Mapping
from typing import Any, Final

from guardrails.doctor.interpreter import judged
from guardrails.doctor.model import Finding, State, failed, passed, unknown
from guardrails.doctor.world import World
from guardrails.exemption.counts import number_of
from guardrails.exemption.facts import Unread
from guardrails.exemption.times import parse_time, spell_time

SETTING: Final = "GUARDRAILS_INSIGHTS_ID"
INSIGHTS_VERSION: Final = "2020-02-02"

_GUIDE: Final = "docs/doctor.md#the-log"
_NAME: Final = f"Set {SETTING} to the resource id of the Application Insights component, an output of the deployment"
_READ: Final = f"Use a login that may read it, such as one with the role Log Analytics Reader: {_GUIDE}"
_START: Final = f"The app writes a record at each start and each day. Check whether it runs, then check again: {_GUIDE}"
_LOST: Final = f"Until a record arrives, only the alerts sweep-late and dead-letters work: {_GUIDE}"


async def logs(world: World) -> list[Finding]:
    """A record of the service itself came within the last day; that of the last start names a Python that will do."""
    if world.hosted:
        return [Finding(State.SKIPPED, "run `exg doctor` outside the app to read the logs")]
    insights = "/" + world.environ.get(SETTING, "").strip().strip("/")
    if insights == "/":
        return [unknown("the Application Insights component is unknown", _NAME)]
    component = await world.estate.resource(insights, INSIGHTS_VERSION)
    if isinstance(component, Unread):
        return [unknown(f"the Application Insights component cannot be read: {component.reason}", _READ)]
    workspace = _workspace(component)
    if not workspace:
        return [unknown("the Application Insights component names no workspace", f"Look at it: {_GUIDE}")]
    rows = await world.estate.logs(workspace, _query(insights), "P2D")
    if isinstance(rows, Unread):
        return [unknown(f"the logs cannot be read: {rows.reason}", _READ, about=workspace.rpartition("/")[2])]
    row = rows[0] if rows else {}
    return [_arrived(row), _started(row)]


def _arrived(row: Mapping[str, Any]) -> Finding:
    try:
        newest, count = parse_time(row.get("newest")), int(row.get("records") or 0)
    except ValueError:
        return unknown("Azure's answer about the logs cannot be read", _READ)
    if newest is None or not count:
        return failed("no record of the service arrived in the workspace within a day", _LOST)
    seen = f"{number_of(count, 'record')} of the service arrived in the workspace within a day"
    return passed(f"{seen}, the last at {spell_time(newest)}")


def _started(row: Mapping[str, Any]) -> Finding:
    """Judge the Python of the last start that the log knows of."""
    python, release = str(row.get("python") or ""), str(row.get("release") or "")
    if not python:
        return unknown(
            "no record of a start arrived in the workspace within two days, so the version of Python is unknown", _START
        )
    return judged(python, f"Python at the last start, of release {release or 'unknown'}")


def _query(insights: str) -> str:
    """Return the question for the records that alerts count: guardrails/runtime/telemetry.py writes them.

    It looks back two days, for the running app is logged once a day at least, and counts the records of the last one.
    """
    ours = f"where _ResourceId =~ '{insights.replace(chr(92), '').replace(chr(39), '')}'"
    facts = "where Message startswith '{' | extend fact = parse_json(Message) | where isnotempty(tostring(fact.event))"
    start = "extend start = iff(tostring(fact.event) == 'running', TimeGenerated, datetime(null))"
    said = "extend python = tostring(fact.python), release = tostring(fact.release)"
    found = "records = countif(TimeGenerated > ago(1d)), newest = max(TimeGenerated), arg_max(start, python, release)"
    return f"AppTraces | {ours} | {facts} | {start} | {said} | summarize {found}"


def _workspace(component: Mapping[str, Any]) -> str:
    properties = component.get("properties")
    found = properties.get("WorkspaceResourceId") if isinstance(properties, Mapping) else None
    return found.rstrip("/") if isinstance(found, str) and found.startswith("/") else ""
