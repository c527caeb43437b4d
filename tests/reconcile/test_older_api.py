"""Exemptions read with an older api-version: what that does not return is no reason to revert."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from guardrails.azure.arm import ArmRest
from guardrails.reconcile.reconcile import Reconciler
from tests.reconcile.world import NO_OWNER, StaticToken, World, rules

ONE_POLICY = [{"name": "one", "selectors": [{"kind": "policyDefinitionReferenceId", "in": ["requireTls"]}]}]


@pytest.fixture
async def older(world: World) -> AsyncIterator[World]:
    arm = ArmRest(world.arm.address, StaticToken(), world.clock, version="2020-07-01-preview")
    world.reconciler = Reconciler(replace(world.reconciler._world, arm=arm), lambda: world.ruleset)
    world.ruleset = rules()
    yield world
    await arm.close()


async def test_a_state_whose_selectors_are_not_known_is_good_enough_to_be_put_back(older: World) -> None:
    one = older.id()
    said: dict[str, Any] = {"policyDefinitionReferenceIds": None, "metadata": NO_OWNER}
    await older.write(one, **said, resourceSelectors=ONE_POLICY)
    assert "EXG302?" in (await older.look(one)).row.findings
    await older.bad(one, **said, resourceSelectors=ONE_POLICY)
    assert (await older.look(one)).did == "put-back"
    assert "expiresOn" in await older.properties(one)
