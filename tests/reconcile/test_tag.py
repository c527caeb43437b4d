"""Tags: in the exemption's metadata, on its scope, or both; ours alone, recognised, and gone when it is fixed."""

import pytest

from guardrails.decisions.row import Status
from guardrails.exemption.times import spell_time
from sandbox import tenant
from sandbox.tenant import APPROVAL
from tests.reconcile.world import ABOVE, ALICE, CORP, NO_OWNER, NO_TICKET, World, rules

NAME = "guardrails-exemption-partner-ingestion"
ON_SCOPE = {"exemption": False, "scope": True}
BOTH = {"exemption": True, "scope": True}


async def test_a_missing_ticket_is_tagged_and_notified_once(world: World) -> None:
    one = world.id()
    body = await world.write(one, ALICE, metadata=NO_TICKET)
    now = spell_time(world.clock.time)

    outcome = await world.look(one)

    assert outcome.did == "tag"
    marker = {"status": "violation", "codes": ["EXG201"], "since": now}
    expected = {**body["properties"], "metadata": {**NO_TICKET, "guardrails": marker}}
    assert await world.properties(one) == expected
    row = await world.row(one)
    assert (row.status, row.answer, row.author) == (Status.VIOLATION, "tag", "alice@contoso.com")
    assert row.undo is None
    assert await world.events(one) == ["intent", "tagged"]
    assert await world.register.body(one, 1) == body
    assert await world.notice_kinds() == ["tagged"]
    assert (await world.notice())["done"] == "A guardrails tag was set on its metadata."
    assert world.writes() == 1


async def test_our_own_write_of_the_tag_is_recognised(world: World) -> None:
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    await world.look(one)
    before = await world.stored(one)
    await world.forget()
    outcome = await world.look(one)
    assert not outcome.wrote
    assert await world.stored(one) == before
    assert world.writes() == 0
    assert await world.notice_kinds() == []


async def test_the_tag_goes_when_it_is_fixed_and_recovery_is_notified(world: World) -> None:
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    await world.look(one)
    marker = await world.marker(one)
    await world.write(one, ALICE, metadata={**APPROVAL, "guardrails": marker})
    await world.forget()

    outcome = await world.look(one)

    assert outcome.did == "untag"
    assert (await world.properties(one))["metadata"] == APPROVAL
    assert (await world.row(one)).status is Status.COMPLIANT
    assert (await world.events(one))[-2:] == ["intent", "untagged"]
    assert await world.notice_kinds() == ["compliant"]
    await world.forget()
    assert not (await world.look(one)).wrote


async def test_what_others_keep_at_our_key_survives(world: World) -> None:
    one = world.id()
    theirs = {"reviewer": "anna", "codes2": [1]}
    await world.write(one, ALICE, metadata={**NO_TICKET, "guardrails": theirs})
    await world.look(one)
    found = await world.marker(one)
    assert {key: found[key] for key in theirs} == theirs
    assert found["codes"] == ["EXG201"]
    await world.write(one, ALICE, metadata={**APPROVAL, "guardrails": found})
    await world.look(one)
    assert await world.marker(one) == theirs


async def test_a_key_that_is_not_ours_is_left_alone(world: World) -> None:
    one = world.id()
    await world.write(one, ALICE, metadata={**NO_TICKET, "guardrails": "a text of somebody"})
    for _ in range(3):
        assert (await world.look(one)).did == ""
    assert await world.marker(one) == "a text of somebody"
    assert world.writes() == 0, "each write would raise an event, and that the next one"
    assert await world.notice_kinds() == ["violation"]
    assert (await world.row(one)).answer == "alert"


async def test_the_tag_follows_the_findings_and_keeps_its_date(world: World) -> None:
    world.ruleset = rules(on={"owner-missing": "tag"})
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    await world.look(one)
    since = (await world.marker(one))["since"]
    world.clock.advance(days=1)
    none = {key: value for key, value in NO_TICKET.items() if key != "owner"}
    await world.write(one, ALICE, metadata={**none, "guardrails": await world.marker(one)})
    await world.look(one)
    assert await world.marker(one) == {"status": "violation", "codes": ["EXG201", "EXG203"], "since": since}
    assert await world.notice_kinds() == ["tagged", "tagged"]


