"""Check the deployment, and show how to fix each problem.

The checks cover settings, ruleset, identity, permissions, storage, event subscriptions, routes, clock, sweeps, logs and
versions. The command changes nothing, except that it writes one row to the register's table and deletes it. It sends a
test notice to every route only with --send. See docs/doctor.md for each check.

Exit codes: 0: all pass. 1: a check fails. 3: no check fails, but one is unknown.
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
from guardrails.exemption.counts import number_of


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    parser.add_argument("--send", action="store_true", help="send a test notice to every route")
    parser.add_argument(
        "--only", action="append", choices=tuple(CHECKS), default=[], metavar="NAME",
        help=f"run only this check; may be repeated: {', '.join(CHECKS)}",
    )  # fmt: skip
    parser.add_argument(
        "--function-app", type=_function_app, metavar="ID",
        default=os.environ.get("GUARDRAILS_FUNCTION_APP_ID") or None,
        help="resource id of the function app that must receive the events; default: GUARDRAILS_FUNCTION_APP_ID",
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
    screen.line(f"{number_of(len(counts), 'check')}: {said}", style=str(report.state))


def _fix(finding: Finding) -> list[str]:
    return [f"fix: {named(finding.remediation)}"] if finding.remediation else []
