"""Whose an exemption is comes from systemData and from what the register had seen: what its writer says is a claim."""

from dataclasses import replace
from typing import Any

import pytest

from guardrails.decisions.history import Entry
from guardrails.decisions.row import Status
from guardrails.errors import Permanent
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from sandbox.identity import token_for
from sandbox.tenant import APPROVAL, Actor
from tests.reconcile.world import ALICE, NO_TICKET, PIPELINE, PIPELINE_ID, YEARS, World, rules

EPAC: dict[str, Any] = {"name": "EPAC", "metadata": {"pacOwnerId": "*"}}
BOTH: dict[str, Any] = {**EPAC, "authors": [PIPELINE_ID]}
ALONE: dict[str, Any] = {"name": "EPAC", "authors": [PIPELINE_ID]}
OWNED: dict[str, Any] = {**APPROVAL, "pacOwnerId": "x"}
BOB = Actor("Bob", token_for("Bob", "bbbbbbbb-1111-4222-8333-444455556666", upn="bob@contoso.com", lifetime=YEARS))


async def whys(world: World) -> str:
    return " ".join(line for one in await world.notices() for line in one["notice"]["why"])


async def like_an_older_version(world: World, one: ExemptionId) -> None:
    """Leave the register's row as a version wrote it that did not ask whose an exemption is."""
    stored = await world.stored(one)
    plain: dict[str, Any] = {"theirs": "", "theirs_by": (), "theirs_at": None, "theirs_content": "", "claimed": ""}
    old = replace(stored.row, **plain, vouched=False, creator="", owners=())
    assert await world.register.commit(one, stored, old, Entry(world.clock.now(), "judged", {}))
    await world.forget()


@pytest.mark.parametrize("writer", [PIPELINE, ALICE])
async def test_a_new_one_that_claims_an_owner_without_authors_is_alerted_and_the_gap_named(
    world: World, writer: Actor
) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.bad(one, writer, metadata=OWNED)
    assert ((await world.look(one)).did, await world.notice_kinds()) == ("", ["violation"])
    assert "it belongs to EPAC by its metadata alone, which anybody can write" in await whys(world)
    assert world.writes() == 0


@pytest.mark.parametrize("actor", [ALICE, PIPELINE, BOB])
async def test_an_edit_that_adds_the_claim_protects_nothing(world: World, actor: Actor) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    good = fingerprint(await world.known(one))
    await world.bad(one, actor, metadata=OWNED)
    assert (await world.look(one)).did == "put-back"
    assert fingerprint(await world.body(one) or {}) == good
    assert await world.notice_kinds() == ["evasion-attempted", "reverted"]
    assert "it claims to belong to EPAC; this does not protect it" in await whys(world)


async def test_a_bad_one_is_tagged_whoever_it_says_it_is_of(world: World) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.known(one)
    await world.write(one, ALICE, metadata={**NO_TICKET, "pacOwnerId": "x"})
    assert (await world.look(one)).did == "tag"
    assert await world.notice_kinds() == ["evasion-attempted", "tagged"]


@pytest.mark.parametrize("waits", [0, 40])
@pytest.mark.parametrize("second", [ALICE, BOB])
async def test_the_claim_in_small_steps_protects_nothing_and_is_notified_once(
    world: World, second: Actor, waits: int
) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.known(one)
    await world.write(one, ALICE, metadata=OWNED)
    await world.settle(one)
    for _ in range(waits):
        world.clock.advance(days=1)
        await world.look(one, "sweep")
    claimed = fingerprint(await world.body(one) or {})
    for name in ("a", "b"):
        await world.bad(one, second, metadata={**OWNED, "pacOwnerId": name})
        assert (await world.look(one)).did == "put-back"
        assert fingerprint(await world.body(one) or {}) == claimed
    assert (await world.notice_kinds()).count("evasion-attempted") == 1


async def test_taken_away_and_added_again_it_is_a_claim_still(world: World) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.known(one)
    for metadata in (OWNED, APPROVAL, OWNED):
        await world.write(one, ALICE, metadata=metadata)
        await world.settle(one)
    await world.bad(one, metadata=OWNED)
    assert (await world.look(one)).did == "put-back"


async def test_what_the_tool_writes_to_its_own_is_left_alone(world: World) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.known(one, metadata=OWNED)
    for name in ("a", "b"):
        await world.bad(one, PIPELINE, metadata=OWNED, displayName=name)
        assert (await world.look(one)).did == ""
    assert world.writes() == 0
    assert set(await world.notice_kinds()) == {"violation"}