async def test_an_alert_changes_nothing(world: World) -> None:
    one = world.id()
    await world.write(one, ALICE, metadata=NO_OWNER)
    before = world.azure()
    for _ in range(2):
        await world.look(one)
    assert world.azure() == before
    assert (await world.row(one)).answer == "alert"
    assert await world.notice_kinds() == ["violation"]
    assert await world.events(one) == ["written"]


async def test_a_tag_on_the_scope_alone(world: World) -> None:
    world.ruleset = rules(tagging=ON_SCOPE)
    one = world.id()
    body = await world.write(one, ALICE, metadata=NO_TICKET)
    outcome = await world.look(one)
    assert outcome.did == "tag"
    assert await world.body(one) == body
    assert world.tags(tenant.RESOURCE) == {NAME: "violation: EXG201"}
    assert (await world.row(one)).scope_tagged
    assert await world.notice_kinds() == ["tagged"]
    assert (await world.notice())["done"] == "A guardrails tag was set on its scope."
    await world.forget()
    assert not (await world.look(one)).wrote
    assert world.writes() == 0


@pytest.mark.parametrize("tagging", [ON_SCOPE, BOTH], ids=["scope", "both"])
async def test_a_tag_on_the_scope_goes_when_it_is_fixed_and_others_stay(world: World, tagging: dict[str, bool]) -> None:
    world.ruleset = rules(tagging=tagging)
    world.arm.store.entries[tenant.RESOURCE.lower()].body["tags"] = {"cost": "42"}
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    await world.look(one)
    assert world.tags(tenant.RESOURCE) == {"cost": "42", NAME: "violation: EXG201"}
    await world.write(one, ALICE)
    await world.settle(one)
    assert world.tags(tenant.RESOURCE) == {"cost": "42"}
    assert await world.marker(one) is None
    assert not (await world.row(one)).scope_tagged


async def test_tags_in_both_places(world: World) -> None:
    world.ruleset = rules(tagging=BOTH)
    one = world.id("both", tenant.GROUP)
    await world.write(one, ALICE, metadata=NO_TICKET)
    await world.look(one)
    assert (await world.marker(one))["codes"] == ["EXG201"]
    assert world.tags(tenant.GROUP) == {"guardrails-exemption-both": "violation: EXG201"}
    assert (await world.notice())["done"] == "A guardrails tag was set on its metadata and its scope."
    await world.forget()
    assert not (await world.look(one)).wrote


async def test_a_management_group_has_no_tags(world: World) -> None:
    one = world.id("above", CORP)
    body = {"policyAssignmentId": ABOVE, "policyDefinitionReferenceIds": None, "metadata": NO_TICKET}
    world.ruleset = rules(on={"scope-too-broad": "off", "whole-initiative": "off"}, tagging=BOTH)
    await world.write(one, ALICE, **body)
    await world.look(one)
    assert (await world.marker(one))["codes"] == ["EXG201"]
    assert world.ours()["PATCH tags"] == 0
    assert not (await world.row(one)).scope_tagged


async def test_a_management_group_is_alerted_where_only_scopes_are_tagged(world: World) -> None:
    one = world.id("above", CORP)
    world.ruleset = rules(on={"scope-too-broad": "off", "whole-initiative": "off"}, tagging=ON_SCOPE)
    await world.write(one, ALICE, policyAssignmentId=ABOVE, policyDefinitionReferenceIds=None, metadata=NO_TICKET)
    before = world.azure()
    await world.look(one)
    assert world.azure() == before
    assert await world.notice_kinds() == ["violation"]


async def test_no_tag_at_all_where_tagging_is_switched_off(world: World) -> None:
    world.ruleset = rules(tagging={"exemption": False, "scope": False})
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    before = world.azure()
    await world.look(one)
    assert world.azure() == before
    assert await world.notice_kinds() == ["violation"]


async def test_a_scope_that_cannot_be_untagged_is_not_tried_for_ever(world: World) -> None:
    world.ruleset = rules(tagging=ON_SCOPE)
    one = world.id()
    await world.write(one, ALICE, metadata=NO_TICKET)
    await world.look(one)
    await world.write(one, ALICE)
    world.arm.lock(tenant.RESOURCE, "ReadOnly")
    await world.forget()
    for _ in range(3):
        await world.look(one)
    assert world.writes() == 1
    assert await world.notice_kinds() == ["cannot-act", "compliant"]  # the exemption is fixed; its scope keeps the tag
