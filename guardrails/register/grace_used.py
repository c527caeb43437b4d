"""Grace uses: what exemptions at one scope have used of the time to fix them. A new name wins no new time.

    container  grace~CONTROL~KEY  the periods of one exemption, as its row has them; CONTROL is a hash of the scope and
                                  the assignment that it exempts from

Written in the transaction that changes the row, and read where a new period begins. It can be made anew from the rows.
What an exemption used while it exempted from another assignment stays with that one.
"""

import hashlib
import json
import logging
from datetime import datetime
from typing import Final

from guardrails.dataclass import dataclass
from guardrails.decisions.grace import GraceUse, closed, read_grace_use, used_since
from guardrails.decisions.row import Row
from guardrails.exemption.body import canonical_json
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.register.columns import brief, join_text, split_text
from guardrails.register.keys import GRACE, Address, address, starting_with
from guardrails.register.table import Table, Write

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class GraceUses:
    """ports.Register.grace_uses_at_same_scope on one table."""

    table: Table

    async def at_same_scope(self, exemption: ExemptionId, assignment_id: str) -> list[GraceUse]:
        """Return the accounts of the other exemptions there; see the port. One query."""
        place, prefix = address(exemption), _prefix(exemption, assignment_id)
        found = []
        async for row in self.table.query(starting_with(prefix, place.partition), ("periods",)):
            if row["RowKey"] == prefix + place.key:
                continue
            try:
                found.append(read_grace_use(json.loads(join_text("periods", row))))
            except (ValueError, TypeError, AttributeError) as error:
                _LOG.error("row %s was changed outside the service, and is skipped: %s", row["RowKey"], error)
        return found


def grace_use_writes(
    exemption: ExemptionId, place: Address, before: Row | None, row: Row, now: datetime
) -> list[Write]:
    """Return what goes into the transaction that writes a row: nothing where its grace use is as before.

    One that goes over to another assignment has what it used until `now` with the old one, too.
    """
    known, own = _own(before), _own(row)
    if not known and not own:  # most exemptions
        return []
    name, old = (_prefix(exemption, one.assignment if one else "") + place.key for one in (row, before))
    accounts = {name: own} if own != (known if name == old else ()) else {}
    if before and known and name != old:
        accounts[old] = closed(known, before.running, now)
    texts = {at: canonical_json([one.to_json() for one in some]) for at, some in accounts.items()}
    return [Write("put", at, {"id": brief(row.id), **split_text("periods", text)}) for at, text in texts.items()]


def _own(row: Row | None) -> GraceUse:
    """Return what was used from the assignment that a row names: since it was first seen to exempt from that."""
    if row is None:
        return ()
    return used_since(row.grace, row.dates[0][0]) if row.dates else row.grace


def _prefix(exemption: ExemptionId, assignment_id: str) -> str:
    control = f"{exemption.key[: len(exemption.scope)]}\n{assignment_id.lower().strip('/')}"
    return f"{GRACE}{hashlib.sha256(control.encode('utf-8', 'backslashreplace')).hexdigest()[:24]}~"
