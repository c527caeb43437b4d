"""How many requests a revert makes, and that nothing is read twice; docs/performance.md says why each is needed."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.tenant import APPROVAL
from tests.reconcile.test_authority import BOTH, EPAC, OWNED, like_an_older_version
from tests.reconcile.world import World, rules


@pytest.fixture
def asked(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[tuple[str, Any]]]:
    """Return a function that gives the requests to the table since its last call: what was asked, and of what."""
    seen: list[tuple[str, Any]] = []
    client = world.register._client
    for name in ("get_entity", "submit_transaction"):
        real = getattr(client, name)

        async def noted(*args: Any, _name: str = name, _real: Any = real, **more: Any) -> Any:
            seen.append((_name, args if _name == "get_entity" else args[0][0][1]["PartitionKey"]))
            return await _real(*args, **more)

        monkeypatch.setattr(client, name, noted)
    query = client.query_entities

    def queried(*args: Any, **more: Any) -> Any:
        seen.append(("query_entities", args))
        return query(*args, **more)

    monkeypatch.setattr(client, "query_entities", queried)

    def take() -> list[tuple[str, Any]]:
        taken, seen[:] = [*seen], []
        return taken

    return take


async def test_a_revert_makes_no_request_that_it_can_do_without(
    world: World, asked: Callable[[], list[tuple[str, Any]]]
) -> None:
    for name in ("first", "second"):
        one = world.id(name)
        await world.bad(one)
        await world.forget()
        asked()
        await world.look(one)
    requests = asked()
    assert Counter(name for name, _ in requests) == {"get_entity": 1, "submit_transaction": 3}
    assert [part for name, part in requests if name == "submit_transaction" and part == "breaker"] == ["breaker"]
    arm = {name: count for name, count in world.watch.calls.items() if name.startswith("arm.")}
    assert arm == {"arm.get": 3, "arm.delete": 1, "arm.assignment": 1}, "the assignment is kept in memory"


async def test_a_put_back_reads_one_entry_more_and_nothing_twice(
    world: World, asked: Callable[[], list[tuple[str, Any]]]
) -> None:
    one = world.id()
    await world.bad(world.id("first"))
    await world.look(world.id("first"))
    await world.known(one)
    await world.bad(one)
    asked()
    await world.look(one)
    assert await world.events(one) == ["written", "intent", "put-back"]
    requests = asked()[:-1]  # the last one reads the events
    assert Counter(name for name, _ in requests) == {"get_entity": 2, "submit_transaction": 3}
    read_once(requests)
    arm = {name: count for name, count in world.watch.calls.items() if name.startswith("arm.")}
    assert (arm["arm.get"], arm["arm.put"]) == (3, 1)


def read_once(requests: list[tuple[str, Any]]) -> None:
    rows = [of for name, of in requests if name == "get_entity"]
    assert len(rows) == len({(partition, row) for partition, row, *_ in rows}), rows


@pytest.mark.parametrize("owner", [BOTH, EPAC], ids=["what its owner wrote", "what claimed no owner yet"])
async def test_an_entry_that_says_whose_it_is_and_is_put_back_is_read_once(
    world: World, asked: Callable[[], list[tuple[str, Any]]], owner: dict[str, Any]
) -> None:
    world.ruleset = rules(owners=[owner])
    one = world.id()
    await world.known(one, metadata=OWNED if owner is BOTH else APPROVAL)
    if owner is EPAC:
        await like_an_older_version(world, one)
    await world.bad(one, metadata=OWNED)
    asked()
    assert (await world.look(one)).did == "put-back"
    requests = asked()
    read_once(requests)
    history = [of for name, of in requests if name == "get_entity" and of[1].startswith("history~")]
    assert len(history) == 1


async def test_a_budget_that_another_worker_used_meanwhile_is_read_again_and_not_exceeded(
    world: World, asked: Callable[[], list[tuple[str, Any]]]
) -> None:
    first, second = world.id("first"), world.id("second")
    await world.bad(first)
    await world.look(first)
    await world.table.upsert_entity({"PartitionKey": "breaker", "RowKey": "breaker", "by-another": "yes"})
    await world.bad(second)
    asked()
    await world.look(second)
    breaker = [name for name, of in asked() if of == "breaker" or (name == "get_entity" and of[0] == "breaker")]
    assert breaker == ["submit_transaction", "get_entity", "submit_transaction"]
    assert (await world.register.breaker(world.clock.now())).recent == 2
