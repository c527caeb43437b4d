"""Durability: whether an exemption that is gone is to be restored, and what speaks against it. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from guardrails.dataclass import dataclass
from guardrails.decisions.assess import Verdict, assess
from guardrails.decisions.ownership import Written, may_delete, ownership_of
from guardrails.decisions.row import Row
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.facts import NO_POLICIES, Assignment, Author, Facts, Gone, PoliciesById, Unread
from guardrails.exemption.model import Exemption
from guardrails.ruleset.model import Keep, Ruleset


@dataclass(frozen=True, slots=True)
class Accepted:
    """It may stay gone, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Against:
    """What speaks against restoring it. `may_pass`: it is a thing that may yet be deployed."""

    why: str
    may_pass: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """It is to be restored. `by` deleted it; "" where its target went, or nobody is known to have deleted it."""

    by: str


def is_durable(row: Row, exemption: Exemption, ruleset: Ruleset, now: datetime) -> bool:
    """Whether it would be restored: it was compliant when last seen, it has not ended, and it is wanted.

    Its own metadata may ask for it, or against it, whatever the ruleset says of its scope.
    """
    approved = row.compliant is not None and row.compliant_content == row.content != ""
    excluded = ruleset.exclusion_for(exemption.id, now) is not None
    return approved and not excluded and not is_expired(row.expires_on, now) and _is_wanted(row, exemption, ruleset)


def _is_wanted(row: Row, exemption: Exemption, ruleset: Ruleset) -> bool:
    if row.wanted:
        return row.wanted == "yes"
    return ruleset.durability.mode_for(exemption.id) is not Keep.NEVER


def judge_loss(row: Row, exemption: Exemption, by: str, ruleset: Ruleset) -> Accepted | Lost:
    """Say what becomes of a durable exemption that is not there any more. `by` is known to have deleted it."""
    if tool := _tool(row, exemption, ruleset):
        return Accepted(f"it is left to {tool}")
    if by and turns_on_who(exemption.id, ruleset) and may_delete(by, row, exemption, ruleset):
        return Accepted(f"{by} deleted it, which is allowed")
    return Lost(by)


def turns_on_who(exemption_id: ExemptionId, ruleset: Ruleset) -> bool:
    """Whether it matters who deleted it: else it is put back, whoever did."""
    return ruleset.durability.mode_for(exemption_id) is not Keep.ALWAYS


def _tool(row: Row, exemption: Exemption, ruleset: Ruleset) -> str:
    """Return the name of the protected owner that puts it back itself; "" where there is none."""
    found = ownership_of(Written(exemption, row.author, row.content or row.compliant_content, row), ruleset)
    return found.name if found.owner is not None and not found.owner.restore else ""


def obstacle(
    row: Row,
    exemption: Exemption,
    assignment: Assignment | Gone | Unread,
    ruleset: Ruleset,
    now: datetime,
    *,
    policies: PoliciesById = NO_POLICIES,
) -> Against | Unread | None:
    """Return why an exemption is not restored any more; None where nothing speaks against it; Unread: ask later."""
    if is_expired(exemption.expires_on, now):
        return Against("it has expired meanwhile")
    if (exclusion := ruleset.exclusion_for(exemption.id, now)) is not None:
        return Unread(f"the ruleset excludes it ({exclusion.scope}): {exclusion.reason}")
    if not _is_wanted(row, exemption, ruleset):
        return Against("the ruleset no longer restores it")
    if tool := _tool(row, exemption, ruleset):
        return Against(f"it is left to {tool}")
    if isinstance(assignment, Gone):
        return Against("its assignment is gone", may_pass=True)
    if isinstance(assignment, Unread):
        return assignment
    if isinstance(assignment.members, Unread) and exemption.reference_ids:
        return assignment.members
    if isinstance(assignment.members, Mapping) and assignment.members:
        lacking = [one for one in exemption.reference_ids if one.lower() not in assignment.members]
        if lacking:
            return Against(f"the initiative has no policy '{lacking[0]}' any more")
    author = Author(row.author, row.author_kind) if row.author else Unread("the register does not know it")
    facts = Facts(
        now, row.written_at, assignment, author, dates=row.dates, approved=ruleset.approved, policies=policies
    )
    found = assess(exemption, facts, ruleset)
    if found.verdict is Verdict.VIOLATION and not found.is_sound:
        rules = ", ".join(f"{one.code} {one.rule}" for one in found.violations)
        return Against(f"it breaks the present rules: {rules}")
    return Unread(found.findings[0].text) if found.verdict is Verdict.UNKNOWN else None


def twins(exemption: Exemption, others: Sequence[Mapping[str, Any]], now: datetime) -> Iterator[ExemptionId]:
    """Yield the other exemptions at the same scope that exempt from the same and have not ended."""
    wanted = _exempts(exemption)
    for body in others:
        try:
            other = Exemption.from_arm(body)
        except Permanent:
            continue
        if other.id != exemption.id and _exempts(other) == wanted and not is_expired(other.expires_on, now):
            yield other.id


def _exempts(exemption: Exemption) -> tuple[str, frozenset[str]]:
    references = frozenset(one.lower() for one in exemption.reference_ids)
    return exemption.assignment_id.strip("/").lower(), references
