"""The recycle bin: what is gone, why, who did it, and what would be put back; on a real register."""

import asyncio
import csv
import io
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from guardrails.cli.main import main
from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from guardrails.register.columns import pack
from sandbox.tenant import APPROVAL
from tests.reconcile.durability import scene
from tests.reconcile.world import ALICE, OPERATOR, World, in_days

from .conftest import Ran
from .terminal import NARROW, terminal

type Bin = Callable[..., Awaitable[Ran]]


@pytest.fixture
def recycled(world: World, storage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bin:
    """Run `deleted list` on the world's register, as a user does."""
    monkeypatch.setenv("AzureWebJobsStorage", storage)
    monkeypatch.setenv("GUARDRAILS_TABLE", world.table.table_name)
    monkeypatch.delenv("GUARDRAILS_RULESET", raising=False)

    async def running(*argv: str) -> Ran:
        capsys.readouterr()
        code = await asyncio.to_thread(main, ["deleted", "list", "--now", spell_time(world.clock.now()), *argv])
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return running


async def only(recycled: Bin, *argv: str) -> dict[str, Any]:
    ran = await recycled(*argv, "--format", "json")
    assert (ran.code, ran.err) == (0, "")
    (item,) = ran.json
    return dict(item)


async def names(recycled: Bin, *argv: str) -> list[str]:
    return [item["id"].rpartition("/")[2] for item in (await recycled(*argv, "--format", "json")).json]


async def gone(world: World, name: str, by: str = "alice@contoso.com", **changes: Any) -> ExemptionId:
    """One that the register knew and somebody deleted."""
    one = world.id(name)
    await world.known(one, **changes)
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, by)
    return one


async def test_what_somebody_deleted(world: World, recycled: Bin) -> None:
    one = await gone(world, "partner-ingestion")
    await world.known(world.id("still-there"))
    end = (await world.row(one)).expires_on
    assert end is not None
    assert await only(recycled) == {
        "id": one.text,
        "status": "gone",
        "at": spell_time(world.clock.now()),
        "how": "deleted",
        "by": "alice@contoso.com",
        "why": "Azure says that it does not exist",
        "version": 1,
        "expires_on": spell_time(end),
        "assignment": (await world.row(one)).assignment,
        "display_name": "Partner ingestion over the public endpoint",
        "owner": APPROVAL["owner"],
        "ticket": APPROVAL["approvalTicket"],
        "restorable": True,
        "against": "",
        "rebuilt": "",
    }


async def test_what_it_says_is_what_restore_puts_back(world: World, recycled: Bin) -> None:
    one = await gone(world, "e", displayName="as it was")
    row = await only(recycled)
    body = await world.reconciler.restore(one, OPERATOR, at=row["version"])
    assert (body["properties"]["displayName"], row["display_name"]) == ("as it was", "as it was")
    assert await names(recycled) == []


async def test_what_we_reverted_and_why(world: World, recycled: Bin) -> None:
    one = world.id()
    await world.bad(one)
    await world.look(one)
    await world.look(one, "sweep")
    item = await only(recycled)
    assert (item["how"], item["by"], item["expires_on"]) == ("reverted", "guardrails", None)
    assert "EXG101" in item["why"]
    assert item["restorable"]


async def test_what_is_lost_and_waits_for_its_target(world: World, recycled: Bin) -> None:
    one = await scene.approved(world)
    await scene.drop_target(world)
    await world.look(one, "sweep")
    world.clock.advance(minutes=20)
    await world.look(one, "wake-up")
    item = await only(recycled)
    assert (item["status"], item["how"], item["by"], item["restorable"]) == ("lost", "lost", "", True)
    assert item["at"] == spell_time(world.clock.now() - timedelta(minutes=20))
    assert item["against"] == "it waits: its target does not exist; the service restores it when the target exists"


async def test_what_was_lost_and_is_given_up_says_why(world: World, recycled: Bin) -> None:
    one = await scene.approved(world, expiresOn=in_days(world.clock, 100))
    await world.delete(one, ALICE)
    await scene.deleted_by(world, one, "alice@contoso.com")
    world.ruleset = scene.keeping(on={"expiry-too-far": {"response": "revert", "options": {"months": 1}}})
    world.clock.advance(minutes=20)
    await world.look(one, "wake-up")
    row = await world.row(one)
    assert (row.status, row.settled != "") == (Status.GONE, True)
    item = await only(recycled)
    assert (item["how"], item["by"], item["restorable"]) == ("lost", "alice@contoso.com", True)
    assert item["against"] == f"the service does not restore it: {row.settled}"


async def test_what_has_ended_says_so(world: World, recycled: Bin) -> None:
    await gone(world, "short", expiresOn=in_days(world.clock, 2))
    assert (await only(recycled))["against"] == ""
    world.clock.advance(days=3)
    item = await only(recycled)
    assert item["against"] == f"it expired at {item['expires_on']}: after a restore, it exempts nothing"


