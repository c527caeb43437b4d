"""The id asked for, the id in Azure's answer and the register's row are one object, or nothing is done."""

import asyncio
import json
import logging
import random
from typing import Any

import pytest
from azure.data.tables import UpdateMode

from guardrails.azure.events import Malformed, read_event
from guardrails.decisions.row import Status
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.exemption.times import spell_time
from guardrails.register import unseen
from guardrails.register.keys import address
from sandbox import tenant
from sandbox.tenant import APPROVAL
from tests.reconcile.world import ABOVE, ALICE, OPERATOR, PIPELINE, World, rules

TYPE = "/providers/Microsoft.Authorization/policyExemptions/"


async def keys(world: World, *prefixes: str) -> list[str]:
    """The keys of the register's rows that begin so."""
    found = [row["RowKey"] async for row in world.table.list_entities()]
    return sorted(key for key in found if key.startswith(prefixes))


# An answer of Azure about something else


@pytest.mark.parametrize("bad", [True, False])
async def test_an_answer_with_another_exemption_decides_nothing(world: World, bad: bool) -> None:
    victim, asked = world.id("victim"), world.id("asked")
    await world.bad(victim)
    if bad:
        await world.bad(asked)
    before = world.azure()
    world.fault("GET", "policyExemptions/asked", instead=victim.text)
    outcome = await world.look(asked)
    assert outcome.row.status is Status.UNKNOWN
    assert world.azure() == before
    assert await world.register.read(victim) is None
    assert await world.notice_kinds() == ["unknown"]
    assert "answered with another" in (await world.notice())["why"][0]
    world.arm.faults.reset()
    assert (await world.look(asked)).did == ("delete" if bad else "")
    assert victim.key in world.azure()


async def test_a_known_one_stays_as_it_was_while_azure_answers_with_another(world: World) -> None:
    one, other = world.id(), world.id("other")
    await world.write(other)
    await world.known(one)
    world.fault("GET", one.name, instead=other.text)
    assert (await world.look(one)).row.status is Status.UNKNOWN
    assert (await world.row(one)).compliant == 1
    world.arm.faults.reset()
    assert (await world.look(one)).row.status is Status.COMPLIANT
    assert await world.events(other) == []


@pytest.mark.parametrize("times", [1, 2])
async def test_another_answer_just_before_a_revert_stops_it(world: World, times: int) -> None:
    one, other = world.id(), world.id("other")
    await world.write(other)
    await world.bad(one)

    async def redirect() -> None:
        world.fault("GET", one.name, instead=other.text, count=times)

    world.watch.before["register.take_revert"] = redirect
    with pytest.raises(Retryable):
        await world.look(one)
    assert {one.key, other.key} <= world.azure().keys()
    world.arm.faults.reset()
    world.after_lease()
    assert (await world.look(one)).did == "delete"
    assert other.key in world.azure()


async def test_a_write_that_is_answered_with_another_body_is_looked_at_again(world: World) -> None:
    one, other = world.id(), world.id("other")
    await world.write(other)
    await world.write(one, metadata={k: v for k, v in APPROVAL.items() if k != "approvalTicket"})
    world.fault("PUT", one.name, instead=other.text, count=1)
    await world.look(one)
    assert (await world.row(one)).status is Status.VIOLATION
    assert (await world.marker(one))["codes"]
    assert await world.notice_kinds() == ["tagged"]
    assert await world.events(other) == []


async def test_a_restore_is_not_taken_for_done_by_another_ones_answer(world: World) -> None:
    one, other = world.id(), world.id("other")
    body = await world.known(one)
    await world.write(other)
    await world.delete(one)
    await world.look(one)
    world.fault("PUT", one.name, instead=other.text, count=1)
    await world.reconciler.restore(one, OPERATOR)
    assert (await world.row(one)).content == fingerprint(await world.body(one) or {})
    assert await world.properties(one) == body["properties"]


@pytest.mark.parametrize("path", ["policyAssignments/", "policySetDefinitions/"])
async def test_an_assignment_or_initiative_of_another_is_unknown(world: World, path: str) -> None:
    world.ruleset = rules(on={"reference-unknown": "revert"})
    one = world.id()
    await world.write(one)
    world.fault("GET", path, instead=ABOVE)
    outcome = await world.look(one)
    assert outcome.assessment is not None
    assert [found.key for found in outcome.assessment.findings if found.key.endswith("?")]
    assert (outcome.did, outcome.row.compliant) == ("", None)
    world.arm.faults.reset()
    world.clock.advance(minutes=1)  # what could not be read is kept for seconds
    assert (await world.look(one)).row.status is Status.COMPLIANT


