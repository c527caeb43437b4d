"""The register's rows as `register list` and `register export` take them: filtered, and where they stand now."""

import argparse
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from guardrails.cli.options import add_scope_and_owner, moment, owner_globs
from guardrails.cli.rule_text import rule_named
from guardrails.cli.scope_filter import ScopeFilter
from guardrails.cli.screen import Screen
from guardrails.criteria.model import Criterion, Weakened, kept_of
from guardrails.dataclass import dataclass
from guardrails.decisions.ownership import is_claim
from guardrails.decisions.row import Row, Status, Stored
from guardrails.errors import Misconfigured, Permanent
from guardrails.exemption.counts import number_of
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import DAYS, Expiry, State, expiry_of
from guardrails.exemption.patterns import Glob
from guardrails.exemption.severity import Severity
from guardrails.exemption.times import spell_time
from guardrails.nearest import did_you_mean
from guardrails.report.line import GRADES
from guardrails.rules import all_rules
from guardrails.ruleset.loaded import NEWEST
from guardrails.ruleset.model import Ruleset
from guardrails.wiring import Service

ALTERED: Final = "altered"
"""Stands for the status of a row that was changed from outside and cannot be trusted."""

ORDER: Final = ("lost", *GRADES, "gone")
"""The grades, the worst first."""

_SEVERITIES: Final = frozenset(map(str, Severity))


@dataclass(frozen=True, slots=True)
class Found:
    """A row, and the status of its exemption at the time that was asked for.

    Attributes:
        grade: the severity of its worst violation, or why it has none: unknown, excluded, pass, gone.
        expiry: its state then, computed; the state that the sweep recorded is in the row.
    """

    stored: Stored
    id: ExemptionId
    grade: str
    expiry: Expiry

    @property
    def row(self) -> Row:
        """The row."""
        return self.stored.row

    @property
    def weakened(self) -> Weakened:
        """The criteria that it weakens, as of its last look."""
        return kept_of(self.row.criteria_weakened)

    @property
    def severity(self) -> str:
        """The severity of its worst violation; "" where it has none."""
        return self.grade if self.grade in _SEVERITIES else ""

    @property
    def order(self) -> tuple[int, bool, int, str]:
        """The key to sort by: what is broken, the worst first; then days left, those without an end last; then id."""
        left = self.expiry.days_left
        return ORDER.index(self.grade), left is None, left or 0, self.id.key

    def expiry_now(self) -> dict[str, Any]:
        """Return the state of its expiry, JSON-ready."""
        since = self.expiry.since
        return {
            "expiry_state": self.expiry.name,
            "days_left": self.expiry.days_left,
            "expiry_since": spell_time(since) if since else None,
        }


@dataclass(frozen=True, slots=True)
class Filters:
    """Which rows are wanted. An empty filter lets all pass; a row must pass every filter, by any of its values.

    Scopes and owners are globs, as the ruleset in force has them.
    """

    states: frozenset[str]
    statuses: frozenset[str]
    rules: frozenset[str]
    scopes: tuple[str, ...]
    owners: tuple[str, ...]
    days_left: int | None
    adopted: bool
    held: bool
    on_hold: bool
    now: datetime
    criteria: frozenset[str] = frozenset()

    def want(self, found: Found, scopes: ScopeFilter, owners: Sequence[Glob]) -> bool:
        """Return whether a row passes, whatever its criteria; `scopes` and `owners`: of the filter, ready to match."""
        row = found.row
        return (
            scopes.lets_pass(found.id)
            and self._in_state(found)
            and (not self.rules or any(key.rstrip("?") in self.rules for key in row.findings))
            and (not self.owners or any(one.matches(row.owner.lower()) for one in owners))
            and (self.days_left is None or self._ends(found, timedelta(days=self.days_left)))
            and (not self.adopted or row.adopted is not None)
            and (not self.held or row.held != "")
            and (not self.on_hold or row.hold is not None)
        )

    def weakens(self, found: Found) -> bool:
        """Return whether a row weakens any criterion that was asked for, as far as is known."""
        return not self.criteria or found.weakened.includes(self.criteria)

    def _in_state(self, found: Found) -> bool:
        """What is gone is in no other state; the rest must be in a state, and in a status, that was asked for."""
        if not self.states and not self.statuses:
            return True
        if found.row.status is Status.GONE:
            return "gone" in self.states
        states, statuses = self.states - {"gone"}, self.statuses - {"gone"}
        return (
            bool(states or statuses)
            and (not states or found.expiry.state in states)
            and (not statuses or found.row.status in statuses)
        )

    def _ends(self, found: Found, within: timedelta) -> bool:
        end, state = found.row.expires_on, found.expiry.state
        return end is not None and state not in (State.EXPIRED, State.GONE) and end - self.now <= within


