"""Judge every exemption and every bypass in the tenant, with your own login. It only reads.

No deployment is necessary. azure-identity finds your login: the Azure CLI (`az login`), environment variables, and
others. You need the role Reader.
  exg scan
  exg scan --management-group corp --exclude '**/resourceGroups/break-glass' --only violation
  exg scan --out scan.html --out scan.csv
  exg scan --compare yesterday.json
  exg scan --by owner --out reports

Exit codes: 0: all pass. 1: a violation. 2: the scan could not run. 3: no violation, but something is unknown or could
not be read. Exemptions that the ruleset excludes do not count. With --exit-zero, the exit code is 0 for any finding.
With --compare: 1: a violation is new or worse. 3: no violation is new or worse, but something became unknown
or can no longer be read. 0: all other results.
"""

import argparse
import asyncio
import logging
import sys
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, redirect_stdout, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from guardrails import __version__
from guardrails.cli.options import (
    add_criteria,
    add_format,
    add_ruleset,
    add_scopes,
    criteria_of,
    moment,
    note_ruleset,
    ruleset_of,
    scope_globs,
)
from guardrails.cli.scan_by import Folder, coverage_file
from guardrails.cli.scan_compare import Compared, Output, check_form, compared, read_earlier
from guardrails.cli.schema_version import Form
from guardrails.cli.screen import Cell, Screen
from guardrails.criteria.weakened import Criteria
from guardrails.errors import NO_TOKEN, Misconfigured, Retryable
from guardrails.exemption.facts import Unread
from guardrails.report.bypasses import WORDS, beyond
from guardrails.report.coverage import Coverage, identity_of
from guardrails.report.coverage_forms import coverage_rows
from guardrails.report.filters import Filter
from guardrails.report.line import Line, expiry_text, rules_broken, written_text
from guardrails.report.model import Report
from guardrails.report.named import Named, complaints, management_group, scope, subscription
from guardrails.report.parts import BY
from guardrails.report.survey import Progress, survey
from guardrails.report.texts import COLUMNS, as_coverage, as_csv, as_json, as_markdown, totals
from guardrails.ruleset.model import Ruleset
from guardrails.runtime.settings import Settings

if TYPE_CHECKING:
    from guardrails.azure.graph import Graph
    from guardrails.azure.identity import Remembered
    from guardrails.azure.login import Login

FORMATS: Final = ("table", "json", "csv", "html", "markdown")
SUFFIXES: Final = {".txt": "table", ".json": "json", ".csv": "csv", ".html": "html", ".htm": "html", ".md": "markdown"}
ONLY: Final = ("violation", "unknown", "excluded", "pass")

type Job = tuple[Path, str, Output]
"""A file to write, its form, and what is written into it."""

_wait: Final = asyncio.sleep
"""How it waits, in seconds, where Azure asks for it."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what it takes."""
    add_format(parser, FORMATS, None, "default: by the file name in --out, or table")
    parser.add_argument(
        "--out", action="append", default=[], metavar="FILE",
        help="write the report to this file, in the format of its name; with --by, the folder of the files; may be"
        " repeated; default: standard output",
    )  # fmt: skip
    parser.add_argument(
        "--by",
        choices=BY,
        help="write one file for each of these, and an index, into the folder of --out; default format: HTML",
    )
    add_scopes(parser)
    parser.add_argument(
        "--only",
        action="append",
        choices=ONLY,
        default=[],
        help="list only these; the totals count all; may be repeated",
    )
    parser.add_argument(
        "--compare", metavar="FILE",
        help="report only what is new, removed, fixed or worse since an earlier scan in JSON; formats: table, json,"
        " markdown",
    )  # fmt: skip
    parser.add_argument(
        "--names", action="store_true",
        help="for the HTML page, ask Microsoft Graph for the display names of owners, approvers and authors; needs"
        " Directory.Read.All",
    )  # fmt: skip
    parser.add_argument("--exit-zero", action="store_true", help="exit with 0 for any finding")
    parser.add_argument("--quiet", action="store_true", help="show no progress bar")
    parser.add_argument(
        "--now", type=moment, metavar="TIME", help="judge as of this time, such as 2027-06-30T00:00:00Z; default: now"
    )
    add_ruleset(parser)
    add_criteria(parser)


