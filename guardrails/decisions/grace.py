"""Grace: how long an exemption has broken rules that ask for a revert, and when the time to fix it is over. Pure.

The grace use of an exemption is a list of periods. A period begins when a rule that asks for a revert is first seen
broken, goes on while any is, and ends when none is: by an edit, by a delete, or by our revert. What is Unknown neither
begins nor ends one; but once we have written an exemption back, or once it is tolerated, nothing that is Unknown keeps
one going. For 30 days from its end, a period counts as grace used by whoever wrote the exemption while it lasted: what
they break then has so much less grace, the same rule or another. So the grace that an author uses within 30 days is
never more than the longest grace of the rules that were broken, and of one rule never more than its own.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final, NamedTuple

from guardrails.dataclass import dataclass, field, replace
from guardrails.exemption.expiry import later
from guardrails.exemption.times import parse_time, spell_time

WINDOW: Final = timedelta(days=30)
"""For so long a period counts from its end on; for twice its longest grace, where that is more."""

TOGGLES: Final = 3
"""Fixed and broken again so often within the window, by one author, is no accident."""

ANYBODY: Final = "*"
"""In place of the authors of a period where they are too many to keep."""

_PERIODS: Final = 12
"""Ended periods that are kept. Beyond that the two oldest become one, of the same length: none is lost."""
_AUTHORS: Final = 5
_CONTROLS: Final = 20
_NONE: Final = timedelta()


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which an exemption broke rules that ask for a revert.

    Attributes:
        start: when that was first seen, UTC.
        end: when it was over, UTC; None while it lasts.
        authors: who wrote the exemption in this time, lower case.
        longest: the longest grace of these rules.
        used: code of each of these rules -> how long it was broken in runs that ended within the period.
        fixed: whether an edit ended it; False for a delete, a revert, or rules that changed.
        controls: reference ids of what it exempted from meanwhile, lower case; () is all of the assignment.
    """

    start: datetime
    end: datetime | None
    authors: tuple[str, ...]
    longest: timedelta = timedelta()
    used: Mapping[str, timedelta] = field(default_factory=dict)
    fixed: bool = False
    controls: tuple[str, ...] = ()

    @property
    def length(self) -> timedelta:
        """How long it was; nothing while it lasts."""
        return self.end - self.start if self.end else timedelta()

    @property
    def counts_until(self) -> datetime:
        """Until when it counts."""
        return later(self.end, max(WINDOW, 2 * self.longest)) if self.end else datetime.max.replace(tzinfo=UTC)

    def is_by(self, authors: Collection[str]) -> bool:
        """Whether one of these wrote in it."""
        return ANYBODY in self.authors or not set(authors).isdisjoint(self.authors)

    def to_json(self) -> list[Any]:
        """Return what `read` reads: times as ARM spells them, lengths in seconds."""
        end, longest = spell_time(self.end) if self.end else None, _seconds(self.longest)
        used = {code: _seconds(time) for code, time in self.used.items()}
        return [spell_time(self.start), end, list(self.authors), longest, used, self.fixed, list(self.controls)]

    @classmethod
    def read(cls, data: Sequence[Any]) -> "Period":
        """Read what `to_json` wrote. Raises ValueError or TypeError where it is no period."""
        start, end, authors, longest, used, fixed, controls = data
        began = parse_time(start)
        if began is None:
            raise ValueError("a period of grace has no start")
        times = {code: timedelta(seconds=time) for code, time in used.items()}
        allowed = timedelta(seconds=longest)
        return cls(began, parse_time(end), tuple(authors), allowed, times, bool(fixed), tuple(controls))


type GraceUse = tuple[Period, ...]
"""The periods of an exemption, oldest first. At most the last one lasts still."""


class Broken(NamedTuple):
    """The rules that are found broken at one look.

    Attributes:
        graces: code -> its grace, of those that ask for a revert.
        seen: code -> since when it is broken without a look that found it kept; at least those of `graces`.
        unclear: codes of rules that are Unknown.
        controls: reference ids of what it exempts from; () is all of the assignment.
    """

    graces: Mapping[str, timedelta]
    seen: Mapping[str, datetime]
    unclear: Collection[str] = ()
    controls: Collection[str] = ()


