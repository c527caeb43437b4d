"""Reverts: a bad creation is deleted, a bad edit is put back, and nothing that was taken away is lost."""

import shlex
from typing import Any

import pytest

from guardrails.decisions.row import Status
from sandbox import tenant
from sandbox.arm import exemption_body, exemptions
from tests.reconcile.world import ALICE, NO_TICKET, PIPELINE, PIPELINE_ID, World, in_days, rules


async def test_a_creation_without_expiry_is_deleted_and_its_whole_body_kept(world: World) -> None:
    one, other = world.id("forever"), world.id("other")
    await world.known(other)
    body = await world.bad(one)
    before = world.azure()

    outcome = await world.look(one, actor="alice")

    assert outcome.did == "delete"
    del before[one.key]
    assert world.azure() == before
    row = await world.row(one)
    assert (row.status, row.answer, row.content, row.findings) == (Status.GONE, "delete", "", {})
    assert row.undo == 1
    assert await world.register.body(one, 1) == body
    assert await world.events(one) == ["intent", "reverted"]
    assert await world.notice_kinds() == ["reverted"]
    notice = await world.notice()
    assert notice["done"] == "The exemption was deleted; its body is kept."
    assert notice["actor"] == "alice@contoso.com"
    assert [finding["rule"] for finding in notice["findings"]] == ["expiry-missing"]
    assert [change["field"] for change in notice["fix"]["changes"]] == ["properties.expiresOn"]
    assert world.ours()["DELETE policyExemptions"] == world.writes() == 1
    assert await world.waiting() == 0
    anew = shlex.split(notice["fix"]["command"])
    assert anew[:6] == ["az", "policy", "exemption", "create", "--name", "forever"]
    latest = anew[anew.index("--expires-on") + 1]
    await world.write(one, PIPELINE, **{**body["properties"], "expiresOn": latest})
    assert (await world.look(one)).row.status is Status.COMPLIANT, "made anew like that, it keeps the rules"


async def test_looking_again_after_a_revert_does_nothing(world: World) -> None:
    one = world.id()
    await world.bad(one)
    await world.look(one)
    await world.forget()
    for source in ("event", "queue", "sweep", "operator"):
        outcome = await world.look(one, source)
        assert not outcome.wrote
    assert world.writes() == 0
    assert await world.notice_kinds() == []


async def test_a_bad_edit_is_put_back_as_it_was(world: World) -> None:
    one = world.id()
    selectors = [{"name": "west", "selectors": [{"kind": "resourceLocation", "in": ["westeurope"]}]}]
    metadata = {**tenant.APPROVAL, "deep": {"größe": [1.5, None, True]}, "emoji": "🛡"}
    body = await world.known(one, metadata=metadata, resourceSelectors=selectors, exemptionManagementMode="Admin")
    edited = await world.bad(one, displayName="Partner ingestion, for ever")

    outcome = await world.look(one)

    assert outcome.did == "put-back"
    assert await world.properties(one) == body["properties"]
    row = await world.row(one)
    assert (row.status, row.snapshot, row.compliant, row.undo) == (Status.COMPLIANT, 1, 1, 2)
    assert await world.register.body(one, 2) == edited
    assert await world.events(one) == ["written", "intent", "put-back"]
    assert await world.notice_kinds() == ["reverted"]
    notice = await world.notice()
    assert notice["done"] == "The last good state was put back; the edit is kept."
    assert notice["fix"]["changes"]
    assert notice["fix"]["command"] == "", "nothing is to be done: what keeps the rules is back"
    assert world.writes() == 1


