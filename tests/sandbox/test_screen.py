"""What the demo shows in a narrow terminal: no code, name, status or date is broken."""

from datetime import UTC, datetime
from typing import Any

import pytest

from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row, Status, Stored
from sandbox.screen import Screen, Step
from sandbox.stack import Sandbox
from sandbox.tenant import RESOURCE, exemption_id
from tests.cli.terminal import NARROW, terminal

AT = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
CODES = ("EXG101", "EXG102", "EXG201", "EXG302")


async def nothing(_: Sandbox) -> None:
    """A step's write that is not made here."""


def step(name: str, title: str, event: str) -> Step:
    id_ = exemption_id(RESOURCE, name)
    findings: list[dict[str, Any]] = [{"code": code} for code in CODES]
    row = Row(id_, Status.GONE, AT, findings=dict.fromkeys(CODES, AT), owner="web-shop-and-payments@contoso.com")
    facts = {"findings": findings, "why": "it never expires, and nobody has approved it"}
    history = [HistoryEntry(n, AT, event, facts, {}, "", "0f" * 32, "a1" * 32) for n in (1, 2)]
    return Step(title, id_, nothing, Status.GONE, event, stored=Stored(row, 2, "", "a1" * 32), history=history)


@pytest.mark.parametrize("width", NARROW)
def test_every_table_of_the_demo(width: int) -> None:
    steps = [step("eighteen-months", "event thrice, disordered", "reverted"), step("no-expiry", "no expiry", "written")]
    with terminal(width) as seen:
        screen = Screen()
        screen.start("enforce")
        with screen.table():
            for one in steps:
                screen.show(one)
        screen.register(steps)
        screen.history(steps[0])
    seen.check(
        *CODES, "event thrice, disordered", "reverted: deleted", "resource", "eighteen-months", "gone", "2026-11-02",
        "web-shop-and-payments@contoso.com", "a1a1a1a1", "0f0f0f0f", "in the sandbox.",
    )  # fmt: skip
