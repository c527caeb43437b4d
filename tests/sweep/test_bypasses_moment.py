"""Two sweeps that begin in the same second: what the second one finds is notified too, and nothing twice."""

from tests.sweep.conftest import Tenant
from tests.sweep.test_bypasses import assigned, found_notices


async def test_what_is_found_in_the_same_second_is_notified(tenant: Tenant) -> None:
    world = tenant.world
    assigned(world, "first", enforcementMode="DoNotEnforce")
    await tenant.sweep()
    assert len(await found_notices(world)) == 1
    await tenant.sweep()
    assert len(await found_notices(world)) == 1
    assigned(world, "second", enforcementMode="DoNotEnforce")
    await tenant.sweep()
    assignments = {one["evidence"]["assignment"] for notice in await found_notices(world) for one in notice["findings"]}
    assert {identity.rpartition("/")[2] for identity in assignments} == {"first", "second"}
