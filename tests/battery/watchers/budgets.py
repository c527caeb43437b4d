"""Who floods is held back and nobody else, people hear of what waits, and an operator's hold holds."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from guardrails.decisions.row import Hold, Row
from guardrails.exemption.body import fingerprint
from guardrails.notices.notice import Kind
from guardrails.ruleset.budgets import BREAKER, RESTORES, Budget
from guardrails.ruleset.model import Ruleset
from tests.battery.azure import START
from tests.battery.watchers.book import SLACK, Book, Step

_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
_AT_ONCE: Final = timedelta(seconds=10)
_DAY: Final = timedelta(days=1)
_REVERTED: Final = ("reverted", "put-back")
_REVERTS: Final = ("delete", "put-back")
_ENDED: Final = (*_REVERTED, "cannot-act")
_MINUTES: Final = (7 * 24 * 60, 24 * 60, 60, 10)


def _rulesets(book: Book) -> list[Ruleset]:
    return list({id(one): one for _, one in book.end.cloud.ruled}.values())


def _crowded(times: Sequence[tuple[datetime, datetime]], most: int) -> bool:
    """Whether more of them than may be lie within an hour, for clocks that differ: each is when it began and ended."""
    times = sorted(times)
    some = [times[at : at + most + 1] for at in range(len(times) - most)]
    return any(max(end for _, end in each) - each[0][0] < _HOUR - 2 * SLACK for each in some)


async def no_budget_is_exceeded(book: Book) -> list[str]:
    """The reverts of an hour stay within the budgets of the exemption, the author and the subscription."""
    budgets = [one.budget for one in _rulesets(book)]
    done = [step for step in book if step.entry.event in _REVERTED and _is_ours(book, step)]
    return _exceeded(book, "reverted", done, budgets, [_author(book, step) for step in done])


async def no_budget_for_restores_is_exceeded(book: Book) -> list[str]:
    """The restores of an hour stay within the budgets of the exemption, the deleter, the subscription and the total."""
    budgets = [one.restores for one in _rulesets(book)]
    done = [step for step in book if step.entry.event == "brought-back"]
    return _exceeded(book, "put back", done, budgets, [step.before.lost_by if step.before else "" for step in done])


def _closed(book: Book) -> list[datetime]:
    """Return when an operator closed the breaker, which forgets what was done."""
    ledger = getattr(book.end.people, "ledger", None)
    return (
        [one.at for one in ledger.operated if one.what in ("close", "import", "import --force", "wipe")]
        if ledger
        else []
    )


def _restored(book: Book, step: Step) -> int:
    """Return how often an operator had restored its exemption before a step: its own count begins anew by that."""
    return sum(one.entry.event == "restored" and one.entry.seq < step.entry.seq for one in book.steps[step.one])


def _exceeded(
    book: Book, what: str, done: Sequence[Step], budgets: Sequence[Budget], authors: Sequence[str]
) -> list[str]:
    closed = _closed(book)
    unclear = [
        step for step in done if any(_begun_at(step) - _AT_ONCE < at < step.entry.at + _AT_ONCE for at in closed)
    ]
    counted = defaultdict[tuple[str, str], list[tuple[datetime, datetime]]](list)
    for step, author in zip(done, authors, strict=True):
        era, own = sum(at <= _begun_at(step) for at in closed), f"{step.one.key} {_restored(book, step)}"
        for name, key in (("exemption", own), ("author", author), ("subscription", step.one.container)):
            if key and step not in unclear:  # closed while it was under way: its share may be of before or after
                counted[name, f"{key} {era}"].append((_begun_at(step), step.entry.at))
    found = []
    for (name, key), times in counted.items():
        most = max(getattr(one, name) for one in budgets)
        if _crowded(times, most):
            found.append(
                f"{name} {key}: {what} more than {most} times within an hour: {[f'{at:%d %H:%M}' for at, _ in times]}"
            )
    return found


def _begun_at(step: Step) -> datetime:
    """Return when what a step ended was begun; its share was taken some time between."""
    begun = step.row.reverts if step.entry.event in _REVERTED else ()
    return begun[-1] if begun else step.entry.at


def _is_ours(book: Book, step: Step) -> bool:
    """Whether the service itself took away what it began to: such a step also follows a delete by somebody else.

    It may have reverted something else under the same name a moment before.
    """
    since, until = _begun_at(step) - _MINUTE, step.entry.at + _MINUTE
    begun = _intended(book, step)
    ours = [one for one in book.end.journal(step.one) if one.ours and since <= one.at <= until and one.before]
    return any(begun is None or fingerprint(one.before or {}) == begun.row.content for one in ours)


def _author(book: Book, step: Step) -> str:
    """Return who wrote what a step took away."""
    begun = _intended(book, step)
    return begun.row.author.lower() if begun else ""


def _intended(book: Book, step: Step) -> Step | None:
    """Return the step that began what a step ended."""
    earlier = [one for one in book.steps[step.one] if one.entry.seq < step.entry.seq]
    return next((one for one in reversed(earlier) if one.entry.event == "intent"), None)


async def a_fight_is_slowed_down(book: Book) -> list[str]:
    """During a fight, an exemption is reverted at most once an hour.

    A revert counts from when it was begun, as its share does: what a crash cut short may be recorded days later.
    """
    times = max((one.fights.times for one in _rulesets(book)), default=0)
    window = min((one.fights.window for one in _rulesets(book)), default=_DAY)
    found = []
    for one, steps in book.steps.items():
        done = [_begun_at(step) for step in steps if step.entry.event in _REVERTED]
        restored = [step.entry.at for step in steps if step.entry.event == "restored"]
        for at, moment in enumerate(done):
            recent = [
                each
                for each in done[:at]
                if moment - each < window - SLACK and not any(each < one < moment for one in restored)
            ]
            if len(recent) >= times and moment - recent[-1] < _HOUR - 2 * SLACK:
                found.append(f"{one.key}: reverted at {moment} after {len(recent)} reverts, the last at {recent[-1]}")
    return found


async def nothing_is_held_for_nothing(book: Book) -> list[str]:
    """A revert waits for a budget only if other reverts of the last hour have used it up.

    Nothing is said of an hour in which the register was lost: the histories of others, which have their reverts, may
    not have come back. Its own has, up to what it says of the wait.
    """
    lost = max(book.end.people.ledger.wiped, default=START - _DAY)
    begun = [step for step in book if step.entry.event == "intent" and step.row.intent]
    begun = [step for step in begun if step.row.intent and step.row.intent.action in _REVERTS]
    found = []
    for step in book:
        name, ruleset = str(step.entry.facts.get("held", "")), book.ruleset(step)
        if step.entry.event != "held" or ruleset is None or name not in ("exemption", "author", "subscription"):
            continue
        since = step.entry.at - _HOUR - 2 * SLACK
        if name != "exemption" and since <= lost:
            continue
        recent = [one for one in begun if since < one.entry.at <= step.entry.at + SLACK]
        author, budget = step.row.author.lower(), ruleset.budget
        same = {
            "exemption": [one for one in recent if one.one == step.one],
            "author": [one for one in recent if one.row.author.lower() == author],
            "subscription": [one for one in recent if one.one.container == step.one.container],
        }[name]
        # one that is begun again is the same one, as long as it has not ended and nobody has written anything else
        reverts = {(one.one, _ended_before(book, one)) for one in same}
        if len(reverts) < getattr(budget, name):
            found.append(f"{step}: held for its {name} after {len(reverts)} of {getattr(budget, name)} reverts")
    return found


def _ended_before(book: Book, step: Step) -> int:
    """Return how often reverts of its exemption had ended before a step: done, refused, or of what it says no more."""
    until = [one for one in book.steps[step.one] if one.entry.seq <= step.entry.seq]
    changed = (one.before is not None and one.before.content != one.row.content for one in until)
    return sum(one.entry.event in _ENDED for one in until) + sum(changed)


async def what_waits_for_a_budget_has_a_time(book: Book) -> list[str]:
    """The service looks again at an exemption that a budget holds back."""
    waits = [(one, row) for one, row in book.end.rows.items() if row.held and row.held != BREAKER]
    return [
        f"{one.key} waits for {row.held}, and for ever"
        for one, row in waits
        if row.due is None and not row.held.startswith(RESTORES)
    ]


async def an_open_breaker_is_reminded_of(book: Book) -> list[str]:
    """If the breaker stays open for a day or longer, a sweep reports it again each day."""
    now = book.end.cloud.now()
    state = await book.end.register.breaker(now)
    if state.opened_at is None or now - state.opened_at < _DAY + 3 * _HOUR:
        return []
    last = await book.end.register.sweeps.last()
    days = (last.started - state.opened_at).days if last else 0
    sent = last.report.get("told") if last else ()  # stored name
    names = [name for name in sent or () if name.endswith(f"-{days}d")]
    return [] if names or not days else [f"the breaker is open for {days} days, and nobody is reminded"]


async def a_budget_is_notified_once(book: Book) -> list[str]:
    """A used-up budget of an author or a subscription is reported at most once an hour."""
    times = defaultdict[str, dict[str, datetime]](dict)
    for at, _, notice in book.end.cloud.delivered:
        if notice.kind is Kind.BUDGET_REACHED:
            times[notice.id.rpartition("-")[0]].setdefault(notice.id, notice.at or at)
    spare = len(book.end.cloud.troubles)
    return [
        f"{whose} is notified {len(some)} times: {sorted(some.values())}"
        for whose, some in times.items()
        if _crowded([(at, at) for at in some.values()], 1 + spare)
    ]


async def what_is_held_is_left(book: Book) -> list[str]:
    """The service does not change an exemption on hold, and a hold covers only the version that the operator saw."""
    found = []
    for step in book:
        hold, intent = step.before.hold if step.before else None, step.row.intent
        begun = intent if step.entry.event == "intent" else None
        if begun and begun.action not in ("restore", "bring-back") and _holds(hold, step):
            found.append(f"{step}: {begun.action}, though it is held")
        hold = step.row.hold if step.entry.event == "hold" else hold
        if any("on hold until" in one for one in step.reasons) and (hold is None or hold.content != step.row.content):
            found.append(f"{step}: left alone, though nobody holds what it says now")
    return found


async def holds_are_notified(book: Book) -> list[str]:
    """The start of a hold, its coming end and its end are reported."""
    found = []
    for step in book:
        old, new = step.before.hold if step.before else None, step.row.hold
        if _begun(old, new) or (old is not None and new is None):
            found += [] if step.says("hold") else [f"{step}: a hold began or ended, and nobody is notified"]
    now = book.end.cloud.swept or book.end.cloud.now()  # sweeps remind
    for one, row in book.end.rows.items():
        passed = _last_passed(row, now - 2 * _HOUR) if row.hold and now < row.hold.until else 0
        if row.hold and passed and (row.hold.reminded == 0 or row.hold.reminded > passed):
            found.append(f"{one.key}: its hold ends at {row.hold.until}, and nobody is reminded")
    return found


def _holds(hold: Hold | None, step: Step) -> bool:
    return hold is not None and hold.content == step.row.content and step.entry.at < hold.until - SLACK


def _begun(old: Hold | None, new: Hold | None) -> bool:
    return new is not None and (old is None or old.at != new.at)


def _last_passed(row: Row, now: datetime) -> int:
    """Return how many minutes before the end of a hold the last reminder was due; 0 for none."""
    assert row.hold is not None
    whole, left = row.hold.until - row.hold.at, row.hold.until - now
    return min((one for one in _MINUTES if left <= timedelta(minutes=one) < whole), default=0)


WATCHERS: Final = (
    no_budget_is_exceeded, no_budget_for_restores_is_exceeded, a_fight_is_slowed_down, nothing_is_held_for_nothing,
    what_waits_for_a_budget_has_a_time, an_open_breaker_is_reminded_of, a_budget_is_notified_once, what_is_held_is_left,
    holds_are_notified,
)  # fmt: skip
