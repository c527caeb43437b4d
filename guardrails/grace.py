"""Grace: how long an exemption has broken rules that ask for a revert, and when its time to mend it is over. Pure.

An exemption's account is a list of periods. A period begins when a rule that asks for a revert is first seen broken,
goes on while any is, and ends when none is: by an edit, by a delete, or by our revert. What is Unknown neither begins
nor ends one. Whoever wrote the exemption while a period lasted has that time on his account for 30 days from its end:
what he breaks then has so much less grace, the same rule or another. So the grace that an author uses within 30 days
is never more than the longest grace of the rules that were broken, and of one rule never more than its own.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final, NamedTuple

from guardrails.exemption import parse_time, spell_time
from guardrails.expiry import later

WINDOW: Final = timedelta(days=30)
"""For so long a period counts from its end on; for twice its longest grace, where that is more."""

TOGGLES: Final = 3
"""Mended and broken again so often within the window, by one author, is no accident."""

ANYBODY: Final = "*"
"""Stands for the authors of a period where they are too many to keep."""

_PERIODS: Final = 12
"""Ended periods that an account keeps. Beyond that the two oldest become one, of the same length: none is lost."""
_AUTHORS: Final = 5


@dataclass(frozen=True, slots=True)
class Period:
    """A time in which an exemption broke rules that ask for a revert.

    Attributes:
        start: when that was first seen, UTC.
        end: when it was over, UTC; None while it lasts.
        authors: who wrote the exemption in this time, lower case.
        longest: the longest grace of these rules.
        used: code of each of these rules -> how long it was broken in runs that ended within the period.
        mended: whether an edit ended it; False for a delete, a revert, or rules that changed.
    """

    start: datetime
    end: datetime | None
    authors: tuple[str, ...]
    longest: timedelta = timedelta()
    used: Mapping[str, timedelta] = field(default_factory=dict)
    mended: bool = False

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
        return [spell_time(self.start), end, list(self.authors), longest, used, self.mended]

    @classmethod
    def read(cls, data: Sequence[Any]) -> "Period":
        """Read what `to_json` wrote. Raises ValueError or TypeError where it is no period."""
        start, end, authors, longest, used, mended = data
        began = parse_time(start)
        if began is None:
            raise ValueError("a period of grace has no start")
        times = {code: timedelta(seconds=time) for code, time in used.items()}
        return cls(began, parse_time(end), tuple(authors), timedelta(seconds=longest), times, bool(mended))


type Account = tuple[Period, ...]
"""The periods of an exemption, oldest first. At most the last one lasts still."""


class Broken(NamedTuple):
    """The rules that are found broken at one look.

    Attributes:
        graces: code -> its grace, of those that ask for a revert.
        seen: code -> since when it is broken without a look that found it kept; at least those of `graces`.
        unclear: codes of rules that are Unknown.
    """

    graces: Mapping[str, timedelta]
    seen: Mapping[str, datetime]
    unclear: Collection[str] = ()


def over(account: Account, broken: Broken, author: str, now: datetime) -> Mapping[str, datetime]:
    """Return when the grace of each broken rule that asks for a revert is over: code -> time, UTC, past ones too.

    The times do not depend on `now` as long as nothing else changes.
    """
    if not broken.graces:
        return {}
    lasting = _lasting(account)
    authors = {author.lower(), *(lasting.authors if lasting else ())}
    before = [one for one in account if one.end and one.counts_until > now and one.is_by(authors)]
    before.sort(key=lambda one: one.counts_until)
    start = _start(account, broken, now)
    usual = max(broken.graces.values())
    longest = max(usual, lasting.longest) if lasting else usual
    last = _over(start, [(one.counts_until, one.length, one.longest) for one in before], longest)
    ends = {}
    for code, grace in broken.graces.items():
        used = lasting.used.get(code, timedelta()) if lasting else timedelta()
        uses = [(one.counts_until, one.used.get(code, timedelta()), timedelta()) for one in before]
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
    account: Account,
    broken: Broken,
    author: str,
    now: datetime,
    *,
    running: Mapping[str, datetime],
    edited: datetime | None,
) -> Account:
    """Return the account after a look.

    `running`: code -> since when it was broken, as of the look before. `edited`: when its author changed it since, as
    Azure tells it, which is when all that is no longer broken was mended; None where he did not.
    """
    lasting = _lasting(account)
    if broken.graces:
        name = author.lower()
        usual = lasting or Period(_start(account, broken, now), None, ())
        authors = usual.authors if name in usual.authors else (*usual.authors, name)
        used = dict.fromkeys(broken.graces, timedelta()) | _used(usual, broken, running, edited, now)
        longest = max(usual.longest, *broken.graces.values())
        period = replace(usual, authors=authors if len(authors) <= _AUTHORS else (ANYBODY,), longest=longest, used=used)
        return (*account[:-1], period) if lasting else (*account, period)
    if lasting is None or (lasting.used.keys() & running.keys() & set(broken.unclear)):
        return account
    end, used = _end(lasting.start, edited, now), _used(lasting, broken, running, edited, now)
    return _bounded((*account[:-1], replace(lasting, end=end, used=used, mended=end == edited)), now)


def closed(account: Account, running: Mapping[str, datetime], now: datetime) -> Account:
    """Return the account of an exemption that is gone."""
    return after(account, Broken({}, {}), "", now, running=running, edited=None)


def times_broken_again(account: Account, author: str, now: datetime) -> int:
    """Return how often within the window an exemption was broken by this author, mended, and now is broken again."""
    if not any(one.end is None for one in account):
        return 0
    return sum(one.mended and one.counts_until > now and one.is_by({author.lower()}) for one in account)


def _lasting(account: Account) -> Period | None:
    return account[-1] if account and account[-1].end is None else None


def _start(account: Account, broken: Broken, now: datetime) -> datetime:
    """Return since when rules are broken. A row of before there were accounts knows it by its findings only."""
    if account:
        lasting = _lasting(account)
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


def _bounded(account: Account, now: datetime) -> Account:
    """Return an account without what counts no more, and of no more periods than are kept."""
    kept = [one for one in account if one.counts_until > now]
    while len(kept) > _PERIODS:
        kept[:2] = [_one(kept[0], kept[1])]
    return tuple(kept)


def _one(first: Period, second: Period) -> Period:
    """Return one period for two: as long as both together, of the authors of both, and it ends with the second."""
    authors = tuple(dict.fromkeys((*first.authors, *second.authors)))
    used = {
        code: first.used.get(code, timedelta()) + second.used.get(code, timedelta())
        for code in first.used.keys() | second.used.keys()
    }
    return Period(
        second.start - first.length,
        second.end,
        authors if len(authors) <= _AUTHORS else (ANYBODY,),
        max(first.longest, second.longest),
        used,
    )


def _whole(time: timedelta) -> timedelta:
    return timedelta(seconds=_seconds(time))


def _seconds(time: timedelta) -> int:
    return ceil(time.total_seconds())


def read_account(data: Iterable[Sequence[Any]]) -> Account:
    """Read an account as a row keeps it. Raises ValueError or TypeError."""
    return tuple(map(Period.read, data))
