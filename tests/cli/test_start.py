"""How the program starts: by which name, on which Python, and with how little."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from guardrails.cli.program import MODULE, SCRIPT, named, program
from guardrails.rules import names_of, stages
from guardrails.rules.base import Stage
from tests.bench_check import bicep as small

from .conftest import Save, body
from .test_output import ROOT

MOST_OF_HELP = 66
MOST_OF_JUDGE = 162
MOST_OF_CHECK = 226
"""Modules: what there are, and some room."""
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")


def pythons() -> list[str]:
    """The Pythons on this machine that are too old."""
    versions = ("3.8", "3.9", "3.10", "3.11", "3.12")
    found = [shutil.which(f"python{version}") for version in versions]
    found += [str(path) for version in versions for path in PYENV.glob(f"{version}.*/bin/python")]
    return sorted({os.path.realpath(path) for path in found if path and "/shims/" not in path})


@pytest.mark.parametrize("file", ["guardrails/__init__.py", "guardrails/__main__.py"])
def test_an_old_python_can_read_what_says_so(file: str) -> None:
    ast.parse((ROOT / file).read_text("utf-8"), feature_version=(3, 8))


def test_a_wrong_python_is_one_clear_line(tmp_path: Path) -> None:
    """Simulated: this Python says that it is another."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.version_info = (3, 11, 8, 'final', 0)\n")
    ran = subprocess.run(
        [sys.executable, "-m", "guardrails", "rules"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1), ran.stderr
    assert ran.stderr.startswith("guardrails needs Python 3.13 or later, and this is 3.11.8. Start it with python3.13")


@pytest.mark.parametrize("python", pythons())
def test_an_older_python_of_this_machine_says_so(python: str) -> None:
    ran = subprocess.run(  # noqa: S603 - found above
        [python, "-m", "guardrails", "rules"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1), ran.stderr
    assert ran.stderr.startswith("guardrails needs Python 3.13 or later, and this is 3.")


@pytest.mark.parametrize(
    ("started", "name"),
    [("/usr/local/bin/exg", SCRIPT), ("exg.exe", SCRIPT), ("/x/guardrails/__main__.py", MODULE), ("", MODULE)],
)
def test_the_name_is_the_one_with_which_it_was_started(
    started: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    assert program() == name
    assert named("see `exg rules`, or wait") == f"see `{name} rules`, or wait"


def modules(*words: str) -> set[str]:
    """What a process has imported once a command is done, and a bare Python has not."""
    run = "import sys; from guardrails.__main__ import start\ntry: start()\nfinally: print(); print(*sys.modules)"
    loaded = []
    for code in ("import sys; print(*sys.modules)", run):
        ran = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False
        )
        loaded.append(set(ran.stdout.splitlines()[-1].split()))
    return loaded[1] - loaded[0]


def test_help_starts_with_little() -> None:
    """Each module costs time; how much, `make bench` says: `help_ratio` is to be 4 at most."""
    found = modules("--help")
    assert len(found) <= MOST_OF_HELP, sorted(found)
    assert found.isdisjoint({"dataclasses", "inspect", "logging", "shutil", "traceback", "yaml"})
    assert {name for name in found if name.startswith("guardrails.") and not name.startswith("guardrails.cli")} <= {
        "guardrails.channels", "guardrails.channels.text", "guardrails.errors", "guardrails.lazy_regex",
        "guardrails.__main__",
        "guardrails.notices", "guardrails.notices.renames", "guardrails.notices.stored_names",
    }  # fmt: skip


SLOW = {
    "asyncio", "azure", "dataclasses", "difflib", "inspect", "logging", "pkgutil", "rich", "shtab", "traceback",
    "yaml",
}  # fmt: skip


def test_judge_starts_with_little(save: Save) -> None:
    """As for help: `judge_ratio` is to be 7 at most."""
    found = modules("judge", save("one.json", body()))
    assert len(found) <= MOST_OF_JUDGE, sorted(found)
    assert found.isdisjoint(SLOW)


def test_check_starts_with_little(bicep: str) -> None:
    """As for help: `check_start` is to be 8 at most."""
    found = modules("check", bicep)
    assert len(found) <= MOST_OF_CHECK, sorted(found)
    assert found.isdisjoint(SLOW | {"zoneinfo", "guardrails.epac.plan", "guardrails.files.arm_template"})


def rules_in(found: set[str]) -> set[str]:
    """The names of the rules among modules."""
    return {name.rpartition(".")[2].replace("_", "-") for name in found if name.count(".") == 3} & stages().keys()


def test_judge_imports_only_rules_about_what_is_in_azure(save: Save) -> None:
    found = rules_in(modules("judge", save("one.json", body())))
    assert found
    assert found <= names_of(Stage.AZURE)


def test_check_imports_other_rules_only_to_read_what_the_ruleset_says_of_them(bicep: str, save: Save) -> None:
    words = "expiry-missing: alert, kept-alive: off, expiry-lost: alert, date-shifted: off"
    more = f"{words}, recreated-often: {{options: {{times: 9}}}}"
    short, longer = (
        save(f"{number}.yaml", f"version: 2\nmode: audit\nrules: {{{said}}}")
        for number, said in enumerate((words, more))
    )
    assert rules_in(modules("check", bicep, "--ruleset", short)) == {"expiry-missing"}
    assert rules_in(modules("check", bicep, "--ruleset", longer)) == {"expiry-missing", "recreated-often"}


@pytest.fixture
def bicep(tmp_path: Path) -> str:
    """A small file of a repository of its own."""
    (tmp_path / ".git").mkdir()
    file = tmp_path / "main.bicep"
    file.write_text(small(1, 1), "utf-8")
    return str(file)
