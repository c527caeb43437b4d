"""Adopt: put into the register what was there before the guardrails. Azure is not changed; nobody is notified yet."""

import asyncio
from collections.abc import Sequence
from typing import Final

from guardrails.dataclass import dataclass, field, replace
from guardrails.decisions.next_row import entry_for, particulars
from guardrails.errors import Permanent
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.model import Exemption
from guardrails.reconcile.visit import Visit
from guardrails.sweep.patience import patiently

_AT_ONCE: Final = 100
"""Exemptions of one container that are committed together: those that wait for a partition share transactions."""


@dataclass(slots=True)
class Adoptions:
    """How many exemptions the register did not have, and which (ExemptionId.hash) it could not take."""

    count: int = 0
    refused: list[bytes] = field(default_factory=list)


async def adopt(visits: Sequence[tuple[Visit, Exemption]]) -> Adoptions:
    """Record exemptions, as Azure lists them now, with their findings. Each visit's hint says that they may be adopted.

    The caller announces them as a whole. Reminders of what lies ahead are due at once; of what has passed
    before the guardrails came nobody is reminded. Raises Retryable.
    """
    done = Adoptions()
    for at in range(0, len(visits), _AT_ONCE):
        await asyncio.gather(*(_adopt(visit, exemption, done) for visit, exemption in visits[at : at + _AT_ONCE]))
    return done


async def _adopt(visit: Visit, exemption: Exemption, done: Adoptions) -> None:
    try:
        new, again = await patiently(lambda: _record(visit, exemption))
    except Permanent:  # too large, say: the queue dead-letters it, and notifies
        done.refused.append(exemption.id.hash)
    else:
        done.count += new or again  # a write whose answer was lost


async def _record(visit: Visit, exemption: Exemption) -> bool:
    look = await visit.look(exemption, None)
    row, body = look.row_after(None)
    now = look.situation.now
    if not is_expired(row.expires_on, now) and row.reminded:
        row = replace(row, reminded="", turn=now)
    if row.review_reminded and row.review_on and row.review_on > now:
        row = replace(row, review_reminded="", turn=now)
    if look.plan.action is not None:  # nothing is done now: the next sweep sees to it
        row = replace(row, turn=now)
    entry = entry_for("adopted", now, visit.hint, body, author=row.author, **particulars(look.assessment, look.plan))
    return await visit.world.register.commit(exemption.id, None, row, entry) is not None
