"""Which history entries record an event, found without reading what does not concern it."""

from datetime import datetime, timedelta

from guardrails.decisions.history import Entry
from guardrails.decisions.row import Row, Status
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.keys import address
from tests.register.conftest import EXEMPTION, SUB, World


async def found(world: World, *names: str, since: datetime | None = None) -> list[tuple[str, int]]:
    refused = list[Permanent]()
    events = world.register.events(names, since, refused.append)
    out = [(one.text, seq) async for one, seq in events]
    assert refused == []
    return out


async def recorded(world: World, exemption: ExemptionId, *events: str) -> None:
    stored, row = None, Row(exemption.text, Status.VIOLATION, world.clock.now())
    for event in events:
        stored = await world.register.commit(exemption, stored, row, Entry(world.clock.now(), event, {}))
        assert stored is not None
        world.clock.advance(minutes=1)


async def test_those_that_are_named_each_with_its_number(world: World) -> None:
    other = ExemptionId.parse(EXEMPTION.text + "-2")
    await recorded(world, EXEMPTION, "written", "intent", "reverted", "intent", "put-back")
    await recorded(world, other, "written", "judged")
    assert await found(world, "reverted", "put-back") == [(EXEMPTION.text, 3), (EXEMPTION.text, 5)]
    assert await found(world, "judged") == [(other.text, 2)]
    assert await found(world, "removed") == []


async def test_nothing_else_is_sent(world: World) -> None:
    await recorded(world, EXEMPTION, "written", "judged", "reverted")
    world.transport.requests.clear()
    assert await found(world, "reverted") == [(EXEMPTION.text, 3)]
    assert len(world.transport.requests) == 1


async def test_since_is_never_too_late(world: World) -> None:
    world.clock.time = world.clock.time.replace(microsecond=500_000)
    await recorded(world, EXEMPTION, "reverted", "reverted")
    first = world.clock.now() - timedelta(minutes=2)
    assert await found(world, "reverted", since=first) == [(EXEMPTION.text, 1), (EXEMPTION.text, 2)]
    assert await found(world, "reverted", since=first + timedelta(seconds=30)) == [(EXEMPTION.text, 2)]


async def test_an_id_that_is_too_long_for_its_column(world: World) -> None:
    deep = "/".join(f"kind{n}/{'n' * 100}" for n in range(12))
    long = ExemptionId.parse(
        f"/subscriptions/{SUB}/resourceGroups/rg/providers/Microsoft.Test/{deep}"
        "/providers/Microsoft.Authorization/policyExemptions/e"
    )
    assert len(long.text) > 1000
    await recorded(world, long, "reverted")
    assert await found(world, "reverted") == [(long.text, 1)]


async def test_an_entry_that_names_another_exemption_is_refused(world: World) -> None:
    await recorded(world, EXEMPTION, "reverted")
    place, other = address(EXEMPTION), EXEMPTION.text + "-2"
    for name in (place.history(1), place.state):
        await world.sdk.update_entity({"PartitionKey": place.partition, "RowKey": name, "id": other})
    refused = list[Permanent]()
    assert [one async for one in world.register.events(["reverted"], None, refused.append)] == []
    assert [(error.code, error.subject) for error in refused] == [("register-altered", other)]
