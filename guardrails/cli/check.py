r"""Judge the exemptions that ARM and Bicep files would deploy, before they are deployed. It only reads.

  exg check infra/
  exg check main.bicep --deploy-to /subscriptions/ID/resourceGroups/NAME --azure assignments.json
  exg check . --format sarif > exg.sarif
  exg check . --diff origin/main

A folder is walked; files in its .gitignore, and files that hold no template, are left out. A template that another
checked one uses as a module is checked through that one. Values are computed as Azure's deployment engine computes
them. What the files do not say is unknown, with the option that would settle it. These options may also be in a
file .exg-check.yaml; see docs/check.md.

Nothing is executed or fetched, and no file outside the repository is read. Only --online asks Azure, and only
--compiler runs a program.

Exit codes: 0: all pass. 1: a violation (see --fail-on). 2: something could not be read, or a deployment would be
refused. 3: with --strict, something is unknown. With --diff, only what the change brings counts.
"""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guardrails.cli.options import add_ruleset, moment, note_ruleset, ruleset_of
from guardrails.cli.screen import Screen
from guardrails.errors import Misconfigured
from guardrails.exemption.expiry import duration
from guardrails.exemption.severity import Severity

if TYPE_CHECKING:
    from guardrails.cli.check_diff import Change
    from guardrails.cli.check_run import Run
    from guardrails.ruleset.model import Ruleset

