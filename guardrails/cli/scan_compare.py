"""scan --compare: read the earlier scan, and print what changed since then."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from guardrails.cli.schema_version import VERSION, VERSIONS, Form
from guardrails.cli.screen import Screen
from guardrails.errors import Misconfigured
from guardrails.report.comparison import Comparison, Earlier, compare
from guardrails.report.comparison_forms import (
    COLUMNS,
    comparison_json,
    comparison_markdown,
    comparison_rows,
    comparison_totals,
)
from guardrails.report.model import Report
from guardrails.report.named import management_group, subscription

FORMATS: Final = ("table", "json", "markdown")
"""The forms of a comparison."""


class Output(Protocol):
    """What a scan puts out, in one form or several."""

    def pieces(self, form: str) -> Iterable[str]:
        """Return the text in one of the forms, but the table."""

    def show(self, screen: Screen) -> None:
        """Print the table, and the sums."""

    def sum_up(self, screen: Screen) -> None:
        """Print the sums."""


class Compared(NamedTuple):
    """An Output: a comparison. Version 1 had none, so its JSON is always of today's version."""

    made: Comparison

    def pieces(self, form: str) -> Iterable[str]:
        """Return the text in one of the forms, but the table."""
        return comparison_json(self.made, Form()) if form == "json" else comparison_markdown(self.made)

    def show(self, screen: Screen) -> None:
        """Print the changes, and the sums."""
        if self.made.changes:
            screen.table(COLUMNS, comparison_rows(self.made))
            screen.line()
        self.sum_up(screen)

    def sum_up(self, screen: Screen) -> None:
        """Print what limits the comparison, and how many there are of each change."""
        for note in self.made.notes:
            screen.line(f"note: {note}", style="dim")
        screen.line(comparison_totals(self.made))


def check_form(form: str) -> None:
    """Raise Misconfigured (cannot-compare) for a form that a comparison does not have."""
    if form not in FORMATS:
        remedy = f"Give --format {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, or a name that ends in .txt, .json or .md."
        raise Misconfigured(f"a comparison has no format {form}", code="cannot-compare", remedy=remedy)


def read_earlier(args: argparse.Namespace) -> Earlier:
    """Return the scan that --compare names. Raises Misconfigured (cannot-compare) where it cannot be compared."""
    name = args.compare
    if args.only:
        raise _wrong(name, "--only leaves out a part of the scan, but --compare needs all of it", "Leave out --only.")
    try:
        earlier = Earlier.parse(_today(json.loads(Path(name).read_text(encoding="utf-8"))))
    except OSError as error:
        raise _wrong(name, f"it cannot be read: {error.strerror}", _REMEDY) from error
    except (ValueError, RecursionError) as error:
        why = (
            "it is not JSON" if isinstance(error, (json.JSONDecodeError, UnicodeError, RecursionError)) else str(error)
        )
        raise _wrong(name, why, _REMEDY) from error
    if earlier.only:
        raise _wrong(name, f"it has only {', '.join(earlier.only)}", "Name a scan that was made without --only.")
    asked = {
        "--management-group": {management_group(text).key for text in args.management_group},
        "--subscription": {subscription(text).key for text in args.subscription},
        "--scope": {text.lower() for text in args.scope},
        "--exclude": {text.lower() for text in args.exclude},
    }
    for option, then in earlier.filters.items():
        if then != asked[option]:
            given = " ".join(f"{option} {text.removeprefix('mg~')}" for text in sorted(then)) or f"no {option}"
            raise _wrong(name, f"it was made with {given}, but this scan was not", f"Scan with the same {option}.")
    return earlier


def compared(args: argparse.Namespace, report: Report, earlier: Earlier) -> Comparison:
    """Return what changed since then. Raises Misconfigured (cannot-compare) where that was another tenant."""
    try:
        return compare(report, earlier)
    except ValueError as error:
        raise _wrong(args.compare, str(error), "Name a scan of this tenant.") from error


def _today(document: Any) -> Any:
    """Return a scan's JSON with the names of today. Raises ValueError for a version that is not known."""
    if not isinstance(document, dict):
        return document
    version = document.get("schema_version", 1)
    if version not in VERSIONS or isinstance(version, bool):
        raise ValueError(f"its schema_version is not one of {', '.join(map(str, VERSIONS))}")
    return document if version == VERSION else Form("scan", version).from_stored(document)


_REMEDY: Final = "Name a file that `scan --format json` wrote."


def _wrong(name: str, message: str, remedy: str) -> Misconfigured:
    return Misconfigured(message, code="cannot-compare", subject=name, remedy=remedy)