@pytest.mark.parametrize(
    "assignment",
    [
        "\ud800", "/subscriptions/x/providers/Microsoft.Authorization/policyAssignments/\udfff", "..", "/",
        f"{tenant.GROUP}/providers/Microsoft.Authorization/policyAssignments/../../../../../../x",
        f"{tenant.GROUP}/providers/Microsoft.Authorization/policyAssignments/%2e%2e",
        tenant.RESOURCE, f"{tenant.RESOURCE}{TYPE}victim", f"{ABOVE}?x=1#y", f"{ABOVE}\n", f"{ABOVE}\x00",
        f"{ABOVE}/extra/part",
    ],
)  # fmt: skip
async def test_an_assignment_id_that_leads_elsewhere_is_unread_and_asks_for_nothing_else(
    world: World, assignment: str
) -> None:
    one = world.id("other")
    system = {"lastModifiedAt": spell_time(world.clock.time), "lastModifiedBy": "alice@contoso.com"}
    world.arm.seed(one.text, {**world.waiver(policyAssignmentId=assignment), "systemData": system})
    await world.forget()
    outcome = await world.look(one)
    assert outcome.assessment is not None
    assert one.key in world.azure()
    asked = {seen.path.lower() for seen in world.arm.log.requests}
    definitions = {key for key in world.azure() if "definitions/" in key}
    assert asked <= {one.key, ABOVE.lower(), f"{ABOVE}?x=1#y".lower(), *definitions}
    assert not (await world.look(one)).wrote


# Forged ids


FORGED = [
    f"{tenant.RESOURCE}{TYPE}x/../victim",
    f"{tenant.RESOURCE}/../partnerdrop{TYPE}victim",
    f"{tenant.RESOURCE}/%2e%2e/partnerdrop{TYPE}victim",
    f"{tenant.RESOURCE}/./{TYPE[1:]}victim",
    f"{tenant.RESOURCE}/{TYPE}victim",
    f"{tenant.RESOURCE}{TYPE}victim%00",
    f"{tenant.RESOURCE}{TYPE}a\\..\\victim",
    f"{tenant.RESOURCE}{TYPE}victim\nguardrails: all is well",
]


@pytest.mark.parametrize("text", FORGED)
async def test_a_forged_id_touches_no_exemption(world: World, text: str, caplog: pytest.LogCaptureFixture) -> None:
    await world.bad(world.id("victim"))
    world.arm.log.reset()
    event = {
        "id": "e-1", "eventType": "Microsoft.Resources.ResourceWriteSuccess", "subject": text,
        "data": {"resourceUri": text, "operationName": "Microsoft.Authorization/policyExemptions/write"},
    }  # fmt: skip
    assert isinstance(read_event(json.dumps(event)), Malformed)
    with pytest.raises(Permanent) as refused:
        ExemptionId.parse(text)
    logging.getLogger("guardrails").warning("%s", refused.value)
    logging.getLogger("guardrails.any").warning("%s: %s", text, ValueError(text))
    assert all(one.getMessage().isprintable() for one in caplog.records)
    assert not world.arm.log.requests


async def test_an_encoded_id_is_the_plain_one(world: World) -> None:
    one = world.id("my waiver")
    await world.bad(one)
    spelled = ExemptionId.parse(one.text.replace(" ", "%20"))
    assert (await world.look(spelled)).did == "delete"
    assert await world.register.read(one) == await world.register.read(spelled)


@pytest.mark.http
async def test_a_name_that_looks_like_another_takes_nothing_of_it(world: World) -> None:
    """The sign of Kelvin is a k in lower case, here and in the stand-in; to us it is another name."""
    mine, theirs = world.id("kiosk"), world.id("\u212aiosk")
    await world.known(mine)
    assert (await world.look(theirs)).row.status is Status.UNKNOWN
    assert (await world.row(mine)).status is Status.COMPLIANT
    assert await world.events(mine) == ["written"]


@pytest.mark.parametrize("source", ["event", "queue", "wake-up", "target"])
async def test_ids_of_what_there_is_not_leave_nothing(world: World, source: str) -> None:
    for number in range(5):
        outcome = await world.look(world.id(f"none-{number}"), source, operation="delete", actor="x@evil.example")
        assert (outcome.row.status, outcome.wrote) == (Status.GONE, False)
    assert await keys(world, "") == []
    assert await world.notice_kinds() == []


async def test_what_the_inventory_shows_and_azure_has_not_is_remembered(world: World) -> None:
    """Resource Graph shows ghosts; without a row each sweep would ask for each of them."""
    one = world.id("ghost")
    await world.look(one, "sweep", listed="t" * 28)
    assert (await world.row(one)).listed == "t" * 28