def run(args: argparse.Namespace, screen: Screen) -> int:
    """Read, judge, report."""
    ruleset = ruleset_of(args)
    criteria = criteria_of(args)
    folder = Folder.of(args) if args.by else None
    targets = [] if folder else _targets(args)
    earlier = read_earlier(args) if args.compare else None
    if folder or targets or args.format != "csv":  # else standard error is for the coverage alone
        note_ruleset(ruleset, args.now or datetime.now(UTC), screen)
    with screen.progress("exemptions", quiet=args.quiet) as progress:
        report = asyncio.run(_survey(args, ruleset, criteria, progress))
    code = _code(report)
    output: Output = _listed(args, report, screen.form)
    jobs: list[Job] = [(path, form, output) for path, form in targets]
    if folder:
        output = index = folder.index(report)
        folder.prepare(index)
        jobs = [(folder.index_path, "json", index)]
        for part in index.parts:
            listed = _listed(args, part.report, screen.form)
            jobs += [(path, form, listed) for path, form in folder.files(part)]
    elif earlier:
        comparison = compared(args, report, earlier)
        code, output = comparison.code, Compared(comparison)
        jobs = [(path, form, output) for path, form in targets]
    if jobs:
        output.sum_up(screen)
        _write_all(jobs, screen)
    else:
        _print(args.format or "table", output, screen)
    return 0 if args.exit_zero else code


def _listed(args: argparse.Namespace, report: Report, spelled: Form) -> "_Scan":
    """Return a report with the lines that are to be listed."""
    return _Scan(report, [line for line in report.lines if not args.only or line.verdict in args.only], spelled)


def _write_all(jobs: Iterable[Job], screen: Screen) -> None:
    """Write files, each by itself. Raises Misconfigured (cannot-write) that names those that cannot be written."""
    problems = []
    for path, form, output in jobs:
        try:
            _write(path, form, output)
        except OSError as error:
            problems.append(f"{error.filename or path} cannot be written: {error.strerror}")
        else:
            screen.line(f"written: {path}")
    if problems:
        raise _wrong(problems[0], "Make room there, or name another file.", problems[1:])


def _code(report: Report) -> int:
    return 1 if report.violations else 3 if report.grades["unknown"] or report.missing else 0


def _targets(args: argparse.Namespace) -> list[tuple[Path, str]]:
    """Return the files to write and their forms. Raises Misconfigured before anything is read from Azure."""
    found: list[tuple[Path, str]] = []
    if args.compare:
        check_form(args.format or "table")
    for name in args.out:
        path = Path(name)
        form = args.format or SUFFIXES.get(path.suffix.lower(), "")
        if not form:
            raise _wrong(f"the format of {name} is unknown", "Give --format, or a name that ends in .html.")
        if args.compare:
            check_form(form)
        found += [(path, form), *([(coverage_file(path), "coverage")] if form == "csv" else [])]
    for path, _ in found:
        if path.is_dir() or not path.parent.is_dir():
            raise _wrong(f"{path} cannot be written", "Name a file in an existing folder.")
        if sum(path == other for other, _ in found) > 1:
            remedy = "Name each file once. NAME.csv also writes NAME.coverage.json."
            raise _wrong(f"{path} would be written twice", remedy)
    if args.format == "html" and not found and sys.stdout.isatty():
        raise _wrong("the terminal cannot show HTML", "Use --out scan.html, or a pipe.")
    if "html" in (args.format, *(form for _, form in found)):
        import guardrails.report.page  # noqa: F401, PLC0415 - a missing package is to be said before the tenant is read
    return found


def _wrong(message: str, remedy: str, more: Sequence[str] = ()) -> Misconfigured:
    return Misconfigured(message, code="cannot-write", remedy=remedy, problems=tuple(more))


