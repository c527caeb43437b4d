"""What fails, and how that is shown: one line on standard error, and an exit code that is no answer."""

import asyncio
import errno
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guardrails.cli import main as program
from guardrails.cli.main import COMMANDS, module_of
from guardrails.cli.screen import Screen
from guardrails.errors import GuardrailsError, Misconfigured, Permanent, Refused, Retryable
from tests.patience import PATIENCE

from .conftest import NOW, Run, Save, body
from .shelf import Shelf, named, row
from .test_output import PROGRAM, ROOT

ID = named("e")
ARGUMENTS = {
    "hold": [ID, "--until", "2099-01-01", "--reason", "x"], "release": [ID],
    "judge": ["x.json"], "check": ["."], "reconcile": [ID], "restore": [ID], "deleted": ["list"], "history": [ID],
    "register": ["list"], "dead-letters": ["list"], "notices": ["failed"], "policy": ["build"],
    "completion": ["bash"], "criteria": ["build"],
}  # fmt: skip
"""What commands cannot do without."""

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
every_command = pytest.mark.parametrize("command", COMMANDS)
SECRET = "sig=abc\x1b[31m\nguardrails: fine"


def line_of(command: str) -> list[str]:
    return [command, *ARGUMENTS.get(command, [])]


type Fails = Callable[[str, BaseException], None]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Fails:
    """Have a command fail with an error of the test's choice, wherever it would."""

    def failing(command: str, error: BaseException) -> None:
        def run(*_: object) -> int:
            raise error

        monkeypatch.setattr(module_of(command), "run", run)

    return failing


def raised[T: BaseException](error: T) -> T:
    """An error as a task of a group had it: it says where it arose."""
    with pytest.raises(type(error)) as arisen:
        raise error
    return arisen.value


def unforeseen() -> Iterator[BaseException]:
    yield KeyError(SECRET)
    yield RuntimeError(SECRET)
    yield MemoryError()
    yield RecursionError(SECRET)
    yield OSError(errno.ENOSPC, "No space left on device", "/reports/a.html")
    yield ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
    yield BrokenPipeError(errno.EPIPE, "Broken pipe")  # of some socket: our own reader is there
    yield UnicodeDecodeError("utf-8", b"\xff", 0, 1, SECRET)
    yield asyncio.CancelledError(SECRET)
    yield GeneratorExit(SECRET)
    yield ImportError(SECRET)
    yield ModuleNotFoundError(SECRET, name="guardrails.cli.nothing")
    yield ExceptionGroup(SECRET, [raised(KeyError(SECRET)), ExceptionGroup(SECRET, [raised(TypeError(SECRET))])])
    yield BaseExceptionGroup(SECRET, [asyncio.CancelledError(SECRET), raised(ValueError(SECRET))])


@every_command
def test_what_nobody_foresaw_is_one_line_and_2(run: Run, fails: Fails, command: str) -> None:
    for error in unforeseen():
        fails(command, error)
        ran = run(*line_of(command))
        assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1), ran
        assert ran.err.startswith(f"guardrails: {command} failed: ")
        assert f"`python -m guardrails --traceback {command} ...` shows all [unexpected]" in ran.err
        assert "test_failures.py:" in ran.err  # where
        assert "sig=" not in ran.err


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("x"), "KeyError in test_failures.py:"),
        (KeyError("x"), "This is a defect in the program. Report this line"),
        (MemoryError(), "Give the program more memory, or less work at once"),
        (OSError(errno.ENOSPC, "No space left on device", "/reports/a.html"),
         "judge failed: No space left on device: /reports/a.html (OSError in test_failures.py:"),
        (OSError(errno.EMFILE, "Too many open files"), "Fix this, and run the command again"),
        (ExceptionGroup("", [KeyError(1), TypeError(2)]), "judge failed: KeyError; TypeError. This is a defect"),
        (ExceptionGroup("", [KeyError(1), OSError(errno.EIO, "Input/output error")]), "This is a defect"),
    ],
    ids=repr,
)  # fmt: skip
def test_it_says_which_kind_where_and_what_to_do(run: Run, fails: Fails, error: BaseException, said: str) -> None:
    fails("judge", error)
    assert said in run("judge", "x.json").err


def errors_of_ours() -> list[GuardrailsError]:
    return [
        Retryable("it is busy", code="arm-busy", remedy="Wait"),
        Permanent("it is not there", code="cannot-act", subject=ID, remedy="Look"),
        Refused("it must not be", code="lease", remedy="Wait"),
        Misconfigured("it has mistakes", code="ruleset", remedy="Fix them", problems=("line 1", "line 2")),
    ]


