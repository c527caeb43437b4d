"""Alerts and workbook: they ask for facts that the code logs, by fields that those facts have."""

import ast
import json
import re
from functools import cache
from typing import Any

import pytest

from guardrails.cli.main import COMMANDS
from guardrails.exemption.names import ROLES
from guardrails.notices.rate_limit import MAX_ATTEMPTS, backoff
from guardrails.runtime.telemetry import Fact
from tests.infra.bicep import INFRA, ROOT, code, resources, value, variable
from tests.kql.asked import INSIGHTS
from tests.kql.queries import collected

ALERTS = code("modules/alerts")
FUNCTIONS = (ROOT / "function_app.py").read_text("utf-8")
WORKBOOK: dict[str, Any] = json.loads((INFRA / "workbook.json").read_text("utf-8"))
TABLES = {
    **dict.fromkeys(("AppTraces", "AzureActivity"), "microsoft.operationalinsights/workspaces"),
    "policyresources": "microsoft.resources/tenants",
}
HOURS = (1, 2, 3, 4, 5, 6, 24, 48)
"""What `sweepLateHours` may be."""
ON_EVERY = {"event", "correlation"}


@cache
def facts() -> dict[str, set[str]]:
    """Fact -> the fields that our code logs with it, read from every call of `fact`."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "function_app.py", *(ROOT / "guardrails").rglob("*.py")):
        text = path.read_text("utf-8")
        for call in ast.walk(ast.parse(text)) if "fact(" in text else ():
            if not (isinstance(call, ast.Call) and ast.unparse(call.func).endswith("fact") and call.args):
                continue
            names = {one.arg or "exemption" for one in call.keywords}  # **about names the exemption
            for member in re.findall(r"\bFact\.([A-Z_]+)", ast.unparse(call.args[0])):
                found.setdefault(Fact[member].value, set()).update(names)
    return found


def panels() -> dict[str, dict[str, Any]]:
    return {item["name"]: item["content"] for item in WORKBOOK["items"] if item["type"] == 3}


def alerts() -> dict[str, dict[str, str]]:
    """Alert -> its fields, the query with its beginning put in."""
    (facts,) = re.findall(r"^var facts = '(.+)'$", ALERTS, re.MULTILINE)
    found = {}
    for one in re.findall(r"^  \{\n(.*?)^  \}$", variable(ALERTS, "rules"), re.MULTILINE | re.DOTALL):
        said = dict(re.findall(r"^    (\w+): (.+)$", one, re.MULTILINE))
        found[said["name"].strip("'")] = said | {"query": said["query"].strip("'").replace("${facts}", facts)}
    return found


def queries() -> list[Any]:
    """The queries of facts, wherever they stand."""
    return [pytest.param(one.text, id=one.place) for one in collected() if one.text.startswith("AppTraces")]


def test_there_are_the_alerts_of_the_plan() -> None:
    assert set(alerts()) == {
        "poison", "breaker-open", "sweep-late", "unknown-rate", "delivery-failing", "ruleset-broken", "queue-late",
        "doctor-failing",
    }  # fmt: skip
    (dead,) = (one for one in resources("modules/alerts") if one.type == "Microsoft.Insights/metricAlerts")
    assert value(dead.body, "scopes") == "['${deadLetterAccountId}/blobServices/default']"
    assert value(dead.body, "metricName") == "'Transactions'"


@pytest.mark.parametrize("query", queries())
def test_a_query_asks_for_facts_and_fields_that_there_are(query: str) -> None:
    events = set(re.findall(r"""event\)? == ['"](\w+)['"]""", query))
    for group in re.findall(r"event in \(([^)]+)\)", query):
        events |= set(re.findall(r"\w+", group))
    assert events, "it asks for no fact"
    assert events <= {str(fact) for fact in Fact}
    known = facts()
    unlogged = {event for event in events if event not in known}
    assert unlogged <= {"doctor"}, f"nobody logs {unlogged}"
    fields = set(re.findall(r"\bfact\.(\w+)", query)) | set(re.findall(r"fact\['(\w+)'\]", query))
    if not unlogged:
        assert fields <= ON_EVERY.union(*(known[event] for event in events))


@pytest.mark.parametrize("query", queries())
def test_logs_are_those_of_this_service_alone(query: str) -> None:
    assert re.search(rf"""where _ResourceId =~ ['"]{INSIGHTS}['"]""", query, re.IGNORECASE)


def test_every_alert_says_what_to_do_and_looks_no_further_than_its_window() -> None:
    for name, alert in alerts().items():
        assert len(alert["says"]) > 40, name
        for hours in HOURS:
            assert minutes(alert["every"], hours) <= minutes(alert["window"], hours), name
        assert alert["severity"] in ("1", "2"), name


