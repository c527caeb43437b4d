"""`python -m sandbox up`: JSON alone on standard output, lines for shells in a file, and how to load them beside it."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any, Self

import pytest

from sandbox import __main__ as program
from sandbox import shell
from sandbox.authority import authority
from tests.patience import PATIENCE

ADDRESSES = {"arm": "http://127.0.0.1:1", "arm_tls": "https://127.0.0.1:2", "sink": "http://127.0.0.1:3"}


class Storage:
    connection_string = "UseDevelopmentStorage=true"


class Parts:
    """Stands for the sandbox, of which nothing is started."""

    addresses = ADDRESSES
    environment = {"GUARDRAILS_ARM_ENDPOINT": ADDRESSES["arm"]}  # noqa: RUF012
    azurite = Storage()
    ca = authority().certificate

    def __init__(self, *, mode: str) -> None:
        self.mode = mode

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def control(self, *_: Any) -> None:
        return None


async def test_up_prints_json_and_says_how_to_load_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def furnish(_: Any) -> None:
        return None

    monkeypatch.setattr(program, "Sandbox", Parts)
    monkeypatch.setattr(program, "furnish", furnish)
    build, written, write = tmp_path / "a folder" / "build", asyncio.Event(), shell.write

    def write_and_note(*given: Any) -> Path:
        written.set()
        return write(*given)

    monkeypatch.setattr(shell, "write", write_and_note)
    running = asyncio.create_task(program.up("", build))
    waiting = asyncio.create_task(written.wait())
    await asyncio.wait({running, waiting}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if not running.done():
        os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, PATIENCE)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().remove_signal_handler(number)
    said = capsys.readouterr()
    (line,) = said.out.splitlines()
    shown = json.loads(line)
    assert {key: shown[key] for key in ADDRESSES} == ADDRESSES
    assert Path(shown["ca"]).read_text(encoding="ascii") == authority().certificate  # noqa: ASYNC240
    assert shown["environment"] == Parts.environment
    assert said.err == f"sandbox: to point the clients of a shell at it:  . '{build}/sandbox.env'\n"
    lines = (build / "sandbox.env").read_text(encoding="utf-8")
    assert f"export GUARDRAILS_ARM_ENDPOINT={ADDRESSES['arm']}\n" in lines
    assert f"export SANDBOX_ARM_TLS={ADDRESSES['arm_tls']}\n" in lines
