"""The world of tests/reconcile, with exemptions that are put back when they are gone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from guardrails.azure.deletions import Deletions
from tests.reconcile.conftest import world
from tests.reconcile.world import StaticToken, World
from tests.sweep.conftest import tenant

__all__ = ["logged", "tenant", "world"]


@pytest.fixture
async def logged(world: World) -> AsyncIterator[World]:
    """The same world, with an activity log that can be asked."""
    log = Deletions(world.arm.address, StaticToken())
    reconciler: Any = world.reconciler
    reconciler._world = replace(reconciler._world, log=log)
    yield world
    await log.close()
