"""Act: carry out a plan that changes Azure: breaker, intent, write, record, notify. Nothing is changed unrecorded."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from guardrails.dataclass import replace
from guardrails.decisions import notify
from guardrails.decisions.decide import Action, Delete, PutBack, Remove, refused_until
from guardrails.decisions.fix import NOTHING, fix_for
from guardrails.decisions.next_row import begun, entry_for, particulars, row_gone
from guardrails.decisions.row import Intent, Row, Status, Stored
from guardrails.exemption.body import fingerprint
from guardrails.exemption.facts import Gone
from guardrails.notices.notice import Kind, Notice
from guardrails.ports import BreakerState
from guardrails.reconcile.azure_write import Blocked, Changed, Done, act
from guardrails.reconcile.defer import hold_back, log_breaker
from guardrails.reconcile.visit import Look, Outcome, Visit, next_seq
from guardrails.ruleset.budgets import REMEMBERED, Use, full, full_of_one, millis

_REVERTING = ("delete", "put-back")

EVENTS: Final[Mapping[str, str]] = {
    "delete": "reverted", "put-back": "put-back", "remove": "removed", "restore": "restored",
    "bring-back": "brought-back", "tag": "tagged", "untag": "untagged",  # stored name
}  # fmt: skip
"""What we do in Azure -> the event of the history that records it."""


async def perform(visit: Visit, look: Look, stored: Stored | None) -> Outcome | None:
    """Carry out `look.plan.action`. None: the exemption or its row changed meanwhile, look again."""
    action = look.plan.action
    if action is None:
        raise ValueError("the plan has no action")
    if look.plan.reverts:
        return await _revert(visit, look, stored, action)
    saved = await _record_intent(visit, look, stored, action)
    return None if saved is None else await _carry_out(visit, look, saved, action, None)


async def _revert(visit: Visit, look: Look, stored: Stored | None, action: Action) -> Outcome | None:
    """Take the exemption or its last edit away, if the breaker is closed and every budget has room for it."""
    now, register, rules = look.situation.now, visit.world.register, visit.ruleset
    removal = isinstance(action, Remove)
    state = await _let_through(visit, look, stored, removal=removal)
    asked, since, earlier = _asked(look, stored, state.reverts, removal=removal)
    if look.situation.row is not None:  # what was begun and comes to wait was no revert
        look = replace(look, situation=replace(look.situation, row=replace(look.situation.row, reverts=earlier)))
    refused = full(state.reverts, asked, rules.budget, now)
    if removal and (state.opened_at or refused):
        return await _put_off(visit, look, stored)
    if state.opened_at:
        return await hold_back(visit, look, stored, state, None)
    if not removal:
        own = full_of_one(earlier, rules.budget.exemption, now, rules.fights)
        if own or (refused and refused.key):
            return await hold_back(visit, look, stored, state, own or refused)
    if isinstance(action, PutBack) and look.target is None:  # what its owner wrote: no look judges that
        kept, body = await register.kept(visit.id, action.entry)
        look = replace(look, target=body, then=Row.from_json(kept.row))
    target = look.target if isinstance(action, PutBack) else None
    saved = await _record_intent(
        visit, look, stored, action, target, reverts=earlier if removal else (*earlier[-REMEMBERED:], since)
    )
    if saved is None:
        return None
    # counted by the one worker that recorded the intent: an event that comes three times is one revert
    state = await register.take_revert(now, rules.budget, asked)
    if not state.taken:
        situation = replace(look.situation, row=replace(saved.row, intent=None, reverts=earlier))
        look = replace(look, situation=situation)
        if removal:
            return await _put_off(visit, look, saved)
        return await hold_back(visit, look, saved, state, None if state.opened_at else state.refused)
    log_breaker(state, rules.budget.total)
    return await _carry_out(visit, look, saved, action, target)


async def _let_through(visit: Visit, look: Look, stored: Stored | None, *, removal: bool) -> BreakerState:
    """Return the breaker's state: as this process saw it last, if by that the revert is let through.

    Taking it shows whether that still holds. What is against it, and what became of an exemption whose row forgot
    its reverts when it was restored, is read.
    """
    now = look.situation.now

    def lets_through(state: BreakerState) -> bool:
        asked, _, _ = _asked(look, stored, state.reverts, removal=removal)
        return not state.opened_at and not full(state.reverts, asked, visit.ruleset.budget, now)

    forgot = stored is not None and stored.row.kept != ""
    return await visit.world.register.breaker(now, suffices=None if forgot else lets_through)


async def _carry_out(
    visit: Visit, look: Look, saved: Stored, action: Action, target: Mapping[str, Any] | None
) -> Outcome | None:
    """Do in Azure what is recorded as the intent, and record what came of it."""
    result = await act(visit.world.arm, look.exemption, action, target, look.situation.content)
    if isinstance(result, Changed):
        await withdraw(visit, saved)
        return None
    return await conclude(visit, look, saved, result)


def _asked(
    look: Look, stored: Stored | None, let_through: Sequence[Use], *, removal: bool
) -> tuple[Use, datetime, tuple[datetime, ...]]:
    """Return the share that a revert asks for, since when it is under way, and when earlier ones were begun.

    One that a crash or an error of Azure cut short, and that is wanted still, is the same revert: it is counted once.
    Any other has a time of its own among those that were `let_through`, for the clocks of two workers may differ.
    """
    at, row = look.situation, stored.row if stored else None
    if row and row.reverts and row.intent and row.intent.action in _REVERTING and row.content == at.content:
        since, earlier = row.reverts[-1], row.reverts[:-1]
        return Use.of(at.exemption.id, at.author, since, removal=removal), since, earlier
    since = at.now
    taken = {millis(time) for time in row.reverts} if row else set()
    while (asked := Use.of(at.exemption.id, at.author, since, removal=removal)).among(let_through) or (
        millis(since) in taken
    ):
        since += timedelta(milliseconds=1)
    return asked, since, row.reverts if row else ()


async def _put_off(visit: Visit, look: Look, stored: Stored | None) -> Outcome | None:
    """Leave an ended exemption to a later sweep: the hour's share of removals is taken, or the breaker is open."""
    row, body = look.row_after(stored)
    row = replace(row, turn=look.exemption.expires_on)  # which has passed: it is due
    if stored and row == replace(stored.row, intent=None) and not stored.row.intent:
        await visit.unchanged(stored)
        return Outcome(visit.id, "", wrote=False, row=row, assessment=look.assessment, plan=look.plan)
    details = particulars(look.assessment, look.plan)
    entry = entry_for("judged" if stored else "written", look.situation.now, visit.hint, body, **details)
    saved = await visit.commit(stored, row, entry)
    if saved is None:
        return None
    return Outcome(visit.id, "", wrote=True, row=saved.row, assessment=look.assessment, plan=look.plan)


