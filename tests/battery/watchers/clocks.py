"""Time to correct an exemption is given once, and an end that was accepted does not creep."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from guardrails.decisions.row import Row, Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.names import ticket_mark
from guardrails.exemption.times import parse_time
from guardrails.rules import all_rules
from tests.battery import rulesets
from tests.battery.watchers.book import SLACK, Book, Step

_UNTIL: Final = re.compile(r"not reverted before ([\d-]+)[T ]([\d:.]+)(?:Z| UTC), to give time")
"""In reasons of today's to the minute, in those of former versions to the second."""
_EXTENDED: Final = "expiry-extended"
_TOLERANCE: Final = timedelta(days=1)
_WINDOW: Final = timedelta(days=30)
_REVERTS: Final = ("delete", "put-back")
_MOMENT: Final = timedelta(minutes=1)
"""What two looks find out within it, they may not know of each other."""


@dataclass
class Run:
    """A time in which an exemption was seen to break rules that ask for a revert, without a look that found it right.

    Attributes:
        start, last: when that was seen first, and last.
        authors: who had written it, lower case, and since when that was seen.
        controls: the reference ids that it exempted from, None for all of them, and when that was seen.
        rules: those that it breaks still, as far as looks can tell.
        has_grace: whether one that it broke has a grace: from then on what was used at the same scope counts.
    """

    start: datetime
    last: datetime
    authors: dict[str, datetime]
    controls: list[tuple[datetime, frozenset[str] | None]]
    rules: set[str] = field(default_factory=set)
    has_grace: bool = False

    def overlaps(self, other: "Run", until: datetime) -> bool:
        """Whether it was seen, until a time, to exempt from what another one exempts from."""
        mine = [controls for since, controls in self.controls if since <= until]
        return any(one is None or some is None or one & some for one in mine for _, some in other.controls)

    def ends_with(self, look: "Look", controls: frozenset[str] | None) -> bool:
        """Forget the rules that a look found kept; return whether it ends this: nothing asks for a revert any more.

        `controls`: the reference ids that it exempts from at that look; None for all of them.

        What is Unknown goes on with it if that rule was broken, and no look since found it kept.
        """
        self.rules &= look.broken | look.unclear
        if look.loosened:
            asking = (look.broken - look.milder(controls)) & look.asked
            self.rules |= asking
            return not asking and not look.unclear & self.rules
        if look.reverting:
            return look.step.row.kept == look.step.row.content  # it is allowed
        return not look.unclear & self.rules


@dataclass
class Look:
    """What one look found of an exemption: the rules that it breaks, those that ask for a revert among them.

    `overrides`: those that say what follows, of which the model knows nothing but what one asks for that is for a
    single policy; `asked`: the rules that ask for a revert of something, or may by an override.
    """

    step: Step
    broken: frozenset[str] = frozenset()
    reverting: dict[str, timedelta] = field(default_factory=dict)
    unclear: frozenset[str] = frozenset()
    overrides: Sequence[Mapping[str, Any]] = ()
    asked: frozenset[str] = frozenset()

    @property
    def loosened(self) -> bool:
        """Whether overrides say what follows."""
        return bool(self.overrides)

    def milder(self, controls: frozenset[str] | None) -> frozenset[str]:
        """Return the rules that may ask for no revert, by overrides for one of the policies that are exempted."""
        return frozenset(
            rule
            for override in self.overrides
            if override.get("reference", "").lower() in (controls or ())
            for rule, response in override["rules"].items()
            if response != "revert"
        )


def _look_of(book: Book, step: Step) -> Look | None:
    """Return what a look found; None where the step is none, or its ruleset is none of ours."""
    ruleset, found = book.ruleset(step), _found(step)
    if ruleset is None or found is None:
        return None
    broken, unclear = found
    overrides = tuple(rulesets.said_by(ruleset).get("overrides", ()))
    answers = book.answers(ruleset)
    asked = frozenset(answers).union(*(one["rules"] for one in overrides))
    reverting = {} if overrides else {rule: answers[rule] for rule in broken & answers.keys()}
    return Look(step, broken, reverting, unclear, overrides, asked)


