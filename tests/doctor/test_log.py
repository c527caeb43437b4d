"""Alerts count the service's own records: the doctor looks whether any arrived, and says where that is unknown."""

from typing import Any

import pytest

from guardrails.doctor.logs import SETTING, _query
from guardrails.doctor.model import State
from guardrails.runtime.telemetry import Fact
from sandbox.arm.faults import Fault

from .conftest import HOST, Clinic

INSIGHTS = f"{HOST}/providers/Microsoft.Insights/components/appi-guardrails"
WORKSPACE = f"{HOST}/providers/Microsoft.OperationalInsights/workspaces/log-guardrails"
COLUMNS = [{"name": name} for name in ("records", "newest", "start", "python", "release")]
NEWEST = "2026-11-28T05:40:00Z"
STARTED = [NEWEST, "3.13.9", "0.1.0"]


def answers(clinic: Clinic, *rows: Any, columns: Any = COLUMNS) -> None:
    """Let the workspace answer with these rows, and run the doctor elsewhere than in the app."""
    clinic.cloud.arm.seed(INSIGHTS, {"properties": {"WorkspaceResourceId": WORKSPACE}})
    tables = [{"name": "PrimaryResult", "columns": columns, "rows": [*rows]}]
    clinic.cloud.arm.seed(f"{WORKSPACE}/api/query", {"tables": tables})
    elsewhere(clinic)
    clinic.environ[SETTING] = INSIGHTS


def elsewhere(clinic: Clinic) -> None:
    clinic.cloud.arm.access.reset()  # the login of an operator who may read all
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        clinic.environ.pop(name)


async def test_records_that_arrive_are_counted(clinic: Clinic) -> None:
    answers(clinic, [42, NEWEST, *STARTED])
    result = await clinic.check("log")
    assert result.state is State.PASS, result
    assert result.detail.startswith("42 records of the service")
    assert "2026-11-28T05:40:00Z" in result.detail
    (asked,) = [seen for seen in clinic.cloud.arm.log.requests if seen.path.lower().endswith("/api/query")]
    assert asked.method == "GET"


async def test_the_python_and_the_release_of_the_last_start_are_shown(clinic: Clinic) -> None:
    answers(clinic, [42, NEWEST, *STARTED])
    result = await clinic.check("log")
    assert result.findings[1].line == "Python at the last start, of release 0.1.0: 3.13.9"


@pytest.mark.parametrize(
    ("python", "state"),
    [
        ("3.13.0", State.PASS), ("3.12.11", State.FAIL), ("3.11.8", State.FAIL), ("3.9", State.FAIL),
        ("3.14.1", State.UNKNOWN), ("three", State.UNKNOWN), ("", State.UNKNOWN), (None, State.UNKNOWN),
    ],
)  # fmt: skip
async def test_an_older_python_at_the_last_start_fails(clinic: Clinic, python: str | None, state: State) -> None:
    answers(clinic, [42, NEWEST, NEWEST, python, "0.1.0"])
    result = await clinic.check("log")
    assert result.state is state, result
    assert state is State.PASS or result.findings[1].remediation


async def test_without_a_record_of_a_start_its_python_is_unknown(clinic: Clinic) -> None:
    answers(clinic, [42, NEWEST, None, "", ""])
    result = await clinic.check("log")
    assert (result.state, result.findings[0].state) == (State.UNKNOWN, State.PASS)
    assert "no record of a start" in result.detail


async def test_old_records_are_no_recent_ones_and_their_start_is_judged_all_the_same(clinic: Clinic) -> None:
    answers(clinic, [0, NEWEST, NEWEST, "3.11.8", "0.1.0"])
    result = await clinic.check("log")
    assert [finding.state for finding in result.findings] == [State.FAIL, State.FAIL]


def test_it_asks_for_the_record_that_a_start_writes() -> None:
    query = _query(INSIGHTS)
    assert f"== '{Fact.RUNNING}'" in query
    assert query.endswith("arg_max(start, python, release)")


@pytest.mark.parametrize("row", [[0, None, None, "", ""], [0, "", None, "", ""]])
async def test_where_none_arrived_it_fails_and_says_what_that_means(clinic: Clinic, row: list[Any]) -> None:
    answers(clinic, row)
    result = await clinic.check("log")
    assert result.state is State.FAIL
    assert "no record of the service arrived" in result.detail
    assert "only the alerts sweep-late and dead-letters work" in result.findings[0].remediation


async def test_an_empty_answer_is_none(clinic: Clinic) -> None:
    answers(clinic)
    assert (await clinic.check("log")).state is State.FAIL


@pytest.mark.parametrize("columns", [None, [], [{"name": "records"}], [{"type": "long"}], "columns", COLUMNS[:2]])
async def test_an_answer_that_cannot_be_read_is_unknown(clinic: Clinic, columns: Any) -> None:
    answers(clinic, ["many", "lately"], columns=columns)
    assert (await clinic.check("log")).state is State.UNKNOWN


@pytest.mark.parametrize("path", ["components", "api/query"])
@pytest.mark.parametrize(("status", "code"), [(403, "AuthorizationFailed"), (404, "ResourceNotFound"), (503, "Busy")])
async def test_who_may_not_read_it_hears_that_it_is_unknown(clinic: Clinic, path: str, status: int, code: str) -> None:
    answers(clinic, [42, NEWEST, *STARTED])
    clinic.cloud.arm.faults.rules.append(Fault(path=path, status=status, code=code))
    result = await clinic.check("log")
    assert result.state is State.UNKNOWN
    assert code in result.detail
    assert "Log Analytics Reader" in result.findings[0].remediation


async def test_without_a_component_or_a_workspace_it_is_unknown(clinic: Clinic) -> None:
    elsewhere(clinic)
    result = await clinic.check("log")
    assert (result.state, SETTING in result.findings[0].remediation) == (State.UNKNOWN, True)
    clinic.environ[SETTING] = INSIGHTS
    clinic.cloud.arm.seed(INSIGHTS, {"properties": {"Application_Type": "web"}})
    assert (await clinic.check("log")).state is State.UNKNOWN


async def test_in_the_app_it_is_left_to_who_may_read(clinic: Clinic) -> None:
    result = await clinic.check("log")
    assert result.state is State.SKIPPED
    assert not [seen for seen in clinic.cloud.arm.log.requests if "query" in seen.path]
