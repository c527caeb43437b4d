"""In the function app: facts and error lines in the log, nothing sent, and the app lives whatever happens."""

import asyncio
import json
import logging
import platform
from typing import Any

import pytest

from guardrails import __version__
from guardrails.doctor import at_start
from guardrails.doctor.examine import CHECKS, SECONDS
from guardrails.doctor.model import Report, Result, failed
from guardrails.errors import Misconfigured
from guardrails.intake import Intake

from .conftest import CANARY, Clinic


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="guardrails")
    return caplog


def facts(heard: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    lines = [record.message for record in heard.records if record.name == "guardrails.telemetry"]
    return [one for one in map(json.loads, lines) if one["event"] == "doctor"]


def errors(heard: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in heard.records if record.levelno >= logging.ERROR]


@pytest.mark.usefixtures("clinic")
async def test_one_fact_a_check_and_no_error(heard: pytest.LogCaptureFixture) -> None:
    await at_start.report()
    assert {one["check"]: one["state"] for one in facts(heard)} == dict.fromkeys(CHECKS, "pass") | {"log": "skipped"}
    assert all(one["detail"] for one in facts(heard))
    assert errors(heard) == []


@pytest.mark.usefixtures("clinic")
async def test_the_python_and_the_release_that_run_are_logged_first(heard: pytest.LogCaptureFixture) -> None:
    await at_start.report()
    first = json.loads(next(record.message for record in heard.records if record.name == "guardrails.telemetry"))
    assert (first["event"], first["python"], first["release"]) == ("running", platform.python_version(), __version__)


async def test_one_error_line_a_failure_with_how_to_fix_it(
    clinic: Clinic, heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clinic.cloud.arm.access.reset()
    clinic.grant("*", not_actions=("Microsoft.Authorization/policyExemptions/read",))
    monkeypatch.setenv("TEAMS_WEBHOOK_URL", f"ftp://{CANARY}/x")
    await at_start.report()
    said = {one["check"]: one for one in facts(heard)}
    assert said["permissions"]["state"] == said["settings"]["state"] == said["routes"]["state"] == "fail"
    assert "policyExemptions/read (reader)" in said["permissions"]["detail"]
    lines = errors(heard)
    assert len(lines) == 5  # three scopes, one setting, one route
    assert all(". Fix: " in line for line in lines)
    assert clinic.cloud.sink.received == []


async def test_settings_that_cannot_be_read_are_reported(
    clinic: Clinic, heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUARDRAILS_TABLE", "x")
    await at_start.report()
    assert {one["state"] for one in facts(heard)} == {"fail", "skipped"}
    assert len(errors(heard)) == 1


async def test_settings_that_cannot_be_read_keep_nothing_but_the_second_clock(heard: pytest.LogCaptureFixture) -> None:
    def refuses() -> Intake:
        raise Misconfigured("no settings", code="x", subject="y", remedy="z")

    await at_start.wind(refuses)
    assert "the second clock could not be checked" in heard.text


async def test_a_check_that_hangs_is_given_up(heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(*_: object, **__: object) -> Report:
        await asyncio.sleep(3600)
        return Report([])

    assert SECONDS < at_start.LONGEST < 60
    monkeypatch.setattr(at_start, "examine", hangs)
    monkeypatch.setattr(at_start, "LONGEST", 0.01)
    await at_start.report()
    assert [(one["check"], one["state"]) for one in facts(heard)] == [("doctor", "unknown")]


async def test_a_defect_does_not_fail_the_app(heard: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> Report:
        raise RuntimeError(CANARY)

    monkeypatch.setattr(at_start, "examine", broken)
    await at_start.report()
    assert facts(heard)[0]["detail"].startswith("RuntimeError in test_at_start.py:")
    assert CANARY not in heard.text


def test_a_thousand_failures_are_not_a_thousand_lines(heard: pytest.LogCaptureFixture) -> None:
    at_start.write(Report([Result("permissions", [failed("lacking", "assign", about=str(n)) for n in range(1000)])]))
    lines = errors(heard)
    assert len(lines) == 21
    assert "and 980 more" in lines[-1]