async def _survey(args: argparse.Namespace, ruleset: Ruleset, criteria: Criteria, progress: Progress) -> Report:
    """Connect, read and judge everything, close. Raises Retryable where Azure gives nothing at all."""
    from guardrails.azure.arm import ArmRest  # noqa: PLC0415 - the SDK's half a second is not for --help
    from guardrails.azure.graph import Graph  # noqa: PLC0415
    from guardrails.azure.graph_pages import GRAPH_VERSION  # noqa: PLC0415
    from guardrails.azure.identity import Remembered, credential  # noqa: PLC0415
    from guardrails.azure.login import Login  # noqa: PLC0415
    from guardrails.azure.policies import DEFINITIONS  # noqa: PLC0415
    from guardrails.azure.principals import Principals  # noqa: PLC0415

    settings, clock = Settings.read(storage=False), _Clock()
    requested = [*map(management_group, args.management_group), *map(subscription, args.subscription)]
    named = [*requested, *filter(None, map(scope, args.scope))]
    coverage = Coverage(
        requested=tuple(dict.fromkeys(one.key for one in requested)),
        scope=tuple(args.scope),
        exclude=tuple(args.exclude),
        only=tuple(args.only),
        version=__version__,
        started=clock.now(),
    )
    include, exclude = (scope_globs(texts, ruleset.version) for texts in (args.scope, args.exclude))
    wanted = Filter(include, exclude, visible=bool(requested))
    identity = Remembered(credential(settings.client_id))
    endpoint, audience = settings.arm_endpoint, settings.arm_audience
    login = Login(endpoint, identity, audience=audience)
    arm = ArmRest(
        endpoint, identity, clock, audience=audience,
        version=settings.exemptions_version, policy_version=settings.policy_version,
    )  # fmt: skip
    graph = Graph(endpoint, identity, clock, scopes=coverage.requested, audience=audience, sleep=_wait)
    principals = Principals(settings.microsoft_graph, identity, sleep=_wait)
    quiet = logging.NullHandler()  # what is logged of Azure is in the report; standard error is for the coverage
    logging.getLogger("guardrails").addHandler(quiet)
    async with AsyncExitStack() as closing:
        closing.callback(logging.getLogger("guardrails").removeHandler, quiet)
        for part in (identity, login, arm, graph, principals):
            closing.push_async_callback(part.close)
        try:
            await _introduce(coverage, login, identity)
            await _check(named, graph, coverage)
            report = await survey(
                graph, arm, ruleset, args.now or clock.now(), coverage=coverage, wanted=wanted,
                named=tuple(dict.fromkeys(one.key for one in named)),
                criteria=criteria, progress=progress, sleep=_wait,
            )  # fmt: skip
        except Retryable as error:
            raise _explained(error) from error
        if args.names:
            report.principals, why = await principals.names(report.principals_named())
            report.notes += [why] if why else []
    report.portal, report.docs = settings.portal, settings.docs
    report.made_at = coverage.ended = clock.now()
    used = {one: version for one, version in arm.policy_versions.items() if one != DEFINITIONS or ruleset.asks_policies}
    read_by = {"policyExemptions": settings.exemptions_version, **used, "resourceGraph": GRAPH_VERSION}
    coverage.api_versions = {kind: version for kind, version in read_by.items() if "/" not in kind}
    for kind, version in used.items():
        if version != settings.policy_version and "/" not in kind:
            report.notes.append(
                f"this cloud does not have api-version {settings.policy_version} of {kind}; the scan used {version}"
            )
    if not report.containers and not report.total:
        raise _nothing(report)
    return report


async def _introduce(coverage: Coverage, login: "Login", identity: "Remembered") -> None:
    """Say who asks, and in which tenant. Raises Retryable: no token, or no connection to Azure."""
    claims = await login.claims()
    coverage.identity = identity_of(claims, identity.found_by)
    coverage.tenant = str(claims.get("tid") or "").lower()
    name = await login.tenant_name(coverage.tenant)
    if isinstance(name, Unread):
        coverage.tenant_unnamed = name.reason
    else:
        coverage.tenant_name = name


async def _check(named: Sequence[Named], graph: "Graph", coverage: Coverage) -> None:
    """Raise Misconfigured for what is named and cannot be seen, before anything is judged."""
    if not named:
        return
    visible, missing = await graph.visible()
    wrong = complaints(named, visible, coverage.identity)
    if wrong and not missing:  # what is missing may be among what could not be read: the survey says so
        remedy = "Name scopes that this login sees, or use another login (az login --tenant ID)."
        raise Misconfigured(wrong[0], code="scope-not-visible", remedy=remedy, problems=tuple(wrong[1:]))


def _nothing(report: Report) -> Retryable:
    """Return (to raise) the error for a scan that saw nothing: nothing is shown to it, or nothing could be read."""
    if report.missing:
        remedy = "Try again. If the error stays, check the network and the status of Azure."
        return Retryable(f"nothing could be read: {report.missing[0]}", code="nothing-read", remedy=remedy)
    return Retryable(
        f"this login sees no subscription and no management group: {report.coverage.identity.shown}",
        code="nothing-seen",
        remedy="Log in to the right tenant (az login --tenant ID), or ask for the role Reader.",
    )


class _Clock:
    """ports.Clock by the machine. That of guardrails.wiring would bring the storage SDK, which a scan does not need."""

    def now(self) -> datetime:
        return datetime.now(UTC)


