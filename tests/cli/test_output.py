"""Output: plain in a pipe, coloured on a terminal, safe on both; the real program in processes of its own."""

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from tests.patience import PATIENCE

from .conftest import NOW, Run, Save, body

ROOT = Path(__file__).parents[2]
HOSTILE = (
    "\x1b[31mred\x1b]8;;http://evil\x07click\x9b2J\u202etxt.exe\u2066\x00\r\nguardrails: fine [bold]x[/bold] \ud800"
)
PROGRAM = (sys.executable, "-m", "guardrails")


def hostile() -> dict[str, object]:
    """An exemption whose every text is out to get the terminal."""
    made = body(
        expiresOn=HOSTILE, displayName=HOSTILE, description=HOSTILE, exemptionCategory=HOSTILE,
        policyDefinitionReferenceIds=[HOSTILE], metadata={"owner": HOSTILE, "approvalTicket": HOSTILE},
    )  # fmt: skip
    id_part = "".join(c for c in HOSTILE if c.isprintable() or c == "\u202e").replace("/", "")  # as Azure would take it
    return made | {"id": made["id"] + id_part}


def start(*argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "error", **more}
    return subprocess.run(  # noqa: S603 - our own program
        [*PROGRAM, *argv], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=PATIENCE, check=False
    )


def test_the_program_judges_in_a_pipe_without_colour(save: Save) -> None:
    ran = start("judge", save("a.json", body(expiresOn=None)), "--now", NOW, FORCE_COLOR="1", TERM="xterm-256color")
    assert ran.returncode == 1
    assert "EXG101 expiry-missing (high): it never expires" in ran.stdout
    assert "\x1b" not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


def test_judge_and_rules_load_no_azure_sdk_and_no_rich(save: Save) -> None:
    source = (
        "import sys; from guardrails.cli.main import main; main(sys.argv[1:]);"
        "found = {m.split('.')[0] for m in sys.modules} & {'azure', 'aiohttp', 'rich', 'msal'};"
        "print(sorted(found), file=sys.stderr)"
    )
    for argv in (("judge", save("a.json", body()), "--format", "json"), ("rules",), ("docs", "--check")):
        ran = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", source, *argv],
            capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE, check=False,
        )  # fmt: skip
        assert ran.stderr.splitlines()[-1] == "[]", argv


def test_help_of_the_program_and_of_a_command(run: Run) -> None:
    top, judge = run("--help"), run("judge", "--help")
    assert (top.code, judge.code) == (0, 0)
    names = (
        "judge",
        "rules",
        "reconcile",
        "restore",
        "deleted",
        "history",
        "register",
        "breaker",
        "dead-letters",
        "docs",
    )
    for name in names:
        assert f"\n    {name} " in top.out
    assert "az policy assignment list" in judge.out
    assert "Exit codes: 0: all pass" in judge.out


def on_terminal(*argv: str, width: int = 150, **more: str) -> str:
    """Run the program on a terminal of its own, so many characters wide; return what it wrote there."""
    mine, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "", **more}
    with subprocess.Popen(  # noqa: S603 - our own program
        [*PROGRAM, *argv], stdin=its, stdout=its, stderr=its, cwd=ROOT, env=environment
    ) as process:
        os.close(its)
        written = b""
        try:
            while chunk := os.read(mine, 65536):
                written += chunk
        except OSError:  # Linux: the other end is closed
            pass
        process.wait(60)
    os.close(mine)
    return written.decode()


def test_a_terminal_gets_a_table_with_colour(save: Save) -> None:
    shown = on_terminal("judge", save("a.json", body(expiresOn=None)), "--now", NOW)
    assert "answer: " in shown
    assert "\x1b[1;31mviolation" in shown
    assert "─" in shown
    assert "\x1b" not in on_terminal("judge", save("b.json", body()), "--now", NOW, NO_COLOR="1").replace(
        "\x1b[1m", ""
    ).replace("\x1b[0m", "")


def test_hostile_text_shows_as_text_on_a_terminal(save: Save) -> None:
    shown = on_terminal("judge", save("a.json", hostile()), "--now", NOW, NO_COLOR="1")
    for bad in ("\x1b]", "\x1b[31mred", "\x9b", "\u202e", "\u2066", "\x00", "\x07", "\nguardrails: fine"):
        assert bad not in shown
    assert "[bold]x[/bold]" in shown.replace("\r\n", "")


@pytest.mark.parametrize("form", ["table", "json"])
def test_hostile_text_is_safe_in_a_pipe(run: Run, save: Save, form: str) -> None:
    ran = run("judge", save("a.json", [hostile(), {"id": HOSTILE}]), "--now", NOW, "--format", form)
    assert ran.code == 2
    for text in (ran.out, ran.err):
        assert all(char.isprintable() or char == "\n" for char in text)
        assert not any(line.startswith("guardrails: fine") for line in text.splitlines())
    if form == "json":
        assert ran.json[0]["id"] == str(hostile()["id"]).strip()


def test_a_reader_that_leaves_early_is_no_error(save: Save) -> None:
    given = save("a.json", [body(f"e{n}", expiresOn=None) for n in range(2000)])
    command = f"{sys.executable} -m guardrails judge {given} --now {NOW} | head -1"
    ran = subprocess.run(  # noqa: S603
        ["/bin/sh", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE, check=False
    )
    assert ran.stdout.startswith("violation")
    assert ran.stderr == ""


def test_a_terminal_that_lacks_characters_gets_escapes(save: Save) -> None:
    ran = start("judge", save("a.json", body("größe", expiresOn=None)), "--now", NOW, PYTHONIOENCODING="ascii")
    assert ran.returncode == 1
    assert "gr\\xf6\\xdfe" in ran.stdout


def test_without_rich_a_terminal_gets_plain_text_and_a_hint(save: Save, tmp_path: Path) -> None:
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich/__init__.py").write_text("raise ImportError('not here')\n")
    shown = on_terminal("judge", save("a.json", body(expiresOn=None)), "--now", NOW, PYTHONPATH=str(tmp_path))
    assert "pip install -r requirements-cli.txt" in shown
    assert "EXG101 expiry-missing (high): it never expires" in shown
    assert "\x1b" not in shown


def test_json_of_rules_names_them_all(run: Run) -> None:
    listed = run("rules", "--format", "json").json
    names = {"code", "name", "title", "about", "enabled", "severity", "response", "grace", "soc2", "remediation"}
    assert all(set(one) == names for one in listed)
    assert [one["code"] for one in listed] == sorted(one["code"] for one in listed)
    assert json.dumps(listed)