async def test_ids_that_cannot_be_read_leave_a_limited_number_of_rows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unseen, "MOST", 3)
    world.fault("GET", status=403, code="AuthorizationFailed")
    ids = [world.id(f"secret-{number}") for number in range(6)]
    for one in ids[:3]:
        assert (await world.look(one)).row.status is Status.UNKNOWN
    for one in ids[3:]:
        with pytest.raises(Permanent) as caught:
            await world.look(one)
        assert caught.value.code == "too-many-unseen"
    assert len(await keys(world, "state~")) == 3
    assert (await world.look(ids[3], "operator")).row.status is Status.UNKNOWN  # who asks on purpose is answered
    assert (await world.look(ids[4], "sweep")).row.status is Status.UNKNOWN
    assert (await world.look(ids[0])).row.status is Status.UNKNOWN


async def test_a_row_of_what_turns_out_not_to_be_there_makes_no_room(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unseen, "MOST", 2)
    ids = [world.id(f"never-{number}") for number in range(3)]
    world.fault("GET", status=403, code="AuthorizationFailed")
    for one in ids[:2]:
        await world.look(one)
    world.arm.faults.reset()
    for one in ids[:2]:
        assert (await world.look(one)).row.status is Status.GONE
    world.fault("GET", status=403, code="AuthorizationFailed")
    world.clock.advance(days=1)
    with pytest.raises(Permanent, match="keeps no more rows"):
        await world.look(ids[2])
    assert (await world.look(ids[0])).row.status is Status.UNKNOWN
    assert len(await keys(world, "state~")) == 2


async def test_rows_of_what_could_be_read_since_make_room_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen, "MOST", 2)
    ids = [world.id(f"late-{number}") for number in range(4)]
    for one in ids:
        await world.write(one)
    world.fault("GET", status=403, code="AuthorizationFailed")
    for one in ids[:2]:
        await world.look(one)
    world.arm.faults.reset()
    for one in ids[:2]:
        assert (await world.look(one)).row.status is Status.COMPLIANT
    world.fault("GET", status=403, code="AuthorizationFailed")
    assert (await world.look(ids[2])).row.status is Status.UNKNOWN
    await asyncio.gather(*(world.register.take_unseen(world.clock.now()) for _ in range(3)))
    assert not await world.register.take_unseen(world.clock.now())
    world.clock.advance(days=1)
    assert (await world.look(ids[3])).row.status is Status.UNKNOWN


# The register's row


async def test_a_row_that_names_another_exemption_is_not_believed(world: World) -> None:
    one, other = world.id(), world.id("other")
    await world.known(one)
    await world.known(other)
    mine, theirs = address(one), address(other)
    entity = dict(await world.table.get_entity(theirs.partition, theirs.state))
    await world.table.upsert_entity({**entity, "RowKey": mine.state}, mode=UpdateMode.REPLACE)
    stored = await world.register.read(one)
    assert stored is not None
    assert stored.row.id == one.text
    assert stored.altered
    await world.look(one)
    assert (await world.row(one)).id == one.text


async def test_a_column_that_names_another_exemption_has_that_one_left_alone(world: World) -> None:
    one, other = world.id(), world.id("other")
    await world.known(one)
    await world.edit_row(one, id=other.text, held="breaker", adopted="2026-01-01T00:00:00Z")
    assert await world.register.id_of(one.container, one.hash) == one.text, "as the rest of the row says"
    assert await world.register.held() == {}
    assert await world.register.attached_ids(one.container, one.key[: len(one.scope)], lost=False) == []
    assert [found async for found in world.register.adopted(world.clock.now().replace(year=2025))] == []
    world.sound = False


# Azure and the register, read at different moments


async def _deleted_by_its_owner(world: World, one: ExemptionId) -> None:
    await world.delete(one, PIPELINE)
    outcome = await world.reconciler.reconcile(one, Hint("event", "delete", OPERATOR, "e-9", verified=True))
    assert outcome.row.status is Status.GONE
    assert "accepted" in (await world.history(one))[-1].facts


def durable(**more: Any) -> Any:
    return rules(durability={"mode": "collateral", "wait": "1h"}, approved=[OPERATOR], **more)


@pytest.mark.parametrize("when", ["register.read", "arm.get"])
async def test_an_accepted_delete_while_another_worker_looks_is_kept(world: World, when: str) -> None:
    world.ruleset = durable()
    one = world.id()
    await world.known(one)

    async def meanwhile() -> None:
        await asyncio.sleep(0.1)  # whatever was asked for at the same time has been answered
        await _deleted_by_its_owner(world, one)

    world.watch.before[when] = meanwhile
    await world.look(one)
    await _never_comes_back(world, one)


