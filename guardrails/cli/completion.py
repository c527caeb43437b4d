"""Print a script that completes commands, options, their values, rules and file names in a shell.

Save the script where your shell looks for completions. Save it again after an upgrade:
  exg completion bash > ~/.local/share/bash-completion/completions/exg
  exg completion zsh > ~/.zfunc/_exg     with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
  exg completion fish > ~/.config/fish/completions/exg.fish
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Final

from guardrails.cli.program import SCRIPT
from guardrails.cli.screen import Screen

SHELLS: Final = ("bash", "zsh", "fish")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("shell", choices=SHELLS, help="the shell")


def run(args: argparse.Namespace, _: Screen) -> int:
    """Print the script for the console script, whatever this was started as."""
    import shtab  # noqa: PLC0415 - for this command alone

    from guardrails.cli.main import COMMANDS, command_line  # noqa: PLC0415 - which imports the commands
    from guardrails.ruleset.rule_pages import every_rule  # noqa: PLC0415 - the rules are for this only

    whole = command_line(COMMANDS, COMMANDS)
    whole.prog = SCRIPT
    for action in _actions(whole):
        if action.metavar == "CODE|NAME":
            action.choices = [name for rule in every_rule().values() for name in (rule.name, rule.code)]
        elif action.metavar in ("FILE", "DIR"):
            action.complete = shtab.FILE if action.metavar == "FILE" else shtab.DIRECTORY  # type: ignore[attr-defined]
    sys.stdout.write(shtab.complete(whole, args.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of all parsers in it."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them; shtab does the same
        yield action
        for command in action.choices.values() if isinstance(action, argparse._SubParsersAction) else ():  # noqa: SLF001
            yield from _actions(command)
