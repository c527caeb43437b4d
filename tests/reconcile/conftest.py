"""A world for each test: the real adapters, an ARM, storage of its own, a clock that the test moves.

ARM is asked over the wire in memory, which tests/azure holds to what it does over HTTP. With TEST_ARM=http, as in
`make test-all`, and for tests of whole commands it is asked over HTTP.
"""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from azure.data.tables.aio import TableClient
from azure.storage.queue.aio import QueueServiceClient

from guardrails.azure.arm import ArmRest
from guardrails.reconcile.reconcile import Reconciler
from guardrails.reconcile.visit import World as Ports
from guardrails.register import queues, table_register
from sandbox import tenant
from sandbox.arm.server import Arm
from tests.battery.line import Line
from tests.battery.wire import ENDPOINT, WireArm, over
from tests.clock import VirtualClock
from tests.reconcile.ports import NotedQueues, Watch, watched
from tests.reconcile.world import ABOVE, CORP, ArmClock, StaticToken, World


def furnished(clock: VirtualClock) -> Arm:
    """An ARM with the demo's tenant in it, and one assignment on the management group."""
    arm = Arm(clock=ArmClock(clock))
    arm.add_management_group("contoso")
    arm.add_subscription(tenant.PROD, name="contoso-prod", management_group="contoso")
    for one in tenant.seeds():
        arm.seed(one["id"], json.loads(json.dumps(one["body"])))
    definition = f"{tenant.AUTHORIZATION}/policyDefinitions/require-tls"
    arm.seed(ABOVE, {"properties": {"policyDefinitionId": definition}})
    assert CORP.lower() in arm.store.entries
    return arm


@pytest.fixture
async def world(storage: str, over_http: bool) -> AsyncIterator[World]:
    clock, watch = VirtualClock(), Watch()
    mark = uuid4().hex
    names = {"reconcile": f"r{mark}", "notices": f"n{mark}"}
    arm = furnished(clock)
    async with (
        AsyncExitStack() as closing,
        table_register.connect(clock=clock, connection_string=storage, table=f"t{mark}") as register,
        queues.connect(connection_string=storage, names=names) as storage_queues,
        TableClient.from_connection_string(storage, f"t{mark}") as table,
        QueueServiceClient.from_connection_string(storage) as account,
    ):
        if over_http:
            await arm.start()
            closing.push_async_callback(arm.stop)
        else:
            arm._listener.address = ENDPOINT
            closing.enter_context(over(arm, Line()))
        rest = (ArmRest if over_http else WireArm)(arm.address, StaticToken(), clock)
        noted = NotedQueues(storage_queues)
        closing.push_async_callback(rest.close)
        await table.create_table()
        ports = Ports(
            watched("arm", rest, watch), watched("register", register, watch), watched("queues", noted, watch), clock
        )
        built = World(
            clock, arm, register, noted, watch, Reconciler(ports, lambda: built.ruleset), table, account, names
        )
        yield built
        watch.revive()
        if built.sound:
            await built.check()
