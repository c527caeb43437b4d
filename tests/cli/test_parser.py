"""Help as wide as the terminal; errors of one line that say what may be given; nothing guessed."""

import argparse
from collections.abc import Iterator

import pytest

from guardrails.cli.main import COMMANDS, module_of
from guardrails.cli.parser import Parser
from guardrails.cli.program import named

from .conftest import Run

WIDTHS = (60, 80, 132)


def parsers() -> Iterator[tuple[tuple[str, ...], Parser]]:
    """Every command, and what each can do."""
    waiting: list[tuple[tuple[str, ...], Parser]] = []
    for name in COMMANDS:
        parser = Parser(prog=f"python -m guardrails {name}")
        module_of(name).arguments(parser)
        waiting.append(((name,), parser))
    while waiting:
        path, parser = waiting.pop()
        yield path, parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += [((*path, word), one) for word, one in action.choices.items()]


EVERY = sorted(parsers(), key=lambda one: one[0])
every_parser = pytest.mark.parametrize("path", [path for path, _ in EVERY], ids=" ".join)


@every_parser
@pytest.mark.parametrize("width", WIDTHS)
def test_help_keeps_to_the_width_and_breaks_no_word(
    run: Run, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    ran = run(*path, "--help")
    assert (ran.code, ran.err) == (0, "")
    description = (module_of(path[0]).__doc__ if len(path) == 1 else dict(EVERY)[path].description) or ""
    description = named(description)
    examples = [line for line in description.splitlines() if line.startswith(" ")]
    for line in ran.out.splitlines():
        assert len(line) <= width or line in examples or " " not in line.strip(), line
    for line in examples:
        assert line in ran.out.splitlines()
    assert set(description.split()) <= set(ran.out.split())


@pytest.mark.parametrize("width", WIDTHS)
def test_a_paragraph_fills_the_width(run: Run, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = run("judge", "--help").out.splitlines()
    longest = max(len(line) for line in lines if line[:1].isalpha())
    assert width - 14 < longest <= width


@every_parser
def test_an_option_that_is_cut_short_or_mistyped_is_refused_and_named(run: Run, path: tuple[str, ...]) -> None:
    """Nothing runs by a guess: `--forc` is not `--force`."""
    parser = dict(EVERY)[path]
    options = [one for action in parser._actions for one in action.option_strings if len(one) > 5]
    for option in options:
        for slip in {option[:-1], option + "s", option[:3] + option[4:]} - set(options):
            ran = run(*path, slip)
            assert (ran.code, ran.out) == (2, "")
            assert ran.err.startswith(f"guardrails: there is no option {slip}. Did you mean --"), ran.err
            assert ran.err.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("jugde",), "'jugde' is not known. Did you mean judge?"),
        (("xyzzy",), "'xyzzy' is not known. Give one of judge, check, scan, rules, "),
        (("register", "lst"), "'lst' is not known. Did you mean list?"),
        (("register", "--format", "json", "list"), "there is no option --format. Write it after `list`"),
        (("judge", "a.json", "--format", "xml"), "argument --format: 'xml' is not known. Give one of table, json"),
        (("judge", "a.json", "--format"), "expected one argument. --format is one of table, json"),
        (("judge", "a.json", "--now"), "expected one argument. --now: judge as of this time, such as 2027-06-30T00:00"),
        (("judge",), "the following arguments are required: FILE. FILE: a JSON file; - for standard input"),
        (("doctor", "--only", "perms"), "'perms' is not known. Did you mean permissions?"),
        (("register", "list", "--rule", "expird"), "there is no rule 'expird' about exemptions. Did you mean expired?"),
        (("register", "list", "--rule", "qqq"), "about exemptions. `python -m guardrails rules` lists them"),
        (("register", "list", "--state", "violatoin"), "'violatoin' is not known. Did you mean violation?"),
        (("policy", "would-refuse", "--rule", "expird"), "expird: there is no such rule. Did you mean expired?"),
        (("rules", "EXG100"), "Did you mean EXG101?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_use_says_what_may_be_given(run: Run, argv: tuple[str, ...], said: str) -> None:
    ran = run(*argv)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert ran.err.count("\n") == 1