def _found(step: Step) -> tuple[frozenset[str], frozenset[str]] | None:
    """Return the rules that a look found broken, and those that it found Unknown, by any ruleset; None for no look."""
    if "verdict" not in step.entry.facts:
        return None
    found = [(str(one["rule"]), str(one["status"])) for one in step.entry.facts.get("findings") or ()]
    broken, unclear = (frozenset(rule for rule, status in found if status == want) for want in ("violation", "unknown"))
    return broken, unclear


def _found_by_a_restore(step: Step) -> tuple[frozenset[str], frozenset[str]] | None:
    """Return what a restore found of an edit that nobody had looked at before: its row has that, its facts have not."""
    if step.row.intent is None or step.row.intent.action != "restore":
        return None
    rules = {rule.code: name for name, rule in all_rules().items()}
    broken = frozenset(rules[code] for code in step.row.findings if code in rules)
    return broken, frozenset(rules[code[:-1]] for code in step.row.findings if code.endswith("?"))


def _asking(book: Book, step: Step, broken: Iterable[str]) -> dict[str, timedelta]:
    """Return those of the broken rules that may ask for a revert, whatever overrides say: each with its grace.

    Of an older version's ruleset nothing is known: any may.
    """
    ruleset = book.ruleset(step)
    answers = dict.fromkeys(broken, timedelta()) if ruleset is None else book.answers(ruleset)
    return {rule: answers[rule] for rule in broken if rule in answers}


def _is_allowed(book: Book, step: Step) -> bool:
    """Whether what it says is left alone: an operator restored it, or it was there before, and may be still."""
    ruleset, row = book.ruleset(step), step.row
    until = ruleset.adopted_until if ruleset and row.adopted else None
    return row.kept == row.content and (until is None or step.entry.at < until)


def _is_another_state(book: Book, step: Step) -> bool:
    """Whether a look found what is allowed, or what we had put back and breaks nothing: no time goes on from before."""
    found = _found(step)
    return found is not None and (
        _is_allowed(book, step) or (step.entry.event == "put-back" and not _asking(book, step, found[0]))
    )


async def the_grace_is_given_once(book: Book) -> list[str]:
    """A notice never announces more than the longest grace period minus the time that the author has used.

    Whatever he does to the exemption in between, under which name, from which assignment and by which rule. What he
    used in others counts where it first breaks a rule that has a grace: in those from the assignment that it has then.
    What we write back, and what is allowed, is another state: no rule that is Unknown then goes on from before. Where
    the register was lost and its import broke off, nobody knows what was used in others.
    """
    found, runs = list[str](), dict[ExemptionId, list[Run]]()
    longest = max(
        (max(book.answers(one).values(), default=timedelta()) for _, one in book.end.cloud.ruled), default=timedelta()
    )
    lasting: dict[ExemptionId, Run] = {}
    at_same_scope: dict[ExemptionId, list[Run]] = {}
    for step in _in_order(book):
        one, at, author = step.one, step.entry.at, step.row.author.lower()
        if not step.row.content or _is_another_state(book, step):
            lasting.pop(one, None)
        run = lasting.get(one)
        if not step.row.content or book.is_older(step.row):
            continue
        if run is None and (known := step.before) and book.is_older(known) and known.due:
            since = _since(step)
            run = lasting[one] = Run(since, at, {known.author.lower(): since}, [(since, None)], has_grace=True)
            runs.setdefault(one, []).append(run)
            at_same_scope[one] = []  # it gave each its own
        look = _look_of(book, step)
        if look is None:
            continue
        controls = await _controls(book, step)
        if run is not None and run.ends_with(look, controls):
            lasting.pop(one)
        if not look.reverting or step.row.kept == step.row.content:
            continue
        if run is None:
            run = lasting[one] = Run(at, at, {}, [])
            runs.setdefault(one, []).append(run)
            at_same_scope[one] = []
        run.last = at
        run.rules |= look.reverting.keys()
        run.authors.setdefault(author, at)
        run.controls.append((at, controls))
        if not run.has_grace and any(look.reverting.values()):
            run.has_grace = True
            at_same_scope[one] = [
                Run(each.start, min(each.last, at), each.authors, each.controls)
                for other, some in runs.items() for each in some
                if other != one and _is_at_same_scope(book, other, step) and each.overlaps(run, at - _MOMENT)
                and each.authors.get(author, at) <= at - _MOMENT and not book.is_half(at)
            ]  # fmt: skip
        match = next(filter(None, map(_UNTIL.search, step.reasons)), None)
        until = parse_time(f"{match[1]}T{match[2]}Z") if match else None
        if until is None:
            continue
        before = [each for each in runs[one] if each is not run and author in each.authors and at - each.last < _WINDOW]
        used = _length([(each.start, each.last) for each in (*before, *at_same_scope[one], run)])
        if until > at + max(longest - used, timedelta()) + SLACK:
            found.append(f"{step}: left until {until}, though {author} used {used} of {longest}")
    return found


