"""Hold: break-glass. An operator has one exemption left as it is until a time; or ends that.

Nothing is written in Azure. While it is held an exemption is judged and notified as ever, and not reverted, tagged or
removed. What the operator saw is held: an edit ends the hold.
"""

from datetime import datetime
from typing import Final

from guardrails.dataclass import replace
from guardrails.decisions.next_row import entry_for, particulars
from guardrails.decisions.row import Hold, Row, Status, Stored
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.body import fingerprint
from guardrails.exemption.facts import Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.times import spell_time
from guardrails.reconcile.outbox import IN_HAND, LEASE
from guardrails.reconcile.visit import Visit

_ROUNDS: Final = 3
_REASON: Final = 200
"""Characters of a reason."""


async def hold(visit: Visit, by: str, *, until: datetime, reason: str) -> Row:
    """Hold an exemption as it is now; return its row. One that is held already is held anew.

    Raises Permanent: wrong-hold (no reason, or an end that has passed or is too far), not-there; Retryable where others
    write at the same time or Azure cannot be asked.
    """
    now = visit.world.clock.now()
    reason = " ".join(reason.split())
    _check(visit, until, reason, now)
    for _ in range(_ROUNDS):
        stored, seen = await visit.observe()
        _in_nobodys_hand(visit, stored)
        if isinstance(seen, Unread):
            raise Retryable(f"it cannot be read: {seen.reason}", code="unread", subject=visit.id.text, delay=60)
        if not isinstance(seen, Exemption):
            raise Permanent(
                "there is no such exemption to hold",
                code="not-there",
                subject=visit.id.text,
                remedy="If it was reverted or deleted, run `exg restore ID` first.",
            )
        row = stored.row if stored else Row(visit.id.text, Status.UNKNOWN, now)
        held = replace(row, hold=Hold(by, reason, now, until, fingerprint(seen.body)))
        look = await visit.look(seen, held)
        after, body = look.row_after(stored)
        details = particulars(look.assessment, look.plan)
        entry = entry_for(
            "hold", now, visit.hint, body, why=reason, until=spell_time(until), author=after.author, **details
        )
        if saved := await visit.commit(stored, after, entry):
            return saved.row
    raise Retryable("others keep changing it", code="lost-race", subject=visit.id.text, delay=5)


async def release(visit: Visit, by: str) -> None:
    """End the hold on an exemption. Raises Permanent (not-held); Retryable where others write at the same time."""
    for _ in range(_ROUNDS):
        stored = await visit.world.register.read(visit.id)
        if stored is None or stored.row.hold is None:
            raise Permanent(
                "it is not on hold",
                code="not-held",
                subject=visit.id.text,
                remedy="`exg register list --on-hold` lists exemptions on hold",
            )
        _in_nobodys_hand(visit, stored)
        now = visit.world.clock.now()
        entry = entry_for("released", now, visit.hint, why=f"released by {by}")
        if await visit.commit(stored, replace(stored.row, hold=None, due=now), entry):  # due: should we die now
            return
    raise Retryable("others keep changing it", code="lost-race", subject=visit.id.text, delay=5)


def _check(visit: Visit, until: datetime, reason: str, now: datetime) -> None:
    longest = visit.ruleset.longest_hold
    wrong = ""
    if not reason:
        wrong = "a hold needs a reason"
    elif len(reason) > _REASON:
        wrong = f"the reason has {len(reason):,} characters; at most {_REASON:,} are allowed"
    elif until <= now:
        wrong = f"{spell_time(until)} has passed"
    elif until - now > longest:
        wrong = f"{spell_time(until)} is more than {longest.days} days ahead, the longest that the ruleset allows"
    if wrong:
        remedy = "Give a future time and a reason. The ruleset has the limit: `holds.longest_days`."
        raise Permanent(wrong, code="wrong-hold", subject=visit.id.text, remedy=remedy)


def _in_nobodys_hand(visit: Visit, stored: Stored | None) -> None:
    if stored and stored.row.intent:
        raise Retryable("another worker is acting on it", code=IN_HAND, subject=visit.id.text, delay=LEASE.seconds)