def add_filters(parser: argparse.ArgumentParser) -> None:
    """Declare the filters, and the time that they look at."""
    states = [*State, *(status for status in Status if str(status) not in set(State))]
    parser.add_argument(
        "--state", action="append", default=[], choices=[str(one) for one in states], metavar="STATE",
        help=f"one of {', '.join(states)}; may be repeated: a row must match one of the expiry states and one of the"
        " statuses",
    )  # fmt: skip
    parser.add_argument(
        "--rule",
        action="append",
        default=[],
        type=_code,
        metavar="CODE|NAME",
        help="only rows with a violation or an unknown of this rule",
    )
    add_scope_and_owner(parser)
    parser.add_argument(
        "--criterion", action="append", default=[], type=_criterion, metavar="NAME",
        help="only exemptions that weaken this criterion, such as CC6.1; may be repeated",
    )  # fmt: skip
    parser.add_argument("--days-left", type=_count, metavar="N", help="only exemptions that end within N days")
    parser.add_argument("--adopted", action="store_true", help="only exemptions older than the guardrails")
    parser.add_argument(
        "--held", action="store_true", help="only rows whose revert or restore waits for the breaker or a budget"
    )
    parser.add_argument("--on-hold", action="store_true", help="only exemptions on hold")
    parser.add_argument(
        "--now",
        type=moment,
        metavar="TIME",
        help="expiry states as of this time, such as 2027-06-30T00:00:00Z; default: now",
    )


def filters_of(args: argparse.Namespace) -> Filters:
    """Return the filters that the arguments name."""
    asked = frozenset(args.state)
    return Filters(
        states=asked & frozenset(map(str, State)),
        statuses=asked & frozenset(map(str, Status)),
        rules=frozenset(args.rule),
        scopes=tuple(args.scope),
        owners=tuple(args.owner),
        days_left=args.days_left,
        adopted=args.adopted,
        held=args.held,
        on_hold=args.on_hold,
        now=args.now or datetime.now(UTC),
        criteria=frozenset(args.criterion),
    )