def _since(step: Step) -> datetime:
    """Return since when an older version of the service saw it broken."""
    known = step.before.findings if step.before else {}
    return min((seen for code, seen in known.items() if not code.endswith("?")), default=step.entry.at)


def _in_order(book: Book) -> list[Step]:
    """Return all steps in the order of time, and those of one exemption in theirs, whatever clocks said."""
    times = []
    for steps in book.steps.values():
        latest = datetime.min.replace(tzinfo=UTC)
        for step in steps:
            latest = max(latest, step.entry.at)
            times.append((latest, step.entry.seq, step.one.key, step))
    return [step for *_, step in sorted(times, key=lambda one: one[:3])]


def _is_at_same_scope(book: Book, other: ExemptionId, step: Step) -> bool:
    steps = book.steps[other]
    same = {each.row.assignment.lower() for each in steps if each.entry.at <= step.entry.at}
    return other.scope.lower() == step.one.scope.lower() and same == {step.row.assignment.lower()}


async def _controls(book: Book, step: Step) -> frozenset[str] | None:
    references = (await book.properties(step)).get("policyDefinitionReferenceIds")
    return frozenset(str(one).lower() for one in references) if references else None


def _length(times: Iterable[tuple[datetime, datetime]]) -> timedelta:
    """Return how long several times are together; what overlaps counts once."""
    whole, until = timedelta(), datetime.min.replace(tzinfo=UTC)
    for start, end in sorted(times):
        whole += max(end - max(start, until), timedelta())
        until = max(until, end)
    return whole


@dataclass
class _Seen:
    """What was seen of an exemption since it had another state: see `_is_another_state`.

    Attributes:
        broken: the rules that it breaks, as far as looks can tell -> since when.
        asking: those of them that may ask for a revert -> since when, and the longest grace.
        authors: who had written it meanwhile, lower case.
    """

    broken: dict[str, datetime] = field(default_factory=dict)
    asking: dict[str, tuple[datetime, timedelta]] = field(default_factory=dict)
    authors: set[str] = field(default_factory=set)

    def forget(self, rules: Iterable[str]) -> None:
        """Forget rules that a look found kept."""
        for rule in rules:
            self.broken.pop(rule, None)
            self.asking.pop(rule, None)

    def find(self, step: Step, broken: Iterable[str], asking: Mapping[str, timedelta]) -> None:
        """Take note of what a look found broken."""
        for rule in broken:
            self.broken.setdefault(rule, step.entry.at)
        for rule, grace in asking.items():
            since, longest = self.asking.get(rule, (step.entry.at, grace))
            self.asking[rule] = since, max(longest, grace)
            self.authors.add(step.row.author.lower())

    def over(self, look: Look) -> datetime:
        """Return when the first grace is over: that of a rule, or the longest, where what asked before is Unknown."""
        ends = [self.broken[rule] + grace for rule, grace in look.reverting.items()]
        if unknown := [self.asking[rule][0] for rule in look.unclear & self.asking.keys()]:
            ends.append(min(unknown) + max(longest for _, longest in self.asking.values()))
        return min(ends)

    def length(self, at: datetime) -> timedelta:
        """Return for how long it has broken rules that may ask for a revert."""
        return at - min((since for since, _ in self.asking.values()), default=at)


