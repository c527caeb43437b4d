"""Unusual exemptions, end to end: far dates, dates without a zone, a megabyte of metadata, names in every alphabet."""

import json
from datetime import timedelta
from typing import Any

import pytest

from guardrails.decisions.row import Status
from sandbox import tenant
from sandbox.tenant import APPROVAL
from tests.reconcile.world import NO_TICKET, World, in_days, rules

BIG = {"notes": {str(number): "größe 🛡 " + "x" * 4_000 for number in range(230)}}


def seed(world: World, name: str, **properties: Any) -> Any:
    """Put an exemption into Azure as some older ARM may have kept it, unchecked."""
    one = world.id(name)
    world.arm.seed(one.text, world.waiver())
    entry = world.arm.store.entries[one.key]
    entry.body["properties"] |= properties
    entry.rendered.clear()
    return one


@pytest.mark.parametrize("date", ["9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-14:00", "9999-12-31"])
async def test_the_year_9999_is_too_far_and_nothing_overflows(world: World, date: str) -> None:
    one = seed(world, "far", expiresOn=date)
    outcome = await world.look(one)
    assert outcome.did == "delete"
    assert outcome.assessment is not None
    assert [finding.rule for finding in outcome.assessment.findings] == ["expiry-too-far"]
    assert await world.notice_kinds() == ["reverted"]


async def test_a_date_without_a_zone_is_utc(world: World) -> None:
    one = seed(world, "naive", expiresOn=in_days(world.clock, 100).removesuffix("Z"))
    outcome = await world.look(one)
    assert outcome.row.status is Status.COMPLIANT
    assert outcome.row.expires_on == world.clock.time + timedelta(days=100)


@pytest.mark.parametrize("date", ["end of quarter", "2027-02-30T00:00:00Z", "10000-01-01T00:00:00Z", 17])
async def test_a_date_that_is_none_is_unknown_and_not_reverted(world: World, date: Any) -> None:
    one = seed(world, "no-date", expiresOn=date)
    before = world.azure()
    outcome = await world.look(one)
    assert outcome.row.status is Status.UNKNOWN
    assert world.azure() == before
    assert await world.notice_kinds() == ["unknown"]


@pytest.mark.parametrize(
    "changes",
    [{}, {"expiresOn": None}, {"metadata": {**NO_TICKET, **BIG}}],
    ids=["compliant", "without an end", "without a ticket"],
)
async def test_a_megabyte_of_metadata(world: World, changes: dict[str, Any]) -> None:
    one = world.id("big")
    body = await world.write(one, **{"metadata": {**APPROVAL, **BIG}, **changes})
    assert len(json.dumps(body)) > 900_000
    outcome = await world.look(one)
    assert await world.register.body(one, 1) == body
    for message in await world.notices():
        assert len(json.dumps(message)) < 48_000
    if outcome.did == "delete":
        await world.reconciler.restore(one, "olga@contoso.com")
        assert await world.properties(one) == body["properties"]
    elif outcome.did == "tag":
        found = await world.properties(one)
        del found["metadata"]["guardrails"]
        assert found == body["properties"]
    else:
        await world.bad(one, metadata={**APPROVAL, **BIG, "more": 1})
        assert (await world.look(one)).did == "put-back"
        assert await world.properties(one) == body["properties"]


async def test_a_thousand_reference_ids_and_long_texts_fit_into_a_notice(world: World) -> None:
    world.ruleset = rules(on={"reference-unknown": "revert", "expiry-missing": "revert"})
    references = [f"{'r' * 500}-{number}" for number in range(1000)]
    one = seed(world, "many", policyDefinitionReferenceIds=references, expiresOn=None, displayName="d" * 5000)
    assert (await world.look(one)).did == "delete"
    (message,) = await world.notices()
    assert len(json.dumps(message)) < 48_000


async def test_a_lone_surrogate_and_controls_pass_through(world: World) -> None:
    one = seed(world, "unexpected", displayName="a\ud800b\u0000\u202e", metadata={**NO_TICKET, "k\ud800": "\udfff"})
    assert (await world.look(one)).did == "tag"
    assert await world.notice_kinds() == ["tagged"]
    found = world.azure()[one.key]["properties"]
    assert found["displayName"] == "a\ud800b\u0000\u202e"
    assert found["metadata"]["k\ud800"] == "\udfff"


@pytest.mark.parametrize("name", ["with space", "ünïcode", "a'b(c)~d", "x" * 64, "#1"])
async def test_names_of_all_kinds(world: World, name: str) -> None:
    one = seed(world, name)
    entry = world.arm.store.entries[one.key]
    del entry.body["properties"]["expiresOn"]
    assert (await world.look(one)).did == "delete"
    assert one.key not in world.azure()


async def test_a_child_resource_of_an_extension(world: World) -> None:
    scope = f"{tenant.RESOURCE}/blobServices/default"
    world.arm.seed(scope, {})
    one = world.id("nested", scope)
    await world.bad(one)
    assert (await world.look(one)).did == "delete"
