"""`python -m sandbox.cloud`: one line of JSON, then any HTTP client, then a signal."""

import asyncio
import json
import signal
import sys
from pathlib import Path

from aiohttp import ClientSession

from tests.patience import PATIENCE
from tests.sandbox.conftest import SUB, Client


async def test_it_prints_its_addresses_and_stops_on_a_signal() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sandbox.cloud", "--time-scale", "0.01",
        cwd=Path(__file__).parents[2], stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        shown = json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE))
        async with ClientSession() as session:
            client = Client(session, shown["arm"], "")
            made = await client.control("POST", "token", {"name": "Ada", "oid": "o1", "upn": "ada@contoso.com"})
            await client.control("POST", "subscriptions", {"subscriptionId": SUB})
            answer = await client.as_(made["access_token"]).get(f"/subscriptions/{SUB}", version="2022-12-01")
            assert (answer.status, answer.body["state"]) == (200, "Enabled")
            async with session.get(shown["sink"] + "/_sandbox/received") as received:
                assert await received.json() == []
        assert set(shown["environment"]) == {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"}
    finally:
        process.send_signal(signal.SIGTERM)
        code = await asyncio.wait_for(process.wait(), PATIENCE)
    assert code == 0