@pytest.mark.parametrize("again", [1, 2, 3])
async def test_an_azure_that_is_behind_does_not_undo_an_accepted_delete(world: World, again: int) -> None:
    """A replica or a cache shows it for a while after it went, once or more often."""
    world.ruleset = durable()
    one = world.id()
    await world.known(one)
    old = world.arm.store.entries[one.key]
    await _deleted_by_its_owner(world, one)
    world.clock.advance(minutes=1)
    world.arm.store.put(old)
    shown = 0

    async def behind() -> None:
        nonlocal shown
        shown += 1
        if shown == again + 1 and one.key in world.arm.store.entries:
            world.arm.store.remove(one.key)
        world.watch.before["arm.get"] = behind

    world.watch.before["arm.get"] = behind
    await world.look(one)
    world.watch.before.clear()
    if one.key in world.arm.store.entries:
        world.arm.store.remove(one.key)
    await _never_comes_back(world, one)


async def _never_comes_back(world: World, one: ExemptionId) -> None:
    for hours in (0, 2, 2):
        world.clock.advance(hours=hours)
        for source in ("event", "wake-up", "sweep", "target"):
            await world.look(one, source)
    assert one.key not in world.azure()
    assert (await world.row(one)).status is Status.GONE
    assert "lost" not in await world.notice_kinds()
    assert "restored" not in await world.notice_kinds()


async def test_one_that_is_written_anew_after_an_accepted_delete_is_durable_again(world: World) -> None:
    world.ruleset = durable()
    one = world.id()
    await world.known(one)
    await _deleted_by_its_owner(world, one)
    world.clock.advance(minutes=1)
    await world.known(one)
    world.clock.advance(minutes=1)
    await world.delete(one, ALICE)
    assert (await world.look(one, actor="alice@contoso.com", operation="delete")).row.status is Status.LOST


async def test_one_that_is_written_anew_just_when_a_delete_is_accepted_is_durable_again(world: World) -> None:
    """Our clock may be some seconds ahead of Azure's."""
    world.ruleset = durable()
    one = world.id()
    await world.known(one)
    await world.delete(one, PIPELINE)
    assert (await world.look(one, actor=OPERATOR, operation="delete")).row.status is Status.LOST
    world.clock.advance(minutes=20)
    await world.reconciler.reconcile(one, Hint("event", "delete", OPERATOR, "e-9", verified=True))
    assert (await world.row(one)).settled == f"{OPERATOR} deleted it, which is allowed"
    world.clock.advance(seconds=-2)
    await world.known(one)
    world.clock.advance(minutes=1)
    await world.delete(one, ALICE)
    assert (await world.look(one, actor="alice@contoso.com", operation="delete")).row.status is Status.LOST


async def test_a_look_costs_no_more_than_it_did(world: World) -> None:
    one = world.id()
    await world.write(one)
    await world.forget()
    await world.look(one)
    first = dict(world.watch.calls)
    await world.look(one)
    assert first["arm.get"] == first["register.read"] == first["register.commit"] == 1
    assert world.watch.calls["arm.get"] == world.watch.calls["register.read"] == 2


# Bodies of any size


ALPHABETS = {"cjk": (0x4E00, 20_000), "é": (0xC0, 1_000), "ascii": (0x23, 56)}
"""The first character, and how many are drawn from: what Azure takes of each is more than a transaction takes of it."""


@pytest.mark.parametrize(
    "alphabet", ["cjk", pytest.param("é", marks=pytest.mark.long), pytest.param("ascii", marks=pytest.mark.long)]
)
async def test_metadata_of_almost_four_megabytes_is_judged_answered_and_notified(world: World, alphabet: str) -> None:
    first, span = ALPHABETS[alphabet]
    dead_letters = random.Random(3).choices(range(first, first + span), k=3_900_000 // len(chr(first).encode()))  # noqa: S311
    noise = "".join(map(chr, dead_letters)).replace("\\", "/")
    one = world.id("big")
    system = {"lastModifiedAt": "2026-01-01T00:00:00Z", "lastModifiedBy": "alice@contoso.com"}
    said = world.waiver(expiresOn=None, metadata={**APPROVAL, "noise": noise})
    world.arm.seed(one.text, {**said, "systemData": system})
    assert (await world.look(one)).did == "delete"
    assert one.key not in world.azure()
    assert await world.notice_kinds() == ["reverted"]
    assert await world.register.verify(one) == []
    await world.reconciler.restore(one, OPERATOR)
    assert (await world.properties(one))["metadata"] == {**APPROVAL, "noise": noise}