async def _record_intent(
    visit: Visit,
    look: Look,
    stored: Stored | None,
    action: Action,
    target: Mapping[str, Any] | None = None,
    *,
    reverts: tuple[datetime, ...] | None = None,
) -> Stored | None:
    """Write down what is about to be done, why, and the body that it takes away; `reverts`: None where it is none."""
    row, body = look.row_after(stored)
    notice = None
    if look.plan.notice:
        notice = visit.about(look.plan.notice, look, stored, _done(action), look.plan.reasons, row=row).to_json()
    intent = Intent(
        action.name,
        "" if isinstance(action, Delete) else fingerprint(target) if target else look.situation.content,
        "; ".join(look.plan.reasons)[:1000],
        look.situation.now,
        action.entry if isinstance(action, PutBack) else None,
        notice,
    )
    row = begun(row, look.situation.row)
    row = replace(row, intent=intent, reverts=row.reverts if reverts is None else reverts)
    details = particulars(look.assessment, look.plan)
    entry = entry_for("intent", look.situation.now, visit.hint, body, action=action.name, author=row.author, **details)
    return await visit.commit(stored, row, entry)


async def withdraw(visit: Visit, stored: Stored) -> None:
    """Take back an intent, for somebody else changed the exemption at the same time."""
    row = replace(stored.row, intent=None)
    why = "somebody changed the exemption at the same time; it is looked at anew"
    await visit.commit(stored, row, entry_for("withdrawn", visit.world.clock.now(), visit.hint, why=why))