FORMATS = ("text", "json", "sarif", "markdown")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or a folder")
    world = parser.add_argument_group("where and when it is deployed")
    world.add_argument(
        "--deploy-to", action="append", default=[], metavar="ID",
        help="the scope that templates are deployed to: the id of a resource group, subscription or management group,"
        " or / for the tenant; may be repeated, once for each kind",
    )  # fmt: skip
    world.add_argument("--tenant", default="", metavar="ID", help="the id of the tenant")
    world.add_argument(
        "--location", default="", metavar="REGION", help="the region of the resource group, or of the deployment"
    )
    world.add_argument("--deployment-name", default="", metavar="NAME", help="the name of the deployment")
    world.add_argument(
        "--parameters", action="append", default=[], metavar="FILE", type=Path,
        help="a parameter file; may be repeated; default: the .bicepparam file that uses the template, or"
        " X.parameters.json for X.json",
    )  # fmt: skip
    world.add_argument(
        "--now", type=moment, default=None, metavar="TIME",
        help="the time of the deployment, such as 2027-06-30T00:00:00Z; default: unknown, and judged as of now",
    )  # fmt: skip
    world.add_argument(
        "--next-run", type=_duration, default=None, metavar="TIME",
        help="how long after that the code is deployed again, such as 7d",
    )  # fmt: skip
    azure = parser.add_argument_group("what is in Azure")
    azure.add_argument(
        "--azure", "--assignments", action="append", default=[], metavar="FILE", type=Path,
        help="objects of Azure as Resource Graph, az or ARM give them: management groups, subscriptions, resource"
        " groups, resources, policies, initiatives, assignments, exemptions; may be repeated",
    )  # fmt: skip
    azure.add_argument("--azure-complete", action="store_true", help="what these files do not hold does not exist")
    azure.add_argument("--online", action="store_true", help="ask Azure with your own login; it only reads")
    epac = parser.add_argument_group("exemptions of Enterprise Azure Policy as Code (EPAC)")
    epac.add_argument(
        "--epac-settings", metavar="FILE", type=Path,
        help="its global-settings.jsonc; default: the nearest one in the folders above the exemptions",
    )  # fmt: skip
    epac.add_argument(
        "--pac-selector", default="", metavar="NAME", help="the environment; default: the name of the folder"
    )
    epac.add_argument(
        "--epac-switch", action="append", default=[], metavar="NAME[=VALUE]",
        help="a switch that EPAC is called with, such as FailOnExemptionError or ErrorActionPreference=Stop; may be"
        " repeated",
    )  # fmt: skip
    epac.add_argument(
        "--time-zone", default="", metavar="NAME", help="the time zone of its runner, such as UTC; default: unknown"
    )
    epac.add_argument(
        "--culture", default="", metavar="NAME", help="the culture of its runner, such as en-US; default: unknown"
    )
    parser.add_argument(
        "--fail-on", type=Severity, choices=tuple(Severity), default=Severity.INFO, metavar="SEVERITY",
        help="exit with 1 only for violations of this severity or a worse one: high, medium, low, info; default:"
        " %(default)s",
    )  # fmt: skip
    parser.add_argument("--strict", action="store_true", help="exit with 3 if something is unknown")
    parser.add_argument(
        "--diff", metavar="REV",
        help="say what changed since this revision of git: which exemptions are new, end later or exempt more; only"
        " the findings that the change brings count",
    )  # fmt: skip
    parser.add_argument("--explain", action="store_true", help="show where each value comes from")
    parser.add_argument(
        "--compiler", metavar="FILE", type=Path,
        help="a Bicep compiler (0.41 or newer): it computes what is unknown, and each disagreement is reported",
    )  # fmt: skip
    add_ruleset(parser)
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Read, compute, judge, report."""
    ruleset = ruleset_of(args)
    note_ruleset(ruleset, args.now or datetime.now(UTC), screen)
    if args.diff is not None:
        return _diff(args, ruleset, screen)
    from guardrails.cli.check_run import check  # noqa: PLC0415 - what is wrong with the ruleset is said before

    done = check(args, ruleset)
    code = done.answer.code(args.fail_on, strict=args.strict)
    if args.format == "text":
        from guardrails.cli.check_text import show  # noqa: PLC0415 - each form on its own

        show(done.answer, _lines(done), screen, done.origins, strict=args.strict)
        _notes(done, screen)
    else:
        for piece in _pieces(args, done, code):
            sys.stdout.write(piece)
    return code


def _diff(args: argparse.Namespace, ruleset: "Ruleset", screen: Screen) -> int:
    """Compare with a revision of git; report what the change does."""
    from guardrails.cli.check_diff import changed  # noqa: PLC0415 - for this option only

    change = changed(args, ruleset)
    done = change.run
    code = change.diff.code(done.answer, args.fail_on, strict=args.strict)
    if args.format == "text":
        from guardrails.cli.check_diff_text import show_change  # noqa: PLC0415 - each form on its own

        show_change(change, ruleset.names, _lines(done), screen, strict=args.strict)
        _notes(done, screen)
    elif args.format == "markdown":
        from guardrails.cli.check_diff_text import change_markdown  # noqa: PLC0415
        from guardrails.cli.check_text import inert  # noqa: PLC0415

        for piece in change_markdown(change, ruleset.names, done.answer.skipped):
            sys.stdout.write(inert(piece))
    else:
        for piece in _pieces(args, done, code, change):
            sys.stdout.write(piece)
    return code


def _pieces(args: argparse.Namespace, done: "Run", code: int, change: "Change | None" = None) -> Iterator[str]:
    """Yield the text in one of the forms for programs."""
    if args.format == "markdown":
        from guardrails.cli.check_markdown import as_markdown  # noqa: PLC0415 - each form on its own
        from guardrails.cli.check_text import inert  # noqa: PLC0415

        return (inert(piece) for piece in as_markdown(done.answer))
    from guardrails.cli.check_json import as_json, dumped  # noqa: PLC0415

    if args.format == "sarif":
        from guardrails.cli.check_sarif import Baseline, as_sarif  # noqa: PLC0415
        from guardrails.runtime.settings import Settings  # noqa: PLC0415

        docs = Settings.read(storage=False).docs
        baseline = Baseline(change.commit, change.diff.state, change.diff.as_before) if change else None
        log = as_sarif(done.answer, strict=args.strict, docs=docs, code=code, baseline=baseline)
        return iter((dumped(log), "\n"))
    said: dict[str, Any] = done.answer.to_json()
    for number, origins in done.origins.items():
        said["exemptions"][number]["explained"] = [
            {"at": at, "from": [{"what": one.what, **one.place._asdict()} for one in froms]} for at, froms in origins
        ]
    if change:
        said["diff"] = change.to_json()
    return as_json(said)


def _notes(done: "Run", screen: Screen) -> None:
    from guardrails.cli.check_text import inert  # noqa: PLC0415 - see run

    answer = done.answer
    for note in answer.notes:
        screen.note(inert(note))
    if answer.skipped and answer.exemptions:
        screen.note(f"not judged, because they need history or an author: {', '.join(answer.skipped)}")


def _lines(done: "Run") -> Any:
    """Return what gives a line of a file for display."""

    @lru_cache(maxsize=64)
    def read(path: str) -> list[str]:
        return done.text_of(path).split("\n")

    def line_of(path: str, line: int) -> str:
        lines = read(path) if path else []
        return lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""

    return line_of


def _duration(text: str) -> Any:
    """Read a duration for argparse. Raises ArgumentTypeError."""
    try:
        return duration(text)
    except (KeyError, ValueError, IndexError, OverflowError):
        raise argparse.ArgumentTypeError(f"'{text[:60]}' is not a time such as 12h or 7d") from None


def bad_use(message: str, remedy: str) -> Misconfigured:
    """Return (to raise) the error for options that make no sense."""
    return Misconfigured(message, code="bad-use", remedy=remedy)
