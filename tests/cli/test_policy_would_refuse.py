"""Rolling out: which writes of the last days the policies at Deny would have refused, by the register."""

from datetime import timedelta
from typing import Any

import pytest

from guardrails.exemption.times import spell_time
from guardrails.register.columns import pack
from sandbox import tenant
from tests.cli.test_reverts import Desk, desk
from tests.reconcile.world import ALICE, NO_TICKET, OPERATOR, PIPELINE, in_days

from .conftest import Ran

__all__ = ["desk"]


async def ask(desk: Desk, *argv: str) -> Ran:
    return await desk.run("policy", "would-refuse", "--now", spell_time(desk.world.clock.now()), *argv)


async def found(desk: Desk, *argv: str) -> list[dict[str, Any]]:
    return list((await ask(desk, "--format", "json", *argv)).json["found"])


async def test_a_write_that_was_reverted_and_one_that_was_left_are_found_with_their_authors(desk: Desk) -> None:
    one, other, fine = (desk.world.id(name) for name in ("one", "other", "fine"))
    await desk.world.bad(one)
    await desk.world.look(one)
    at = spell_time(desk.world.clock.advance(hours=1))
    await desk.world.write(other, PIPELINE, metadata=NO_TICKET)
    await desk.world.look(other)
    await desk.world.write(fine)
    await desk.world.look(fine)
    before = desk.world.azure(), desk.world.writes()

    ran = await ask(desk, "--format", "json")

    assert (ran.code, ran.err, (desk.world.azure(), desk.world.writes())) == (1, "", before)
    assert (ran.json["days"], ran.json["writes"]) == (30, 3)
    latest, first = ran.json["found"]
    assert (latest["id"], latest["would_refuse"], latest["at"][:16]) == (other.text, ["EXG201"], at[:16])
    assert (first["id"], first["would_refuse"], first["author"]) == (one.text, ["EXG101"], "alice@contoso.com")
    rules = {one["code"]: one for one in ran.json["rules"]}
    assert {code: one["would_refuse"] for code, one in rules.items() if one["would_refuse"]} == {
        "EXG101": 1,
        "EXG201": 1,
    }
    keys = (
        "A metadata key that is empty or has a value such as n/a. A nested key of the metadata: the policy"
        " accepts it, and the rule does not. Metadata that are a text instead of an object."
    )
    assert rules["EXG201"]["leaves"] == [
        keys,
        "Perhaps updates by PATCH: nobody has tested in Azure whether policies see them.",
    ]
    assert (rules["EXG101"]["exemptions"], rules["EXG101"]["authors"]) == (1, 1)


async def test_the_table_says_what_the_policy_leaves_and_how_many_writes_there_were(desk: Desk) -> None:
    one = desk.world.id()
    await desk.world.bad(one)
    await desk.world.look(one)
    ran = await ask(desk, "--rule", "expiry-missing")
    assert ran.code == 1
    lines = ran.out.splitlines()
    assert lines[0].split() == ["would", "refuse", "exemptions", "authors", "not", "judged", "rule"]
    assert lines[1].split() == ["1", "1", "1", "0", "EXG101", "expiry-missing"]
    assert lines[2].endswith(f": EXG101, by alice@contoso.com: {one.text}")
    assert lines[3].startswith("EXG101 leaves to the service:")
    assert ran.err == "looked at: 1 write in 30 days\n"


async def test_what_is_older_or_of_another_rule_is_left_out(desk: Desk) -> None:
    one = desk.world.id()
    await desk.world.bad(one)
    await desk.world.look(one)
    assert (await ask(desk, "--rule", "EXG201")).code == 0
    desk.world.clock.advance(days=20)
    assert len(await found(desk)) == 1
    assert (await ask(desk, "--days", "7")).code == 0


async def test_what_is_later_than_the_time_to_count_back_from_is_left_out(desk: Desk) -> None:
    one, later = desk.world.id(), desk.world.id("later")
    await desk.world.bad(one)
    await desk.world.look(one)
    at = desk.world.clock.advance(days=5)
    await desk.world.bad(later)
    await desk.world.look(later)
    ran = await desk.run("policy", "would-refuse", "--now", spell_time(at - timedelta(days=1)), "--format", "json")
    assert ([item["id"] for item in ran.json["found"]], ran.json["writes"]) == ([one.text], 1)