async def test_our_own_put_back_is_recognised_and_is_no_news(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.bad(one)
    await world.look(one)
    await world.forget()
    outcome = await world.look(one)
    assert not outcome.wrote
    assert world.writes() == 0
    assert await world.notice_kinds() == []


async def test_properties_that_we_do_not_know_survive_a_put_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = {**exemption_body.FIELDS, "futureField": (0, dict)}
    monkeypatch.setattr(exemption_body, "FIELDS", newer)
    monkeypatch.setattr(exemptions, "FIELDS", newer)
    one = world.id()
    await world.known(one, futureField={"a": [1, {"b": None}]})
    await world.bad(one)
    await world.look(one)
    assert (await world.properties(one))["futureField"] == {"a": [1, {"b": None}]}


async def test_an_edit_is_not_put_back_to_a_state_that_is_no_longer_good(world: World) -> None:
    one = world.id()
    await world.known(one)
    edited = await world.bad(one)
    world.ruleset = rules(on={"never-exempt": {"response": "revert", "options": {"assignments": [tenant.ASSIGNMENT]}}})

    outcome = await world.look(one)

    assert outcome.did == "delete"
    assert await world.body(one) is None
    row = await world.row(one)
    assert row.undo is not None
    assert await world.register.body(one, row.undo) == edited
    assert await world.notice_kinds() == ["reverted"]


async def test_a_state_that_was_only_tagged_is_what_an_edit_goes_back_to(world: World) -> None:
    one = world.id()
    await world.write(one, metadata=NO_TICKET)
    await world.settle(one)
    await world.bad(one, metadata=NO_TICKET)

    assert (await world.look(one)).did == "put-back"
    await world.settle(one)

    assert "expiresOn" in await world.properties(one)
    assert (await world.row(one)).status is Status.VIOLATION
    assert (await world.marker(one))["codes"] == ["EXG201"]


async def test_an_edit_by_somebody_unapproved_does_not_cost_the_exemption(world: World) -> None:
    """The state that is put back was the pipeline's, and it counts as the pipeline's again."""
    world.ruleset = rules(on={"author-not-approved": "revert"}, approved=[PIPELINE_ID])
    one = world.id()
    body = await world.known(one)
    await world.write(one, ALICE, displayName="Partner ingestion, by hand")

    assert (await world.look(one)).did == "put-back"
    assert (await world.settle(one)).row.status is Status.COMPLIANT
    assert await world.properties(one) == body["properties"]
    assert (await world.row(one)).author == PIPELINE_ID
    assert await world.notice_kinds() == ["reverted"]


async def test_an_expiry_that_was_pushed_out_is_put_back(world: World) -> None:
    world.ruleset = rules(on={"expiry-extended": "revert"})
    one = world.id()
    body = await world.known(one)
    await world.write(one, ALICE, expiresOn=in_days(world.clock, 300))
    await world.look(one)
    assert await world.properties(one) == body["properties"]
    assert (await world.settle(one)).row.status is Status.COMPLIANT


async def test_a_name_that_comes_back_with_another_assignment_has_no_past(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.delete(one)
    await world.bad(one, policyAssignmentId=tenant.SINGLE, policyDefinitionReferenceIds=None)

    outcome = await world.look(one)  # the delete's event never came

    assert outcome.did == "delete"
    assert await world.body(one) is None
    assert (await world.row(one)).compliant is None


async def test_deleted_and_created_compliant_again(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.delete(one)
    await world.look(one)
    body = await world.write(one)
    outcome = await world.look(one)
    assert outcome.row.status is Status.COMPLIANT
    assert await world.events(one) == ["written", "deleted", "written"]
    assert (await world.properties(one)) == body["properties"]
    await world.forget()
    assert not (await world.look(one)).wrote


async def test_deleted_and_created_bad_is_a_new_exemption(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.delete(one)
    await world.look(one)
    await world.forget()
    body = await world.bad(one)

    assert (await world.look(one)).did == "delete"

    row = await world.row(one)
    assert (row.status, row.content, row.findings) == (Status.GONE, "", {})
    assert row.undo is not None
    assert await world.register.body(one, row.undo) == body
    assert await world.notice_kinds() == ["reverted"]


async def test_created_bad_again_and_again_is_reverted_and_notified_each_time(world: World) -> None:
    one = world.id()
    for turn in range(3):
        await world.bad(one, displayName=f"turn {turn}")
        await world.look(one)
        assert await world.body(one) is None
    assert await world.notice_kinds() == ["reverted"] * 3
    row = await world.row(one)
    assert row.undo is not None
    assert (await world.register.body(one, row.undo))["properties"]["displayName"] == "turn 2"


async def test_an_exemption_that_was_unreadable_between_delete_and_creation_has_no_past(world: World) -> None:
    one = world.id()
    await world.known(one)
    await world.delete(one)
    await world.look(one)
    world.fault("GET", status=403, code="AuthorizationFailed", count=1)
    assert (await world.look(one)).row.status is Status.UNKNOWN
    await world.bad(one)
    assert (await world.look(one)).did == "delete"


async def test_a_changed_ruleset_judges_again_what_did_not_change(world: World) -> None:
    one = world.id()
    await world.known(one, expiresOn=in_days(world.clock, 100))
    first = (await world.row(one)).ruleset
    world.ruleset = rules(on={"expiry-too-far": {"response": "revert", "options": {"months": 1}}})
    assert first != world.ruleset.digest

    outcome = await world.look(one)

    assert outcome.did == "delete"
    assert (await world.history(one))[1].row["ruleset"] == world.ruleset.digest
    assert await world.notice_kinds() == ["reverted"]


async def test_an_edit_between_judging_and_acting_stops_the_revert(world: World) -> None:
    """The second read of ARM is the one just before acting; the exemption is fixed right before it."""
    one = world.id()
    await world.bad(one)
    fixed: dict[str, Any] = {}

    async def fix() -> None:
        fixed.update(await world.write(one, ALICE))

    world.watch.before["register.commit"] = fix  # the intent's commit: after the look, before the re-read
    outcome = await world.look(one)

    assert outcome.did == ""
    assert world.writes() == 0
    assert await world.body(one) == fixed
    assert await world.events(one) == ["intent", "withdrawn", "edited"]
    assert outcome.row.status is Status.COMPLIANT
    assert await world.notice_kinds() == []


async def test_a_delete_between_judging_and_acting_is_seen(world: World) -> None:
    one = world.id()
    await world.bad(one)
    world.watch.before["register.commit"] = lambda: world.delete(one)
    outcome = await world.look(one)
    assert (outcome.did, outcome.row.status) == ("", Status.GONE)
    assert world.writes() == 0
    assert await world.events(one) == ["intent", "withdrawn", "deleted"]
    assert await world.notice_kinds() == []


async def test_an_edit_right_after_our_write_is_judged_anew(world: World) -> None:
    """Verified afterwards: what is found after the put is not what we wrote."""
    one = world.id()
    await world.known(one)
    await world.bad(one)
    turns = 0

    async def spoil() -> None:
        nonlocal turns
        turns += 1
        if turns == 3:  # observe, re-read, and the check after the put
            await world.write(one, PIPELINE, displayName="Somebody was quick")
        else:
            world.watch.before["arm.get"] = spoil

    world.watch.before["arm.get"] = spoil
    outcome = await world.look(one)
    assert (await world.properties(one))["displayName"] == "Somebody was quick"
    assert outcome.row.status is Status.COMPLIANT
    assert await world.events(one) == ["written", "intent", "withdrawn", "edited"]
