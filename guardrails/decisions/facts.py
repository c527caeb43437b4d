"""What the rules may know of an exemption: from Azure's answer, and from what the register remembers of it. Pure."""

from datetime import datetime
from typing import TYPE_CHECKING

from guardrails.decisions.baseline import Baseline, first
from guardrails.decisions.status import Status
from guardrails.exemption.facts import (
    NO_POLICIES,
    NOBODY_LOOKED,
    Assignment,
    Author,
    Before,
    Facts,
    Gone,
    PoliciesById,
    Together,
    Unread,
    last_write,
)
from guardrails.exemption.model import Exemption
from guardrails.ruleset.model import Ruleset

if TYPE_CHECKING:
    from guardrails.decisions.row import Row


def facts_of(
    exemption: Exemption,
    row: "Row | None",
    ruleset: Ruleset,
    now: datetime,
    assignment: Assignment | Gone | Unread,
    *,
    content: str = "",
    policies: PoliciesById = NO_POLICIES,
    together: Together = NOBODY_LOOKED,
) -> Facts:
    """Return what the rules may know.

    The author is who last changed what the exemption says: not we, and not somebody who wrote the same again.
    `content` is its fingerprint; without one only our own writes are seen through. `together`: what a sweep or a scan
    found.
    """
    author: Author | Unread
    written_at: datetime | None
    if row is not None and says_the_same(exemption, row, content):
        author, written_at = Author(row.author, row.author_kind), row.written_at and min(row.written_at, now)
    else:
        author, written_at = last_write(exemption, now)
    before, accepted = _accepted(row) if row else (None, None)
    dates = row.dates if row else ()
    recreated = len([time for time in row.restored if time not in row.fought]) if row else 0
    return Facts(
        now, written_at, assignment, author, before, dates, ruleset.approved, recreated, policies, accepted, together
    )  # fmt: skip


def _accepted(row: "Row") -> tuple[Before | None, Before | None]:
    """Return what is known of its last compliant state, and, where it has none, of what was accepted else."""
    known = baseline_of(row)
    if known is None:
        return None, None
    tickets = frozenset(known.tickets)
    if row.compliant is None or row.compliant_at is None:
        return None, Before(known.end, known.at, "", known.latest, tickets)
    return Before(known.end, row.compliant_at, row.compliant_ticket, known.latest, tickets), None


def baseline_of(row: "Row") -> Baseline | None:
    """Return the end that an exemption was accepted with; None where none was."""
    if row.baseline is not None:
        return row.baseline
    if row.compliant_at is not None:  # a row of before there were baselines
        return first(row.compliant_expires_on, row.compliant_ticket, row.compliant_at)
    tolerated = row.status is Status.VIOLATION and row.tolerated_content == row.content != "" and not row.unclear
    return first(row.expires_on, row.ticket, row.since) if tolerated else None


def says_the_same(exemption: Exemption, row: "Row | None", content: str) -> bool:
    """Whether nobody but us changed what it says since the register saw its author."""
    return is_own_write(exemption, row) or (row is not None and row.content == content != "" and row.author != "")


def is_own_write(exemption: Exemption, row: "Row | None") -> bool:
    """Whether the exemption is as we wrote it: by the time that Azure gave to our write, not by a name."""
    return row is not None and row.own_write_at is not None and row.own_write_at == exemption.modified_at
