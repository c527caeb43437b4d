"""Read the command line, run one command, and say in one line what went wrong.

Exit codes of every command: 0 fine; 1 it ran, and the answer is no (violations found, verification failed, nothing to
restore, Azure refuses); 2 it could not run (bad use, bad input, settings or ruleset broken, Azure or storage out of
reach). `judge` and `doctor`
also have 3.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NoReturn

from guardrails.cli.screen import Screen
from guardrails.errors import GuardrailsError, Misconfigured, Permanent, Refused

COMMANDS: Final = {
    "judge": "judge exemptions in files, offline",
    "scan": "judge every exemption in the tenant, from your own login",
    "rules": "list and explain the rules; check a ruleset",
    "reconcile": "look at an exemption in Azure now, and do what is right",
    "restore": "undo a revert or a delete; go back to an older version",
    "deleted": "the recycle bin: what is gone, why, and what would be put back",
    "history": "what happened to an exemption; whether the record is sound",
    "register": "what the register knows: list, show, export; a full copy, and putting it back",
    "sweep": "pass over the whole tenant now; show what the last sweep came to",
    "targets": "the operations that the event subscription for exemptions' targets must let through",
    "breaker": "the limit on reverts: show or close it",
    "letters": "what could not be processed: list, show, replay, drop",
    "deadletters": "events that Event Grid gave up on: replay",
    "notices": "what could not be delivered: list, replay; try and enable routes; show digests",
    "doctor": "whether the service can do what it is for, and how to mend what keeps it from that",
    "policy": "build Azure Policy definitions from the ruleset",
    "docs": "write the generated pages, or check that they are fresh",
}
_BAD_INPUT: Final = frozenset({"not-an-exemption", "no-such-rule", "no-such-letter", "no-such-route", "no-such-digest"})
PROGRAM: Final = "python -m guardrails"


class Parser(argparse.ArgumentParser):
    """argparse, with its errors on one line."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments; exit 2."""
        Screen().problem(f"{message} (see {self.prog} --help)")
        sys.exit(2)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. Raises SystemExit for --help and bad use, as argparse does."""
    argv = sys.argv[1:] if argv is None else list(argv)
    _forgive(sys.stdout, sys.stderr)
    screen = Screen()
    try:
        return _run(argv, screen)
    except GuardrailsError as error:
        problems = error.problems if isinstance(error, Misconfigured) else ()
        screen.problem(GuardrailsError.__str__(error), problems)
        return 1 if isinstance(error, Permanent | Refused) and error.code not in _BAD_INPUT else 2
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("guardrails"):
            raise
        screen.problem(f"the package {error.name} is missing: pip install -r requirements-cli.txt")
        return 2
    except BrokenPipeError:  # whoever read our output has enough of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # what a shell says of a program that SIGPIPE ended; 0 would say that all passed
    except KeyboardInterrupt:
        return 130


def _run(argv: list[str], screen: Screen) -> int:
    parser = Parser(prog=PROGRAM, description="Guardrails for Azure Policy exemptions.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=Parser)
    chosen = next((word for word in argv if not word.startswith("-")), "")
    run = None
    for name, help_text in COMMANDS.items():
        command = commands.add_parser(
            name, help=help_text, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        if name == chosen:  # only its module is imported: most need no Azure SDK
            module = import_module(f"guardrails.cli.{name}")
            command.description = module.__doc__
            module.arguments(command)
            run = module.run
    args = parser.parse_args(argv)
    code: int = run(args, screen) if run else 2
    sys.stdout.flush()
    return code


def _forgive(*streams: object) -> None:
    """Let a stream show characters that its encoding lacks as escapes, rather than fail."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
