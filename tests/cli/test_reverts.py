"""Past mistakes: which reverts today's judgement would not have made, and that the printed command undoes each."""

import asyncio
import json
import shlex
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from guardrails.cli.main import main
from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import spell_time
from guardrails.register.columns import pack
from guardrails.register.keys import address
from guardrails.ruleset.model import parse_ruleset
from sandbox import tenant
from tests.reconcile.world import (
    ALICE,
    NO_OWNER,
    NO_TICKET,
    OPERATOR,
    PIPELINE_ID,
    ROUTE,
    RULES,
    StaticToken,
    World,
    in_days,
)

from .conftest import Ran
from .terminal import NARROW, terminal

INITIATIVE = f"{tenant.AUTHORIZATION}/policySetDefinitions/storage-baseline"
BOTH: dict[str, Any] = {"policyDefinitionReferenceIds": ["denyPublicNetwork", "requireTls"]}


@dataclass
class Desk:
    """The world after an upgrade, and the command as its user runs it."""

    world: World
    run: Callable[..., Awaitable[Ran]]
    file: Path

    def rule(self, *, on: Mapping[str, Any] | None = None, **more: Any) -> None:
        """Have the service and the command judge by this ruleset."""
        said = {"version": 1, "mode": "enforce", "rules": {**RULES, **(on or {})}, "notices": [ROUTE], **more}
        self.world.ruleset = parse_ruleset(json.dumps(said))
        self.file.write_text(json.dumps(said), encoding="utf-8")

    def initiative(self, *members: str) -> None:
        """Have the initiative hold these policies; of the two that there are by default both are known."""
        listed = [
            {"policyDefinitionId": f"{tenant.AUTHORIZATION}/policyDefinitions/{name.lower()}",
             "policyDefinitionReferenceId": name}
            for name in members
        ]  # fmt: skip
        self.world.arm.seed(INITIATIVE, {"properties": {"policyDefinitions": listed}})

    async def reverts(self, *argv: str) -> Ran:
        return await self.run("reverts", "--now", spell_time(self.world.clock.now()), *argv)

    async def items(self, *argv: str) -> list[dict[str, Any]]:
        return list((await self.reverts("--format", "json", *argv)).json)

    async def only(self, *argv: str) -> dict[str, Any]:
        (item,) = await self.items(*argv)
        return item

    async def undo(self, item: Mapping[str, Any]) -> None:
        """Run the printed command, as a shell would."""
        python, dash, package, *argv = shlex.split(item["restore"])
        assert (python, dash, package) == ("python", "-m", "guardrails")
        ran = await self.run(*argv, "--by", OPERATOR)
        assert (ran.code, ran.err) == (0, "")