def minutes(expression: str, hours: int) -> int:
    """Return the minutes of a duration of the template, where sweepLateHours is `hours`."""
    short = re.fullmatch(r"sweepLateHours < 24 \? ('.+') : ('.+')", expression)
    text = (short[1 if hours < 24 else 2] if short else expression).strip("'")
    text = text.replace("${sweepLateHours}", str(hours)).replace("${sweepLateHours / 24}", str(hours // 24))
    found = re.fullmatch(r"P(?:(\d+)D|T(?:(\d+)H|(\d+)M))", text)
    assert found, expression
    days, whole, rest = (int(part or 0) for part in found.groups())
    return 1440 * days + 60 * whole + rest


@pytest.mark.parametrize("hours", HOURS)
def test_azure_takes_the_window_of_every_alert(hours: int) -> None:
    """It refuses every other one: Azure/azure-rest-api-specs, issue 21258."""
    for name, alert in alerts().items():
        assert minutes(alert["window"], hours) in (5, 10, 15, 30, 45, 60, 120, 180, 240, 300, 360, 1440, 2880), name
    assert minutes(alerts()["sweep-late"]["window"], hours) == 60 * hours


@pytest.mark.parametrize("template", ["main", "modules/alerts"])
def test_the_window_without_a_sweep_is_a_parameter_of_three_hours(template: str) -> None:
    assert alerts()["sweep-late"]["title"] == "'No sweep for ${sweepLateHours} hours'"
    assert f"@allowed({list(HOURS)})\nparam sweepLateHours int = 3\n" in code(template)
    assert "    sweepLateHours: sweepLateHours\n" in code("main")


def test_a_late_sweep_is_seen_where_no_fact_arrives_in_the_logs() -> None:
    """Facts decide where there are any; the host's record of calls does where there are none, and where both miss."""
    query = alerts()["sweep-late"]["query"]
    assert 'AppRequests | where _ResourceId =~ "${insightsId}" | where Name has "sweep" and Success == true' in query
    assert query.endswith("| where sweeps == 0 and (facts > 0 or calls == 0)")
    fails = {(sweeps, facts, calls) for sweeps in (0, 1) for facts in (0, 5) for calls in (0, 3)
             if sweeps == 0 and (facts > 0 or calls == 0)}  # fmt: skip
    assert fails == {(0, 0, 0), (0, 5, 0), (0, 5, 3)}
    assert "sweep" in {function.split("(")[0] for function in re.findall(r"async def (\w+\()", FUNCTIONS)}


def test_commands_that_alerts_name_are_there() -> None:
    named = set(re.findall(r"exg ([\w-]+)", ALERTS)) - {"doctor"}
    assert named == {"dead-letters", "breaker", "notices", "rules"}
    assert named <= COMMANDS.keys()


def test_every_panel_is_of_a_kind_that_workbooks_know() -> None:
    items = WORKBOOK["items"]
    assert WORKBOOK["version"] == "Notebook/1.0"
    assert len({item["name"] for item in items}) == len(items)
    assert {item["type"] for item in items} == {1, 3, 9}
    for name, panel in panels().items():
        table = panel["query"].split("\n")[0].strip()
        assert panel["resourceType"] == TABLES[table], name
        assert panel["queryType"] == (0 if table == "AppTraces" else 1), name
        assert panel["title"], name
        assert panel["noDataMessage"], name
        assert panel["visualization"] in ("table", "barchart", "timechart"), name
        if table == "AppTraces":
            assert panel["crossComponentResources"] == ["{{workspace}}"], name
            assert panel["timeContextFromParameter"] == "TimeRange", name
        else:
            assert panel["crossComponentResources"] == ["value::tenant"], name


def test_every_column_with_a_label_is_in_its_query() -> None:
    labelled = 0
    for name, panel in panels().items():
        for one in panel.get("gridSettings", {}).get("labelSettings", []):
            labelled += 1
            assert re.search(rf"\b{one['columnId']}\b", panel["query"]), (name, one)
    assert labelled > 30


def test_placeholders_are_the_two_that_the_module_fills() -> None:
    text = (INFRA / "workbook.json").read_text("utf-8")
    module = code("modules/workbook")
    found = set(re.findall(r"\{\{(\w+)\}\}", text))
    assert found == {"workspace", "insights"}
    assert found == set(re.findall(r"'\{\{(\w+)\}\}'", module))


def test_the_exemptions_are_listed_by_days_to_expiry_with_owner_and_ticket_by_every_name_that_we_know() -> None:
    query = panels()["all"]["query"]
    assert "todatetime(tostring(properties.expiresOn))" in query
    assert query.index("order by rank asc") < query.index("| project exemption")
    for role in ("owner", "ticket"):
        (said,) = re.findall(rf"{role} = coalesce\((.+?)\)(?:,$|$)", query, re.MULTILINE)
        assert tuple(re.findall(r"metadata\.(\w+)", said)) == ROLES[role]


def test_bypasses_of_policies_are_shown() -> None:
    query = panels()["bypasses"]["query"]
    for word in ("microsoft.authorization/policyassignments", "DoNotEnforce", "notScopes", "overrides"):
        assert word in query


def test_alerts_about_a_state_stay_until_a_fact_says_that_it_is_over() -> None:
    """One line says that the breaker opened, or that a check failed: the newest line decides, over a long window."""
    for name, by in (("breaker-open", "arg_max(TimeGenerated, fact) |"), ("doctor-failing", "by check")):
        query = alerts()[name]["query"]
        assert by in query, name
        assert query.index("summarize arg_max") < query.index("fact.state"), name
    assert alerts()["breaker-open"]["window"] == "'PT3H'"  # a sweep logs it each hour
    assert alerts()["doctor-failing"]["window"] == "'P2D'"  # it runs once a day


def test_a_channel_that_is_down_is_heard_of_before_its_notices_are_given_up() -> None:
    query = alerts()["delivery-failing"]["query"]
    (attempt,) = re.findall(r'"retry" and toint\(fact\.attempt\) >= (\d+)', query)
    assert sum(backoff(n) for n in range(int(attempt) - 1)) < 3600 < sum(backoff(n) for n in range(MAX_ATTEMPTS - 1))
