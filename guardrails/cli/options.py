"""Arguments that several commands share, and what becomes of them."""

import argparse
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from guardrails.cli.schema_version import VERSION, VERSIONS
from guardrails.cli.screen import Screen
from guardrails.errors import Misconfigured
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.patterns import LONGEST, Glob, glob, is_nothing, modern, text_glob
from guardrails.exemption.sources import NEWEST, is_api_version
from guardrails.exemption.times import parse_time
from guardrails.lazy_regex import lazy_regex
from guardrails.ruleset.model import Ruleset, load_ruleset

if TYPE_CHECKING:
    from guardrails.criteria.weakened import Criteria

_BREAK: Final = lazy_regex(r"\s*\n\s*")


def add_format(
    parser: argparse.ArgumentParser,
    forms: Sequence[str] = ("table", "json"),
    default: str | None = "table",
    text: str = "default: table",
) -> None:
    """Add --format, with these forms, and --schema-version, which says how JSON and CSV are spelled."""
    parser.add_argument("--format", choices=forms, default=default, help=text)
    parser.add_argument(
        "--schema-version", type=int, choices=VERSIONS, default=VERSION,
        help="version of the names in JSON and CSV: 1 has the old names, until 1.0 (docs/migration.md); default:"
        " %(default)s",
    )  # fmt: skip


def add_ruleset(parser: argparse.ArgumentParser) -> None:
    """Add --ruleset."""
    parser.add_argument(
        "--ruleset", metavar="FILE", help="the ruleset; default: the file in GUARDRAILS_RULESET, or the shipped ruleset"
    )


def add_scopes(parser: argparse.ArgumentParser) -> None:
    """Add what says which exemptions are looked at."""
    parser.add_argument(
        "--subscription", action="append", default=[], metavar="ID", help="read only this subscription; may be repeated"
    )
    parser.add_argument(
        "--management-group", action="append", default=[], metavar="NAME",
        help="read only this management group and all scopes below it; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--scope", action="append", default=[], metavar="GLOB",
        help="judge only exemptions and bypasses at or below this scope: an id, or a pattern as in the ruleset;"
        " may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="GLOB",
        help="leave out this scope and all scopes below it, even those in --scope; may be repeated",
    )  # fmt: skip


def add_scope_and_owner(parser: argparse.ArgumentParser) -> None:
    """Add --scope and --owner, which say which exemptions are shown."""
    parser.add_argument(
        "--scope", action="append", default=[], metavar="GLOB",
        help="only this scope and all scopes below it: an id, or a pattern as in the ruleset; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--owner",
        action="append",
        default=[],
        metavar="GLOB",
        help="only owners that match this pattern, in any letter case; may be repeated",
    )


def add_id(parser: argparse.ArgumentParser) -> None:
    """Add the exemption's id."""
    parser.add_argument("id", metavar="ID", help="the resource id of the exemption, in any letter case")


def add_by(parser: argparse.ArgumentParser) -> None:
    """Add --by."""
    parser.add_argument(
        "--by", metavar="NAME", default=operator(), help="your name, for the history; default: %(default)s"
    )


def scope_globs(texts: Sequence[str], version: int) -> tuple[Glob, ...]:
    """Return the globs on scopes that arguments give, as a ruleset of that version has them.

    Raises Misconfigured (wrong-pattern) for one that can match nothing.
    """
    for text in texts:
        if version > 1 and is_nothing(text):
            message = f"'{text[:60]}' matches nothing: ids begin with /, and * does not match /"
            raise Misconfigured(message, code="wrong-pattern", remedy=f"Write '*{text[:60]}'.")
    return tuple(glob(modern(_short(text), version)) for text in texts)


def owner_globs(texts: Sequence[str], version: int) -> tuple[Glob, ...]:
    """Return the globs on owners that arguments give. Raises Misconfigured (wrong-pattern)."""
    return tuple(text_glob(modern(_short(text), version)) for text in texts)


def _short(text: str) -> str:
    if len(text) > LONGEST:
        message = f"'{text[:60]}…' has {len(text):,} characters"
        raise Misconfigured(message, code="wrong-pattern", remedy=f"Write a pattern of at most {LONGEST:,} characters.")
    return text


def ruleset_of(args: argparse.Namespace) -> Ruleset:
    """Return the ruleset that the arguments name. Raises Misconfigured with every mistake in it."""
    path = args.ruleset or os.environ.get("GUARDRAILS_RULESET", "").strip()
    return load_ruleset(Path(path) if path else None)


def add_criteria(parser: argparse.ArgumentParser) -> None:
    """Add --criteria."""
    parser.add_argument(
        "--criteria", metavar="FILE",
        help="a table of criteria from `criteria build`; default: the file that GUARDRAILS_CRITERIA names, or the"
        " shipped table",
    )  # fmt: skip


def criteria_of(args: argparse.Namespace) -> "Criteria":
    """Return the criteria by the table that the arguments name. Raises Misconfigured."""
    from guardrails.criteria.table import load_table  # noqa: PLC0415 - not every command weighs criteria
    from guardrails.criteria.weakened import Criteria, own_criteria  # noqa: PLC0415

    path = args.criteria or os.environ.get("GUARDRAILS_CRITERIA", "").strip()
    return Criteria(load_table(Path(path))) if path else own_criteria()


def note_ruleset(ruleset: Ruleset, now: datetime, screen: Screen) -> None:
    """Note old names in the ruleset, and exclusions and overrides that have ended: nothing is judged by them now."""
    for one in (*ruleset.retired, *ruleset.ended(now)):
        screen.note(one)


def exemption_id(args: argparse.Namespace) -> ExemptionId:
    """Return the id that was given; one that was copied from a table may have its line breaks.

    Raises Permanent (not-an-exemption).
    """
    return ExemptionId.parse(_BREAK.sub("", args.id))


def moment(text: str) -> datetime:
    """Read a time for argparse. Raises ArgumentTypeError."""
    try:
        time = parse_time(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if time is None:
        raise argparse.ArgumentTypeError("it is empty; write a time such as 2027-06-30T00:00:00Z")
    return time


def api_version(text: str) -> str:
    """Read an api-version for argparse. Raises ArgumentTypeError."""
    if not is_api_version(text):
        raise argparse.ArgumentTypeError(f"'{text[:60]}' is not an api-version such as {NEWEST}")
    return text


def operator() -> str:
    """Return who runs this, by the machine's word."""
    import getpass  # noqa: PLC0415 - most commands ask nobody's name

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return "operator"
