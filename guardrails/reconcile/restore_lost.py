"""Restore what was lost: an approved exemption that went with its target, or that somebody deleted who may not.

At most three requests to Azure: the look that found nothing, a list of what is attached to the same scope (is the
target there, is it put back under another name), and the write, whose answer shows what is there then.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from guardrails.dataclass import dataclass, replace
from guardrails.decisions import notify
from guardrails.decisions.durability import (
    Accepted,
    Against,
    Lost,
    is_durable,
    judge_loss,
    obstacle,
    turns_on_who,
    twins,
)
from guardrails.decisions.history import Entry
from guardrails.decisions.next_row import entry_for, row_gone
from guardrails.decisions.row import Intent, Row, Status, Stored
from guardrails.errors import Permanent
from guardrails.exemption.body import fingerprint, put_body, with_marker
from guardrails.exemption.counts import number_of
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Gone, Unread
from guardrails.exemption.hint import Hint
from guardrails.exemption.ids import is_same
from guardrails.exemption.model import Exemption
from guardrails.exemption.times import read_time
from guardrails.notices.notice import Kind, Notice
from guardrails.reconcile.act import conclude
from guardrails.reconcile.azure_write import Done
from guardrails.reconcile.visit import NOTHING_DONE, Outcome, Visit, next_seq
from guardrails.ruleset.budgets import BREAKER, RESTORES, WAITS, Use, full_of_one
from guardrails.ruleset.model import Mode


@dataclass(frozen=True, slots=True)
class _Later:
    """It is not put back now, and why. An event about its target, or the next sweep, has it tried again.

    `held`: the budget, or the breaker, that keeps it back; "" where that is something else.
    """

    why: str
    answer: str = "none"
    held: str = ""


_TRIES: Final = 5
"""How often a refusal that may pass is taken for one; the wait doubles each time."""

_SOON: Final = timedelta(minutes=1)
"""When Azure is asked again where its list and its answer do not agree."""

_AGAIN: Final = timedelta(days=1)
"""When a write that Azure refused for want of the target is tried again without an event."""

_NO_TARGET: Final = _Later("its target does not exist; the service restores it when the target exists")
_BREAKER: Final = _Later("the breaker is open: nothing is written until an operator closes it", held=BREAKER)
_LOOK_BACK: Final = timedelta(days=1)
"""How long before we saw it gone it may have been deleted: Event Grid delivers within 24 hours."""

_SKEW: Final = timedelta(minutes=1)
"""How far our clock may be behind Azure's (doctor reports more): a delete after that is of what was made since."""

_UNVERIFIED: Final = "an event says that somebody deleted it; what follows waits for the activity log"
_ALTERED: Final = Against("what the register has of it was changed from outside")


async def lose(visit: Visit, stored: Stored) -> Outcome | bool | None:
    """Take note that an exemption is gone. False: it is not durable, nothing was done; None: somebody was quicker."""
    row, now = stored.row, visit.world.clock.now()
    if row.compliant is None or row.compliant_content != row.content:
        return False
    exemption = await _approved(visit, row)
    if exemption is None or not is_durable(row, exemption, visit.ruleset, now):
        return False
    gone = row_gone(row, visit.id.text, now)
    said = (await _believed(visit)).actor
    by = said if visit.hint.verified else ""
    loss = await _accepted_before(visit, row) or judge_loss(row, exemption, by, visit.ruleset)
    if isinstance(loss, Accepted):
        entry = entry_for("deleted", now, visit.hint, why="Azure says that it does not exist", accepted=loss.why)
        return await _record(visit, stored, gone, entry)
    if said and not by and turns_on_who(visit.id, visit.ruleset):
        after = replace(_lost(gone, now), lost_said=said, due=now + visit.ruleset.durability.verify)
        return await _unverified(visit, stored, replace(after, lost_untold=True))  # stored name
    due: datetime | None = now + visit.ruleset.durability.wait
    if not said and isinstance(await visit.world.arm.at_same_scope(visit.id), Gone):
        due = None  # its target went with it: nobody deleted just this one
    after = replace(_lost(gone, now), lost_by=loss.by, lost_said="" if by else said, due=due)
    why, notice = _why(loss), _notice(visit, stored, exemption, loss, due)
    saved = await visit.commit(stored, after, entry_for("lost", now, visit.hint, why=why), [notice])
    if saved is not None and visit.hint.source == "target" and not loss.by:  # its target may be there again already
        return await restore_lost(visit, saved, returned=True)
    return None if saved is None else Outcome(visit.id, "", wrote=True, row=saved.row)


