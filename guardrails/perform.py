"""Perform: carry out a plan that changes Azure: breaker, intent, act, record, tell. Nothing is changed unrecorded."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from guardrails import tell
from guardrails.act import Blocked, Changed, Done, act
from guardrails.decide import Action, Delete, PutBack, Remove
from guardrails.exemption import fingerprint, spell_time
from guardrails.facts import Gone
from guardrails.notice import Kind, Notice
from guardrails.ports import BreakerState
from guardrails.record import Intent, Status, Stored
from guardrails.recording import entry_for, is_news, particulars, row_gone
from guardrails.telemetry import Fact, fact
from guardrails.visit import Look, Outcome, Visit, next_seq

_RESTORES = 20
"""How many times that an exemption was put back are remembered, beside the newest."""

_EVENTS = {
    "delete": "reverted", "put-back": "put-back", "remove": "removed", "restore": "restored",
    "bring-back": "brought-back", "tag": "tagged", "untag": "untagged",
}  # fmt: skip


async def perform(visit: Visit, look: Look, stored: Stored | None) -> Outcome | None:
    """Carry out `look.plan.action`. None: the exemption or its row changed meanwhile, look again."""
    action, exemption = look.plan.action, look.exemption
    if action is None:
        raise ValueError("the plan has no action")
    now, register = look.situation.now, visit.world.register
    removal, limit = isinstance(action, Remove), visit.ruleset.reverts_per_hour
    most = limit // 2 if removal else limit  # tidying up takes half of what the breaker allows, and never opens it
    if look.plan.reverts:
        state = await register.breaker(now)
        if removal and (state.opened_at or state.recent >= most):
            return await _put_off(visit, look, stored)
        if state.opened_at is not None:
            tell_breaker(state)
            return await _hold(visit, look, stored, state)
    target = await visit.world.register.body(visit.id, action.entry) if isinstance(action, PutBack) else None
    saved = await _record_intent(visit, look, stored, action, target)
    if saved is None:
        return None
    if look.plan.reverts:  # counted by the one worker whose intent stands: an event that comes thrice is one revert
        state = await register.take_revert(now, most, opens=not removal)
        situation = replace(look.situation, row=replace(saved.row, intent=None))
        if not state.taken and removal:
            return await _put_off(visit, replace(look, situation=situation), saved)
        tell_breaker(state, limit)
        if not state.taken:
            return await _hold(visit, replace(look, situation=situation), saved, state)
    result = await act(visit.world.arm, exemption, action, target, look.situation.content)
    if isinstance(result, Changed):
        await withdraw(visit, saved)
        return None
    return await conclude(visit, look, saved, result)


def tell_breaker(state: BreakerState, limit: int | None = None) -> None:
    """Log how the breaker stands."""
    fact(Fact.BREAKER, state="open" if state.opened_at else "closed", recent=state.recent, limit=limit)


async def _put_off(visit: Visit, look: Look, stored: Stored | None) -> Outcome | None:
    """Leave an ended exemption to a later sweep: the hour's share of removals is taken, or the breaker is open."""
    row, body = look.row_after(stored)
    row = replace(row, turn=look.exemption.expires_on)  # which has passed: it is due
    if stored and row == replace(stored.row, intent=None) and not stored.row.intent:
        await visit.unchanged(stored)
        return Outcome(visit.id, "", wrote=False, row=row, assessment=look.assessment, plan=look.plan)
    told = particulars(look.assessment, look.plan)
    entry = entry_for("judged" if stored else "written", look.situation.now, visit.hint, body, **told)
    saved = await visit.commit(stored, row, entry)
    if saved is None:
        return None
    return Outcome(visit.id, "", wrote=True, row=saved.row, assessment=look.assessment, plan=look.plan)


async def _record_intent(
    visit: Visit, look: Look, stored: Stored | None, action: Action, target: Mapping[str, Any] | None
) -> Stored | None:
    """Write down what is about to be done, why, and the body that it takes away."""
    row, body = look.row_after(stored)
    notice = None
    if look.plan.tell:
        notice = visit.about(look.plan.tell, look, stored, _done(action), look.plan.reasons).to_json()
    intent = Intent(
        action.name,
        "" if isinstance(action, Delete) else fingerprint(target) if target else look.situation.content,
        "; ".join(look.plan.reasons)[:1000],
        look.situation.now,
        action.entry if isinstance(action, PutBack) else None,
        notice,
    )
    old = look.situation.row
    row = replace(
        row,
        status=old.status if old else row.status,
        answer=old.answer if old else "none",
        reminded=old.reminded if old else "",
        review_reminded=old.review_reminded if old else "",
        intent=intent,
    )
    told = particulars(look.assessment, look.plan)
    entry = entry_for("intent", look.situation.now, visit.hint, body, action=action.name, author=row.author, **told)
    return await visit.commit(stored, row, entry)


async def withdraw(visit: Visit, stored: Stored) -> None:
    """Take back an intent, for somebody else changed the exemption at the same time."""
    row = replace(stored.row, intent=None)
    why = "somebody changed the exemption at the same time; it is looked at anew"
    await visit.commit(stored, row, entry_for("withdrawn", visit.world.clock.now(), visit.hint, why=why))


