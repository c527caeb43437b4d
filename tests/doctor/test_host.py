"""Settings, ruleset, versions, clock, identity."""

import ast
import importlib
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import guardrails
from guardrails.doctor.interpreter import judged
from guardrails.doctor.model import State
from tests.clock import VirtualClock

from .conftest import APP, Clinic, states

ROOT = Path(guardrails.__file__).parents[1]


async def test_settings_with_mistakes_are_all_named_and_the_rest_is_skipped(clinic: Clinic) -> None:
    clinic.environ |= {"GUARDRAILS_MODE": "enforce", "GUARDRAILS_TABLE": "x"}
    report = await clinic.examine("sweep")
    assert report.exit_code == 1
    first, second = report.results
    assert (first.check, second.check, second.state) == ("settings", "sweep", State.SKIPPED)
    assert [finding.seen.split(":")[0] for finding in first.findings] == ["GUARDRAILS_MODE", "GUARDRAILS_TABLE"]
    assert all(finding.remediation for finding in first.findings)
    assert clinic.asked() == set()


@pytest.mark.parametrize("storage", ["", "nonsense"])
async def test_a_storage_account_that_is_not_named_right(clinic: Clinic, storage: str) -> None:
    clinic.environ["AzureWebJobsStorage"] = storage
    report = await clinic.examine()
    assert report.exit_code == 1
    assert [result.check for result in report.results if result.state is State.FAIL] == ["settings"]


async def test_a_route_without_an_address_names_the_setting(clinic: Clinic) -> None:
    del clinic.environ["TEAMS_WEBHOOK_URL"]
    result = await clinic.check("settings")
    assert result.state is State.FAIL
    assert "TEAMS_WEBHOOK_URL is missing" in result.detail
    assert states(await clinic.check("routes")) == {"security-team": State.FAIL}
    del clinic.environ["IDENTITY_ENDPOINT"]  # elsewhere than in the app: it has settings of its own
    assert states(await clinic.check("settings")) == {"security-team": State.UNKNOWN}
    assert states(await clinic.check("routes")) == {"security-team": State.UNKNOWN}
    clinic.environ["TEAMS_WEBHOOK_URL"] = "http://hooks.example/x"
    assert states(await clinic.check("settings")) == {"security-team": State.FAIL}


async def test_a_broken_ruleset_fails_and_what_hangs_on_it_is_unknown(clinic: Clinic) -> None:
    clinic.ruleset.write_text("mode: nonsense\n", encoding="utf-8")
    report = await clinic.examine("settings", "ruleset", "permissions", "routes", "breaker")
    assert report.exit_code == 1
    assert {result.check: result.state for result in report.results} == {
        "settings": State.UNKNOWN, "ruleset": State.FAIL, "permissions": State.UNKNOWN, "routes": State.UNKNOWN,
        "breaker": State.PASS,
    }  # fmt: skip
    assert "nonsense" in report.results[1].detail


async def test_a_version_that_this_cloud_does_not_have(clinic: Clinic) -> None:
    clinic.environ["GUARDRAILS_EXEMPTIONS_API_VERSION"] = "2031-01-01-preview"
    result = await clinic.check("versions")
    assert states(result) == {
        "Python": State.PASS, "api-version": State.FAIL, "policyAssignments": State.PASS,
        "policySetDefinitions": State.PASS,
    }  # fmt: skip
    assert "2026-01-01-preview" in result.findings[1].remediation


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("3.11.8", State.FAIL), ("3.12", State.FAIL), ("2.7", State.FAIL), ("3.9", State.FAIL), ("3.13", State.PASS),
        ("3.13.9", State.PASS), ("3.14", State.UNKNOWN), ("4.0", State.UNKNOWN), ("~3", State.UNKNOWN),
    ],
)  # fmt: skip
def test_an_older_python_fails_and_a_newer_one_is_not_tested(version: str, state: State) -> None:
    found = judged(version, "Python")
    assert found.state is state
    assert version in found.seen
    assert bool(found.remediation) is (state is not State.PASS)


async def test_the_app_is_judged_by_the_python_that_it_runs_on(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 11, 8, "final", 0))
    result = await clinic.check("versions")
    assert result.state is State.FAIL
    assert result.detail == "Python: 3.11.8, older than 3.13"


@pytest.mark.parametrize(
    ("properties", "state", "said"),
    [
        ({"functionAppConfig": {"runtime": {"name": "python", "version": "3.13"}}}, State.PASS, "3.13"),
        ({"functionAppConfig": {"runtime": {"name": "python", "version": "3.11"}}}, State.FAIL, "3.11, older than"),
        ({"functionAppConfig": {"runtime": {"name": "python", "version": "3.14"}}}, State.UNKNOWN, "newer than"),
        ({"functionAppConfig": {"runtime": {"name": "node", "version": "22"}}}, State.FAIL, "node 22"),
        ({"functionAppConfig": None}, State.UNKNOWN, "names no runtime"),
        ({}, State.UNKNOWN, "names no runtime"),
        (None, State.UNKNOWN, "cannot be read"),
    ],
)
async def test_elsewhere_the_configuration_of_the_site_is_read(
    clinic: Clinic, properties: dict[str, Any] | None, state: State, said: str
) -> None:
    del clinic.environ["IDENTITY_ENDPOINT"]  # the token still comes from it: the process has it
    clinic.cloud.arm.access.reset()
    if properties is not None:
        clinic.cloud.arm.seed(APP.split("/providers/")[0], {"location": "westeurope"})
        clinic.cloud.arm.seed(APP, {"location": "westeurope", "kind": "functionapp,linux", "properties": properties})
    result = await clinic.check("versions", app=APP)
    found = {finding.about: finding for finding in result.findings}
    assert (found["Python"].state, found["function app"].state) == (State.PASS, state)
    assert said in found["function app"].seen
    assert bool(found["function app"].remediation) is (state is not State.PASS)