async def conclude(visit: Visit, look: Look | None, stored: Stored, result: Done | Blocked) -> Outcome | None:
    """Record how a recorded intent ended, and notify. `look` is None where it was not this visit that decided."""
    intent, now = stored.row.intent, visit.world.clock.now()
    if intent is None:
        raise ValueError("there is no intent to conclude")
    if isinstance(result, Blocked):
        return await _blocked(visit, look, stored, result)
    undo = stored.row.undo if intent.action in ("tag", "untag") else stored.row.snapshot
    if intent.action == "restore" and not stored.row.content:
        undo = None  # it replaced nothing
    after, body, details = None, None, {}
    if isinstance(result.exemption, Gone):
        row = replace(row_gone(stored.row, visit.id.text, now), answer=intent.action, undo=undo)
    else:
        tagged = stored.row.scope_tagged if result.scope_tagged is None else result.scope_tagged
        known = replace(stored.row, intent=None, own_write_at=result.exemption.modified_at, scope_tagged=tagged)
        known = replace(known, blocked="", refused=0, retry_on=None)
        if intent.body is not None:  # what was written back is its author's again
            then = (look.then if look else None) or await visit.row_at(intent.body)
            known = replace(known, author=then.author, author_kind=then.author_kind, written_at=then.written_at)
        if intent.action == "bring-back":  # stored name
            fought = (*known.fought[-REMEMBERED:], now) if known.lost_by or known.lost_said else known.fought
            known = replace(known, restored=(*known.restored[-REMEMBERED:], now), fought=fought)
        if intent.action == "restore":
            known = replace(
                known,
                kept=fingerprint(result.exemption.body),
                kept_why=intent.why,
                restored=(),
                fought=(),
                reverts=(),
                warned="",
            )
        after = await visit.look(result.exemption, known)
        row, body = after.row_after(stored)
        row, details = replace(row, undo=undo), particulars(after.assessment, after.plan)
        if after.plan.action is not None and after.plan.action.name != intent.action:
            row = replace(row, due=now)  # at once, by a message of its own: our write may cause no event
    entry = entry_for(EVENTS[intent.action], now, visit.hint, body, why=intent.why, **details)
    notices = [Notice.from_json(intent.notice)] if intent.notice else []
    saved = await visit.commit(stored, row, entry, notices, carried_out=True)
    if saved is None:
        return None
    shown = look or after
    assessment, plan = (shown.assessment, shown.plan) if shown else (None, None)
    return Outcome(visit.id, intent.action, wrote=True, row=saved.row, assessment=assessment, plan=plan)


async def _blocked(visit: Visit, look: Look | None, stored: Stored, result: Blocked) -> Outcome | None:
    """Record that Azure does not allow the change: announced once, tried again after a day, then weekly."""
    now = visit.world.clock.now()
    row = replace(stored.row, intent=None)
    restoring = stored.row.intent is not None and stored.row.intent.action == "restore"
    if not restoring:  # a refused restore leaves things as they are
        retry_on = refused_until(row.refused + 1, now)
        row = replace(
            row, status=Status.CANNOT_ACT, since=now if row.status is not Status.CANNOT_ACT else row.since,
            answer="none", blocked=result.reason, refused=row.refused + 1, retry_on=retry_on,
            due=min(filter(None, (row.due, retry_on))),
        )  # fmt: skip
    notice = notify.about(
        Kind.CANNOT_ACT,
        visit.id,
        next_seq(stored),
        at=now,
        actor=stored.row.author,
        done="Nothing was changed, because Azure refused the change.",
        why=(*(look.plan.reasons if look else ()), f"Azure refused: {result.reason}"),
        exemption=look.exemption if look else None,
        assessment=look.assessment if look else None,
        row=stored.row,
        fix=fix_for(Kind.CANNOT_ACT, look.plan, look.exemption, look.facts, visit.ruleset) if look else NOTHING,
    )
    notices = [notice] if restoring or row.refused == 1 or visit.hint.source == "operator" else []
    saved = await visit.commit(stored, row, entry_for("cannot-act", now, visit.hint, why=result.reason), notices)
    if saved is None:
        return None
    assessment, plan = (look.assessment, look.plan) if look else (None, None)
    return Outcome(visit.id, "", wrote=True, row=saved.row, assessment=assessment, plan=plan)


def _done(action: Action) -> str:
    if isinstance(action, Delete):
        return "The exemption was deleted; its body is kept."
    if isinstance(action, PutBack):
        return "The last good state was put back; the edit is kept."
    places = [("its metadata", action.on_exemption), ("its scope", action.on_scope)]
    did = "taken away from" if action.marker is None else "set on"
    return f"A guardrails tag was {did} {' and '.join(place for place, on in places if on)}."