class Reading:
    """One pass over the register.

    Attributes:
        count: how many rows were read.
        untrusted: those that were changed from outside and cannot be trusted.
    """

    def __init__(self, filters: Filters, screen: Screen) -> None:
        self.count = 0
        self.untrusted: list[Permanent] = []
        self._unmapped = 0
        self._unrecorded = 0
        self._weakened: set[Criterion] = set()
        self._filters = filters
        self._screen = screen
        self._scopes: ScopeFilter | None = None

    async def rows(self, service: Service, progress: Callable[[int, int], None]) -> AsyncIterator[Found]:
        """Yield the rows that the filters want; `progress` hears how many were read.

        What cannot be trusted is kept aside whatever the filters, for nothing that it says counts.
        """
        ruleset = self._ruleset(service)
        version = ruleset.version if ruleset else NEWEST
        self._scopes, owners = ScopeFilter(self._filters.scopes, version), owner_globs(self._filters.owners, version)
        async for stored in service.register.rows(self._refuse):
            self.count += 1
            progress(self.count, 0)
            try:
                found = _found(stored, ruleset, self._filters.now)
            except Permanent as error:  # an id that is none, under a seal that fits
                self.untrusted.append(error)
                continue
            if not self._filters.want(found, self._scopes, owners):
                continue
            there = found.row.status not in (Status.GONE, Status.LOST)
            if self._filters.criteria:
                self._weakened |= {one for by in found.weakened.by_source for one in by.criteria}
            if self._filters.weakens(found):
                self._unrecorded += there and not found.row.criteria_weakened
                yield found
            else:
                self._unmapped += there and not found.weakened.is_whole

    def altered(self) -> list[dict[str, Any]]:
        """Return what cannot be trusted, JSON-ready; the id is the one that the row claims."""
        return [{"id": error.subject, "status": ALTERED, "problem": error.message} for error in self.untrusted]

    def note_unrecorded(self, bypasses: int = 0) -> None:
        """Say how many of the exemptions that were yielded, and of `bypasses`, have no criteria in the register yet."""
        for count, what in ((self._unrecorded, "exemptions"), (bypasses, "bypasses")):
            if count:
                verb = "weakens" if count == 1 else "weaken"
                self._screen.note(f"the criteria that {count:,} of these {what} {verb} are not recorded yet")

    def sum_up(self) -> int:
        """Say which scopes let nothing pass, which rows cannot be trusted, and what is wrong; return the exit code."""
        for text in self._scopes.complaints() if self._scopes else ():
            self._screen.note(text)
        for name in sorted(self._filters.criteria):
            if not any(one.is_named(name) for one in self._weakened):
                near = did_you_mean(name, sorted(one.name for one in self._weakened))
                self._screen.note(
                    f"--criterion {name}: no exemption is known to weaken it{f'. {near}' if near else ''}"
                )
        if self._unmapped:
            some = number_of(self._unmapped, "more exemption")
            self._screen.note(f"the criteria of {some} are unknown, or known only in part")
        for error in self.untrusted:
            self._screen.problem(str(error))
        if self.untrusted:
            count = len(self.untrusted)
            self._screen.note(f"{number_of(count, 'row')} cannot be trusted")
        return 1 if self.untrusted else 0

    def _refuse(self, error: Permanent) -> None:
        self.count += 1
        self.untrusted.append(error)

    def _ruleset(self, service: Service) -> Ruleset | None:
        """Return the ruleset in force. A broken one keeps nobody from looking at the register."""
        try:
            return service.ruleset()
        except Misconfigured as error:
            why = f"{error.subject}: {error.message}"
            self._screen.note(
                f"the ruleset cannot be read, so the severities and thresholds are the shipped ones: {why}"
            )
            return None


def _found(stored: Stored, ruleset: Ruleset | None, now: datetime) -> Found:
    row = stored.row
    exemption = ExemptionId.parse(row.id)
    if row.status in (Status.GONE, Status.LOST):
        expiry = Expiry(State.GONE, since=row.since)
    else:
        expiry = expiry_of(row.expires_on, now, ruleset.reminder_days if ruleset else DAYS)
    return Found(stored, exemption, _grade(row, exemption, ruleset, now), expiry)


def _grade(row: Row, exemption: ExemptionId, ruleset: Ruleset | None, now: datetime) -> str:
    if row.status in (Status.GONE, Status.LOST, Status.EXCLUDED):
        return str(row.status)
    return row.severity or _by_ruleset(row, exemption, ruleset, now) or ("unknown" if row.unclear else "pass")


def _by_ruleset(row: Row, exemption: ExemptionId, ruleset: Ruleset | None, now: datetime) -> str:
    """Return the worst severity of a row that does not say it, as older versions wrote it; "" where there is none."""
    severities = dict(_own_severities())
    if ruleset and row.findings:
        bound = ruleset.limits.by_scope(exemption, now).values()
        severities |= {one.rule.code: one.severity for one in bound}
    broken = (severities.get(key, Severity.INFO) for key in row.findings if key[-1:] != "?")
    return str(min(broken, key=_rank, default=""))


def _rank(severity: Severity) -> int:
    return severity.rank


@cache
def _own_severities() -> dict[str, Severity]:
    return {rule.code: rule.severity for rule in all_rules().values()}


def _code(text: str) -> str:
    try:
        return rule_named(text, all_rules()).code
    except Permanent as error:
        what = f"there is no rule '{error.subject}' about exemptions"
        raise argparse.ArgumentTypeError(f"{what}. {error.remedy}") from None


def _criterion(text: str) -> str:
    name = text.strip().lower()
    if not name:
        raise argparse.ArgumentTypeError("it is empty; write a criterion such as CC6.1")
    return name


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = -1
    if not 0 <= count <= 3_660_000:
        raise argparse.ArgumentTypeError("use a number of days, 0 or more")
    return count


def owner_shown(row: Row) -> str:
    """Return the owner that a row names, for a table: a claim of who wrote it is shown as one."""
    return f"claims {row.owner}" if is_claim(row) else row.owner
