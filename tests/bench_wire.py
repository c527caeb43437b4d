"""The cost of a request to a table: CPU of the SDK, of this service, and of bare aiohttp, which is the floor.

    python -m tests.bench_wire [--rounds N]

All three send the same rows to one Azurite, take turns, and have caches and connections warm. Bare aiohttp sends a body
that was encoded before, signed once, and reads the answer without looking at it.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final, Self
from uuid import uuid4
from wsgiref.handlers import format_date_time

import aiohttp
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.exceptions import AzureError
from azure.data.tables import AccountSasPermissions, ResourceTypes, generate_account_sas
from azure.data.tables.aio import TableClient
from yarl import URL

from guardrails.register import table_wire as wire
from guardrails.register.account import ONCE, table_client
from guardrails.register.columns import Value
from guardrails.register.table import Write
from guardrails.runtime.transport import transport
from sandbox.azurite import ACCOUNT, KEY, Azurite

ROUNDS: Final = 9
COUNTS: Final = {"transaction of 2 operations": 40, "transaction of 100 operations": 8, "read of one row": 60}
"""How often each is done in a round."""
_TABLE: Final = "bench"
_PARTITION: Final = "11111111-2222-3333-4444-555555555555"
_WARM: Final = 2


def row() -> dict[str, Value]:
    """Return columns like those of a row of the register: short texts, a number, a long text, and some bytes."""
    return {**{f"short_{number}": "x" * 40 for number in range(10)}, "seq": 7, "row": "y" * 2000, "heads": b"z" * 200}


def writes(count: int) -> list[Write]:
    """Return the operations of a transaction that can be done again and again."""
    return [Write("put", f"state~{number:040d}", row()) for number in range(count)]


async def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Return the median CPU milliseconds of each request, by who makes it."""
    found: dict[str, dict[str, list[float]]] = {}
    async with Azurite() as azurite, Bare(azurite) as bare:
        text = azurite.connection_string
        sdk = TableClient.from_connection_string(text, _TABLE, transport=transport(), **ONCE)
        ours = table_client(_TABLE, connection_string=text)
        async with sdk, ours:
            await sdk.create_table()
            await sdk.submit_transaction([one.operation(_PARTITION) for one in writes(100)])
            for number in range(rounds + _WARM):
                for what, count in COUNTS.items():
                    for who, request in {
                        "SDK": _of(sdk, what),
                        "this service": _of(ours, what),
                        **bare.of(what),
                    }.items():
                        await _wake(request)
                        started = time.process_time()
                        for _ in range(count):
                            await request()
                        spent = (time.process_time() - started) / count * 1000
                        if number >= _WARM:
                            found.setdefault(what, {}).setdefault(who, []).append(spent)
    return {what: {who: round(median(all_), 2) for who, all_ in of.items()} for what, of in found.items()}


async def _wake(request: Callable[[], Awaitable[object]]) -> None:
    """Make a request that does not count: Azurite closes connections that were idle while others had their turn."""
    for _ in range(5):
        with suppress(AzureError, aiohttp.ClientError):
            await request()
            return
    await request()


def _operations(what: str) -> int:
    """Return how many operations a transaction has; 0 for a read."""
    return 100 if "100" in what else 2 if "2" in what else 0


def _of(client: TableClient, what: str) -> Callable[[], Awaitable[object]]:
    if count := _operations(what):
        some = writes(count)
        return lambda: client.submit_transaction([one.operation(_PARTITION) for one in some])
    return lambda: client.get_entity(_PARTITION, f"state~{0:040d}")


class Bare:
    """aiohttp alone."""

    def __init__(self, azurite: Azurite) -> None:
        until = datetime.now(UTC) + timedelta(hours=1)
        allowed = AccountSasPermissions(read=True, add=True, update=True)
        key = AzureNamedKeyCredential(ACCOUNT, KEY)
        self._sas = generate_account_sas(key, ResourceTypes(object=True), allowed, until)
        self._url = azurite.table

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()

    def of(self, what: str) -> Mapping[str, Callable[[], Awaitable[object]]]:
        """Return "bare aiohttp" -> the request."""
        count, version = _operations(what), "2020-12-06"
        if not count:
            url = f"{self._url}{wire.point(_TABLE, _PARTITION, f'state~{0:040d}', None)}?{self._sas}"
            return {"bare aiohttp": lambda: self._send("GET", url, {"x-ms-version": version, **wire.READING}, None)}
        batch, operations = f"batch_{uuid4()}", [one.operation(_PARTITION) for one in writes(count)]
        body = wire.transaction(
            self._url, _TABLE, operations, version=version, date=format_date_time(time.time()), batch=batch,
            changeset=f"changeset_{uuid4()}",
        )  # fmt: skip
        kind = {"x-ms-version": version, **wire.WRITING, "Content-Type": f"multipart/mixed; boundary={batch}"}
        return {"bare aiohttp": lambda: self._send("POST", f"{self._url}/$batch?{self._sas}", kind, body)}

    async def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> None:
        async with self._http.request(method, URL(url, encoded=True), headers=headers, data=body) as answer:
            said = await answer.read()
            if answer.status not in (200, 202) or b"HTTP/1.1 4" in said:
                raise RuntimeError(f"{answer.status}: {said[:300]!r}")


def main() -> int:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench_wire")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    found: dict[str, Any] = asyncio.run(measure(parser.parse_args().rounds))
    print(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
