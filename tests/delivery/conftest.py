"""A courier on a register in a table of its own."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from guardrails.register.table_register import TableRegister, connect
from tests.clock import VirtualClock
from tests.delivery.stage import Stage, stage


@pytest.fixture
async def register(storage: str, clock: VirtualClock) -> AsyncIterator[TableRegister]:
    async with connect(clock=clock, connection_string=storage, table=f"t{uuid4().hex}") as made:
        yield made


@pytest.fixture
def world(register: TableRegister, clock: VirtualClock) -> Stage:
    return stage(register, clock)