def _lost(gone: Row, now: datetime) -> Row:
    return _notified(replace(gone, status=Status.LOST, lost=now, lost_by="", lost_said="", settled=""))


def _is_unnotified(row: Row) -> bool:
    """Whether the notice that it is lost waits until it is known who deleted it."""
    return row.lost_untold  # stored name


def _notified(row: Row) -> Row:
    return replace(row, lost_untold=False)  # stored name


def _why(loss: Lost) -> str:
    if loss.by:
        return f"{loss.by} deleted it, which is not allowed"
    return "nobody is known to have deleted it: its target may be gone"


def _notice(visit: Visit, stored: Stored, exemption: Exemption, loss: Lost, due: datetime | None, *why: str) -> Notice:
    """Return the notice that it is lost; `due`: before when it is not put back."""
    then = "The service restores it when its target exists" + (f", but not before {read_time(due)}." if due else ".")
    if visit.mode is Mode.AUDIT:
        then = f"{NOTHING_DONE} This is audit mode; enforce mode would put it back."
    return notify.about(
        Kind.LOST, visit.id, next_seq(stored), at=visit.world.clock.now(), actor=loss.by, done=then,
        why=(_why(loss), *why), exemption=exemption, row=stored.row,
    )  # fmt: skip


async def restore_lost(visit: Visit, stored: Stored, *, returned: bool = False) -> Outcome | None:
    """Restore a lost exemption once it is time and nothing is against it. None: somebody was quicker, look again.

    Raises Retryable while Azure or the store is busy.
    """
    row, now, hint = stored.row, visit.world.clock.now(), visit.hint
    if (step := _about_who(visit, row, now)) is not None:
        return await step(visit, stored)
    fresh = (
        row.lost is not None and row.due == row.lost + visit.ruleset.durability.wait
    )  # who did it may yet become known
    returned = returned or (hint.source == "target" and not row.lost_by and not fresh)
    if row.due and now < row.due and not returned and hint.source != "operator":
        return await _rest(visit, stored)
    exemption = await _approved(visit, row)
    if exemption is None:
        return await _end(visit, stored, None, _ALTERED)
    if fight := _fight(visit, row):
        return await _end(visit, stored, exemption, fight, Kind.FIGHT)
    stop = await _hindrance(visit, row, exemption)
    if isinstance(stop, Against):
        return await _give_up(visit, stored, exemption, stop, row.due)
    if stop is not None:
        return await _wait(visit, stored, stop)
    attached = await visit.world.arm.at_same_scope(visit.id)
    if isinstance(attached, Gone):
        return await _wait(visit, stored, _NO_TARGET)
    if isinstance(attached, Unread):
        return await _wait(visit, stored, _Later(f"its scope cannot be read: {attached.reason}"))
    if any(is_same(one.get("id"), visit.id.text) for one in attached):
        return await _wait(visit, stored, _Later("Azure lists it, and does not show it"), now + _SOON)
    for other in twins(exemption, attached, now):
        known = await visit.world.register.read(other)
        if known is None or not _was_there_before(known.row, row):
            return await _leave_to_other(visit, stored, exemption, other, known)
    return await _within_budget(visit, stored, exemption)


def _about_who(visit: Visit, row: Row, now: datetime) -> Callable[[Visit, Stored], Awaitable[Outcome | None]] | None:
    """Return what is to be done about who deleted it, before anything else; None where that is settled."""
    hint = visit.hint
    if hint.operation == "delete" and hint.actor and not row.lost_by and (hint.verified or not row.lost_said):
        return _late_news
    if not row.lost_said or not turns_on_who(visit.id, visit.ruleset):
        return None
    return _rest if row.due and now < row.due else _verify  # until then nothing follows, whoever asks


def _was_there_before(other: Row, row: Row) -> bool:
    """Whether another exemption was at the same scope before this one was lost: then it is no new name for it."""
    since = other.dates[0][0] if other.dates else None
    return since is not None and row.lost is not None and since <= row.lost


def _is_accepted(other: Row) -> bool:
    """Whether another exemption was judged, and nothing asks for a revert of it: a bad one replaces nothing."""
    return other.content != "" and other.content in (other.compliant_content, other.tolerated_content, other.kept)


