"""reconcile and restore, against the ARM stand-in and a register."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import ClientSession

from guardrails.cli.main import main
from guardrails.exemption.times import spell_time
from guardrails.ruleset.model import DEFAULT_PATH
from guardrails.wiring import connect
from sandbox.cloud import Cloud
from sandbox.identity import token_for
from tests.sandbox.conftest import GROUP, INITIATIVE, Client, build_tenant, exemption, exemption_id

from .conftest import Ran

ENFORCE = DEFAULT_PATH.read_text(encoding="utf-8").replace("mode: audit", "mode: enforce")
BAD = exemption(INITIATIVE, policyDefinitionReferenceIds=["tls"], description="The vendor cannot do TLS before March.")


class Desk:
    """An operator's desk: commands, and Azure beside them."""

    def __init__(self, arm: Client, capsys: pytest.CaptureFixture[str]) -> None:
        self.arm = arm
        self._capsys = capsys
        self.id = exemption_id(GROUP, f"e-{uuid4().hex[:8]}")

    async def run(self, *argv: str) -> Ran:
        self._capsys.readouterr()
        code = await asyncio.to_thread(main, argv)
        said = self._capsys.readouterr()
        return Ran(code, said.out, said.err)

    async def there(self) -> bool:
        return (await self.arm.get(self.id)).status == 200


@pytest.fixture
async def desk(
    storage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> AsyncIterator[Desk]:
    (tmp_path / "enforce.yaml").write_text(ENFORCE, encoding="utf-8")
    async with Cloud(time_scale=0.001) as cloud, ClientSession() as session:
        build_tenant(cloud)
        for name, value in {
            **cloud.identity.environment,
            "AzureWebJobsStorage": storage,
            "GUARDRAILS_TABLE": f"t{uuid4().hex}",
            "GUARDRAILS_ARM_ENDPOINT": cloud.addresses["arm"],
            "GUARDRAILS_ARM_AUDIENCE": "https://management.azure.com",
            "GUARDRAILS_RULESET": str(tmp_path / "enforce.yaml"),
        }.items():
            monkeypatch.setenv(name, value)
        token = token_for("Ada", "00000000-0000-4000-8000-0000000000ad", upn="ada@contoso.com")
        yield Desk(Client(session, cloud.addresses["arm"], token), capsys)


async def test_a_dry_run_shows_the_plan_and_writes_nothing(desk: Desk) -> None:
    await desk.arm.put(desk.id, BAD)
    ran = await desk.run("reconcile", desk.id, "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"violation {desk.id}\n")
    assert "EXG101 expiry-missing (high): it never expires" in ran.out
    assert "nothing is written now" in ran.out
    answer = (await desk.run("reconcile", desk.id, "--dry-run", "--format", "json")).json
    assert (answer["dry_run"], answer["status"]) == (True, "violation")
    assert {finding["code"] for finding in answer["findings"]} >= {"EXG101", "EXG201", "EXG203"}
    assert (await desk.run("register", "show", desk.id)).code == 1
    assert (await desk.arm.get(desk.id)).body["properties"].get("metadata") is None


async def test_reconcile_judges_records_and_says_what_was_done(desk: Desk) -> None:
    await desk.arm.put(desk.id, BAD)
    answer = (await desk.run("reconcile", desk.id, "--by", "ops", "--format", "json")).json
    assert (answer["dry_run"], answer["status"], answer["recorded"]) == (False, "violation", True)
    assert (await desk.run("register", "show", desk.id, "--format", "json")).json["status"] == "violation"
    history = (await desk.run("history", desk.id, "--format", "json", "--verify")).json
    assert history["entries"][0]["facts"]["hint"] == "operator"
    assert history["entries"][0]["facts"]["actor"] == "ops"
    assert history["problems"] == []


async def test_the_history_of_a_tag_does_not_say_that_nothing_changed(desk: Desk) -> None:
    ends = {**BAD["properties"], "expiresOn": spell_time(datetime.now(UTC) + timedelta(days=90))}
    for text in ("before us", "edited", "edited again"):
        await desk.arm.put(desk.id, {"properties": {**ends, "displayName": text}})
        await desk.run("reconcile", desk.id)
    assert "guardrails" in (await desk.arm.get(desk.id)).body["properties"]["metadata"]
    lines = (await desk.run("history", desk.id)).out.splitlines()
    tagged = [line for line in lines if line.split()[2] == "tagged"]
    assert tagged
    assert not [line for line in tagged if "nothing changed in Azure" in line]
    assert "answer: alert (nothing changed in Azure)" in lines[1]  # what was there before us is left alone


async def test_what_is_not_there_is_said(desk: Desk) -> None:
    ran = await desk.run("reconcile", desk.id, "--dry-run")
    assert ran.code == 0
    assert ran.out.startswith(f"gone {desk.id}\n")
    assert "because: Azure says that it does not exist" in ran.out


async def test_a_delete_is_undone_by_one_command(desk: Desk) -> None:
    body = (await desk.arm.put(desk.id, BAD)).body
    await desk.run("reconcile", desk.id)
    await desk.arm.send("DELETE", desk.id)
    await desk.run("reconcile", desk.id)

    shown = await desk.run("restore", desk.id, "--dry-run")
    assert shown.code == 0
    assert json.loads(shown.out)["properties"]["description"] == body["properties"]["description"]
    assert not await desk.there()

    done = await desk.run("restore", desk.id, "--by", "ops")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"restored by ops: {desk.id}\n")
    back: dict[str, Any] = (await desk.arm.get(desk.id)).body["properties"]
    assert back["description"] == body["properties"]["description"]

    again = await desk.run("restore", desk.id)
    assert (again.code, again.out) == (1, "")
    assert "[nothing-to-undo]" in again.err


async def test_a_version_that_the_history_keeps_is_had_back(desk: Desk) -> None:
    for text in ("the first", "the second"):
        await desk.arm.put(desk.id, {**BAD, "properties": {**BAD["properties"], "displayName": text}})
        await desk.run("reconcile", desk.id)
    assert not await desk.there()  # the first was there before us and is kept, the edit was reverted
    listed = [line.split() for line in (await desk.run("history", desk.id)).out.splitlines()[1:]]
    assert ["kept" in line for line in listed] == [True, True, False]

    refused = await desk.run("restore", desk.id, "--at", "9")
    assert (refused.code, refused.out) == (1, "")
    assert "history entry 9 keeps no body. These entries keep one: 1, 2 [no-body]" in refused.err

    shown = await desk.run("restore", desk.id, "--at", "1", "--dry-run", "--format", "json")
    assert shown.json["body"]["properties"]["displayName"] == "the first"
    assert not await desk.there()
    for argv, expected in ((("--at", "1"), "the first"), (("--at", "2"), "the second")):
        assert (await desk.run("restore", desk.id, *argv, "--by", "ops")).code == 0
        assert (await desk.arm.get(desk.id)).body["properties"]["displayName"] == expected
    again = await desk.run("restore", desk.id, "--by", "ops")  # by somebody who did not hear that it was done
    assert again.code == 1
    assert (
        "it has not changed since it was restored by ops, as history entry 2 has it. The replaced state is" in again.err
    )
    assert (await desk.arm.get(desk.id)).body["properties"]["displayName"] == "the second"


async def test_nothing_to_restore_is_said(desk: Desk) -> None:
    ran = await desk.run("restore", desk.id, "--dry-run")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"guardrails: {desk.id}: there is nothing to restore.")


