"""Reconcile: bring Azure, the register and the notices right for one exemption, whatever woke us.

Six steps, always the same: observe, assess, decide, act, record, notify. Level-triggered: what an event said does not
matter, only what Azure and the register say now. Safe to run twice, at once, late, or after a crash at any step.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from guardrails.dataclass import replace
from guardrails.decisions import notify
from guardrails.decisions.bodies import is_due
from guardrails.decisions.decide import DOES, Tag, retry_at
from guardrails.decisions.next_row import entry_for, is_news, particulars, row_gone
from guardrails.decisions.row import Intent, Row, Status, Stored
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.facts import Gone, Unread
from guardrails.exemption.hint import Hint
from guardrails.exemption.model import Exemption
from guardrails.exemption.together import named
from guardrails.notices.notice import Kind
from guardrails.reconcile.act import conclude, perform
from guardrails.reconcile.azure_write import Done
from guardrails.reconcile.hold import hold, release
from guardrails.reconcile.outbox import IN_HAND, LEASE, WHOLE
from guardrails.reconcile.restore import restore
from guardrails.reconcile.restore_lost import lose, restore_lost, unread
from guardrails.reconcile.visit import NOTHING_DONE, Look, Outcome, Visit, World, next_seq
from guardrails.ruleset.model import Ruleset

_SAID: Final = "who deleted it is what an event says; the activity log has the last word"

ROUNDS: Final = 5
"""How often one call looks again when others write at the same time, before it gives way."""


class Reconciler:
    """The use case. One instance serves many calls at once.

    Args:
        world: the ports.
        ruleset: returns the ruleset in force; raises Misconfigured when it is broken.
        audit_only: whether a setting holds the mode at audit, whatever the ruleset says.
    """

    def __init__(self, world: World, ruleset: Callable[[], Ruleset], *, audit_only: bool = False) -> None:
        self._world = world
        self._ruleset = ruleset
        self._audit_only = audit_only

    async def reconcile(self, exemption_id: ExemptionId, hint: Hint) -> Outcome:
        """Look at one exemption and do what is right.

        Raises Retryable when Azure or the store is busy or others keep writing, Misconfigured when the ruleset is
        broken, Permanent (register-altered) when its register row cannot be trusted. Nothing is half done then: the
        next call takes up what this one left.
        """
        visit = self.visit(exemption_id, hint)
        did = ""
        for _ in range(ROUNDS):
            stored, seen = await visit.observe()
            idle = stored and not stored.row.intent and not stored.altered  # an intent's row is left to whoever has it
            if stored and idle and is_due(stored.row, stored.seq, self._world.clock.now()):
                stored = await self._world.register.prune(exemption_id, stored)
                if stored is None:
                    continue
            if stored and stored.row.intent:
                outcome = await _settle(visit, stored, stored.row.intent, seen)
            elif isinstance(seen, Exemption):
                outcome = await _present(visit, seen, stored)
            else:
                outcome = await (_absent(visit, stored, seen) if stored else _never_known(visit, seen))
            if outcome is not None:
                await visit.came_early(outcome.row)
                return replace(outcome, did=outcome.did or did)
        raise Retryable("others keep changing it", code="lost-race", subject=exemption_id.text, delay=5)

    async def restore(
        self, exemption_id: ExemptionId, by: str, *, at: int | None = None, dry_run: bool = False
    ) -> Mapping[str, Any]:
        """Undo our last revert, or anybody's delete, or go back to history entry `at`; see .restore."""
        hint = Hint("operator", actor=by)
        begun, did = (None, "") if dry_run else await self._finish(exemption_id, hint)
        if begun and did == "restore" and begun.body is not None and at in (None, begun.body):
            return await self._world.register.body(exemption_id, begun.body)
        return await restore(self.visit(exemption_id, hint), by, at=at, dry_run=dry_run)

    async def hold(self, exemption_id: ExemptionId, by: str, *, until: datetime, reason: str) -> Row:
        """Leave an exemption as it is until a time; see guardrails.reconcile.hold."""
        return await hold(self.visit(exemption_id, Hint("operator", actor=by)), by, until=until, reason=reason)

    async def release(self, exemption_id: ExemptionId, by: str) -> Outcome:
        """End a hold, and look at the exemption like at any other."""
        hint = Hint("operator", actor=by)
        await self._finish(exemption_id, hint)
        await release(self.visit(exemption_id, hint), by)
        return await self.reconcile(exemption_id, hint)

    async def _finish(self, exemption_id: ExemptionId, hint: Hint) -> tuple[Intent | None, str]:
        """End what a crash cut short, so that an operator who repeats a command ends what it began.

        Return the ARM write that was begun, and what was done in Azure to end it. Raises Retryable while another worker
        is at it.
        """
        stored = await self._world.register.read(exemption_id)
        if stored is None or not (stored.row.intent or stored.row.outbox):
            return None, ""
        try:
            return stored.row.intent, (await self.reconcile(exemption_id, hint)).did
        except Retryable as error:
            if stored.row.intent or error.code != IN_HAND:
                raise
            return None, ""  # messages that are just being sent hinder nobody

    def visit(self, exemption_id: ExemptionId, hint: Hint) -> Visit:
        """Return one visit under the ruleset and mode in force; for a dry run, observe and look, and stop there."""
        ruleset = self._ruleset()
        mode = ruleset.mode_in_force(audit_only=self._audit_only)
        return Visit(self._world, exemption_id, hint, ruleset, mode)


