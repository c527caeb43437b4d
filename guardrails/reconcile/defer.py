"""Defer: what is recorded and announced of a revert that waits, for the breaker is open or a budget is used up."""

from datetime import datetime, timedelta
from typing import NamedTuple

from guardrails.dataclass import replace
from guardrails.decisions import notify
from guardrails.decisions.evasion import Habit, attempted
from guardrails.decisions.next_row import entry_for, is_news, particulars
from guardrails.decisions.row import Row, Stored
from guardrails.exemption.counts import number_of
from guardrails.exemption.times import parse_time, read_time, spell_time
from guardrails.notices.notice import Kind, Notice
from guardrails.ports import BreakerState
from guardrails.reconcile.visit import NOTHING_DONE, Look, Outcome, Visit
from guardrails.ruleset.budgets import BREAKER, WAITS, WINDOW, Full
from guardrails.runtime.telemetry import Fact, fact


def log_breaker(state: BreakerState, limit: int | None = None, *, full: str = "") -> None:
    """Log the breaker's state; `full`: the budget that holds something back, "" where none does."""
    is_open = "open" if state.opened_at else "closed"
    fact(Fact.BREAKER, state=is_open, recent=state.recent, limit=limit, full=full)


async def hold_back(
    visit: Visit, look: Look, stored: Stored | None, state: BreakerState, refused: Full | None
) -> Outcome | None:
    """Record that a revert waits: for the breaker, or for the budget that `refused` it. Notify where that is due.

    An open breaker or a used-up budget is announced once, and each exemption that waits when that is news. One that
    waits already stays as it is: sweeps ask for it each hour once its time has come.
    """
    name = refused.name if refused else BREAKER
    log_breaker(state, refused.limit if refused else visit.ruleset.budget.total, full=refused.name if refused else "")
    row, body = look.row_after(stored)
    row = replace(row, held=name)
    old = stored.row if stored else None
    if refused:
        waits = old is not None and old.held == name and old.content == row.content
        row = replace(row, due=old.due, attempts=old.attempts) if old and waits else replace(row, due=refused.until)
    own = refused if refused and not refused.key else None
    warns = own is not None and warns_anew(row.warned, own, look.situation.now, visit.ruleset.fights.window)
    if warns and own:
        row = attempted(
            replace(row, warned=f"{own.name}/{spell_time(own.notified_at(look.situation.now))}"), Habit.FLOOD
        )
    if stored and row == stored.row:
        await visit.unchanged(stored)
        return Outcome(visit.id, "", wrote=False, row=row, assessment=look.assessment, plan=look.plan)
    why = f"not reverted now: {WAITS[name]}"
    if refused:
        why += f"; looked at again at {read_time(refused.until)}"
    plan = replace(look.plan, reasons=(*look.plan.reasons, why), action=None)
    unnotified = _unnotified(visit, look, state, refused)
    if unnotified and not await visit.world.register.claim_notification(unnotified.whose, look.situation.now):
        unnotified = None
    notices = [unnotified.notice] if unnotified else []
    if warns and own:
        notices.append(flood_or_fight(visit, replace(look, plan=plan), row, stored, own))
    elif is_news(old, row):
        done = f"Nothing was changed in Azure: {WAITS[name]}."
        notices.append(visit.about(Kind.VIOLATION, look, stored, done, plan.reasons, row=row))
    details = particulars(look.assessment, plan)
    entry = entry_for("held", look.situation.now, visit.hint, body, author=row.author, held=name, **details)

    async def remember() -> None:
        if unnotified and refused is None and state.opened_at:
            await visit.world.register.breaker_notified(state.opened_at)
        elif unnotified and refused:
            await visit.world.register.budget_notified(unnotified.whose, refused.notified_at(look.situation.now))

    saved = await visit.commit(stored, row, entry, notices, remember)
    if saved is None:
        return None
    return Outcome(visit.id, "", wrote=True, row=saved.row, assessment=look.assessment, plan=plan)


class _Unnotified(NamedTuple):
    """A notification that is due: its name for Register.claim_notification, and its notice."""

    whose: str
    notice: Notice


def _unnotified(visit: Visit, look: Look, state: BreakerState, refused: Full | None) -> _Unnotified | None:
    if refused is not None:
        new = refused.key and refused.whose not in state.notified_budgets
        return _Unnotified(refused.whose, _budget_used_up(visit, look, refused)) if new else None
    if state.opened_at is None or state.notified:
        return None
    limit = visit.ruleset.reverts_per_hour
    return _Unnotified(BREAKER, breaker_open(state.opened_at, limit, at=look.situation.now))


def warns_anew(warned: str, own: Full, now: datetime, window: timedelta) -> bool:
    """Whether to notify that a budget of an exemption's own is used up: once in its window."""
    name, _, at = warned.partition("/")
    time = parse_time(at) if at else None
    return name != own.name or time is None or now - time >= (window if own.name == "fight" else WINDOW)


def flood_or_fight(visit: Visit, look: Look, row: Row, stored: Stored | None, own: Full) -> Notice:
    """Return the notice that somebody writes one exemption as often as it is reverted: here a flood is found.

    `row`: the row that is recorded; of its reverts, Azure may have refused some.
    """
    window = visit.ruleset.fights.window if own.name == "fight" else WINDOW
    times = [time for time in row.reverts if look.situation.now - time < window]
    count = f"{number_of(len(times), 'revert')} of it began since {read_time(times[0])}, and it was written again"
    then = f"{NOTHING_DONE} If it still breaks the rules at {read_time(own.until)}, it is reverted then."
    notice = visit.about(Kind.FIGHT, look, stored, then, (count, *look.plan.reasons), row=row)
    following = "Ask the author for the reason. To keep the exemption meanwhile: exg hold ID"
    return replace(notice, next=notify.naming(following, visit.id))


def breaker_open(opened_at: datetime, limit: int, *, at: datetime, days: int = 0) -> Notice:
    """Return the notice that the breaker is open; `days`: the reminder after so many days."""
    key = "".join(c for c in spell_time(opened_at) if c.isalnum()) + (f"-{days}d" if days else "")
    why = [f"more than {number_of(limit, 'revert')} in an hour", "reverts wait until an operator closes it"]
    if days:
        why.insert(0, f"it has been open since {read_time(opened_at)}: {number_of(days, 'day')}")
    return notify.service(Kind.BREAKER_OPEN, key, at=at, done="Nothing is reverted while it is open.", why=why)


def _budget_used_up(visit: Visit, look: Look, refused: Full) -> Notice:
    """Return the notice that the budget of an author or a subscription is used up."""
    stamp = "".join(c for c in spell_time(refused.until.replace(microsecond=0)) if c.isalnum())
    whose = f"exemptions that {look.situation.author[:100] or 'an unknown author'} wrote"
    if refused.name == "subscription":
        whose = f"exemptions in {visit.id.container.replace('mg~', 'the management group ')}"
    why = (
        f"the limit of {number_of(refused.limit, 'revert')} in an hour is reached for {whose}",
        "further reverts for this budget wait until older ones are more than an hour ago",
    )
    done = "Reverts beyond this budget wait; nothing else does."
    return notify.service(
        Kind.BUDGET_REACHED, f"{refused.name}-{refused.key}-{stamp}", at=look.situation.now, done=done, why=why
    )