async def test_the_setting_holds_a_dry_run_at_audit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUARDRAILS_MODE", "audit")
    await desk.arm.put(desk.id, BAD)
    assert (await desk.run("reconcile", desk.id)).code == 0
    edited = {"properties": {**BAD["properties"], "description": "The vendor cannot do TLS before May."}}
    assert (await desk.arm.put(desk.id, edited)).status == 200
    answer = (await desk.run("reconcile", desk.id, "--dry-run", "--format", "json")).json
    assert answer["would"] == ""
    assert answer["withheld"] in ("tag", "delete")


async def test_a_sweep_adopts_what_is_there_and_its_report_is_shown_later(desk: Desk) -> None:
    never = await desk.run("sweep")
    assert (never.code, never.out.strip()) == (0, "there has been no sweep yet")
    await desk.arm.put(desk.id, BAD)
    await asyncio.sleep(1.05)  # ARM's clock is the machine's, and a sweep begins on a whole second
    ran = await desk.run("sweep", "run", "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    assert (ran.json["report"]["adopted"], ran.json["report"]["queued"]) == (1, {})
    assert await desk.there()
    shown = await desk.run("sweep")
    assert "adopted: 1" in shown.out
    assert "bypasses, seen: 0" in shown.out
    assert "missing" not in shown.out
    row = (await desk.run("register", "show", desk.id, "--format", "json")).json
    assert row["kept_why"] == "it was there before the guardrails"


async def test_a_second_sweep_at_once_is_refused(desk: Desk) -> None:
    service = connect()
    now = service.world.clock.now()
    assert await service.register.sweeps.begin(now, "another", timedelta(minutes=2))
    await service.close()
    ran = await desk.run("sweep", "run")
    assert ran.code == 1
    assert ran.out.startswith("a sweep has been running since")


def in_days(days: int) -> str:
    return spell_time((datetime.now(UTC) + timedelta(days=days)).replace(microsecond=0))


async def test_a_hold_keeps_it_and_a_release_has_it_answered(desk: Desk) -> None:
    await desk.arm.put(desk.id, BAD)
    until = in_days(2)
    done = await desk.run("hold", desk.id, "--until", until, "--reason", "incident 4711", "--by", "ops")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"on hold until {until} by ops: {desk.id}\n")
    looked = await desk.run("reconcile", desk.id)
    assert "changed in Azure: nothing" in looked.out
    assert "by ops: incident 4711" in looked.out
    released = await desk.run("release", desk.id, "--by", "ops", "--format", "json")
    assert released.json["did"] in ("tag", "delete")
    assert (await desk.run("release", desk.id)).err.startswith(f"guardrails: {desk.id}: it is not on hold")


@pytest.mark.parametrize(
    "more", [("--until", "2001-01-01", "--reason", "x"), ("--until", "2099-01-01", "--reason", "x")]
)
async def test_a_hold_with_no_end_or_one_too_far_is_refused(desk: Desk, more: tuple[str, ...]) -> None:
    await desk.arm.put(desk.id, BAD)
    ran = await desk.run("hold", desk.id, *more)
    assert (ran.code, ran.out) == (1, "")
    assert "[wrong-hold]" in ran.err
