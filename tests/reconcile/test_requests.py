"""How many requests a revert makes, and that nothing is read twice; docs/performance.md says why each is needed."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.reconcile.world import World


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
    assert Counter(name for name, _ in requests) == {"get_entity": 1, "submit_transaction": 4}
    assert [part for name, part in requests if name == "submit_transaction" and part == "breaker"] == ["breaker"]
    arm = {name: count for name, count in world.watch.calls.items() if name.startswith("arm.")}
    assert arm == {"arm.get": 3, "arm.delete": 1, "arm.assignment": 1}, "the assignment is kept in memory"


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