def over(periods: GraceUse, broken: Broken, author: str, now: datetime) -> Mapping[str, datetime]:
    """Return when the grace of each broken rule that asks for a revert is over: code -> time, UTC, past ones too.

    The times do not depend on `now` as long as nothing else changes.
    """
    if not broken.graces:
        return {}
    lasting = _lasting(periods)
    authors = {author.lower(), *(lasting.authors if lasting else ())}
    before = [one for one in periods if one.end and one.counts_until > now and one.is_by(authors)]
    before.sort(key=lambda one: one.counts_until)
    start = _start(periods, broken, now)
    usual = max(broken.graces.values())
    longest = max(usual, lasting.longest) if lasting else usual
    last = _over(start, [(one.counts_until, one.length, one.longest) for one in before], longest)
    ends = {}
    for code, grace in broken.graces.items():
        used = lasting.used.get(code, _NONE) if lasting else _NONE
        uses = [(one.counts_until, one.used.get(code, _NONE), _NONE) for one in before]
        ends[code] = min(_over(broken.seen.get(code, now) - used, uses, grace), last)
    return ends


def _over(start: datetime, uses: Sequence[tuple[datetime, timedelta, timedelta]], grace: timedelta) -> datetime:
    """Return when what is used since `start` and what was used before come to the grace.

    `uses`: until when something used before counts, how much it is, and the grace that went with it; the first to be
    forgotten comes first.
    """
    begins = None
    for at in range(len(uses) + 1):
        left = uses[at:]
        allowed = max([grace, *(longest for _, _, longest in left)])
        end = start + allowed - sum((used for _, used, _ in left), timedelta())
        if begins is not None:
            end = max(end, begins)
        if not left or end < left[0][0]:
            return end
        begins = left[0][0]
    raise AssertionError  # the last round has nothing left


def after(
    periods: GraceUse,
    broken: Broken,
    author: str,
    now: datetime,
    *,
    running: Mapping[str, datetime],
    edited: datetime | None,
) -> GraceUse:
    """Return the grace use after a look.

    `running`: code -> since when it was broken, as of the look before. `edited`: when its author changed it since, by
    Azure's time, which is when all that is no longer broken was fixed; None where the author did not.
    """
    lasting = _lasting(periods)
    if broken.graces:
        began = lasting or Period(_start(periods, broken, now), None, (), controls=_lower(broken.controls))
        period = replace(
            began,
            authors=_together(began.authors, (author.lower(),)),
            longest=max(began.longest, *broken.graces.values()),
            used=dict.fromkeys(broken.graces, _NONE) | _used(began, broken, running, edited, now),
            controls=_controls(began.controls, _lower(broken.controls)),
        )
        return (*periods[:-1], period) if lasting else (*periods, period)
    if lasting is None or (lasting.used.keys() & running.keys() & set(broken.unclear)):
        return periods
    end, used = _end(lasting.start, edited, now), _used(lasting, broken, running, edited, now)
    return _bounded((*periods[:-1], replace(lasting, end=end, used=used, fixed=end == edited)), now)


def lasts(periods: GraceUse) -> bool:
    """Whether a period lasts."""
    return _lasting(periods) is not None


def begins(periods: GraceUse, broken: Broken) -> bool:
    """Whether this look is the first of a period to find a rule that has a grace: some of it may be used up already.

    A period may begin earlier, with rules that have none, and go on where their revert has to wait.
    """
    lasting = _lasting(periods)
    return (lasting is None or not lasting.longest) and any(broken.graces.values())


def inherit(periods: GraceUse, others: Iterable[GraceUse], broken: Broken, author: str, now: datetime) -> GraceUse:
    """Return the grace use of an exemption with what its authors used in others of the same control at the same scope.

    For grace use of which `begins` is true. Time that passed for several at once counts once: a period of another
    counts until the period that lasts here began, and until `now` where none does.
    """
    lasting = _lasting(periods)
    since = lasting.start if lasting else now
    authors = dict.fromkeys((author.lower(), *(lasting.authors if lasting else ())))
    controls = _lower(broken.controls)
    controls = _controls(lasting.controls, controls) if lasting else controls
    like = [
        replace(
            one,
            end=min(one.end or since, since),
            authors=tuple(each for each in authors if one.is_by({each})),
            fixed=False,
        )
        for other in others
        for one in other
        if one.start < since and now < one.counts_until and one.is_by(authors) and _overlap(one.controls, controls)
    ]
    if not like:
        return periods
    merged: list[Period] = []
    for one in sorted((*(one for one in periods if one.end), *like), key=lambda one: one.start):
        last = merged[-1] if merged else None
        if last and last.end and one.start < last.end:
            merged[-1] = replace(
                _one(last, one), start=last.start, end=max(last.end, one.end or now), used=_most(last, one)
            )
        else:
            merged.append(one)
    return _bounded((*merged, lasting) if lasting else merged, now)