async def _hold(visit: Visit, look: Look, stored: Stored | None, state: BreakerState) -> Outcome | None:
    """Record that the breaker keeps a revert back; tell once that it is open."""
    row, body = look.row_after(stored)
    row = replace(row, held="breaker")
    if stored and row == stored.row:
        await visit.unchanged(stored)
        return Outcome(visit.id, "", wrote=False, row=row, assessment=look.assessment, plan=look.plan)
    notices: list[Notice] = []
    if state.opened_at and not state.told:
        notices.append(_breaker_notice(visit, look, state))
    plan = replace(look.plan, reasons=(*look.plan.reasons, "not reverted now: the breaker is open"), action=None)
    if is_news(stored.row if stored else None, row):
        done = "Nothing was changed in Azure: the breaker is open."
        notices.append(visit.about(Kind.VIOLATION, look, stored, done, plan.reasons))
    told = particulars(look.assessment, plan)
    entry = entry_for("held", look.situation.now, visit.hint, body, author=row.author, **told)
    saved = await visit.commit(stored, row, entry, notices)
    if saved is None:
        return None
    if state.opened_at and not state.told:
        await visit.world.register.breaker_told(state.opened_at)
    return Outcome(visit.id, "", wrote=True, row=saved.row, assessment=look.assessment, plan=plan)


def _breaker_notice(visit: Visit, look: Look, state: BreakerState) -> Notice:
    key = "".join(c for c in spell_time(state.opened_at or look.situation.now) if c.isalnum())
    why = (f"more than {visit.ruleset.reverts_per_hour} reverts in an hour", "reverts wait until an operator closes it")
    done = "Nothing is reverted while it is open."
    return tell.service(Kind.BREAKER_OPEN, key, at=look.situation.now, done=done, why=why)


async def conclude(visit: Visit, look: Look | None, stored: Stored, result: Done | Blocked) -> Outcome | None:
    """Record and tell how a recorded intent ended. `look` is None where it was not this visit that decided."""
    intent, now = stored.row.intent, visit.world.clock.now()
    if intent is None:
        raise ValueError("there is no intent to conclude")
    if isinstance(result, Blocked):
        return await _blocked(visit, look, stored, result)
    undo = stored.row.undo if intent.action in ("tag", "untag") else stored.row.snapshot
    after, body, told = None, None, {}
    if isinstance(result.exemption, Gone):
        row = replace(row_gone(stored.row, visit.id.text, now), answer=intent.action, undo=undo)
    else:
        tagged = stored.row.scope_tagged if result.scope_tagged is None else result.scope_tagged
        known = replace(stored.row, intent=None, own_write_at=result.exemption.modified_at, scope_tagged=tagged)
        if intent.body is not None:  # what was written back is its author's again
            then = await visit.row_at(intent.body)
            known = replace(known, author=then.author, author_kind=then.author_kind, written_at=then.written_at)
        if intent.action == "bring-back":
            fought = (*known.fought[-_RESTORES:], now) if known.lost_by or known.lost_said else known.fought
            known = replace(known, restored=(*known.restored[-_RESTORES:], now), fought=fought)
        if intent.action == "restore":
            known = replace(known, kept=fingerprint(result.exemption.body), kept_why=intent.why, restored=(), fought=())
        after = await visit.look(result.exemption, known)
        row, body = after.row_after(stored)
        row, told = replace(row, undo=undo), particulars(after.assessment, after.plan)
    entry = entry_for(_EVENTS[intent.action], now, visit.hint, body, why=intent.why, **told)
    notices = [Notice.from_json(intent.notice)] if intent.notice else []
    saved = await visit.commit(stored, row, entry, notices)
    if saved is None:
        return None
    shown = look or after
    assessment, plan = (shown.assessment, shown.plan) if shown else (None, None)
    return Outcome(visit.id, intent.action, wrote=True, row=saved.row, assessment=assessment, plan=plan)


async def _blocked(visit: Visit, look: Look | None, stored: Stored, result: Blocked) -> Outcome | None:
    """Record that Azure forbids the change for good: told once, not tried again until something changes."""
    now = visit.world.clock.now()
    row = replace(stored.row, intent=None)
    if (
        stored.row.intent is None or stored.row.intent.action != "restore"
    ):  # a refused restore leaves things as they are
        row = replace(row, status=Status.CANNOT_ACT, since=now, answer="none", blocked=result.reason, due=None)
    notice = tell.about(
        Kind.CANNOT_ACT,
        visit.id,
        next_seq(stored),
        at=now,
        actor=stored.row.author,
        done="Nothing was changed in Azure, for it does not allow it.",
        why=(*(look.plan.reasons if look else ()), f"Azure refused: {result.reason}"),
        exemption=look.exemption if look else None,
        assessment=look.assessment if look else None,
        row=stored.row,
    )
    saved = await visit.commit(stored, row, entry_for("cannot-act", now, visit.hint, why=result.reason), [notice])
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
