"""Where all is well every check passes, and the world is as it was."""

import json
from functools import partial

import pytest

from guardrails.azure.estate import Estate
from guardrails.doctor import examine, world
from guardrails.doctor.examine import CHECKS
from guardrails.doctor.model import Finding, State
from guardrails.doctor.needs import ROLES
from guardrails.doctor.world import World
from sandbox.arm.faults import Fault
from tests.sweep.conftest import no_wait

from .conftest import CANARY, CORP, Clinic, states


async def test_every_check_passes_and_nothing_is_left_behind(clinic: Clinic) -> None:
    rows, resources = await clinic.rows(), dict(clinic.cloud.arm.store.entries)
    async with clinic.queues() as queues:
        client = queues.get_queue_client("reconcile")
        await client.send_message("not ours")
        report = await clinic.examine()
        assert (await client.get_queue_properties()).approximate_message_count == 1
        await client.clear_messages()
    said = json.dumps(report.to_json(), indent=1)
    wanted = dict.fromkeys(CHECKS, "pass") | {"log": "skipped"}  # the app may not read what it writes
    assert {result.check: str(result.state) for result in report.results} == wanted, said
    assert (report.state, report.exit_code) == (State.PASS, 0)
    assert all(finding.seen for result in report.results for finding in result.findings)
    assert await clinic.rows() == rows
    assert clinic.cloud.arm.store.entries == resources
    assert clinic.asked() == {"GET"}
    assert clinic.cloud.sink.received == []


async def test_each_check_can_be_asked_for_alone(clinic: Clinic) -> None:
    for name in CHECKS:
        report = await clinic.examine(name)
        assert [result.check for result in report.results] == [name]
        assert report.exit_code == 0, report


async def test_audit_mode_needs_only_the_reader(clinic: Clinic) -> None:
    clinic.cloud.arm.access.reset()
    clinic.grant(*ROLES["reader"])
    assert (await clinic.check("permissions")).state is State.FAIL
    clinic.environ["GUARDRAILS_MODE"] = "audit"
    result = await clinic.check("permissions")
    assert result.state is State.PASS
    assert "of reader" in result.findings[0].seen
    ruleset = (await clinic.check("ruleset")).detail
    assert "held" not in ruleset
    assert "(GUARDRAILS_MODE keeps it in audit)" in ruleset


@pytest.mark.parametrize("check", ["clock", "versions", "permissions", "events"])
async def test_with_azure_away_it_is_unknown(clinic: Clinic, monkeypatch: pytest.MonkeyPatch, check: str) -> None:
    monkeypatch.setattr(world, "Estate", partial(Estate, sleep=no_wait))
    clinic.cloud.arm.faults.rules.append(Fault(drop=True))
    report = await clinic.examine(check)
    assert (report.state, report.exit_code) == (State.UNKNOWN, 3), report


async def test_what_answers_too_late_is_unknown_and_the_rest_is_reported(clinic: Clinic) -> None:
    clinic.cloud.arm.faults.rules.append(Fault(path="systemTopics", latency=30))
    report = await clinic.examine("permissions", "events", "breaker", seconds=1.0)
    assert {result.check: result.state for result in report.results} == {
        "permissions": State.PASS, "events": State.UNKNOWN, "breaker": State.PASS,
    }  # fmt: skip
    assert "1 of 1 scopes were not checked in time" in report.results[1].detail


async def test_throttling_is_unknown_and_no_permission_that_is_missing(clinic: Clinic) -> None:
    clinic.cloud.arm.faults.rules.append(Fault(path=f"{CORP}/.*permissions", status=429))
    result = await clinic.check("permissions")
    assert states(result) == {"": State.PASS, CORP: State.UNKNOWN}


async def test_a_check_that_breaks_hides_no_other(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: World) -> list[Finding]:
        raise KeyError(CANARY)

    monkeypatch.setattr(examine, "CHECKS", {**CHECKS, "clock": broken})
    report = await clinic.examine("clock", "breaker")
    assert [result.state for result in report.results] == [State.UNKNOWN, State.PASS]
    assert report.results[0].detail.startswith("the check itself failed: KeyError in test_all_is_well.py:")