class _Spent(NamedTuple):
    """What was used before it had another state: by whom, for how long, and whether others had used some, too."""

    authors: set[str]
    length: timedelta
    in_others: bool


type _Place = tuple[str, str]
"""A scope and an assignment, lower case."""


def _used_in_others(
    one: ExemptionId, places: Iterable[_Place], blamed: Mapping[_Place, set[ExemptionId]], ended: Collection[_Place]
) -> bool:
    """Whether grace may have been used in others in one of these places: those that are blamed, or that ended there."""
    return any(place in ended or blamed[place] != {one} for place in places)


async def nothing_is_reverted_within_its_first_grace(book: Book) -> list[str]:
    """A first violation is reverted no earlier than the shortest grace after it was first seen.

    What an older version saw, or another ruleset, or a restore, was seen: that time is its author's grace use. So is
    what he used before it was put back or restored, and what he used in others from an assignment that it exempted
    from since it was first seen broken. What he used in others until a restore counts after it, too. A rule that was
    broken and is Unknown goes on, except over a put-back or a restore.
    """
    found = []
    blamed: dict[_Place, set[ExemptionId]] = {}
    first: dict[ExemptionId, _Seen] = {}
    spent: dict[ExemptionId, list[_Spent]] = {}
    places: dict[ExemptionId, set[_Place]] = {}
    ended: set[_Place] = set()
    over: set[str] = set()
    for step in _in_order(book):
        one, where = step.one, (step.one.scope.lower(), step.row.assignment.lower())
        if not step.row.content:
            ended |= {(one.scope.lower(), step.before.assignment.lower())} if step.before and one in first else set()
            over |= {one.key} if (gone := first.pop(one, None)) and gone.broken else set()
            continue
        rules = _found(step) or _found_by_a_restore(step)
        if rules is None:
            continue
        if _is_another_state(book, step) and (past := first.pop(one, None)):
            in_others = _used_in_others(one, places.get(one, ()), blamed, ended)
            spent.setdefault(one, []).append(_Spent(past.authors, past.length(step.entry.at), in_others))
        if _is_allowed(book, step):
            places.pop(one, None)
            continue
        broken, unclear = rules
        seen = first.setdefault(one, _Seen())
        if kept := seen.broken.keys() - broken - unclear:
            seen.forget(kept)
            ended.add(where)
            over.add(one.key)
        seen.find(step, broken, _asking(book, step, broken))
        if broken:
            blamed.setdefault(where, set()).add(one)
            places.setdefault(one, set()).add(where)
        intent, look = step.row.intent, _look_of(book, step)
        if step.entry.event != "intent" or intent is None or intent.action not in _REVERTS:
            continue
        if look is None or not look.reverting:
            continue
        before = [each for each in spent.get(one, ()) if each.authors & seen.authors]
        if (
            one.key in over
            or _used_in_others(one, places[one], blamed, ended)
            or any(each.in_others for each in before)
            or any("not one of its authors" in text for text in step.reasons)
        ):
            continue
        used = sum((each.length for each in before), timedelta())
        earliest = seen.over(look) - used
        if step.entry.at < earliest - SLACK:
            found.append(f"{step}: reverted at {step.entry.at}, {earliest - step.entry.at} too early")
    return found


