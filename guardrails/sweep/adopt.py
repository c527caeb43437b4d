"""Adopt: put into the register what was there before the guardrails. Azure is not changed; nobody is notified yet."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from guardrails.dataclass import dataclass, field, replace
from guardrails.decisions.adoption_notice import Adopted, Adoption
from guardrails.decisions.next_row import entry_for, particulars
from guardrails.decisions.row import Row
from guardrails.errors import Permanent
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.model import Exemption
from guardrails.reconcile.visit import Visit
from guardrails.sweep.patience import patiently

_AT_ONCE: Final = 50
"""Exemptions of one container that are committed together: a row and a history entry of each fill a transaction."""


@dataclass(slots=True)
class Adoptions:
    """What was adopted.

    Attributes:
        notice: what is to be announced of them.
        certain: whether `notice` has just what the register has. Where the answer to a write was lost, nobody knows.
        refused: which (ExemptionId.hash) the register could not take.
    """

    notice: Adoption = field(default_factory=Adoption)
    certain: bool = True
    refused: set[bytes] = field(default_factory=set)


async def adopt(visits: Sequence[tuple[Visit, Exemption]], adopted: Adoptions) -> int:
    """Record exemptions, as Azure lists them now, with their findings. Each visit's hint says that they may be adopted.

    Return how many the register did not have. The caller announces them as a whole: they are added to `adopted`.
    Reminders of what lies ahead are due at once; of what has passed before the guardrails came nobody is reminded.
    Raises Retryable.
    """
    count = 0
    for at in range(0, len(visits), _AT_ONCE):
        count += sum(await asyncio.gather(*(_adopt(*one, adopted) for one in visits[at : at + _AT_ONCE])))
    return count


async def _adopt(visit: Visit, exemption: Exemption, adopted: Adoptions) -> bool:
    try:
        new, again = await patiently(lambda: _record(visit, exemption))
    except Permanent:  # too large, say: the queue dead-letters it, and notifies
        adopted.refused.add(exemption.id.hash)
        return False
    if new is not None:
        codes = tuple(sorted(new.findings))
        adopted.notice.add(Adopted(exemption.id, codes, str(new.status), new.expiry, new.owner))
    elif again:  # a write whose answer was lost
        adopted.certain = False
    return new is not None or again


async def _record(visit: Visit, exemption: Exemption) -> Row | None:
    """Return the row; None where there is one already."""
    look = await visit.look(exemption, None)
    row, body = look.row_after(None)
    now = look.situation.now
    ahead: dict[str, Any] = {}
    if not is_expired(row.expires_on, now) and row.reminded:
        ahead["reminded"] = ""
    if row.review_reminded and row.review_on and row.review_on > now:
        ahead["review_reminded"] = ""
    if ahead or look.plan.action is not None:  # nothing is done now: the next sweep sees to it
        row = replace(row, turn=now, **ahead)
    entry = entry_for("adopted", now, visit.hint, body, author=row.author, **particulars(look.assessment, look.plan))
    stored = await visit.world.register.commit(exemption.id, None, row, entry)
    return None if stored is None else stored.row