@pytest.mark.parametrize("time", ["0001-01-05T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_the_ends_of_all_time_are_no_defect(desk: Desk, time: str) -> None:
    ran = await desk.run("policy", "would-refuse", "--now", time)
    assert (ran.code, ran.err) == (0, "looked at: 0 writes in 30 days\n")


async def test_each_write_counts_and_our_own_do_not(desk: Desk) -> None:
    one = desk.world.id()
    await desk.world.known(one)
    for _ in range(2):
        desk.world.clock.advance(minutes=5)
        await desk.world.bad(one)
        assert (await desk.world.look(one)).did == "put-back"
        await desk.world.look(one)
    assert [one["would_refuse"] for one in await found(desk)] == [["EXG101"], ["EXG101"]]
    assert (await ask(desk, "--format", "json")).json["writes"] == 3, "the good one, and what was put back twice"
    untagged = desk.world.id("tagged")
    await desk.world.write(untagged, metadata=NO_TICKET)
    assert (await desk.world.look(untagged)).did == "tag"
    await desk.world.look(untagged)
    assert len(await found(desk, "--rule", "ticket-missing")) == 1


async def test_a_write_is_judged_as_at_its_time(desk: Desk) -> None:
    """Its end was too far then, and no longer is: a policy would have refused it."""
    one = desk.world.id()
    await desk.world.write(one, expiresOn=in_days(desk.world.clock, 380))
    await desk.world.look(one)
    desk.world.clock.advance(days=20)
    assert [one["would_refuse"] for one in await found(desk)] == [["EXG102"]]


async def test_what_an_operator_restored_is_no_write_of_anybody_else(desk: Desk) -> None:
    one = desk.world.id()
    await desk.world.bad(one)
    assert (await desk.world.look(one)).did == "delete"
    assert (await desk.run("restore", one.text, "--by", OPERATOR)).code == 0
    ran = await ask(desk, "--format", "json")
    assert (ran.json["writes"], len(ran.json["found"])) == (1, 1)


async def test_another_ruleset_judges_before_it_is_in_force(desk: Desk, tmp_path: Any) -> None:
    one = desk.world.id()
    await desk.world.write(one, expiresOn=in_days(desk.world.clock, 100))
    await desk.world.look(one)
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text(
        "version: 2\nmode: audit\nrules: {expiry-too-far: {response: alert, options: {months: 1}}}\n"
        "notices: [{route: audit, channel: webhook, address_setting: A, secret_setting: S}]\n", encoding="utf-8",
    )  # fmt: skip
    assert await found(desk) == []
    (item,) = await found(desk, "--ruleset", str(stricter))
    assert item["would_refuse"] == ["EXG102"]


async def test_what_the_ruleset_excludes_is_not_refused(desk: Desk) -> None:
    one = desk.world.id()
    await desk.world.bad(one)
    await desk.world.look(one)
    desk.rule(exclusions=[{"scope": tenant.GROUP, "reason": "break-glass"}])
    assert (await ask(desk)).code == 0


async def test_a_body_that_is_gone_is_not_judged_and_no_pass(desk: Desk) -> None:
    one = desk.world.id()
    await desk.world.bad(one)
    await desk.world.look(one)
    desk.world.sound = False
    await desk.world.edit_history(one, 1, body=pack({"id": "evil"}).data)
    (item,) = await found(desk)
    assert (item["would_refuse"], "EXG101" in item["not_judged"], bool(item["why"])) == ([], True, True)
    assert (await ask(desk)).code == 3


async def test_an_assignment_that_cannot_be_read_hides_no_rule_that_does_not_look_at_it(desk: Desk) -> None:
    one = desk.world.id()
    await desk.world.bad(one)
    await desk.world.look(one)
    desk.world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed", count=50)
    assert [one["would_refuse"] for one in await found(desk)] == [["EXG101"]]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--rule", "no-such-rule"), "no-such-rule: there is no such rule"),
        (("--rule", "EXG104"), "EXG104: "),
        (("--rule", "author-not-approved"), "author-not-approved: "),
        (("--days", "0"), "use a number of days from 1 to 400"),
        (("--days", "x"), "use a number of days from 1 to 400"),
    ],
)
async def test_bad_use_is_one_line(
    desk: Desk, capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], said: str
) -> None:
    try:
        ran = await ask(desk, *argv)
        code, err = ran.code, ran.err
    except SystemExit as leaving:
        code, err = int(leaving.code or 0), capsys.readouterr().err
    assert code == 2
    assert said in err
    assert len(err.splitlines()) == 1


async def test_texts_of_strangers_are_shown_safely(desk: Desk) -> None:
    one = desk.world.id("right\u202e")
    await desk.world.write(one, ALICE, expiresOn=None, displayName="\x1b[31m")
    await desk.world.look(one)
    ran = await ask(desk)
    assert ran.code == 1
    assert "\u202e" not in ran.out
    assert "\x1b" not in ran.out
