"""Past writes: which of the writes that the register saw would a policy have refused? Reads only.

A policy refuses nothing that its rule lets pass, so each write is judged by the rules, as it was and at its time, by
the assignment as it is now. What is found is the most that the policies would have refused: of it they leave to the
service what `metadata.leaves` of their definitions says.

A write is found by what it left: an entry of the history whose row says something else than the one before, by somebody
else than us. A write that Azure refused, one that nobody looked at before the next came, and one that said the same
again are in no history.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from guardrails.dataclass import dataclass, replace
from guardrails.decisions.assess import Verdict
from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row, Stored
from guardrails.errors import Permanent
from guardrails.exemption.facts import Gone, Unread
from guardrails.exemption.model import Exemption
from guardrails.reconcile.act import EVENTS
from guardrails.reconcile.past_reverts import back_at
from guardrails.reconcile.restore import version
from guardrails.reconcile.visit import Visit


@dataclass(frozen=True, slots=True)
class Write:
    """A write that the register saw, judged.

    Attributes:
        seq: the number of the history entry that first has it.
        at: when it was written, UTC, by Azure's time; by ours where that is not known.
        author: who wrote it; "" where unknown. A stranger's text.
        refused: the codes of the rules whose policies would have refused it at the most.
        unclear: those of rules that are Unknown now, and `why`; "" where there is none.
    """

    seq: int
    at: datetime
    author: str
    refused: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    why: str = ""


def writes_of(history: Sequence[HistoryEntry], since: datetime, until: datetime) -> Iterator[tuple[HistoryEntry, Row]]:
    """Yield the entries that first have a write made between two times (UTC, both included), each with its row.

    Raises ValueError for a row that cannot be read.
    """
    contents = ["", *(str(one.row.get("content", "")) for one in history)]
    for entry, (before, content) in zip(history, pairwise(contents), strict=True):
        if content not in ("", before) and entry.event not in EVENTS.values():
            row = Row.from_json(entry.row)
            if since <= (row.written_at or entry.at) <= until:
                yield entry, row


async def judged(
    visit: Visit,
    stored: Stored,
    history: Sequence[HistoryEntry],
    codes: Collection[str],
    *,
    since: datetime,
    until: datetime,
) -> list[Write]:
    """Return the writes to an exemption between two times (UTC), judged by some rules of the ruleset of `visit`.

    One whose body the register does not keep, or does not vouch for, is unclear in all of them. Raises Retryable.
    """
    found, known = list[Write](), (visit.ruleset.names, visit.world.arm.source)
    for entry, row in writes_of(history, since, until):
        write = Write(entry.seq, row.written_at or entry.at, row.author)
        try:
            body = await version(visit.world.register, visit.id, stored, row.snapshot or 0, history)
            found.append(await _judged(visit, write, Exemption.from_arm(body, *known), row, codes))
        except Permanent as error:  # a body that is gone, a chain that does not hold
            found.append(replace(write, unclear=tuple(codes), why=error.message))
    return found


async def _judged(visit: Visit, write: Write, kept: Exemption, row: Row, codes: Collection[str]) -> Write:
    # the kept body may be an older one that says the same: who wrote it last, the row knows
    seen = kept.as_written(row.author, row.author_kind, row.written_at)
    if visit.ruleset.exclusion_for(visit.id, write.at):
        return write
    look = await back_at(visit, write.at, "event").look(seen, None)
    wanted = [one for one in look.assessment.findings if one.code in codes]
    refused = tuple(one.code for one in wanted if one.status is Verdict.VIOLATION)
    assignment = look.facts.assignment
    unclear = [one for one in wanted if one.status is Verdict.UNKNOWN] if isinstance(assignment, Gone | Unread) else []
    why = unclear[0].text if unclear else ""
    return replace(write, refused=refused, unclear=tuple(one.code for one in unclear), why=why)
