"""Adopt: put into the register what was there before the guardrails. Azure is not changed; nobody is notified yet."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from guardrails.dataclass import dataclass, field, replace
from guardrails.decisions.adoption_notice import Adopted, Adoption
from guardrails.decisions.history import Entry
from guardrails.decisions.next_row import entry_for, particulars
from guardrails.decisions.row import Row
from guardrails.errors import Permanent
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.model import Exemption
from guardrails.reconcile.visit import Look, Visit
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
        some = visits[at : at + _AT_ONCE]  # each step for all of them: that takes less time than all steps for each
        looks = await asyncio.gather(*(_look(visit, exemption, adopted) for visit, exemption in some))
        made = [(visit, *_made(visit, look)) for (visit, _), look in zip(some, looks, strict=True) if look]
        count += sum(await asyncio.gather(*(_commit(*one, adopted) for one in made)))
    return count


async def _look(visit: Visit, exemption: Exemption, adopted: Adoptions) -> Look | None:
    try:
        return (await patiently(lambda: visit.look(exemption, None)))[0]
    except Permanent:
        adopted.refused.add(exemption.id.hash)
        return None


def _made(visit: Visit, look: Look) -> tuple[Row, Entry]:
    """Return the row of an exemption, and its first history entry."""
    row, body = look.row_after(None)
    now = look.situation.now
    ahead: dict[str, Any] = {}
    if not is_expired(row.expires_on, now) and row.reminded:
        ahead["reminded"] = ""
    if row.review_reminded and row.review_on and row.review_on > now:
        ahead["review_reminded"] = ""
    if ahead or look.plan.action is not None:  # nothing is done now: the next sweep sees to it
        row = replace(row, turn=now, **ahead)
    made = particulars(look.assessment, look.plan)
    return row, entry_for("adopted", now, visit.hint, body, author=row.author, **made)


async def _commit(visit: Visit, row: Row, entry: Entry, adopted: Adoptions) -> bool:
    """Return whether the register did not have the exemption."""
    try:
        stored, again = await patiently(lambda: visit.world.register.commit(visit.id, None, row, entry))
    except Permanent:  # too large, say: the queue dead-letters it, and notifies
        adopted.refused.add(visit.id.hash)
        return False
    if stored is not None:
        new = stored.row
        codes = tuple(sorted(new.findings))
        adopted.notice.add(Adopted(visit.id, codes, str(new.status), new.expiry, new.owner))
    elif again:  # a write whose answer was lost
        adopted.certain = False
    return stored is not None or again
