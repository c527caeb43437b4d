"""Whether the service can do what it is for, and how to fix what keeps it from that.

Looks at settings, ruleset, identity, permissions, storage, event subscriptions, routes, clock, sweeps, log, versions.
Nothing is changed: one row is written into the register's table and deleted again. Nothing is sent either, unless
--send asks for a test notice to every route. Each check and how to fix what it finds: docs/doctor.md.

Exit code 0: all is well; 1: something fails; 3: nothing fails, and something is unknown.
"""

import argparse
import asyncio
import os

from guardrails.cli.options import add_format
from guardrails.cli.program import named
from guardrails.cli.screen import Cell, Screen
from guardrails.doctor.app import FunctionApp
from guardrails.doctor.examine import CHECKS, examine
from guardrails.doctor.model import Finding, Report


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("--send", action="store_true", help="send a test notice to every route")
    parser.add_argument(
        "--only", action="append", choices=tuple(CHECKS), default=[], metavar="NAME",
        help=f"do this check only; may be repeated: {', '.join(CHECKS)}",
    )  # fmt: skip
    parser.add_argument(
        "--function-app", type=_function_app, metavar="ID",
        default=os.environ.get("GUARDRAILS_FUNCTION_APP_ID") or None,
        help="resource id of the function app that events must go to; default: GUARDRAILS_FUNCTION_APP_ID",
    )  # fmt: skip
    add_format(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Check, and show what was found."""
    with screen.progress("checks") as moved:
        report = asyncio.run(examine(os.environ, only=args.only, send=args.send, app=args.function_app, moved=moved))
    if args.format == "json":
        screen.json(report.to_json())
    else:
        _show(report, screen)
    return report.exit_code


def _function_app(text: str) -> FunctionApp:
    found = FunctionApp.parse(text)
    if found is None:
        raise argparse.ArgumentTypeError(
            "it is not the resource id of a function app: /subscriptions/.../providers/Microsoft.Web/sites/NAME"
        )
    return found


def _show(report: Report, screen: Screen) -> None:
    rows: list[list[Cell]] = [
        [result.check, str(finding.state), finding.about, [finding.seen, *_fix(finding)]]
        for result in report.results
        for finding in result.findings
    ]
    screen.table(("check", "state", "about", "seen"), rows)
    counts = [str(result.state) for result in report.results]
    said = ", ".join(f"{counts.count(state)} {state}" for state in dict.fromkeys(counts))
    screen.line(f"{len(counts)} checks: {said}", style=str(report.state))


def _fix(finding: Finding) -> list[str]:
    return [f"fix: {named(finding.remediation)}"] if finding.remediation else []