async def test_which_app_is_ours_must_be_known(clinic: Clinic) -> None:
    for name in ("IDENTITY_ENDPOINT", "WEBSITE_SITE_NAME"):
        del clinic.environ[name]
    found = {finding.about: finding for finding in (await clinic.check("versions")).findings}
    assert found["function app"].state is State.UNKNOWN
    assert "GUARDRAILS_FUNCTION_APP_ID" in found["function app"].remediation


def test_an_older_python_stops_at_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at syntax that it does not know: what Azure still offers, 3.10 and later, can read what comes before."""
    for file in ("function_app.py", "guardrails/__init__.py"):
        ast.parse((ROOT / file).read_text("utf-8"), feature_version=(3, 10))
    monkeypatch.setattr(sys, "version_info", (3, 11, 8, "final", 0))
    with pytest.raises(ImportError, match=r"needs Python 3\.13 or later, and this is 3\.11\.8\. In Azure: "):
        importlib.reload(guardrails)
    monkeypatch.undo()
    importlib.reload(guardrails)


def differs(clinic: Clinic, seconds: float) -> None:
    """Let our clock and Azure's stand still, ours so many seconds ahead."""
    now = datetime.now(UTC).replace(microsecond=0)
    clinic.cloud.arm.clock = lambda: now
    clinic.clock = VirtualClock(now + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-61, 61])
async def test_a_clock_that_is_off(clinic: Clinic, seconds: float) -> None:
    differs(clinic, seconds)
    result = await clinic.check("clock")
    assert result.state is State.FAIL
    assert ("behind" if seconds < 0 else "ahead of") in result.detail


@pytest.mark.parametrize("seconds", [-59, 59])
async def test_a_clock_that_is_near_enough(clinic: Clinic, seconds: float) -> None:
    differs(clinic, seconds)
    assert (await clinic.check("clock")).state is State.PASS


async def test_without_a_token_identity_fails_and_permissions_are_unknown(clinic: Clinic) -> None:
    clinic.cloud.identity.header = "changed"
    report = await clinic.examine("identity", "permissions")
    assert [result.state for result in report.results] == [State.FAIL, State.UNKNOWN]
    assert "there is no token" in report.results[0].detail


async def test_who_we_are_is_shown_and_no_token(clinic: Clinic) -> None:
    clinic.environ |= {"AzureWebJobsStorage": "", "AzureWebJobsStorage__accountName": "contoso"}
    result = await clinic.check("identity")
    assert states(result) == {"Resource Manager": State.PASS, "storage": State.PASS, "who": State.PASS}
    assert clinic.cloud.identity.oid in result.findings[0].seen
    assert clinic.cloud.identity.client_id in result.findings[0].seen
    assert "eyJ" not in str(result.to_json())


async def test_a_login_of_ones_own_says_nothing_of_the_app(clinic: Clinic) -> None:
    del clinic.environ["IDENTITY_ENDPOINT"]  # the token still comes from it: the process has it
    assert states(await clinic.check("identity"))["who"] is State.UNKNOWN
    clinic.environ["GUARDRAILS_PRINCIPAL_ID"] = clinic.cloud.identity.oid.upper()
    assert states(await clinic.check("identity"))["who"] is State.PASS


async def test_the_wrong_identity_of_the_app(clinic: Clinic) -> None:
    clinic.environ["GUARDRAILS_PRINCIPAL_ID"] = "00000000-0000-0000-0000-000000000001"
    assert states(await clinic.check("identity"))["who"] is State.FAIL


async def test_for_a_ruleset_of_version_1_the_changes_of_version_2_are_shown(clinic: Clinic) -> None:
    findings = (await clinic.check("ruleset")).findings
    assert len(findings) == 1
    text = clinic.ruleset.read_text(encoding="utf-8").replace("version: 2", "version: 1")
    text += "\nexclusions: [{scope: '/subscriptions/*/resourceGroups/x', reason: r}]\n"
    clinic.ruleset.write_text(text, encoding="utf-8")
    result = await clinic.check("ruleset")
    assert result.state is State.PASS
    assert any("'/subscriptions/*/resourceGroups/x' is in version 2 " in one.seen for one in result.findings)
    assert all(one.remediation for one in result.findings[1:])


async def test_owners_that_are_known_by_metadata_alone_are_named(
    clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    finding = (await clinic.check("ruleset")).findings[0]
    assert "the owner 'Enterprise Azure Policy as Code' names no authors" in finding.seen
    assert "authors" in finding.remediation
    assert "names no authors" in caplog.text, "the log at start-up says so, too"
    text = clinic.ruleset.read_text(encoding="utf-8").replace('pacOwnerId: "*"}', 'pacOwnerId: "*"}\n    authors: [x]')
    clinic.ruleset.write_text(text, encoding="utf-8")
    assert "names no authors" not in (await clinic.check("ruleset")).findings[0].seen