@pytest.mark.parametrize("state", ["good", "bad"])
async def test_what_a_stranger_writes_to_it_goes_back_to_what_the_tool_wrote_last(world: World, state: str) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.known(one, metadata=OWNED)
    if state == "bad":
        await world.bad(one, PIPELINE, metadata=OWNED)
        await world.settle(one)
    tools = fingerprint(await world.body(one) or {})
    await world.bad(one, ALICE, metadata=OWNED, displayName="for ever")
    assert (await world.look(one)).did == "put-back"
    assert fingerprint(await world.body(one) or {}) == tools
    await world.settle(one)
    assert (await world.row(one)).author == PIPELINE_ID
    assert "evasion-attempted" not in await world.notice_kinds()


async def test_made_anew_with_its_name_it_inherits_nothing(world: World) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.known(one, metadata=OWNED)
    await world.delete(one)
    await world.look(one)
    await world.bad(one)
    assert (await world.look(one)).did == "delete"
    await world.forget()
    await world.bad(one, metadata=OWNED)
    assert (await world.look(one)).did == ""
    assert "it belongs to EPAC by its metadata alone, which anybody can write" in await whys(world)
    await world.bad(one, PIPELINE, metadata=OWNED, displayName="as the tool has it")
    assert (await world.look(one)).did == "put-back", "it is who made it that is known to write it"


async def test_who_wrote_the_one_before_it_is_a_stranger_to_what_another_makes_with_its_name(world: World) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.write(one, ALICE)
    await world.look(one)
    await world.delete(one, ALICE)
    await world.look(one)
    await world.bad(one, PIPELINE, metadata=OWNED)
    await world.settle(one)
    assert "alice@contoso.com" not in (await world.row(one)).theirs_by
    await world.bad(one, ALICE, metadata=OWNED, displayName="hers again")
    assert (await world.look(one)).did == "put-back"


async def test_what_was_there_before_the_guardrails_counts_as_seen(world: World) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.bad(one, PIPELINE, metadata=OWNED)
    await world.look(one, "operator")
    await world.forget()
    await world.bad(one, PIPELINE, metadata=OWNED, displayName="the tool's next run")
    assert (await world.look(one)).did == ""
    assert "not reverted: it belongs to EPAC" in await whys(world)
    assert "nothing else" not in await whys(world)


async def test_what_had_its_metadata_before_the_ruleset_named_the_owner_is_the_owners(world: World) -> None:
    one = world.id()
    world.ruleset = rules(mode="audit")
    await world.known(one, metadata=OWNED)
    world.ruleset = rules(owners=[EPAC])
    await world.look(one, "sweep")
    await world.bad(one, PIPELINE, metadata=OWNED)
    assert (await world.look(one)).did == ""


@pytest.mark.parametrize("looked", [True, False])
async def test_nothing_of_a_tool_is_reverted_on_the_day_of_the_upgrade(world: World, *, looked: bool) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.known(one, metadata=OWNED)
    await like_an_older_version(world, one)
    if looked:
        await world.look(one, "sweep")
    before = world.watch.calls["register.kept"]
    await world.bad(one, PIPELINE, metadata=OWNED)
    assert (await world.look(one)).did == ""
    assert world.watch.calls["register.kept"] - before == (0 if looked else 1), "one table read, and once"
    assert await world.notice_kinds() == ["violation"]


async def test_on_that_day_an_edit_that_adds_the_claim_is_seen_through(world: World) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.known(one)
    await like_an_older_version(world, one)
    await world.bad(one, metadata=OWNED)
    assert (await world.look(one)).did == "put-back"
    assert "evasion-attempted" in await world.notice_kinds()


async def test_a_request_that_fails_gives_nobody_what_he_claims(world: World) -> None:
    """What was claimed before the edit is read once, and holds from then on: a failure is no answer."""
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.known(one)
    await world.bad(one, metadata=OWNED)

    async def fails() -> None:
        raise Permanent("table storage refused a request: 400", code="storage-refused")

    world.watch.before["register.kept"] = fails
    with pytest.raises(Permanent, match="400"):
        await world.look(one)
    assert (await world.look(one)).did == "put-back"
    assert (await world.row(one)).theirs == ""


@pytest.mark.parametrize(
    ("owner", "actor", "metadata", "spared", "kinds"),
    [
        (BOTH, PIPELINE, OWNED, True, []),
        (BOTH, PIPELINE, APPROVAL, False, []),
        (BOTH, ALICE, OWNED, False, ["evasion-attempted"]),
        (BOTH, ALICE, APPROVAL, False, []),
        (ALONE, PIPELINE, APPROVAL, True, []),
        (ALONE, ALICE, APPROVAL, False, []),
        (ALONE, ALICE, OWNED, False, []),
    ],
)
@pytest.mark.parametrize("new", [True, False])
async def test_what_an_entry_names_must_all_match(
    world: World, owner: Any, actor: Actor, metadata: Any, kinds: list[str], *, spared: bool, new: bool
) -> None:
    world.ruleset = rules(owners=[owner])
    one = world.id()
    if not new:
        await world.known(one)
    await world.bad(one, actor, metadata=metadata)
    did = (await world.look(one)).did
    assert did == ("" if spared else "delete" if new else "put-back")
    assert sorted(set(await world.notice_kinds()) - {"violation", "reverted"}) == kinds