def used_since(periods: GraceUse, since: datetime) -> GraceUse:
    """Return the part of grace use after `since`."""
    return tuple(_from(one, since) for one in periods if one.end is None or one.end > since)


def _from(one: Period, since: datetime) -> Period:
    """Return the part of a period after `since`. It does not say when its rules used their time: as late as can be."""
    if one.start >= since:
        return one
    left = one.end - since if one.end else timedelta()
    return replace(one, start=since, used={code: min(time, left) for code, time in one.used.items()})


def closed(periods: GraceUse, running: Mapping[str, datetime], now: datetime) -> GraceUse:
    """Return the grace use of an exemption that is gone."""
    return after(periods, Broken({}, {}), "", now, running=running, edited=None)


def times_fixed(periods: GraceUse, author: str, now: datetime) -> int:
    """Return how often within the window an edit fixed what this author had broken."""
    return sum(one.fixed and one.counts_until > now and one.is_by({author.lower()}) for one in periods)


def _lasting(periods: GraceUse) -> Period | None:
    return periods[-1] if periods and periods[-1].end is None else None


def _start(periods: GraceUse, broken: Broken, now: datetime) -> datetime:
    """Return since when rules are broken. A row from before periods were kept knows it by its findings only."""
    if periods:
        lasting = _lasting(periods)
        return lasting.start if lasting else now
    return min((broken.seen.get(code, now) for code in broken.graces), default=now)


def _end(start: datetime, edited: datetime | None, now: datetime) -> datetime:
    return edited if edited and start < edited <= now else now


def _used(
    period: Period, broken: Broken, running: Mapping[str, datetime], edited: datetime | None, now: datetime
) -> dict[str, timedelta]:
    """Return what each rule of a period has used, with the runs that end with this look."""
    used = dict(period.used)
    for code in used.keys() & running.keys():
        if code not in broken.seen and code not in broken.unclear:
            since = max(running[code], period.start)
            used[code] += _whole(max(_end(period.start, edited, now) - since, timedelta()))
    return used


def _bounded(periods: Iterable[Period], now: datetime) -> GraceUse:
    """Return ended periods without what counts no more, and no more of them than are kept."""
    kept = [one for one in periods if one.counts_until > now]
    while len(kept) > _PERIODS:
        kept[:2] = [_one(kept[0], kept[1])]
    return tuple(kept)


def _one(first: Period, second: Period) -> Period:
    """Return one period for two: as long as both together, and it ends with the second."""
    used = {code: first.used.get(code, _NONE) + second.used.get(code, _NONE) for code in {**first.used, **second.used}}
    return Period(
        second.start - first.length,
        second.end,
        _together(first.authors, second.authors),
        max(first.longest, second.longest),
        used,
        first.fixed or second.fixed,
        _controls(first.controls, second.controls),
    )


def _most(first: Period, second: Period) -> dict[str, timedelta]:
    """Return what each rule used in two periods at the same time."""
    return {
        code: max(first.used.get(code, _NONE), second.used.get(code, _NONE)) for code in {**first.used, **second.used}
    }


def _together(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Return the authors of both; ANYBODY for more than are kept."""
    both = tuple(dict.fromkeys((*some, *others)))
    return both if len(both) <= _AUTHORS else (ANYBODY,)


def _controls(some: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    """Return the controls of both; () for all of them, as for more than are kept."""
    both = tuple(sorted({*some, *others}))
    return both if some and others and len(both) <= _CONTROLS else ()


def _overlap(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return not some or not others or not set(some).isdisjoint(others)


def _lower(controls: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(one.lower() for one in controls))


def _whole(time: timedelta) -> timedelta:
    return timedelta(seconds=_seconds(time))


def _seconds(time: timedelta) -> int:
    return ceil(time.total_seconds())


def read_grace_use(data: Iterable[Sequence[Any]]) -> GraceUse:
    """Read grace use as a row keeps it. Raises ValueError or TypeError."""
    return tuple(map(Period.read, data))
