"""Read the command line, run one command, and report an error in one line.

Exit codes of every command: 0: done. 1: it ran, and the answer is no (violations found, verification failed, nothing to
restore, Azure refuses). 2: it could not run (bad use, bad input, settings or ruleset broken, Azure or storage
unavailable), it failed unexpectedly, or its output could not be written. For `judge`, `check` and `scan`, 1 means
violations only; for `reverts`, mistaken reverts; for `policy`, files that are stale or would change, or writes that
would be refused. These, except `policy build`, and `doctor` also have 3. 130: interrupted. 141: the reader of the
output left.
"""

import sys
from collections.abc import Collection, Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from types import ModuleType
from typing import Final, TextIO, cast

from guardrails import __version__
from guardrails.cli.failure import TRACEBACK, explain
from guardrails.cli.parser import Parser
from guardrails.cli.program import program
from guardrails.cli.retired import modern
from guardrails.cli.schema_version import form_of
from guardrails.cli.screen import Outlet, Screen, complain

COMMANDS: Final = {
    "judge": "judge exemptions in files, offline",
    "check": "judge the exemptions in ARM and Bicep files before they are deployed",
    "scan": "judge every exemption in the tenant with your own login",
    "rules": "list and explain the rules; check a ruleset",
    "reconcile": "judge one exemption in Azure now, and act on it",
    "restore": "undo a revert or a delete; restore an older version",
    "hold": "break-glass: make the service leave an exemption alone until a time",
    "release": "end a hold on an exemption",
    "deleted": "the recycle bin: list deleted exemptions that can be restored",
    "reverts": "find mistaken reverts, and how to undo each",
    "history": "show the history of an exemption; verify the record",
    "register": "list, show, export and import the register",
    "sweep": "show the last sweep; run a sweep now",
    "targets": "show the operations to put in the filter of the event subscription",
    "breaker": "show or close the breaker, which limits reverts",
    "dead-letters": "list, show, replay and drop what could not be processed",
    "notices": "list and replay failed notices; test and enable routes",
    "criteria": "build the table of criteria from the tenant's built-in initiative; show what changed",
    "doctor": "check the deployment; show how to fix each problem",
    "policy": "build Azure Policy definitions from the ruleset",
    "docs": "write the generated pages, or check that they are fresh",
    "completion": "print a script that completes commands in bash, zsh or fish",
}
LEFT: Final = 141
"""What a shell says of a program that SIGPIPE ended: whoever read its output has left. 0 would say that all passed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code. Raises SystemExit for --help and bad use, as argparse does."""
    argv, retired = modern(sys.argv[1:] if argv is None else argv)
    out, err = Outlet(sys.stdout, stops=True), Outlet(sys.stderr)
    with redirect_stdout(cast(TextIO, out)), redirect_stderr(cast(TextIO, err)):
        code: int | SystemExit
        if retired:
            complain(retired)
        try:
            code = _run(argv)
        except SystemExit as leaving:
            code = leaving
        except BaseException as error:  # noqa: BLE001 - Python's own answer, a traceback and 1, would be one of ours
            code = LEFT if out.left else explain(error, _command(argv), trace=_traced(argv))
        code = _ended(out, err) or code
    if isinstance(code, SystemExit):
        raise code
    return code


def _ended(out: Outlet, err: Outlet) -> int:
    """Have all that was said written out; return the exit code where it could not be, else 0."""
    with suppress(BrokenPipeError):
        out.flush()
    if out.refused and not out.left:
        why = out.refused.strerror or "it is closed"
        complain(f"standard output could not be written to its end: {why}. Make room, or send it elsewhere")
    err.flush()
    if out.left or err.left:
        return LEFT
    return 2 if out.refused or err.refused else 0


def _run(argv: list[str]) -> int:
    command = _command(argv)
    lone = command in COMMANDS and set(argv[: argv.index(command)]) <= {TRACEBACK}
    args = command_line([command] if lone else COMMANDS, [command]).parse_args(argv)
    return int(args.run(args, Screen(form_of(command, args))))


def command_line(commands: Iterable[str], declared: Collection[str]) -> Parser:
    """Return the parser of some commands.

    `declared`: those of which the arguments are declared, too. Only their modules are imported: most need no Azure SDK.
    """
    made = Parser(prog=program(), description="Guardrails for Azure Policy exemptions.")
    made.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    made.add_argument(TRACEBACK, action="store_true", help="if a command fails, show the place in the program")
    choice = made.add_subparsers(prog=program(), metavar="COMMAND", required=True, parser_class=Parser)
    for name in commands:
        command = choice.add_parser(name, help=COMMANDS[name])
        if name in declared:
            module = module_of(name)
            command.description = module.__doc__
            module.arguments(command)
            command.set_defaults(run=module.run)
    return made


def module_of(command: str) -> ModuleType:
    """Return the module of a command: only that one is imported."""
    return import_module(f"guardrails.cli.{command.replace('-', '_')}")


def _command(argv: Sequence[str]) -> str:
    """Return the command that is asked for; "" where none is."""
    return next((word for word in argv if not word.startswith("-")), "")


def _traced(argv: Sequence[str]) -> bool:
    """Return whether a traceback is asked for, before the command."""
    command = _command(argv)
    return TRACEBACK in (argv[: argv.index(command)] if command else argv)
