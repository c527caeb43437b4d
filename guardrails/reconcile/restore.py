"""Restore: undo our last revert, or anybody's delete, or go back to a version that the history keeps, by one command.

Works in audit mode too: an operator asks. It ends a fight over the exemption, and every other reason for which it was
given up.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from guardrails.dataclass import replace
from guardrails.decisions import notify
from guardrails.decisions.decide import PutBack
from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.next_row import begun, entry_for, row_gone
from guardrails.decisions.row import Intent, Row, Stored
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Gone, Unread
from guardrails.exemption.model import Exemption
from guardrails.notices.notice import Kind
from guardrails.ports import Register
from guardrails.reconcile.act import conclude, withdraw
from guardrails.reconcile.azure_write import Blocked, Changed, act
from guardrails.reconcile.outbox import IN_HAND, LEASE
from guardrails.reconcile.visit import Visit, next_seq

_ROUNDS: Final = 3
_KEPT: Final = 20
_OLDER: Final = "`exg history ID` lists the entries; `restore ID --at ENTRY` takes an older one"
"""How many versions an error names."""


async def restore(visit: Visit, by: str, *, at: int | None = None, dry_run: bool) -> Mapping[str, Any]:
    """Write back a body that the register keeps, and return it. It is then left alone until somebody changes it.

    What was restored is not restored once more: whoever repeats the command, for he did not hear how it ended, must not
    take back what it did.

    `at`: the number of the history entry that keeps it; None for what was last taken away.

    Raises Permanent when there is nothing to undo (nothing-to-undo), the history keeps no such body (no-body), it was
    changed from outside (register-altered) or Azure does not allow it (cannot-act); Retryable when others write at the
    same time.
    """
    written: Mapping[str, Any] | None = None
    for _ in range(_ROUNDS):
        stored, seen = await visit.observe()
        present, row = seen if isinstance(seen, Exemption) else None, stored.row if stored else None
        if row is not None and row.content and isinstance(seen, Gone):  # somebody deleted it, and no event came
            row = row_gone(row, visit.id.text, visit.world.clock.now())
        entry = row.undo if row is not None and at is None else at
        if stored is None or row is None or entry is None:
            raise Permanent(
                "there is nothing to restore",
                code="nothing-to-undo",
                subject=visit.id.text,
                remedy="Only exemptions that were reverted or deleted while the register knew them can be restored.",
            )
        if stored.row.intent and not dry_run:
            raise Retryable("another worker is acting on it", code=IN_HAND, subject=visit.id.text, delay=LEASE.seconds)
        if written and present and fingerprint(present.body) == fingerprint(written):
            return written  # and somebody else has recorded it
        if at is None and present and is_restored(row, present):
            raise _already_restored(visit, row)
        history = await visit.world.register.history(visit.id)
        target = await version(visit.world.register, visit.id, stored, entry, history)
        if present and fingerprint(present.body) == fingerprint(target):
            raise Permanent(
                "it already has the state of the restore", code="nothing-to-undo", subject=visit.id.text, remedy=_OLDER
            )
        if isinstance(seen, Unread) and not dry_run:
            raise Retryable(f"it cannot be read now: {seen.reason}", code="unread", subject=visit.id.text, delay=60)
        why = f"restored by {by}" + (f", as history entry {at} has it" if at is not None else "")
        written = target
        if dry_run or await _write_back(visit, stored, row, entry, target, present=present, by=by, why=why):
            return target
    raise Retryable("others keep changing it", code="lost-race", subject=visit.id.text, delay=5)


def is_restored(row: Row, present: Exemption) -> bool:
    """Whether what is there is what an operator's restore wrote: to restore once more would take just that back."""
    return row.kept != "" and row.adopted is None and row.kept == fingerprint(present.body)


def _already_restored(visit: Visit, row: Row) -> Permanent:
    instead = f"The replaced state is history entry {row.undo}: `exg restore ID --at {row.undo}`"
    return Permanent(
        f"it has not changed since it was {row.kept_why}",
        code="nothing-to-undo",
        subject=visit.id.text,
        remedy=instead if row.undo is not None else _OLDER,
    )


async def version(
    register: Register, exemption: ExemptionId, stored: Stored, entry: int, history: Sequence[HistoryEntry]
) -> Mapping[str, Any]:
    """Return the body that a history entry keeps, if each entry from there to the newest vouches for the one before.

    The body's own hash shows that it is whole; the chain shows that nobody wrote another body and another hash.
    Raises Permanent: no-body (it never kept one, or that was pruned), register-altered.
    """
    if 1 <= entry <= stored.seq:
        vouch(exemption, stored, entry, history)
    try:
        return await register.body(exemption, entry)
    except Permanent as error:
        if error.code != "no-body":
            raise
        kept = [str(one.seq) for one in history if one.seq <= stored.seq and one.keeps_body]
        remedy = f"These entries keep one: {', '.join(kept[-_KEPT:])}" if kept else "No entry keeps one."
        raise Permanent(error.message, code="no-body", subject=exemption.text, remedy=remedy) from None


def vouch(exemption: ExemptionId, stored: Stored, entry: int, history: Sequence[HistoryEntry]) -> None:
    """Raise Permanent (register-altered) unless the chain from a history entry to the newest one holds."""
    since = [one for one in history if entry <= one.seq <= stored.seq]
    whole = [one.seq for one in since] == list(range(entry, stored.seq + 1))
    if not since or not whole or since[-1].hash != stored.head or any(b.previous != a.hash for a, b in pairwise(since)):
        raise Permanent(
            "somebody changed the register outside the service: "
            f"the history is not intact from entry {entry} to the newest entry",
            code="register-altered",
            subject=exemption.text,
            remedy="`exg history ID --verify` lists what is wrong; --at takes a later entry",
        )


async def _write_back(
    visit: Visit,
    stored: Stored,
    row: Row,
    entry: int,
    target: Mapping[str, Any],
    *,
    present: Exemption | None,
    by: str,
    why: str,
) -> bool:
    """Do it; False when somebody else was quicker. `row`: what is known of it now."""
    now, exemption, kept = visit.world.clock.now(), Exemption.from_arm(target), None
    if present is not None and row.content != fingerprint(present.body):
        seen, kept = (await visit.look(present, row)).row_after(stored)  # an edit that nobody has looked at yet
        row = replace(begun(seen, row), due=now)  # it is judged by a message of its own, should Azure refuse
    notice = notify.about(
        Kind.RESTORED,
        visit.id,
        next_seq(stored),
        at=now,
        actor=by,
        done="Its former state was written back.",
        why=(why,),
        exemption=exemption,
    )
    intent = Intent("restore", fingerprint(target), why, now, entry, notice.to_json())
    saved = await visit.commit(
        stored, replace(row, intent=intent), entry_for("intent", now, visit.hint, kept, action="restore")
    )
    if saved is None:
        return False
    result = await act(
        visit.world.arm, exemption, PutBack(entry), target, fingerprint(present.body) if present else None
    )
    if isinstance(result, Changed):
        await withdraw(visit, saved)
        return False
    concluded = await conclude(visit, None, saved, result)
    if isinstance(result, Blocked):
        raise Permanent(f"Azure refused: {result.reason}", code="cannot-act", subject=visit.id.text)
    return concluded is not None
