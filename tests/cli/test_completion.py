"""What completes commands in a shell, in the shells themselves."""

import os
import pty
import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from guardrails.cli.main import COMMANDS
from guardrails.rules import all_rules
from tests import needs
from tests.patience import PATIENCE

from .conftest import Run

type Complete = Callable[[str], set[str]]

BASH = """
source "$1"
eval "words=($2)"
case "$2" in *" ") words+=("") ;; esac
COMP_WORDS=("${words[@]}") COMP_CWORD=$((${#words[@]} - 1)) COMP_LINE="$2" COMP_POINT=${#2}
"$(complete -p exg | sed 's/.* -F \\([^ ]*\\) .*/\\1/')" exg "${words[-1]}" "${words[-2]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def words(shell: str, script: Path, *text: str) -> set[str]:
    """Return what a shell prints: the first word of each line."""
    command = [shell, *text]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True, cwd=script.parent)  # noqa: S603
    assert ran.stderr == ""
    return {line.split("\t")[0] for line in ran.stdout.splitlines()}


@pytest.fixture(params=["bash", "fish"])
def complete(run: Run, request: pytest.FixtureRequest, tmp_path: Path) -> Complete:
    """Return what a shell offers at the end of a line."""
    shell = str(request.param)
    needs.program(shell)
    ran = run("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    script = tmp_path / "script"
    script.write_text(ran.out, encoding="utf-8")
    if shell == "bash":
        return lambda line: words(shell, script, "--norc", "-c", BASH, "bash", str(script), line)
    return lambda line: words(shell, script, "--no-config", "-c", f"source {script}; complete -C '{line}'")


def test_commands(complete: Complete) -> None:
    assert complete("exg ") >= set(COMMANDS)
    assert complete("exg regi") == {"register"}


def test_commands_of_a_command(complete: Complete) -> None:
    assert complete("exg policy ") >= {"build", "would-refuse"}
    assert complete("exg register exp") == {"export"}


def test_options_and_their_values(complete: Complete) -> None:
    assert complete("exg judge --a") == {"--assignments", "--api-version"}
    assert complete("exg judge --format ") == {"table", "json"}
    assert complete("exg policy build --comp") == {"--compare"}


def test_rules(complete: Complete) -> None:
    assert complete("exg rules expiry-") == {name for name in all_rules() if name.startswith("expiry-")}
    assert complete("exg rules EXG101") == {"EXG101"}


def test_files(complete: Complete, tmp_path: Path) -> None:
    (tmp_path / "exemptions.json").touch()
    assert "exemptions.json" in complete("exg judge exem")


class Zsh:
    """An interactive zsh on a terminal of its own."""

    def __init__(self, script: Path) -> None:
        mine, its = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "PS1": "", "COLUMNS": "200"}
        command = [needs.program("zsh"), "-f", "-i"]
        self._process = subprocess.Popen(  # noqa: S603 - the shell
            command, stdin=its, stdout=its, stderr=its, env=environment, cwd=script.parent
        )
        os.close(its)
        self._terminal = mine
        self.shows(f"fpath=({script.parent} $fpath); autoload -Uz compinit; compinit -D -u; print rea''dy\n", "ready")

    def shows(self, text: str, wanted: str) -> None:
        """Type a text, and wait until zsh has answered with another."""
        os.write(self._terminal, text.encode())
        shown, until = b"", time.monotonic() + PATIENCE
        while wanted.encode() not in shown.replace(b"\r\n", b""):
            assert time.monotonic() < until, f"{wanted!r} is not in {shown!r}"
            if select.select([self._terminal], [], [], 0.1)[0]:
                shown += os.read(self._terminal, 65536)
        os.write(self._terminal, b"\x15")  # forget the line

    def end(self) -> None:
        """Close its terminal, and wait for it."""
        os.close(self._terminal)
        self._process.wait(PATIENCE)


def test_zsh(run: Run, tmp_path: Path) -> None:
    script = tmp_path / "_exg"
    script.write_text(run("completion", "zsh").out, encoding="utf-8")
    zsh = Zsh(script)
    try:
        for typed, wanted in {
            "exg regi\t": "exg register ",
            "exg policy b\t": "exg policy build ",
            "exg judge --ass\t": "exg judge --assignments ",
            "exg judge --format j\t": "exg judge --format json ",
            "exg rules expiry-m\t": "exg rules expiry-missing ",
        }.items():
            zsh.shows(typed, wanted)
    finally:
        zsh.end()
