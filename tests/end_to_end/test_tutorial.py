"""The tutorial is true: a shell runs every command of docs/tutorial.md in a sandbox, and sees what the page shows."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from sandbox.stack import ROOT
from tests.patience import PATIENCE

PAGE: Final = ROOT / "docs" / "tutorial.md"
BLOCK: Final = re.compile(r"^```(sh|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# Commands that only look: the page says that something happens "within seconds", so they may look again, also where
# they fail because the register has not seen the exemption yet.
LOOKS: Final = ("exg history", "exg register show", "exg deleted list")
PAUSE: Final = 0.3
"""Seconds between two looks: a command takes as much of the processor as the service that it waits for."""


def steps(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each block of commands with the lines that the page shows below it."""
    blocks = BLOCK.findall(page)
    for (kind, text), (following, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        if kind == "sh":
            yield text, shown.splitlines() if following == "text" else []


def missing(shown: list[str], output: str) -> str:
    """Return the first of the lines that the output lacks, in this order; "" for none. `…` is any text."""
    lines = iter([" ".join(line.split()) for line in output.splitlines()])
    for line in shown:
        wanted = re.compile(".*".join(re.escape(part.strip()) for part in line.split("…")))
        if not any(wanted.fullmatch(one) for one in lines):
            return line
    return ""


def say(shell: subprocess.Popen[str], commands: str) -> tuple[int, str]:
    """Run commands in the shell. Return the exit code of the last one, and all that they print."""
    assert shell.stdin
    assert shell.stdout
    shell.stdin.write(f'{commands}\necho "end of step: $?"\n')
    shell.stdin.flush()
    out = ""
    for line in shell.stdout:
        if ended := re.search(r"end of step: (\d+)$", line):
            return int(ended[1]), out + line[: ended.start()]
        out += line
    pytest.fail(f"the shell ended in: {commands}\n{out}")


@contextmanager
def sandbox(folder: Path) -> Iterator[None]:
    """Run `make sandbox`'s command; its files go into the folder."""
    command = [sys.executable, "-m", "sandbox", "up", "--folder", str(folder)]
    with (
        (folder / "log").open("w", encoding="utf-8") as log,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True) as running,  # noqa: S603
    ):
        try:
            assert running.stdout
            assert json.loads(running.stdout.readline())
            yield
        finally:
            running.terminate()


def test_every_command_does_what_the_page_shows(tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8").replace("build/sandbox.env", str(tmp_path / "sandbox.env"))
    done = 0
    with (
        sandbox(tmp_path),
        subprocess.Popen(
            ["/bin/bash", "-s"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as shell,
    ):
        for commands, shown in steps(page):
            code, output = say(shell, commands)
            until = time.monotonic() + PATIENCE
            while (code or missing(shown, output)) and commands.startswith(LOOKS) and time.monotonic() < until:
                time.sleep(PAUSE)
                code, output = say(shell, commands)
            assert code == 0, f"{commands}\n{output}"
            assert not missing(shown, output), (
                f"{missing(shown, output)}\nis not what this printed:\n{commands}\n{output}"
            )
            done += 1
        assert shell.stdin
        shell.stdin.close()
    assert done >= 15


@pytest.mark.parametrize(
    ("shown", "output", "first"),
    [
        (["1 … intent … kept"], "1     2026-11-29  intent  kept\n", ""),
        (["1 … intent", "2 … reverted"], "2  reverted\n1  intent\n", "2 … reverted"),
        (["201"], "200\n", "201"),
    ],
)
def test_what_is_not_printed_is_found_out(shown: list[str], output: str, first: str) -> None:
    assert missing(shown, output) == first
