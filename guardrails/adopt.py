"""Adopt: put into the register what was there before the guardrails. Azure is not changed, and nobody is told yet."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from guardrails.errors import Permanent
from guardrails.exemption import Exemption
from guardrails.expiry import is_expired
from guardrails.hint import Hint
from guardrails.recording import entry_for, particulars
from guardrails.ruleset import Mode, Ruleset
from guardrails.visit import Visit, World

_AT_ONCE: Final = 100
"""Exemptions of one container that are committed together: those that wait for a partition share transactions."""


@dataclass(slots=True)
class Adoptions:
    """How many exemptions the register did not have, and what could not be adopted: a sentence each."""

    count: int = 0
    refused: list[str] = field(default_factory=list)


async def adopt(world: World, ruleset: Ruleset, mode: Mode, exemptions: Sequence[Exemption]) -> Adoptions:
    """Record exemptions, as Azure lists them now, with their findings.

    They are reported as a whole by who calls this. Reminders of what lies ahead are due at once; of what has passed
    before the guardrails came nobody is reminded. Raises Retryable.
    """
    done = Adoptions()
    for at in range(0, len(exemptions), _AT_ONCE):
        some = exemptions[at : at + _AT_ONCE]
        await asyncio.gather(*(_adopt(world, ruleset, mode, one, done) for one in some))
    return done


async def _adopt(world: World, ruleset: Ruleset, mode: Mode, exemption: Exemption, done: Adoptions) -> None:
    try:
        new = await _record(world, ruleset, mode, exemption)
    except Permanent as error:
        done.refused.append(f"not adopted: {error}")
    else:
        done.count += new


async def _record(world: World, ruleset: Ruleset, mode: Mode, exemption: Exemption) -> bool:
    visit = Visit(world, exemption.id, Hint("sweep", adopt=True), ruleset, mode)
    look = await visit.look(exemption, None)
    row, body = look.row_after(None)
    now = look.situation.now
    if not is_expired(row.expires_on, now) and row.reminded:
        row = replace(row, reminded="", turn=now)
    if row.review_reminded and row.review_on and row.review_on > now:
        row = replace(row, review_reminded="", turn=now)
    entry = entry_for("adopted", now, visit.hint, body, author=row.author, **particulars(look.assessment, look.plan))
    return await world.register.commit(exemption.id, None, row, entry) is not None
