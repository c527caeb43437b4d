"""The figures of durability: 500 targets go with their resource group and are deployed again, all at once."""

import asyncio
import time
from typing import Final

from guardrails.decisions.row import Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register import table_register
from guardrails.register.table_register import TableRegister
from guardrails.wiring import SystemClock
from sandbox import tenant
from sandbox.demo import deploy
from sandbox.stack import Sandbox
from sandbox.tenant import PIPELINE, exemption_id, furnish, in_days, send, waiver

_TARGETS: Final = 500
_SECONDS: Final = 120.0


async def figures() -> list[tuple[str, float, str]]:
    """Have 500 exemptions lost and restored through the real worker library; count what that took."""
    accounts = [f"{tenant.REPORTING}/providers/Microsoft.Storage/storageAccounts/st{n}" for n in range(_TARGETS)]
    paths = [exemption_id(account, "waiver") for account in accounts]
    async with Sandbox() as sandbox:
        await furnish(sandbox)
        await sandbox.control("POST", "seed", [{"id": one, "body": {"location": "westeurope"}} for one in accounts])
        register = table_register.connect(clock=SystemClock(), connection_string=sandbox.azurite.connection_string)
        async with register:
            for at in range(0, _TARGETS, 50):
                body = waiver(expiresOn=in_days(90))
                await asyncio.gather(*(send(sandbox, PIPELINE, "PUT", path, body) for path in paths[at : at + 50]))
            await until(register, paths, Status.COMPLIANT)
            await send(sandbox, PIPELINE, "DELETE", tenant.REPORTING)
            await until(register, paths, Status.LOST)
            await send(sandbox, PIPELINE, "PUT", tenant.REPORTING, {"location": "westeurope"})
            await sandbox.control("DELETE", "counters")
            started = time.perf_counter()
            await deploy(sandbox, tenant.REPORTING, "Incremental", *accounts)
            await until(register, paths, Status.COMPLIANT)
            seconds = time.perf_counter() - started
            seen = await sandbox.control("GET", "counters")
            rows = [await register.read(ExemptionId.parse(path)) for path in paths]
            breaker = await register.breaker(SystemClock().now())
    restored = [len(row.row.restored) for row in rows if row]
    return [
        ("durable_brought_back", sum(count > 0 for count in restored), "exemptions"),
        ("durable_brought_back_twice", sum(count > 1 for count in restored), "exemptions"),
        ("durable_writes", seen.get("PUT policyExemptions", 0), "requests"),
        ("durable_lists", seen.get("LIST policyExemptions", 0), "requests"),
        ("durable_breaker_open", float(breaker.opened_at is not None), ""),
        ("durable_seconds_500", seconds, "s"),
    ]


async def until(register: TableRegister, paths: list[str], status: Status) -> None:
    """Wait until the register says so of all. Raises TimeoutError."""
    wanted = {path.lower() for path in paths}
    async with asyncio.timeout(_SECONDS):
        while True:
            found = {stored.row.id.lower() async for stored in register.rows() if stored.row.status is status}
            if wanted <= found:
                return
            await asyncio.sleep(0.25)