async def _present(visit: Visit, exemption: Exemption, stored: Stored | None) -> Outcome | None:
    """Bring right an exemption that is there. None: somebody else was quicker, look again."""
    look = await visit.look(exemption, stored.row if stored else None)
    if look.plan.action is not None:
        return await perform(visit, look, stored)
    return await _write(visit, look, stored)


async def _write(visit: Visit, look: Look, stored: Stored | None) -> Outcome | None:
    """Record a decision that changes nothing in Azure, unless the register has it already."""
    plan = look.plan
    row, body = look.row_after(stored)
    if stored and _says_no_more(visit, row, stored.row) and not stored.altered:
        await visit.unchanged(stored)
        return Outcome(visit.id, "", wrote=False, row=stored.row, assessment=look.assessment, plan=plan)
    notices = []
    adopting = stored is None and row.adopted is not None and visit.hint.source == "sweep"
    if plan.notice and not adopting and is_news(stored.row if stored else None, row):
        would = f" This is audit mode; enforce mode would {DOES[plan.withheld.name]}." if plan.withheld else ""
        notices.append(visit.about(plan.notice, look, stored, NOTHING_DONE + would, plan.reasons, row=row))
    entry = entry_for(
        _event(stored, row),
        look.situation.now,
        visit.hint,
        body,
        author=row.author,
        altered=stored.altered if stored else "",
        **particulars(look.assessment, plan),
    )
    saved = await visit.commit(stored, row, entry, notices)
    if saved is None:
        return None
    return Outcome(visit.id, "", wrote=True, row=saved.row, assessment=look.assessment, plan=plan)


def _says_no_more(visit: Visit, row: Row, known: Row) -> bool:
    """Whether there is nothing to record. A row of before the criteria were kept gets them from a sweep's look, or with
    what changes else."""
    if row == known:
        return True
    before = not known.criteria_weakened and visit.hint.source != "sweep"
    return before and replace(row, criteria_weakened={}) == known


def _event(stored: Stored | None, row: Row) -> str:
    if stored is None and row.adopted is not None:
        return "adopted"
    if row.status is Status.EXCLUDED:
        return "excluded"
    if stored is None or stored.row.status in (Status.GONE, Status.LOST):
        return "written"
    return "edited" if stored.row.content != row.content else "judged"


async def _never_known(visit: Visit, seen: Gone | Unread) -> Outcome | None:
    """Take note of what neither Azure shows nor the register knows: anybody may name any number of ids.

    What does not exist leaves no row, what cannot be read one of a limited number. Raises Permanent beyond.
    """
    named = visit.hint.source not in ("sweep", "operator")
    now = visit.world.clock.now()
    if named and isinstance(seen, Gone):
        return Outcome(visit.id, "", wrote=False, row=row_gone(None, visit.id.text, now))
    if named and isinstance(seen, Unread) and not await visit.world.register.take_unseen(now):
        raise Permanent(
            f"it cannot be read: {seen.reason}. The register keeps no more rows of what Azure never showed",
            code="too-many-unseen",
            subject=visit.id.text,
            remedy="Nothing was changed. A sweep finds it once it can be read; look for who names so many",
        )
    return await _absent(visit, None, seen)


