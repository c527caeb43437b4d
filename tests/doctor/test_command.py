"""`python -m guardrails doctor`: table, JSON, exit codes."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from guardrails.cli.main import main
from guardrails.doctor.examine import CHECKS
from guardrails.doctor.model import Finding, Report, Result, State
from tests.cli.conftest import Ran

from .conftest import APP, CANARY, Clinic

type Doctor = Callable[..., Awaitable[Ran]]


@pytest.fixture
def doctor(clinic: Clinic, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    async def run(*argv: str) -> Ran:
        for name, value in clinic.environ.items():
            monkeypatch.setenv(name, value)
        capsys.readouterr()
        try:
            code = await asyncio.to_thread(main, ("doctor", *argv))
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        said = capsys.readouterr()
        assert CANARY not in said.out + said.err
        return Ran(code, said.out, said.err)

    return run


async def test_a_table_for_people(doctor: Doctor) -> None:
    ran = await doctor()
    assert (ran.code, ran.err) == (0, "")
    head, *lines, last = ran.out.splitlines()
    assert head.split("  ")[0] == "check"
    assert list(dict.fromkeys(line.split()[0] for line in lines)) == list(CHECKS)
    assert {line.split()[1] for line in lines if not line.startswith("log ")} == {"pass"}
    assert last == "17 checks: 16 pass, 1 skipped"
    assert "\x1b" not in ran.out


async def test_json_for_programs(doctor: Doctor) -> None:
    ran = await doctor("--format", "json", "--only", "clock", "--only", "breaker")
    assert ran.json["state"] == "pass"
    assert [one["check"] for one in ran.json["checks"]] == ["clock", "breaker"]
    assert ran.json["checks"][1]["findings"] == [
        {"state": "pass", "about": "", "seen": "closed, 0 reverts in the last hour", "remediation": ""}
    ]


async def test_what_fails_is_exit_code_1_and_what_is_unknown_3(doctor: Doctor, clinic: Clinic) -> None:
    clinic.environ["GUARDRAILS_EXEMPTIONS_API_VERSION"] = "2031-01-01"
    clinic.environ["WEBSITE_OWNER_NAME"] = "+"
    ran = await doctor("--only", "versions", "--only", "events")
    assert ran.code == 1
    assert ran.out.splitlines()[-1] == "2 checks: 1 unknown, 1 fail"
    assert (await doctor("--only", "events")).code == 3
    assert (await doctor("--only", "events", "--function-app", APP)).code == 0


async def test_settings_that_cannot_be_read(doctor: Doctor, clinic: Clinic) -> None:
    clinic.environ["GUARDRAILS_CACHE_MINUTES"] = "never"
    ran = await doctor()
    assert (ran.code, ran.err) == (1, "")
    assert "GUARDRAILS_CACHE_MINUTES: 'never' is not a number" in ran.out
    assert ran.out.splitlines()[-1] == "17 checks: 1 fail, 16 skipped"


async def test_a_test_notice_is_sent_only_when_asked_for(doctor: Doctor, clinic: Clinic) -> None:
    await doctor("--only", "routes")
    assert clinic.cloud.sink.received == []
    ran = await doctor("--only", "routes", "--send")
    assert ran.code == 0
    assert "it accepted a test notice" in ran.out
    assert len(clinic.cloud.sink.received) == 1


@pytest.mark.parametrize("argv", [("--only", "nothing"), ("--function-app", "func")])
async def test_bad_use(doctor: Doctor, argv: tuple[str, ...]) -> None:
    ran = await doctor(*argv)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1


def test_the_worst_counts() -> None:
    def report(*states: State) -> Report:
        return Report([Result("x", [Finding(state, "seen")]) for state in states])

    assert report(State.PASS, State.SKIPPED).exit_code == 0
    assert report(State.PASS, State.UNKNOWN).exit_code == 3
    assert report(State.UNKNOWN, State.FAIL, State.PASS).exit_code == 1
    assert report().exit_code == 3
    assert Result("x", []).state is State.UNKNOWN
    assert json.loads(json.dumps(report(State.FAIL).to_json()))["state"] == "fail"