async def _leave_to_other(
    visit: Visit, stored: Stored, exemption: Exemption, other: ExemptionId, known: Stored | None
) -> Outcome | None:
    """Leave it to another exemption under a new name; wait while that may yet be reverted. `known`: of that one."""
    why = f"the exemption '{other.name}' at the same scope replaces it"
    if known is None or _is_accepted(known.row):
        return await _end(visit, stored, exemption, Against(why))
    return await _wait(visit, stored, _Later(f"{why}, unless that is reverted"))


async def unread(visit: Visit, stored: Stored, seen: Unread) -> Outcome | None:
    """Leave one lost that cannot be read now."""
    return await _wait(visit, stored, _Later(f"it cannot be read: {seen.reason}"))


def _fight(visit: Visit, row: Row) -> Against | None:
    """Return why it is not put back again and again."""
    fights, now = visit.ruleset.durability, visit.world.clock.now()
    recent = [time for time in row.fought if now - time < fights.window]
    if not (row.lost_by or row.lost_said) or len(recent) < fights.times:
        return None
    times, who = (f"{number_of(len(recent), 'time')} since {read_time(recent[0])}", row.lost_by or "somebody")
    return Against(f"the guardrails put it back {times}, and {who} deleted it again")


async def _hindrance(visit: Visit, row: Row, exemption: Exemption) -> Against | _Later | None:
    """Return what is against restoring it, except at its scope."""
    now = visit.world.clock.now()
    assignment, policies = await visit.exempted(exemption)
    against = obstacle(row, exemption, assignment, visit.ruleset, now, policies=policies)
    if isinstance(against, Against):  # what is kept of the assignment may be out of date
        assignment, policies = await visit.exempted(exemption, max_age=timedelta())
        against = obstacle(row, exemption, assignment, visit.ruleset, now, policies=policies)
    if isinstance(against, Unread):
        return _Later(f"whether it may be restored is unknown: {against.reason}")
    if against is not None:
        return against
    if visit.mode is Mode.AUDIT:
        return _Later("audit mode: nothing is changed in Azure", answer="bring-back")  # stored name
    return None


async def _within_budget(visit: Visit, stored: Stored, exemption: Exemption) -> Outcome | None:
    """Put it back if the breaker is closed and the budgets for restores have room for it; else it waits.

    Asked for again, one loss takes one share. What its target takes with it counts for nobody.
    """
    row, now, budget = stored.row, visit.world.clock.now(), visit.ruleset.restores
    refused = full_of_one(row.restored, budget.exemption, now)
    if refused is None:
        asked = Use.of(visit.id, row.lost_by, row.lost or now)
        state = await visit.world.register.take_restore(now, budget, asked)
        if state.taken:
            return await _write(visit, stored, exemption)
        if state.opened_at or state.refused is None:
            return await _wait(visit, stored, _BREAKER)
        refused = state.refused
    held = RESTORES if refused.name == "total" else f"{RESTORES}-{refused.name}"
    return await _wait(visit, stored, _Later(f"not put back now: {WAITS[held]}", held=held), refused.until)


async def _write(visit: Visit, stored: Stored, exemption: Exemption) -> Outcome | None:
    """Record the intent, write, record the outcome."""
    row, now = stored.row, visit.world.clock.now()
    clean = with_marker(exemption.metadata, None) if exemption.metadata else None
    body = put_body(exemption.body, clean)
    why = f"it was lost at {read_time(row.lost)}, and its target is there" if row.lost else "it was lost"
    notice = notify.about(
        Kind.RESTORED, visit.id, next_seq(stored), at=now, actor=row.lost_by, why=(why,), exemption=exemption, row=row,
        done="It was put back as it was last approved.",
    )  # fmt: skip
    intent = Intent("bring-back", fingerprint(body), why, now, row.compliant, notice.to_json())  # stored name
    entry = entry_for("intent", now, visit.hint, action=intent.action)
    saved = await visit.commit(stored, replace(row, intent=intent, due=None), entry)
    if saved is None:
        return None
    try:
        said = await visit.world.arm.put(visit.id, body)
    except Permanent as error:
        if error.code == "no-target":  # Azure lists at a scope that is not there: each try is two entries of history
            return await _wait(visit, saved, _NO_TARGET, now + _AGAIN)
        refused = Against(f"Azure refuses it: {error.message}", may_pass=True)
        return await _give_up(visit, saved, exemption, refused, row.due)
    try:
        written = Exemption.from_arm(said, visit.ruleset.names, visit.world.arm.source)
    except Permanent:  # the answer broke off
        return None
    if fingerprint(written.body) != intent.content:
        return None  # the settling of the intent looks again
    return await conclude(visit, None, saved, Done(written))