@dataclass
class _Accepted:
    """The end that an exemption from one assignment was accepted with, as our model has it."""

    end: datetime | None = None
    tickets: set[str] = field(default_factory=set)
    digest: str = ""
    at: datetime | None = None


async def an_end_does_not_creep(book: Book) -> list[str]:
    """If an expiry is later than the accepted expiry by more than the tolerance, the service finds it.

    In small steps, by a ticket that was named before, by a delete, by way of another assignment, or without ever having
    been compliant. Only while one ruleset is in force that asks for it. While the assignment is gone, no first end is
    accepted, and no earlier one.
    """
    found = []
    for one, steps in book.steps.items():
        accepted: dict[str, _Accepted] = {}
        for step in steps:
            ruleset, look = book.ruleset(step), _look_of(book, step)
            if ruleset is None or look is None or _EXTENDED not in rulesets.said_by(ruleset)["rules"]:
                if look is not None:
                    accepted.clear()
                continue
            row, at = step.row, step.entry.at
            if (was := step.before) and book.is_older(was):
                accepted[row.assignment.lower()] = _Accepted(was.expires_on, {""}, ruleset.digest, at)
            known = accepted.setdefault(row.assignment.lower(), _Accepted(digest=ruleset.digest))
            if known.digest != ruleset.digest or (known.at and at - known.at > _WINDOW):
                known = accepted[row.assignment.lower()] = _Accepted(digest=ruleset.digest)
            end = row.expires_on
            if look.loosened or look.unclear or row.status is Status.EXCLUDED or not row.content:
                continue
            ticket = ticket_mark(row.ticket) if row.ticket else ""
            accepts = not look.reverting and _EXTENDED not in look.broken and _is_accepted(step)
            if _is_assignment_gone(row) and (known.end is None or (end is not None and end < known.end)):
                accepts = False
            if end is None:
                known.end = None if accepts else known.end
                continue
            renewed = ticket not in ("", *known.tickets) and known.tickets != set()
            later = known.end is not None and end > known.end + _TOLERANCE
            if later and not renewed and _EXTENDED not in look.broken:
                found.append(f"{step}: {one.name} ends at {end}; {known.end} was accepted, and nothing is found")
            if accepts:
                near = known.end is not None and end > known.end and not renewed
                known.end = known.end if near else end
                known.tickets.add(ticket)
                known.at = at
    return found


def _is_accepted(step: Step) -> bool:
    row = step.row
    status = (step.entry.facts.get("plan") or {}).get("status", row.status)  # a row has the one of before what it began
    return status == Status.COMPLIANT or (
        status == Status.VIOLATION
        and row.compliant is None
        and row.tolerated == row.snapshot
        and (row.intent is None or row.intent.action not in _REVERTS)  # a tag alone accepts at once
    )


def _is_assignment_gone(row: Row) -> bool:
    """Whether Azure said at that look that the assignment does not exist: by mistake, too."""
    return row.criteria_weakened.get("unknown") == "the assignment does not exist"


async def the_first_end_is_kept(book: Book) -> list[str]:
    """The register keeps the first sighting and the earliest expiry of an exemption after any number of edits."""
    found = []
    for step in book:
        known, row = step.known, step.row
        if known is None or not known.dates or not row.dates or not row.content:
            continue
        if row.dates[0] != known.dates[0]:
            found.append(f"{step}: it was there since {known.dates[0]}, and now since {row.dates[0]}")
        elif _least(row.dates) > _least(known.dates):
            found.append(f"{step}: its earliest end was {_least(known.dates)}")
    return found


def _least(dates: Sequence[tuple[Any, datetime | None]]) -> datetime:
    return min((end for _, end in dates if end), default=datetime.max.replace(tzinfo=UTC))


WATCHERS: Final = (
    the_grace_is_given_once, nothing_is_reverted_within_its_first_grace, an_end_does_not_creep, the_first_end_is_kept,
)  # fmt: skip