async def _absent(visit: Visit, stored: Stored | None, seen: Gone | Unread) -> Outcome | None:
    """Record that an exemption is gone, or that it cannot be read; put back what is to be put back."""
    now, old = visit.world.clock.now(), stored.row if stored else None
    if isinstance(seen, Gone) and stored is not None:
        if stored.altered and (stored.row.wanted_back or stored.row.content):  # repair the row, then look again
            await visit.commit(stored, stored.row, entry_for("judged", now, visit.hint, altered=stored.altered))
            return None
        if stored.row.wanted_back:
            return await restore_lost(visit, stored)
        if stored.row.content:
            lost = await lose(visit, stored)
            if not isinstance(lost, bool):
                return lost
    if isinstance(seen, Unread) and stored is not None and stored.row.wanted_back and not stored.altered:
        return await unread(visit, stored, seen)
    if isinstance(seen, Gone):
        row, event, why = row_gone(old, visit.id.text, now), "deleted", "Azure says that it does not exist"
        if visit.hint.source == "sweep":  # whether the inventory shows it still is known from now on
            row = replace(row, listed=visit.hint.listed)
            event = "judged" if old is not None and old.status is Status.GONE else event
        was_good = old is not None and old.content != "" and (old.compliant is not None or old.hold is not None)
        kind = Kind.DELETED if old and was_good and not is_expired(old.expires_on, now) else None
    else:
        row, event, why = _row_unread(visit, old), "unknown", f"it cannot be read: {seen.reason}"
        kind = Kind.UNKNOWN if old is None or old.status is not Status.UNKNOWN else None
    if stored and row == stored.row and not stored.altered:
        await visit.unchanged(stored)
        return Outcome(visit.id, "", wrote=False, row=stored.row)
    notices = []
    if kind:
        seq, actor = next_seq(stored), visit.hint.actor
        said = (_SAID,) if actor and visit.hint.operation == "delete" and not visit.hint.verified else ()
        whys = (why, *said)
        done = NOTHING_DONE if kind is Kind.UNKNOWN else "The service did not act."
        notices.append(notify.about(kind, visit.id, seq, at=now, actor=actor, done=done, why=whys, row=old))
    entry = entry_for(event, now, visit.hint, why=why, altered=stored.altered if stored else "")
    saved = await visit.commit(stored, row, entry, notices)
    return None if saved is None else Outcome(visit.id, "", wrote=True, row=saved.row)


def _row_unread(visit: Visit, old: Row | None) -> Row:
    """Return the row for what cannot be read. Its grace use is written down: status and `due` no longer show it."""
    if old is not None and old.status is Status.GONE and visit.hint.source in ("sweep", "wake-up"):
        return old  # nobody says that it is there again
    now = visit.world.clock.now()
    base = old or Row(visit.id.text, Status.UNKNOWN, now)
    due = retry_at(old, base.content, now)
    again = old is not None and old.status is Status.UNKNOWN
    attempts = base.attempts + (1 if due != base.due else 0) if again else 0
    since = base.since if again else now
    together = visit.together(base)
    return replace(
        base, status=Status.UNKNOWN, since=since, due=due, attempts=attempts, answer="none", intent=None, turn=None,
        listed=named(visit.hint.listed or base.listed, together), together=together,
        ruleset=visit.ruleset.digest_in(visit.mode), grace=base.grace_use,
    )  # fmt: skip


async def _settle(visit: Visit, stored: Stored, intent: Intent, seen: Exemption | Gone | Unread) -> Outcome | None:
    """Finish or explain an ARM write that was begun: by a worker still at it, or by one that died."""
    age = visit.world.clock.now() - intent.at
    if age < LEASE:
        delay = (LEASE - age).total_seconds()
        raise Retryable("another worker is acting on it", code=IN_HAND, subject=visit.id.text, delay=delay)
    if isinstance(seen, Unread):
        await visit.unchanged(stored)
        raise Retryable(
            f"a write was begun and it cannot be read: {seen.reason}", code="unsettled", subject=visit.id.text, delay=60
        )
    content = "" if isinstance(seen, Gone) else fingerprint(seen.body)
    if intent.action in WHOLE and content == intent.content:
        return await conclude(visit, None, stored, Done(seen))
    if isinstance(seen, Gone):
        return await _absent(visit, stored, seen)
    row = replace(stored.row, intent=None)
    if intent.action in ("tag", "untag") and content == intent.content:
        # our mark may have been written; then nothing else differs, and the write was ours whatever its author says
        ours = await visit.look(seen, replace(row, own_write_at=seen.modified_at))
        wanted = ours.plan.action or ours.plan.withheld
        written = seen.modified_at != (row.own_write_at or row.written_at)
        if written and not (isinstance(wanted, Tag) and wanted.on_exemption):
            return await (
                perform(visit, ours, stored) if ours.plan.action else conclude(visit, ours, stored, Done(seen))
            )
    look = await visit.look(seen, row)
    if look.plan.action is not None:
        return await perform(visit, look, stored)
    return await _write(visit, look, stored)