async def _approved(visit: Visit, row: Row) -> Exemption | None:
    """Return the exemption as it was last approved; None where the register cannot vouch for it."""
    if row.compliant is None:
        return None
    try:
        return await visit.kept(row.compliant)
    except Permanent:
        return None


async def _believed(visit: Visit) -> Hint:
    """Return what woke us, its actor only where it reports a delete, and not once more of an earlier one.

    Whatever followed from the earlier one: the exemption was there again since.
    """
    if visit.hint.operation != "delete":
        return replace(visit.hint, actor="")
    old, there = set[int](), 0
    for entry in await visit.world.register.history(visit.id) if visit.hint.event_id else ():
        said = entry.event == "deleted" or (entry.event == "lost" and entry.row.get("lost_said"))
        there = entry.seq if entry.row.get("content") else there  # the loss is the one after this entry
        if said and entry.facts.get("event") == visit.hint.event_id:
            old.add(there)
    return replace(visit.hint, operation="", actor="") if old - {there} else visit.hint


async def _accepted_before(visit: Visit, row: Row) -> Accepted | None:
    """Return why a delete was accepted after which nobody has written it: Azure showed what was gone once more."""
    if row.undo is None:  # it never went
        return None
    for entry in reversed(await visit.world.register.history(visit.id)):
        why = entry.facts.get("accepted")
        if entry.event == "deleted" and why and row.written_at is not None:
            gone = Row.from_json(entry.row)  # since when it was: what is written after that is another one
            same = row.written_at == gone.written_at  # by Azure's clock, which may be ahead of ours
            return Accepted(str(why)) if same or row.written_at <= gone.since else None
    return None


async def _late_news(visit: Visit, stored: Stored) -> Outcome | None:
    """Take note of who deleted it: the event came after a sweep had seen that it is gone."""
    hint = await _believed(visit)
    if not hint.actor:
        return await _rest(visit, stored)
    exemption, now = await _approved(visit, stored.row), visit.world.clock.now()
    if exemption is None:
        return await _end(visit, stored, None, _ALTERED)
    if not hint.verified:
        due = now + visit.ruleset.durability.verify if turns_on_who(visit.id, visit.ruleset) else stored.row.due
        row = replace(stored.row, status=Status.LOST, lost_said=hint.actor, due=due, intent=None)
        return await _unverified(visit, stored, row)
    loss = judge_loss(stored.row, exemption, hint.actor, visit.ruleset)
    if isinstance(loss, Accepted):
        return await _accept(visit, stored, loss)
    due = now + visit.ruleset.durability.wait
    row = replace(stored.row, status=Status.LOST, lost_by=loss.by, lost_said="", due=due, intent=None)
    notices = [_notice(visit, stored, exemption, loss, due)] if _is_unnotified(row) else []
    entry = entry_for("lost", now, visit.hint, why=f"{loss.by} deleted it")
    return await _record(visit, stored, _notified(row), entry, *notices)


async def _unverified(visit: Visit, stored: Stored, row: Row) -> Outcome | None:
    """Note who is said to have deleted it. Nothing follows before it is due; that may be now."""
    now = visit.world.clock.now()
    saved = await visit.commit(stored, row, entry_for("lost", now, visit.hint, why=_UNVERIFIED))
    if saved is not None and row.due is not None and row.due <= now and turns_on_who(visit.id, visit.ruleset):
        return await _verify(visit, saved)
    return None if saved is None else Outcome(visit.id, "", wrote=True, row=saved.row)


async def _verify(visit: Visit, stored: Stored) -> Outcome | None:
    """Decide by what is known of who deleted it: by the activity log, or, where that cannot be read, by the event."""
    row, now = stored.row, visit.world.clock.now()
    exemption = await _approved(visit, row)
    if exemption is None:
        return await _end(visit, stored, None, _ALTERED)
    by, known = await _deleter(visit, row, now)
    loss = judge_loss(row, exemption, by, visit.ruleset)
    if isinstance(loss, Accepted):
        return await _accept(visit, stored, loss, known)
    due = (row.lost or now) + visit.ruleset.durability.wait
    after = _notified(replace(row, status=Status.LOST, lost_by=loss.by, lost_said="", due=due, intent=None))
    notices = [_notice(visit, stored, exemption, loss, due, known)] if _is_unnotified(row) else []
    entry = entry_for("lost", now, visit.hint, why=_why(loss), known=known)
    saved = await visit.commit(stored, after, entry, notices)
    return None if saved is None else await restore_lost(replace(visit, hint=replace(visit.hint, operation="")), saved)


