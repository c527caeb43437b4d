"""Restore: undo our last revert, or anybody's delete, by one command. Works in audit mode too: an operator asks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from guardrails import tell
from guardrails.act import Blocked, Changed, act
from guardrails.decide import PutBack
from guardrails.errors import Permanent, Retryable
from guardrails.exemption import Exemption, fingerprint
from guardrails.notice import Kind
from guardrails.perform import conclude, withdraw
from guardrails.record import Intent, Stored
from guardrails.recording import entry_for
from guardrails.visit import IN_HAND, LEASE, Visit, next_seq

_ROUNDS: Final = 3


async def restore(visit: Visit, by: str, *, dry_run: bool) -> Mapping[str, Any]:
    """Write back the body that was taken away, and return it. It is then left alone until somebody changes it.

    Raises Permanent when there is nothing to undo (nothing-to-undo) or Azure does not allow it (cannot-act), Retryable
    when others write at the same time.
    """
    for _ in range(_ROUNDS):
        stored, seen = await visit.observe()
        if stored is None or stored.row.undo is None:
            raise Permanent(
                "there is nothing to restore",
                code="nothing-to-undo",
                subject=visit.id.text,
                remedy="Only what was reverted or deleted while the register knew it can be restored.",
            )
        if stored.row.intent and not dry_run:
            raise Retryable("another worker is acting on it", code=IN_HAND, subject=visit.id.text, delay=LEASE.seconds)
        target = await visit.world.register.body(visit.id, stored.row.undo)
        present = seen if isinstance(seen, Exemption) else None
        if present and fingerprint(present.body) == fingerprint(target):
            raise Permanent("it stands as it would be restored", code="nothing-to-undo", subject=visit.id.text)
        if dry_run or await _write_back(visit, stored, stored.row.undo, target, present=present, by=by):
            return target
    raise Retryable("others keep changing it", code="lost-race", subject=visit.id.text, delay=5)


async def _write_back(
    visit: Visit, stored: Stored, entry: int, target: Mapping[str, Any], *, present: Exemption | None, by: str
) -> bool:
    """Do it; False when somebody else was quicker."""
    now, exemption, row, kept = visit.world.clock.now(), Exemption.from_arm(target), stored.row, None
    if present is None:
        row = replace(row, snapshot=None)
    elif row.content != fingerprint(present.body):
        row, kept = replace(row, content=fingerprint(present.body), snapshot=next_seq(stored)), present.body
    why = f"restored by {by}"
    notice = tell.about(
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
