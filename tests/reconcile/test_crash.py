"""A crash at any step: the process dies before, or right after, each write to a port, and the next one mends it.

After each crash the lease passes and a new process looks again. Azure, the register and the notices must then be as if
nothing had happened: the same state, the same kinds of notices, each decision told once, by whatever number of ids.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from guardrails.errors import Retryable
from guardrails.exemption import ExemptionId
from sandbox import tenant
from sandbox.tenant import APPROVAL
from tests.reconcile.ports import Died
from tests.reconcile.world import ALICE, NO_TICKET, OPERATOR, PIPELINE, US_ID, World, rules

type Step = Callable[[World, ExemptionId], Awaitable[Any]]
BOTH = {"exemption": True, "scope": True}
DURABLE: dict[str, Any] = {"durability": {"mode": "collateral", "wait": "0m"}}
GRACE = {"expiry-missing": {"response": "revert", "grace": "1d"}}


async def look(world: World, one: ExemptionId) -> None:
    await world.look(one, actor="alice@contoso.com")


async def restore(world: World, one: ExemptionId) -> None:
    await world.reconciler.restore(one, OPERATOR)


async def bad(world: World, one: ExemptionId) -> None:
    await world.bad(one)


async def bad_edit(world: World, one: ExemptionId) -> None:
    await world.write(one)
    await world.look(one)
    await world.bad(one)


async def no_ticket(world: World, one: ExemptionId) -> None:
    await world.write(one, ALICE, metadata=NO_TICKET)


async def mended(world: World, one: ExemptionId) -> None:
    await no_ticket(world, one)
    await world.look(one)
    await world.write(one, ALICE, metadata={**APPROVAL, "guardrails": await world.marker(one)})


async def reverted(world: World, one: ExemptionId) -> None:
    await world.bad(one)
    await world.look(one)


async def put_back(world: World, one: ExemptionId) -> None:
    await bad_edit(world, one)
    await world.look(one)


async def deleted(world: World, one: ExemptionId) -> None:
    await world.write(one)
    await world.look(one)
    await world.delete(one)


async def bad_again(world: World, one: ExemptionId) -> None:
    await reverted(world, one)
    await world.bad(one, displayName="again")


async def target_gone(world: World, one: ExemptionId) -> None:
    await world.send(PIPELINE, "PUT", tenant.RESOURCE, {"location": "westeurope"})
    await world.write(one)
    await world.look(one)
    await world.send(PIPELINE, "DELETE", tenant.RESOURCE)


async def target_back(world: World, one: ExemptionId) -> None:
    await target_gone(world, one)
    await world.look(one)
    await world.send(PIPELINE, "PUT", tenant.RESOURCE, {"location": "westeurope"})


async def target_event(world: World, one: ExemptionId) -> None:
    await world.look(one, "target", operation="target-write")


async def breaker_full(world: World, one: ExemptionId) -> None:
    await world.register.close_breaker(world.clock.now())
    await world.bad(one)


async def locked(world: World, one: ExemptionId) -> None:
    await world.bad(one)
    world.arm.lock(tenant.RESOURCE)


async def unreadable(world: World, one: ExemptionId) -> None:
    await world.write(one)
    if not world.arm.faults.rules:
        world.fault("GET", "policyAssignments", status=403, code="AuthorizationFailed")


@dataclass(frozen=True)
class Scenario:
    prepare: Step
    act: Step
    ruleset: dict[str, Any]


SCENARIOS = {
    "compliant": Scenario(lambda world, one: world.write(one), look, {}),
    "alert": Scenario(no_ticket, look, {"on": {"ticket-missing": "alert"}}),
    "delete": Scenario(bad, look, {}),
    "delete again": Scenario(bad_again, look, {}),
    "put back": Scenario(bad_edit, look, {}),
    "tag": Scenario(no_ticket, look, {}),
    "tag both": Scenario(no_ticket, look, {"tagging": BOTH}),
    "tag within grace": Scenario(bad, look, {"on": GRACE}),
    "untag": Scenario(mended, look, {}),
    "untag both": Scenario(mended, look, {"tagging": BOTH}),
    "restore": Scenario(reverted, restore, {}),
    "restore an edit": Scenario(put_back, restore, {}),
    "gone": Scenario(deleted, look, {}),
    "held": Scenario(breaker_full, look, {"breaker": {"reverts_per_hour": 0}}),
    "cannot act": Scenario(locked, look, {}),
    "unknown": Scenario(unreadable, look, {}),
    "lost": Scenario(target_gone, look, DURABLE),
    "brought back": Scenario(target_back, target_event, DURABLE),
}


@dataclass(frozen=True)
class Result:
    """What must not depend on crashes."""

    azure: Any
    tag: str
    row: tuple[Any, ...]
    undo: Any
    told: tuple[str, ...]


async def finish(world: World, one: ExemptionId, act: Step) -> None:
    """A new process: the operator asks again, where one did; then events, until nothing is left to do."""
    for _ in range(3):
        world.after_lease()
        try:
            if act is restore and (await world.row(one)).undo is not None and not await restored(world, one):
                await restore(world, one)
            await world.settle(one)
        except Retryable:
            continue
        return
    raise AssertionError("three new processes did not mend it")


async def restored(world: World, one: ExemptionId) -> bool:
    """Whether the register says so: an operator who sees that does not ask again."""
    return (await world.row(one)).kept != ""


async def result(world: World, one: ExemptionId) -> Result:
    body = await world.body(one)
    properties = dict(body["properties"]) if body else {}
    metadata = dict(properties.pop("metadata", {}))
    if "guardrails" in metadata:
        metadata["guardrails"] = {key: value for key, value in metadata["guardrails"].items() if key != "since"}
    stored = await world.stored(one)
    row = stored.row
    assert await world.register.verify(one) == []
    assert (row.intent, row.outbox) == (None, ())
    assert row.author != US_ID
    undo = None
    if row.undo is not None:
        undo = (await world.register.body(one, row.undo))["properties"]
        undo.pop("expiresOn", None)
    properties.pop("expiresOn", None)
    told = {entry["notice"]["id"]: entry["notice"]["kind"] for entry in await world.notices() if about(entry, one)}
    facts = (
        row.status,
        row.answer,
        row.author,
        row.held,
        bool(row.blocked),
        bool(row.kept),
        row.kept_why,
        row.scope_tagged,
    )
    place = world.tags(one.scope).get(f"guardrails-exemption-{one.name}", "")
    known = (bool(row.due), bool(row.compliant), sorted(row.findings))
    return Result((properties, metadata), place, facts + known, undo, tuple(sorted(told.values())))


def about(entry: dict[str, Any], one: ExemptionId) -> bool:
    return bool(entry["notice"]["exemption"].get("id") == one.text)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_whichever_write_is_the_last_one_nothing_is_lost_or_doubled(world: World, name: str, after: bool) -> None:
    scenario = SCENARIOS[name]
    world.ruleset = rules(**{"breaker": {"reverts_per_hour": 1000}, **scenario.ruleset})

    undisturbed = world.id("undisturbed")
    await scenario.prepare(world, undisturbed)
    await scenario.act(world, undisturbed)
    await finish(world, undisturbed, look)
    expected = await result(world, undisturbed)

    for write in count(1):
        one = world.id(f"dies-at-{write}")
        await scenario.prepare(world, one)
        world.watch.die_at(write, after=after)
        with suppress(Died):
            await scenario.act(world, one)
        if not world.watch.revive():
            assert write > 1
            return
        await finish(world, one, scenario.act)
        assert await result(world, one) == expected, f"write {write}: {await world.events(one)}"
        world.ids.discard(one)