@every_command
def test_for_commands_that_find_things_1_means_that_something_was_found(run: Run, fails: Fails, command: str) -> None:
    for error in errors_of_ours():
        fails(command, error)
        ran = run(*line_of(command))
        finder = command in ("judge", "check", "scan", "reverts", "policy")
        assert ran.code == (1 if isinstance(error, Permanent | Refused) and not finder else 2)
        assert ran.err.splitlines()[0] == f"guardrails: {GuardrailsError.__str__(error)}"
        assert ran.err.count("\n") == (3 if isinstance(error, Misconfigured) else 1)


def test_a_group_of_our_errors_is_shown_as_those_errors(run: Run, fails: Fails) -> None:
    first, second = Permanent("first", code="cannot-act", remedy="Look"), Refused("second", code="lease")
    fails("restore", ExceptionGroup("many", [first, ExceptionGroup("more", [second, first])]))
    ran = run("restore", ID)
    assert (ran.code, ran.err) == (1, "guardrails: first. Look [cannot-act]\nguardrails: second [lease]\n")
    fails("restore", ExceptionGroup("many", [first, Retryable("third", code="arm-busy")]))
    assert run("restore", ID).code == 2
    fails("scan", ExceptionGroup("many", [first]))
    assert run("scan").code == 2


def test_in_a_group_what_nobody_foresaw_does_not_hide_the_rest(run: Run, fails: Fails) -> None:
    ours = Permanent("first", code="cannot-act", remedy="Look")
    fails("restore", ExceptionGroup("many", [KeyError("x"), ours, KeyError("y")]))
    ran = run("restore", ID)
    first, second = ran.err.splitlines()
    assert (ran.code, first) == (2, "guardrails: first. Look [cannot-act]")
    assert second.startswith("guardrails: restore failed: KeyError. ")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BaseExceptionGroup("", [KeyError(1), KeyboardInterrupt()])])
def test_an_interrupt_says_nothing(run: Run, fails: Fails, error: BaseException) -> None:
    fails("judge", error)
    ran = run("judge", "x.json")
    assert (ran.code, ran.out, ran.err) == (130, "", "")


@every_command
def test_a_module_that_cannot_be_imported(run: Run, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    def broken(_: str) -> None:
        raise SyntaxError(SECRET)

    monkeypatch.setattr(program, "import_module", broken)
    ran = run(*line_of(command))
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(f"guardrails: {command} failed: SyntaxError in ")


def test_a_package_that_is_missing_is_named(run: Run, fails: Fails) -> None:
    fails("judge", ModuleNotFoundError("No module named 'rich'", name="rich"))
    ran = run("judge", "x.json")
    assert (ran.code, ran.err) == (2, "guardrails: the package rich is missing: pip install -r requirements-cli.txt\n")


def test_the_traceback_is_shown_before_the_command_only_and_is_safe_for_a_terminal(run: Run, fails: Fails) -> None:
    fails("judge", RuntimeError(SECRET))
    ran = run("--traceback", "judge", "x.json")
    assert ran.code == 2
    lines = ran.err.splitlines()
    assert lines[1:3] == ["guardrails: where it was:", "  Traceback (most recent call last):"]
    assert any(line.startswith('    File "') for line in lines)
    assert "  RuntimeError: sig=abc[31m" in lines
    assert not any(line.startswith("guardrails: fine") for line in lines)
    assert "there is no option --traceback" in run("judge", "x.json", "--traceback").err
    assert "--traceback" in run("--help").out


def test_a_program_that_cannot_even_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "guardrails.cli.main", None)
    with pytest.raises(SystemExit) as leaving:
        runpy.run_module("guardrails", run_name="__main__")
    assert leaving.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("guardrails: the program cannot start, for it needs Python 3.13 and all of its files: Mod")
    assert said.count("\n") == 1


# Output that cannot be written