async def test_the_rule_removes_nothing_of_theirs_and_a_stranger_does_not_change_that(world: World) -> None:
    world.ruleset = rules(owners=[EPAC], expired={"delete_after_days": 5}, on={"expired": "alert"})
    one = world.id()
    await world.known(one, metadata=OWNED)
    await world.write(one, ALICE, metadata=OWNED, displayName="edited")
    await world.settle(one)
    world.clock.advance(days=140)
    assert (await world.look(one, "sweep")).did == ""


@pytest.mark.parametrize("since", ["2999-01-01T00:00:00Z", "for ever", {"x": 1}, None])
async def test_our_tag_written_by_somebody_else_says_nothing_of_when(world: World, since: Any) -> None:
    one = world.id()
    fake = {"status": "violation", "codes": ["EXG999"], "since": since}
    await world.write(one, ALICE, metadata={**NO_TICKET, "guardrails": fake})
    assert (await world.look(one)).did == "tag"
    marker = await world.marker(one)
    assert (marker["codes"], marker["since"][:4]) == (["EXG201"], f"{world.clock.now().year}")


BY_OWNER: list[dict[str, Any]] = [
    {"route": "platform", "channel": "webhook", "address_setting": "A", "secret_setting": "S",
     "owners": ["data-platform@*"]},
    {"route": "rest", "channel": "webhook", "address_setting": "A", "secret_setting": "S", "default": True,
     "kinds": ["digest"]},
]  # fmt: skip


async def test_the_known_owner_is_notified_of_a_flood_a_loss_and_a_return_too(world: World) -> None:
    world.ruleset = rules(notices=BY_OWNER, durability={"mode": "collateral", "wait": "1h"})
    one = world.id()
    await world.known(one)
    for number in range(5):
        await world.bad(one, displayName=f"{number}", metadata={**APPROVAL, "owner": "alice@contoso.com"})
        await world.look(one)
        world.clock.advance(minutes=1)
    await world.write(one, ALICE, metadata={**APPROVAL, "owner": "alice@contoso.com"})
    await world.settle(one)
    await world.delete(one)
    await world.look(one, actor="alice@contoso.com", operation="delete", verified=True)
    world.clock.advance(hours=2)
    assert (await world.look(one, "wake-up")).did == "bring-back"
    sent = {each["notice"]["kind"]: each for each in await world.notices() if each["route"] == "platform"}
    for kind in ("fight", "lost", "restored"):
        about = sent[kind]["notice"]["exemption"]
        assert (kind, about["owner"], about["knownOwner"]) == (kind, "alice@contoso.com", APPROVAL["owner"])


async def test_a_claim_is_notified_to_the_known_owner_too(world: World) -> None:
    world.ruleset = rules(notices=BY_OWNER)
    one = world.id()
    await world.known(one)
    await world.bad(one, metadata={**APPROVAL, "owner": "alice@contoso.com"})
    await world.look(one)
    (sent,) = await world.notices()
    assert sent["route"] == "platform"
    about = sent["notice"]["exemption"]
    assert (about["owner"], about["knownOwner"]) == ("alice@contoso.com", APPROVAL["owner"])
    assert (await world.row(one)).status is Status.COMPLIANT


@pytest.mark.parametrize("state", ["good", "bad"])
async def test_a_stranger_who_takes_the_owners_name_off_it_takes_nothing_from_the_owner(
    world: World, state: str
) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await (world.write if state == "good" else world.bad)(one, PIPELINE, metadata=OWNED)
    await world.look(one)
    tools = fingerprint(await world.body(one) or {})
    await world.write(one, ALICE, displayName="nobody's")
    await world.settle(one)
    await world.bad(one, ALICE, displayName="nobody's, for ever")
    assert (await world.look(one)).did == "put-back"
    assert fingerprint(await world.body(one) or {}) == tools
    assert (await world.settle(one)).did == ""


async def test_what_its_owner_gives_away_is_not_given_back(world: World) -> None:
    world.ruleset = rules(owners=[EPAC])
    one = world.id()
    await world.known(one, metadata=OWNED)
    await world.write(one, PIPELINE)
    await world.look(one)
    given = fingerprint(await world.body(one) or {})
    await world.bad(one, ALICE)
    assert (await world.look(one)).did == "put-back"
    assert fingerprint(await world.body(one) or {}) == given
    assert (await world.row(one)).theirs == ""


async def test_once_its_owners_words_are_put_back_nothing_is_claimed(world: World) -> None:
    world.ruleset = rules(owners=[BOTH])
    one = world.id()
    await world.known(one, actor=PIPELINE, metadata=OWNED)
    await world.bad(one, ALICE, metadata=OWNED)
    assert (await world.look(one)).did == "put-back"
    assert (await world.row(one)).claimed == ""
