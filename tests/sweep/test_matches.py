"""A sweep counts what each exclusion, override and owner matches, of all that it sees, and says when it saw not all."""

import pytest

from guardrails.errors import Retryable
from guardrails.ports import Surroundings
from guardrails.ruleset.model import Ruleset
from guardrails.sweep.matches import Matches, last_counted
from guardrails.sweep.sweep import LEASE
from sandbox import tenant as places
from tests.reconcile.world import ALICE, PIPELINE, rules
from tests.sweep.conftest import Tenant


def listing() -> Ruleset:
    return rules(
        exclusions=[
            {"scope": places.RESOURCE, "reason": "r", "expires": "2020-01-01"},
            {"scope": "/subscriptions/none", "reason": "r"},
        ],
        overrides=[{"scope": places.GROUP, "rules": {"owner-missing": "tag"}}],
        owners=[{"name": "epac", "metadata": {"pacOwnerId": "*"}}, {"name": "Alice", "authors": ["alice@contoso.com"]}],
    )


async def kept(tenant: Tenant) -> Matches | None:
    """What the register keeps of the last sweep."""
    return last_counted(await tenant.sweeps.last())


async def test_registered_and_new_exemptions_are_counted_alike_and_the_register_keeps_it(tenant: Tenant) -> None:
    world, world.ruleset = tenant.world, listing()
    await world.write(world.id("one"), PIPELINE)
    await world.write(world.id("two"), ALICE, metadata={"pacOwnerId": "x"})
    await world.write(world.id("three", places.GROUP), ALICE)
    report = await tenant.settled()
    world.clock.advance(hours=1)
    await world.write(world.id("four"), PIPELINE)
    assert report.matches is not None
    assert (report.matches.exclusions, report.matches.overrides, report.matches.owners) == ((2, 0), (3,), (1, 2))
    report = await tenant.sweep()
    found = await kept(tenant)
    assert found == report.matches
    assert found is not None
    assert (found.exclusions, found.overrides, found.owners) == ((3, 0), (4,), (1, 2))
    assert (found.exemptions, found.whole, found.ruleset) == (4, True, world.ruleset.digest)
    assert found.at == report.started


async def test_an_exemption_that_is_gone_is_counted_no_more(tenant: Tenant) -> None:
    world, world.ruleset = tenant.world, listing()
    one = world.id()
    await world.write(one)
    await tenant.settled()
    await world.delete(one, PIPELINE)
    world.clock.advance(hours=1)
    found = (await tenant.sweep()).matches
    assert found is not None
    assert (found.exemptions, found.exclusions) == (0, (0, 0))


async def test_a_sweep_that_could_not_see_all_says_so(tenant: Tenant) -> None:
    world, world.ruleset = tenant.world, listing()
    for number in range(4):
        await world.write(world.id(f"one-{number}"))
    await tenant.settled()
    world.clock.advance(hours=1)
    await world.arm_graph(fail={"start": 0, "times": 9, "status": 500})
    report = await tenant.sweep()
    assert report.missing
    found = await kept(tenant)
    assert found is not None
    assert (found.whole, found.exemptions) == (False, 0)


async def test_a_row_that_is_no_exemption_may_be_one_that_an_exclusion_matches(tenant: Tenant) -> None:
    world, world.ruleset = tenant.world, listing()
    await world.arm_graph(extra=[{"id": world.id().text, "properties": None}])
    found = (await tenant.sweep()).matches
    assert found is not None
    assert found.whole is False


async def test_a_sweep_that_breaks_off_keeps_the_counts_of_the_one_before(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks_off(**_: object) -> Surroundings:
        raise Retryable("Azure is away", code="azure-away")

    world, world.ruleset = tenant.world, listing()
    await world.write(world.id())
    await tenant.settled()
    before = await kept(tenant)
    world.clock.advance(hours=1)
    monkeypatch.setattr(tenant.graph, "surroundings", breaks_off)
    with pytest.raises(Retryable):
        await tenant.sweep()
    assert before is not None
    assert await kept(tenant) == before


async def test_a_report_of_a_sweep_that_counted_nothing_is_no_count(tenant: Tenant) -> None:
    now = tenant.world.clock.now()
    run = await tenant.sweeps.begin(now, "older", LEASE)
    assert run is not None
    await tenant.sweeps.end(run, now, {"seen": 3}, whole=True)
    assert await kept(tenant) is None
    assert last_counted(None) is None