@pytest.fixture
def full(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command whose standard output is on a full disk."""

    def running(*argv: str) -> Any:
        with FULL.open("w", encoding="utf-8") as stream, monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", stream)
            return run(*argv)

    return running


SAID = "guardrails: standard output could not be written to its end: No space left on device. Make room, or send it"


@needs_full
@every_command
def test_a_full_disk_is_reported_and_the_command_does_all_that_it_has_to_do(
    full: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    done = []

    def run(_: object, screen: Screen) -> int:
        for _ in range(3):
            screen.line("x" * 10_000)
            screen.json(["x" * 10_000])
            screen.table(("a", "b"), [("x" * 10_000, "y")])
            sys.stdout.write("x" * 10_000)
        done.append(command)
        return 1

    monkeypatch.setattr(module_of(command), "run", run)
    ran = full(*line_of(command))
    assert (ran.code, ran.out, ran.err.count("\n"), done) == (2, "", 1, [command])
    assert ran.err.startswith(SAID)


@needs_full
def test_a_full_disk_in_every_form(full: Run, shelf: Shelf, save: Save) -> None:
    shelf.put([row(ID), row(named("f"))])
    given = save("a.json", [body(), body("b", expiresOn=None)])
    forms = [
        ("judge", given, "--now", NOW), ("judge", given, "--format", "json"),
        ("rules",), ("rules", "--format", "json"), ("rules", "EXG101"), ("rules", "EXG101", "--format", "json"),
        ("policy", "build", "--check"), ("docs", "--check"), ("--help",), ("judge", "--help"),
        *(("register", "list", "--format", form) for form in ("table", "json", "csv")),
        *(("register", "export", "--format", form) for form in ("json", "csv")), ("register", "export", "--full"),
        *(("register", "show", ID, "--format", form) for form in ("table", "json")),
        *(("history", ID, "--format", form) for form in ("table", "json")),
        *(("deleted", "list", "--format", form) for form in ("json", "csv")),
        *(("register", "bypasses", "--format", form) for form in ("json", "csv")),
        *((name, "--format", form) for name in ("targets", "sweep", "breaker") for form in ("table", "json")),
        *(("dead-letters", "list", "--format", form) for form in ("table", "json")),
        *(("notices", what, "--format", form) for what in ("failed", "routes") for form in ("table", "json")),
        ("doctor", "--only", "settings"), ("doctor", "--only", "settings", "--format", "json"),
    ]  # fmt: skip
    for argv in forms:
        ran = full(*argv)
        assert (ran.code, ran.out) == (2, ""), argv
        assert ran.err.splitlines()[-1].startswith(SAID), argv


@needs_full
def test_where_nothing_is_to_be_written_nothing_is_wrong(full: Run, shelf: Shelf) -> None:
    assert full("register", "list").code == 0


def test_standard_error_that_cannot_be_written_is_2_too(run: Run, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    given = save("a.json", body())
    assert run("judge", given, "--now", NOW).code == 3
    with FULL.open("w", encoding="utf-8") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        ran = run("judge", given, "--now", NOW)
    assert ran.code == 2
    assert "1 unknown" in ran.out


def in_shell(line: str) -> subprocess.CompletedProcess[str]:
    command = f"{PROGRAM[0]} -m guardrails {line}"
    return subprocess.run(  # noqa: S603 - our own program
        ["/bin/bash", "-c", command], capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE, check=False
    )


@needs_full
def test_the_shell_sees_the_same(save: Save) -> None:
    """No word of Python's own when it ends, no exit code 120."""
    given = save("a.json", [body(f"e{n}", expiresOn=None) for n in range(300)])
    small = in_shell(f"rules EXG101 > {FULL}")
    assert (small.returncode, small.stderr.count("\n"), small.stderr.startswith(SAID)) == (2, 1, True)
    both = in_shell(f"judge {given} --now {NOW} > {FULL} 2>&1")
    assert (both.returncode, both.stdout + both.stderr) == (2, "")
    closed = in_shell("rules EXG101 >&-")
    assert (closed.returncode, closed.stderr.count("\n")) == (2, 1)
    assert "standard output could not be written to its end: it is closed" in closed.stderr


def test_a_reader_that_has_left_is_141(save: Save) -> None:
    given = save("a.json", [body(f"e{n}", expiresOn=None) for n in range(300)])
    mine, its = os.pipe()
    os.close(mine)
    ran = subprocess.run(  # noqa: S603 - our own program
        [*PROGRAM, "judge", given, "--now", NOW],
        stdout=its, stderr=subprocess.PIPE, cwd=ROOT, timeout=PATIENCE, check=False,
    )  # fmt: skip
    os.close(its)
    assert (ran.returncode, ran.stderr) == (141, b"")


def test_what_fails_is_never_the_answer_of_a_process() -> None:
    """An import that fails in a process of its own: Python would say 1, as if there were violations."""
    broken = (
        "import sys; sys.modules['guardrails.decisions.decide'] = None; "
        "import guardrails.cli.main as it; sys.exit(it.main())"
    )
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", broken, "judge", "x.json"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert "judge failed: ModuleNotFoundError in judge.py:" in ran.stderr