async def test_who_asked_us_to_look_is_not_who_deleted_it(world: World, recycled: Bin) -> None:
    one = world.id()
    await world.known(one)
    await world.delete(one, ALICE)
    await world.look(one, "operator", actor=OPERATOR)
    assert (await only(recycled))["by"] == ""


async def test_a_snapshot_that_was_edited_by_hand_cannot_be_put_back(world: World, recycled: Bin) -> None:
    one = await gone(world, "e")
    await world.edit_history(one, 1, body=pack({"id": one.text, "evil": 1}).data)
    world.sound = False
    item = await only(recycled)
    assert item["restorable"] is False
    assert "somebody changed the register outside the service: history entry 1: " in item["against"]


async def test_a_row_that_cannot_be_trusted_fails_the_command(world: World, recycled: Bin) -> None:
    one = await gone(world, "e")
    await world.edit_row(one, owner="eve")
    await world.edit_history(one, 2, event="excused")
    world.sound = False
    ran = await recycled("--format", "json", "--owner", "nobody")
    assert ran.code == 1
    assert [(item["id"], item["status"]) for item in ran.json] == [(one.text, "altered")]
    assert "1 row cannot be trusted\n" in ran.err
    assert "altered" in (await recycled()).out


async def test_filters_and_the_order(world: World, recycled: Bin) -> None:
    await gone(world, "first", metadata={**APPROVAL, "owner": "Jo@Payments.contoso.com"})
    world.clock.advance(days=1)
    later = spell_time(world.clock.now())
    await gone(world, "second")
    await gone(world, "third")
    assert await names(recycled) == ["second", "third", "first"]
    assert await names(recycled, "--since", later) == ["second", "third"]
    assert await names(recycled, "--since", spell_time(world.clock.now() + timedelta(seconds=1))) == []
    assert await names(recycled, "--owner", "*@payments.CONTOSO.com") == ["first"]
    assert await names(recycled, "--scope", "**/SECOND", "--scope", "**/first") == ["second", "first"]
    assert await names(recycled, "--scope", "**/second", "--owner", "*payments*") == []


async def test_one_that_was_never_there_for_us_is_not_in_it(world: World, recycled: Bin) -> None:
    await world.look(world.id("never"))
    ran = await recycled()
    assert (ran.code, ran.out, ran.err) == (0, "", "0 deleted, of 0 exemptions in the register\n")


async def test_a_table_and_csv_that_runs_nothing(world: World, recycled: Bin) -> None:
    one = await gone(world, "e", by="=cmd|' /C calc'!A0")
    head, line = (await recycled()).out.splitlines()
    assert head.split() == [
        "gone", "how", "by", "version", "ends", "assignment", "owner", "why", "against", "exemption",
    ]  # fmt: skip
    assert line.split()[:2] == [spell_time(world.clock.now()), "deleted"]
    assert line.endswith(one.text)
    (item,) = csv.DictReader(io.StringIO((await recycled("--format", "csv")).out))
    assert (item["by"], item["version"], item["restorable"]) == ("'=cmd|' /C calc'!A0", "1", "true")


async def test_a_terminal_shows_the_first_of_many(world: World, recycled: Bin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guardrails.cli.deleted.FIRST", 2)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "220")
    for name in ("one", "two", "three"):
        await gone(world, name, displayName="\x1b[31mred")
    ran = await recycled()
    assert ran.out.count("version 1, ends ") == 2
    assert "the first 2 of 3 are shown" in ran.err
    assert (await recycled("--all")).out.count("version 1, ends ") == 3


async def test_a_terminal_shows_what_it_cannot_have_back(
    world: World, recycled: Bin, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await gone(world, "e")
    await world.edit_history(one, 1, body=b"nonsense")
    world.sound = False
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "220")
    assert "nothing" in (await recycled()).out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["deleted"], "the following arguments are required"),
        (["deleted", "list", "--since", "yesterday"], "is not an ISO 8601 time"),
        (["restore", "x", "--at", "0"], "use the number of a history entry"),
        (["restore", "x", "--at", "-1"], "use the number of a history entry"),
        (["restore", "x", "--at", "newest"], "use the number of a history entry"),
        (["restore", "x", "--at", "9" * 5000], "use the number of a history entry"),
        (["restore", "x", "--at", "²"], "use the number of a history entry"),
    ],
)
def test_what_cannot_be_asked_is_refused(run: Callable[..., Ran], argv: list[str], said: str) -> None:
    ran = run(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.parametrize("width", NARROW)
async def test_a_narrow_terminal_breaks_no_name_status_or_date(world: World, recycled: Bin, width: int) -> None:
    name = "reporting-until-the-migration-is-done"
    one = await gone(world, name, "deployment-pipeline@contoso.com")
    at = spell_time(world.clock.now())[:10]
    with terminal(width) as seen:
        await recycled()
    scope = (part for part in re.findall(r"[^/]+/?", one.scope) if len(part) > 8)
    seen.check(f"deleted {at}", name, "deployment-pipeline@contoso.com", "version 1,", *scope)
