"""A tenant, its register, settings and ruleset, as commit 39aa547 left them. Its own code made the fixtures."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from guardrails.register.backup import read
from guardrails.register.keys import RATE_LIMITS
from guardrails.ruleset.model import parse_ruleset
from tests.cli.conftest import Ran, run_captured
from tests.reconcile.conftest import world
from tests.reconcile.world import StaticToken, World
from tests.sweep.conftest import tenant

__all__ = ["tenant", "world"]
FIXTURES = Path(__file__).parent / "fixtures"
AT = datetime(2026, 11, 2, 11, 30, tzinfo=UTC)
RULES = (FIXTURES / "ruleset.yaml").read_text(encoding="utf-8")
STATUS = {
    "approved": "compliant", "on-hold": "compliant", "in-grace": "violation", "tagged": "violation",
    "alerted": "violation", "adopted": "violation", "restored": "violation", "cut-off": "violation",
    "held-1": "violation", "held-2": "violation", "unread": "unknown", "excluded": "excluded", "blocked": "cannot-act",
    "lost": "lost", "reverted": "gone", "deleted": "gone",
}  # fmt: skip

type Run = Callable[..., Awaitable[Ran]]


def recorded(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text(encoding="utf-8"))


@pytest.fixture
async def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process; FIXTURES in a word is the folder of the fixtures."""

    async def running(*argv: str) -> Ran:
        words = [word.replace("FIXTURES", str(FIXTURES)) for word in argv]
        return await asyncio.to_thread(run_captured, capsys, words)

    return running


@pytest.fixture
def over_http() -> bool:
    """Commands are given an address."""
    return True


@pytest.fixture
async def before(world: World, storage: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> World:
    """The tenant as it was, and its register imported into an empty table."""
    world.clock.time, world.sound = AT, False
    await world.arm_graph(skew=2_325_835)  # seconds, as when the version before printed
    for identity, body in recorded("azure.json").items():
        world.arm.seed(identity, body)
    world.ruleset = parse_ruleset(RULES, "ruleset.yaml")
    for name in STATUS:
        world.id(name)
    for name, value in {
        "AzureWebJobsStorage": storage,
        "GUARDRAILS_TABLE": world.table.table_name,
        "GUARDRAILS_ARM_ENDPOINT": world.arm.address,
        "GUARDRAILS_RULESET": str(FIXTURES / "ruleset.yaml"),
        **recorded("settings.json"),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("guardrails.wiring.credential", lambda *_: StaticToken())
    monkeypatch.setattr("guardrails.azure.identity.credential", lambda *_: StaticToken())
    monkeypatch.setattr("guardrails.wiring.SystemClock", lambda: world.clock)
    ran = await run("register", "import", "FIXTURES/register.jsonl")
    assert ran.code == 0, ran.err
    for partition, rows in read(FIXTURES / "register.jsonl"):
        if partition == RATE_LIMITS:  # an import leaves them out, for they are of the moment
            for name, columns in rows.items():
                await world.table.create_entity({"PartitionKey": partition, "RowKey": name, **columns})
    return world