@pytest.fixture
async def desk(
    world: World, storage: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Desk:
    async def run(*argv: str) -> Ran:
        capsys.readouterr()
        code = await asyncio.to_thread(main, argv)
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    for name, value in {
        "AzureWebJobsStorage": storage,
        "GUARDRAILS_TABLE": world.table.table_name,
        "GUARDRAILS_ARM_ENDPOINT": world.arm.address,
        "GUARDRAILS_RULESET": str(tmp_path / "rules.yaml"),
        "GUARDRAILS_MODE": "audit",  # nothing is done, so that makes no difference
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("guardrails.wiring.credential", lambda *_: StaticToken())
    made = Desk(world, run, tmp_path / "rules.yaml")
    made.rule()
    return made


async def reverted(desk: Desk, name: str = "partner-ingestion", **changes: Any) -> ExemptionId:
    """One that named all policies that the initiative was read to have, and was deleted for it."""
    one = desk.world.id(name)
    await desk.world.write(one, ALICE, **{**BOTH, **changes})
    assert (await desk.world.look(one)).did == "delete"
    return one


async def test_one_that_was_deleted_for_members_that_were_read_wrongly(desk: Desk) -> None:
    one = await reverted(desk)
    body = await desk.world.register.body(one, 1)
    at = spell_time(desk.world.clock.now())
    assert (await desk.reverts()).code == 0
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    desk.world.clock.advance(days=3)
    before, stored = desk.world.azure(), await desk.world.stored(one)
    desk.world.arm.log.reset()

    ran = await desk.reverts("--format", "json")

    assert (ran.code, ran.err) == (1, "1 revert: 1 to undo, 0 undone or changed since, 0 not judged, 0 right\n")
    (item,) = ran.json
    assert item == {
        "id": one.text,
        "at": at,
        "did": "delete",
        "hindsight": "mistake",
        "since": "open",
        "author": "alice@contoso.com",
        "owner": tenant.APPROVAL["owner"],
        "entry": 2,
        "why": "EXG302 whole-initiative: it exempts the whole initiative"
        "; it has no compliant state to put back; it is deleted",
        "then": [
            {
                "code": "EXG302", "rule": "whole-initiative", "text": "it exempts the whole initiative",
                "today": "pass", "why": "", "response": "",
            }
        ],
        "answer": "none",
        "reasons": ["it keeps every rule"],
        "problem": "",
        "version": 1,
        "restore": f"python -m guardrails restore {one.text} --at 1",
        "against": [],
    }  # fmt: skip
    assert (desk.world.azure(), await desk.world.stored(one), desk.world.writes()) == (before, stored, 0)

    await desk.undo(item)
    assert await desk.world.properties(one) == body["properties"]
    ran = await desk.reverts()
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "1 revert: 0 to undo, 1 undone or changed since, 0 not judged, 0 right\n"
    listed = await desk.only("--all")
    assert (listed["hindsight"], listed["since"], listed["restore"]) == ("mistake", "back", None)


async def test_an_edit_that_was_put_back(desk: Desk) -> None:
    one = desk.world.id()
    good = await desk.world.known(one)
    edit = await desk.world.write(one, ALICE, **BOTH)
    assert (await desk.world.look(one)).did == "put-back"
    assert await desk.world.properties(one) == good["properties"]
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    item = await desk.only()
    assert (item["did"], item["hindsight"], item["author"]) == ("put-back", "mistake", "alice@contoso.com")
    await desk.undo(item)
    assert await desk.world.properties(one) == edit["properties"]
    assert await desk.items() == []


async def test_where_today_the_last_good_state_would_be_put_back_that_is_what_undoes_it(desk: Desk) -> None:
    """All of it was deleted, for the good state looked bad as well; the edit is bad today too."""
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    one = desk.world.id()
    good = await desk.world.known(one, **BOTH)
    desk.initiative("denyPublicNetwork", "requireTls")
    desk.world.clock.advance(minutes=20)
    await desk.world.bad(one, **BOTH)
    assert (await desk.world.look(one)).did == "delete"
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    item = await desk.only()
    assert (item["hindsight"], item["answer"], item["version"]) == ("mistake", "put-back", 1)
    assert [(found["code"], found["today"]) for found in item["then"]] == [("EXG101", "violation"), ("EXG302", "pass")]
    await desk.undo(item)
    assert await desk.world.properties(one) == good["properties"]
    assert await desk.items() == []


async def test_what_is_right_today_is_not_listed(desk: Desk) -> None:
    one = desk.world.id()
    await desk.world.bad(one)
    await desk.world.look(one)
    ran = await desk.reverts()
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "1 revert: 0 to undo, 0 undone or changed since, 0 not judged, 1 right\n"
    item = await desk.only("--all")
    assert (item["hindsight"], item["answer"], item["restore"]) == ("right", "delete", None)
    assert [(found["code"], found["today"]) for found in item["then"]] == [("EXG101", "violation")]


async def test_an_assignment_is_read_once_for_all_reverts_from_it(desk: Desk) -> None:
    for name in ("first", "second", "third"):
        await reverted(desk, name)
    desk.world.arm.log.reset()
    assert [item["hindsight"] for item in await desk.items("--all")] == ["right"] * 3
    assert desk.world.ours()["GET policyAssignments"] == 1


async def test_what_is_unknown_today_would_not_be_reverted(desk: Desk) -> None:
    one = await reverted(desk)
    desk.world.fault("GET", "policySetDefinitions", status=403, code="AuthorizationFailed", count=1)
    item = await desk.only()
    assert (item["hindsight"], item["answer"]) == ("mistake", "none")
    assert [(found["code"], found["today"]) for found in item["then"]] == [("EXG302", "unknown")]
    assert "AuthorizationFailed" in item["then"][0]["why"]
    await desk.undo(item)
    assert await desk.world.body(one) is not None


async def test_what_azure_does_not_say_now_is_not_judged(desk: Desk) -> None:
    await reverted(desk)
    desk.world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed", count=2)
    for said in ("its assignment cannot be read now: AuthorizationFailed", "its assignment no longer exists"):
        ran = await desk.reverts("--format", "json")
        assert ran.code == 3
        (item,) = ran.json
        assert (item["hindsight"], item["restore"]) == ("not-judged", None)
        assert item["problem"].startswith(said)
        assert f"  today: not judged: {said}" in (await desk.reverts()).out
        desk.world.arm.store.remove(tenant.ASSIGNMENT.lower())


RULED: list[tuple[dict[str, Any], str, str]] = [
    ({"on": {"whole-initiative": "alert"}}, "alert", "violation"),
    ({"on": {"whole-initiative": "tag"}}, "tag", "violation"),
    ({"on": {"whole-initiative": "off"}}, "none", "off"),
    ({"on": {"whole-initiative": {"response": "revert", "grace": "3d"}}}, "tag", "not reverted before "),
    ({"owners": [{"name": "Landing zone", "metadata": {"owner": "data-platform@*"}}]}, "alert",
     "not reverted: it belongs to Landing zone"),
    ({"exclusions": [{"scope": tenant.GROUP, "reason": "break glass"}]}, "none",
     f"excluded by the ruleset ({tenant.GROUP}): break glass"),
]  # fmt: skip


async def test_a_ruleset_that_answers_otherwise_now(desk: Desk) -> None:
    await reverted(desk)
    for ruled, answer, because in RULED:
        desk.rule(**ruled)
        ran = await desk.reverts("--format", "json")
        (item,) = ran.json
        assert (ran.code, item["hindsight"], item["answer"]) == (1, "mistake", answer)
        said = [*item["reasons"], item["then"][0]["today"]]
        assert any(line.startswith(because) for line in said), said


async def test_it_is_judged_as_of_then(desk: Desk) -> None:
    """What has ended since, an exclusion that has ended since: neither is news about the revert."""
    desk.world.clock.advance(days=-40)
    desk.rule(on={"expired": "revert"})
    await reverted(desk, expiresOn=in_days(desk.world.clock, 5))
    today = spell_time(desk.world.clock.now() + timedelta(days=1))[:10]
    desk.world.clock.advance(days=30)
    assert await desk.items() == []
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    item = await desk.only()
    assert item["against"] == [f"it expired at {in_days(desk.world.clock, -25)}: after a restore, it exempts nothing"]
    desk.initiative("denyPublicNetwork", "requireTls")
    desk.rule(exclusions=[{"scope": tenant.GROUP, "reason": "for a day", "expires": today}])
    assert (await desk.only())["reasons"] == [f"excluded by the ruleset ({tenant.GROUP}): for a day"]


async def test_it_is_judged_by_who_wrote_it_then_whoever_wrote_the_body_that_is_kept(desk: Desk) -> None:
    """Alice wrote again what the pipeline had said: the body that is kept is the pipeline's."""
    desk.rule(on={"author-not-approved": "revert"}, approved=[PIPELINE_ID])
    one = desk.world.id()
    await desk.world.known(one)
    await desk.world.write(one, metadata=NO_OWNER)
    await desk.world.look(one)
    await desk.world.write(one, ALICE)
    assert (await desk.world.look(one)).did == "delete"  # it says what the last good state said
    assert (await desk.world.row(one)).undo == 1
    assert await desk.items() == []
    desk.rule(on={"author-not-approved": "revert"}, approved=[PIPELINE_ID, "alice@contoso.com"])
    item = await desk.only()
    assert [(found["rule"], found["today"]) for found in item["then"]] == [("author-not-approved", "pass")]


async def test_it_is_judged_by_what_the_register_knew_then(desk: Desk) -> None:
    """An end that was pushed out: later than the approved state of then, whatever was approved since."""
    desk.rule(on={"expiry-extended": "revert"})
    one = desk.world.id()
    await desk.world.known(one)
    await desk.world.write(one, ALICE, expiresOn=in_days(desk.world.clock, 300))
    assert (await desk.world.look(one)).did == "put-back"
    assert await desk.items() == []
    desk.rule()
    assert (await desk.only())["then"][0]["today"] == "off"


@pytest.mark.parametrize("known", [True, False])
async def test_one_that_was_there_before_the_guardrails(desk: Desk, known: bool) -> None:
    one = desk.world.id()
    await desk.world.bad(one)
    if known:
        await desk.world.look(one, "operator")
    desk.rule(adoption={"until": spell_time(desk.world.clock.now() - timedelta(days=1))[:10]})
    assert (await desk.world.look(one, "operator")).did == "delete"
    assert await desk.items() == []
    desk.rule()
    item = await desk.only()
    assert "not reverted: it was there before the guardrails" in item["reasons"]


async def test_what_azure_forbade_at_first_is_no_reason_against_the_revert(desk: Desk) -> None:
    one = desk.world.id()
    await desk.world.bad(one)
    desk.world.deny("Microsoft.Authorization/policyExemptions/delete")
    assert (await desk.world.look(one)).row.status is Status.CANNOT_ACT
    desk.world.arm.reset()
    assert (await desk.world.look(one, "operator")).did == "delete"
    assert [item["hindsight"] for item in await desk.items("--all")] == ["right"]


async def test_what_was_lost_and_restored_since_is_as_the_revert_left_it(desk: Desk) -> None:
    desk.rule(durability={"mode": "always"})
    one = desk.world.id()
    await desk.world.known(one)
    edit = await desk.world.write(one, ALICE, **BOTH)
    assert (await desk.world.look(one)).did == "put-back"
    await desk.world.delete(one)
    assert (await desk.world.look(one)).row.status is Status.LOST
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    assert [item["since"] for item in await desk.items()] == ["open"]
    desk.world.clock.advance(minutes=20)
    assert (await desk.world.look(one, "wake-up")).did == "bring-back"
    await desk.undo(await desk.only())
    assert await desk.world.properties(one) == edit["properties"]


async def test_what_a_crash_left_to_the_next_look_is_a_revert_as_well(desk: Desk) -> None:
    one = desk.world.id()
    await desk.world.write(one, ALICE, **BOTH)
    desk.world.watch.die_at(3, after=True)  # intent, breaker, delete
    with pytest.raises(Exception, match=r"after arm\.delete"):
        await desk.world.look(one)
    desk.world.watch.revive()
    desk.world.after_lease()
    await desk.world.look(one)
    assert await desk.world.events(one) == ["intent", "reverted"]
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    await desk.undo(await desk.only())
    assert await desk.world.body(one) is not None


async def test_of_several_reverts_only_what_was_wanted_last_is_open(desk: Desk) -> None:
    one = await reverted(desk, displayName="first")
    desk.world.clock.advance(hours=1)
    await reverted(desk, displayName="second")
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    assert [(item["since"], item["entry"]) for item in await desk.items("--all")] == [("open", 4), ("changed", 2)]
    item = await desk.only()
    await desk.undo(item)
    assert (await desk.world.properties(one))["displayName"] == "second"


async def test_what_somebody_wrote_since_is_not_open(desk: Desk) -> None:
    one = await reverted(desk)
    desk.world.clock.advance(hours=1)
    await desk.world.write(one)
    await desk.world.look(one)
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    ran = await desk.reverts()
    assert (ran.code, ran.out) == (0, "")
    item = await desk.only("--all")
    assert (item["since"], item["version"]) == ("changed", 1)
    assert item["against"] == ["somebody has changed it since, and an undo would overwrite that change"]
    await desk.undo(item)
    assert (await desk.world.properties(one))["policyDefinitionReferenceIds"] == BOTH["policyDefinitionReferenceIds"]


async def test_one_that_somebody_wrote_again_just_so_is_back(desk: Desk) -> None:
    one = await reverted(desk, expiresOn=(end := in_days(desk.world.clock, 100)))
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    desk.world.clock.advance(minutes=20)
    await desk.world.write(one, ALICE, expiresOn=end, **BOTH)
    assert (await desk.world.look(one)).row.status is Status.COMPLIANT
    assert await desk.items() == []
    assert (await desk.only("--all"))["since"] == "back"


async def test_the_removal_of_one_that_had_ended(desk: Desk) -> None:
    removing: dict[str, Any] = {"expired": {"delete_after_days": 30}}
    desk.rule(**removing)
    one = desk.world.id()
    await desk.world.known(one, expiresOn=in_days(desk.world.clock, 5))
    desk.world.clock.advance(days=40)
    assert (await desk.world.look(one, "sweep")).did == "remove"
    assert await desk.items() == []
    assert (await desk.only("--all"))["hindsight"] == "right"
    desk.rule()
    item = await desk.only()
    assert (item["did"], item["hindsight"], item["then"]) == ("remove", "mistake", [])
    assert "the ruleset deletes such exemptions after 30 days" in item["why"]
    assert item["against"][0].endswith("after a restore, it exempts nothing")
    await desk.undo(item)
    assert await desk.world.body(one) is not None


async def test_what_the_register_cannot_vouch_for_is_listed_and_not_judged(desk: Desk) -> None:
    world, broken = desk.world, {}
    for name in ("body", "decided", "done", "row-gone", "named-otherwise", "whole"):
        broken[name] = await reverted(desk, name)
    world.sound = False
    await world.edit_history(broken["body"], 1, body=pack({"id": "evil"}).data)
    await world.edit_history(broken["decided"], 1, facts="{}")
    await world.edit_history(broken["done"], 2, facts="{}")
    await world.erase_row(broken["row-gone"])
    await world.edit_history(broken["named-otherwise"], 2, id="/subscriptions/nobody")
    place = address(broken["named-otherwise"])
    await world.table.update_entity({"PartitionKey": place.partition, "RowKey": place.state, "id": "nobody"})
    ran = await desk.reverts("--format", "json", "--owner", "data-platform@*", "--since", "2020-01-01")
    assert ran.code == 3
    found = {item["id"].rpartition("/")[2]: item for item in ran.json}
    assert set(found) == {"body", "decided", "done", "row-gone", "nobody"}
    assert {(item["hindsight"], item["restore"]) for item in ran.json} == {("not-judged", None)}
    assert "somebody changed the register outside the service" in found["body"]["problem"]
    assert "the history is not intact from entry 1 to the newest entry" in found["decided"]["problem"]
    assert "somebody changed the register outside the service" in found["done"]["problem"]
    assert found["row-gone"]["problem"] == "its row is missing in the register"
    assert "history entry 0000000002 does not name its exemption" in found["nobody"]["problem"]
    assert (await desk.reverts()).out.count("not judged: ") == 5
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    assert (await desk.reverts()).code == 1


async def test_filters_and_the_order(desk: Desk) -> None:
    await reverted(desk, "first", metadata={**tenant.APPROVAL, "owner": "Jo@Payments.contoso.com"})
    desk.world.clock.advance(days=1)
    later = spell_time(desk.world.clock.now())
    await reverted(desk, "second")
    desk.initiative("denyPublicNetwork", "requireTls", "keys")

    async def names(*argv: str) -> list[str]:
        return [item["id"].rpartition("/")[2] for item in await desk.items(*argv)]

    assert await names() == ["second", "first"]
    assert await names("--since", later) == ["second"]
    assert await names("--since", spell_time(desk.world.clock.now() + timedelta(seconds=1))) == []
    assert await names("--owner", "*@payments.CONTOSO.com") == ["first"]
    assert await names("--scope", "**/FIRST", "--scope", "**/second") == ["second", "first"]
    assert await names("--scope", "/subscriptions/none") == []


async def test_a_name_that_a_shell_would_run_is_quoted_and_one_that_a_screen_cannot_show_is_not_shown(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = await reverted(desk, "a'$(touch x);b")
    unusual = await reverted(desk, "zero\u200bwidth")
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    found = {item["id"]: item for item in await desk.items()}
    assert shlex.split(found[one.text]["restore"])[4] == one.text
    assert shlex.split(found[unusual.text]["restore"])[4] == unusual.text
    for is_terminal in (False, True):
        if is_terminal:
            monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
            monkeypatch.setenv("COLUMNS", "200")
        shown = (await desk.reverts()).out
        assert found[one.text]["restore"] in shown
        assert "see --format json" in shown
        assert "\u200b" not in shown
    await desk.undo(found[one.text])
    assert await desk.world.body(one) is not None


async def test_plain_text_in_a_pipe_and_a_table_in_a_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = await reverted(desk, metadata=NO_TICKET)
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    at = spell_time(desk.world.clock.now())
    assert (await desk.reverts()).out.splitlines() == [
        f"mistake {at} deleted {one.text}",
        "  then: EXG201 ticket-missing: it has no approval ticket",
        "  then: EXG302 whole-initiative: it exempts the whole initiative",
        "  today: EXG201 ticket-missing: violation, answered by tag",
        "  today: EXG302 whole-initiative: pass",
        "  today: answer: tag",
        f"  to undo it: python -m guardrails restore {one.text} --at 1",
    ]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    shown = (await desk.reverts()).out
    assert "hindsight" in shown
    assert f"\npython -m guardrails restore {one.text} --at 1\n" in shown


@pytest.mark.parametrize("width", NARROW)
async def test_a_narrow_terminal_breaks_no_code_name_or_date_and_leaves_the_command_whole(
    desk: Desk, width: int
) -> None:
    one = await reverted(desk, "reporting-until-the-migration-is-done", metadata=NO_TICKET)
    desk.initiative("denyPublicNetwork", "requireTls", "keys")
    at = spell_time(desk.world.clock.now())[:10]
    with terminal(width) as seen:
        await desk.reverts()
    seen.check("mistake", at, one.name, "EXG201 ticket-missing:", f"python -m guardrails restore {one.text} --at 1")