async def _deleter(visit: Visit, row: Row, now: datetime) -> tuple[str, str]:
    """Return who deleted it, "" where nobody is known to have, and how that is known: our words."""
    lost = row.lost or now
    since, until = max(filter(None, (row.written_at, lost - _LOOK_BACK))), min(lost + _SKEW, now)
    log = visit.world.log
    found = await log.deleted_by(visit.id, since, until) if log else Unread("it is not read here")
    if isinstance(found, Unread):
        return row.lost_said, f"who deleted it is what an event says: the activity log was not read: {found.reason}"
    return found, "who deleted it is what the activity log says" if found else "the activity log knows no such delete"


async def _accept(visit: Visit, stored: Stored, loss: Accepted, known: str = "") -> Outcome | None:
    """It stays gone: record why, and notify nobody."""
    lost = None if _is_unnotified(stored.row) else stored.row.lost
    row = replace(_settled(stored.row, loss.why), lost=lost)
    entry = entry_for("deleted", visit.world.clock.now(), visit.hint, accepted=loss.why, known=known)
    return await _record(visit, stored, row, entry)


def _settled(row: Row, why: str) -> Row:
    """Return the row of one that stays gone."""
    row = replace(row, status=Status.GONE, settled=why, lost_said="", due=None, answer="none", held="", intent=None)
    return _notified(row)


async def _wait(visit: Visit, stored: Stored, later: _Later, due: datetime | None = None) -> Outcome | None:
    """Leave it lost for now; before `due` only an event about its target has it tried again."""
    now, due = visit.world.clock.now(), due or stored.row.due
    due = due if due and now < due else None  # it was tried before its time
    row = replace(stored.row, status=Status.LOST, due=due, answer=later.answer, held=later.held, intent=None)
    return await _put_off(visit, stored, row, later.why)


async def _give_up(
    visit: Visit, stored: Stored, exemption: Exemption, against: Against, due: datetime | None
) -> Outcome | None:
    """Give it up, unless that may pass: assignments and roles are often deployed after the target.

    It is then tried a few times more. `due`: when it was to be tried; what an event has tried earlier uses up no try.
    """
    now, tries = visit.world.clock.now(), stored.row.attempts
    early = due is not None and now < due
    if not against.may_pass or (not early and tries >= _TRIES):
        return await _end(visit, stored, exemption, against)
    if not early:
        due, tries = now + visit.ruleset.durability.wait * 2**tries, tries + 1
    row = replace(stored.row, status=Status.LOST, due=due, attempts=tries, answer="none", held="", intent=None)
    return await _put_off(visit, stored, row, against.why)


async def _put_off(visit: Visit, stored: Stored, row: Row, why: str) -> Outcome | None:
    """Record why it is not put back now, unless the register has that already."""
    if row == stored.row:
        return await _rest(visit, stored)
    return await _record(visit, stored, row, entry_for("waiting", visit.world.clock.now(), visit.hint, why=why))


async def _end(
    visit: Visit, stored: Stored, exemption: Exemption | None, against: Against, kind: Kind = Kind.NOT_RESTORED
) -> Outcome | None:
    """It is not put back any more: record that, and say so once."""
    now = visit.world.clock.now()
    row = _settled(stored.row, against.why)
    notice = notify.about(
        kind, visit.id, next_seq(stored), at=now, actor=stored.row.lost_by, done=NOTHING_DONE, why=(against.why,),
        exemption=exemption, row=stored.row,
    )  # fmt: skip
    return await _record(visit, stored, row, entry_for("not-restored", now, visit.hint, why=against.why), notice)


async def _rest(visit: Visit, stored: Stored) -> Outcome:
    await visit.unchanged(stored)
    return Outcome(visit.id, "", wrote=False, row=stored.row)


async def _record(visit: Visit, stored: Stored, row: Row, entry: Entry, *notices: Notice) -> Outcome | None:
    saved = await visit.commit(stored, row, entry, notices)
    return None if saved is None else Outcome(visit.id, "", wrote=True, row=saved.row)