def _explained(error: Retryable) -> Retryable:
    """Return the error with a remedy for an engineer's own login, not for a deployed service's identity."""
    if error.code != NO_TOKEN:
        remedy = error.remedy or "Try again. If the error stays, check the network and the status of Azure."
        return Retryable(error.message, code=error.code, subject=error.subject, remedy=remedy)
    remedy = "Log in with `az login`, or set the variables of azure-identity (AZURE_CLIENT_ID, AZURE_TENANT_ID, ...)."
    said = (line.strip() for line in str(error.__cause__ or "").splitlines())
    cli = next((line for line in said if line.startswith("AzureCliCredential")), "")
    message = f"{error.message} ({cli.rstrip('.')})" if cli else error.message
    return Retryable(message, code=error.code, remedy=remedy)


def _print(form: str, output: Output, screen: Screen) -> None:
    if form == "table":
        output.show(screen)
        return
    for piece in output.pieces(form):
        sys.stdout.write(piece)
    if form == "csv":
        sys.stderr.writelines(output.pieces("coverage"))


def _write(path: Path, form: str, output: Output) -> None:
    """Write a file whole or not at all; a device or a pipe is written into, and stays what it is. Raises OSError."""
    if path.exists() and not path.is_file():
        _fill(path, form, output)
        return
    partial = path.with_name(path.name + ".partial")
    try:
        _fill(partial, form, output)
        partial.replace(path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _fill(path: Path, form: str, output: Output) -> None:
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        if form == "table":
            with redirect_stdout(file):
                output.show(Screen())
        else:
            file.writelines(output.pieces(form))


class _Scan(NamedTuple):
    """What a scan puts out: a report, which of its lines are listed, and how JSON and CSV are spelled."""

    report: Report
    lines: Sequence[Line]
    spelled: Form

    def pieces(self, form: str) -> Iterable[str]:
        """Return the text in one of the forms, but the table."""
        report, lines = self.report, self.lines
        if form == "html":
            from guardrails.report.page import as_html  # noqa: PLC0415 - the template engine is for this form only

            return as_html(report, lines)
        match form:
            case "json":
                return as_json(report, lines, self.spelled)
            case "csv":
                return as_csv(report, lines, self.spelled.columns(COLUMNS))
            case "coverage":
                return as_coverage(report, self.spelled)
            case _:
                return as_markdown(report, lines)

    def show(self, screen: Screen) -> None:
        """Print the table, and the sums."""
        if self.lines:
            columns = ("status", "kind", "rules", "expiry", "ticket", "owner", "what")
            screen.table(columns, [_row(self.report, line) for line in self.lines])
            screen.line()
        self.sum_up(screen)

    def sum_up(self, screen: Screen) -> None:
        """Print the sums."""
        _sum_up(self.report, screen)


def _row(report: Report, line: Line) -> tuple[Cell, ...]:
    excluded = [f"excluded: {line.excluded}"] if line.excluded else []
    what = [line.name, *([line.detail] if line.detail else []), f"at {report.place(line)}", *excluded]
    owner = line.owner or (f"written by {written_text(line)}" if line.bypass and line.who else "")
    rules = [] if line.excluded else rules_broken(line)
    return line.grade, WORDS[line.kind].name, rules or [""], expiry_text(line), line.ticket, owner, what


def _sum_up(report: Report, screen: Screen) -> None:
    bypass_counts = [
        (one.seen, str(one.violations), str(one.grades["unknown"]), WORDS[one.kind].plural.lower())
        for one in report.bypass_counts_to_show()
    ]
    screen.table(("seen", "violation", "unknown", "bypasses"), bypass_counts)
    screen.line()
    if report.rules:
        rows = [
            (str(rule.severity), str(rule.violations), str(rule.unknown), f"{rule.code} {rule.name}")
            for rule in report.rules_by_weight()
        ]
        screen.table(("severity", "broken by", "unknown for", "rule"), rows)
        screen.line()
    if report.states:
        states = [(state, str(count)) for state, count in report.states_in_order()]
        screen.table(("expiry", "exemptions and bypasses"), states)
        screen.line()
    screen.table(("coverage", "of this scan"), coverage_rows(report))
    screen.line()
    for one in report.missing:
        screen.line(f"not seen: {one}", style="unknown")
    for one in report.notes:
        screen.line(f"note: {one}", style="dim")
    if report.left_out:
        screen.line(f"left out by --scope and --exclude: {report.left_out}", style="dim")
    screen.line(beyond(report.bypass_counts.values()))
    screen.line(totals(report))
