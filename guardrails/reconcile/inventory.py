"""Inventory: what Resource Graph's rows say, and how a sweep sees that one says something else than before. Pure.

The inventory finds what is to be looked at. It lags behind Azure, may lack newer fields, and decides nothing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.decisions.assess import Assessment, answers_as_shown, answers_found, next_change
from guardrails.errors import Permanent
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import NO_POLICIES, Assignment, Facts, Gone, PoliciesById, Unread, last_write
from guardrails.exemption.json_values import refuse
from guardrails.exemption.model import Exemption
from guardrails.exemption.names import Names
from guardrails.exemption.sources import RESOURCE_GRAPH
from guardrails.ports import Page
from guardrails.ruleset.model import Ruleset

NO_ASSIGNMENT: Final = Unread("Resource Graph does not show the assignment")

SAID: Final = 20
"""How much of a token is about what the exemption says; the rest is about what the rules find."""

NO_EXEMPTION: Final = "no exemption"
"""Why a row is left out that has an exemption's type and no exemption in it."""

_SHOWN: Final = 10


def token(
    exemption: Exemption,
    assignment: Assignment | Gone | Unread,
    ruleset: Ruleset,
    now: datetime,
    policies: PoliciesById = NO_POLICIES,
    *,
    content: str = "",
    known: tuple[Facts, Assessment] | None = None,
) -> str:
    """Return a name for what is seen of an exemption without the register. `content`: its fingerprint, where known.

    `known`: what was found of it with the register; where that has nothing to add, the rules do not run again.

    `judged` says what that is.
    """
    return judged(exemption, assignment, ruleset, now, policies, content=content, known=known)[0]


def judged(
    exemption: Exemption,
    assignment: Assignment | Gone | Unread,
    ruleset: Ruleset,
    now: datetime,
    policies: PoliciesById = NO_POLICIES,
    *,
    content: str = "",
    lasting: bool = False,
    known: tuple[Facts, Assessment] | None = None,
) -> tuple[str, datetime | None]:
    """Return a name for what is seen of an exemption without the register, and when it may next change by itself.

    `content`, `known`: as of `token`. `lasting`: whether that moment (UTC; None for never) is asked for.

    Its first part (20 hex digits) changes with what the exemption says and the time of its last write, its second (8)
    with what the rules find in it, with what follows from that, and with the version of the initiative that Azure
    evaluates: then the exemption is looked at in Azure. The register keeps the token of the last look. It is of what
    Resource Graph would say, wherever the body was read.
    """
    shown = exemption.as_of(RESOURCE_GRAPH)
    author, written_at = last_write(shown, now)
    facts = Facts(now, written_at, assignment, author, approved=ruleset.approved, policies=policies)
    version = assignment.version if isinstance(assignment, Assignment) else ""
    if known is not None and known[0] == facts:
        answers = answers_as_shown(shown, facts, ruleset, exemption, known[1])
    else:
        answers = answers_found(shown, facts, ruleset)
    found = ",".join([*answers, *([f"@{version}"] if version else ())])
    at = exemption.modified_at.timestamp() if exemption.modified_at else ""
    said = f"{content or fingerprint(exemption.body)} {at}"
    listed = sha256(said.encode()).hexdigest()[:SAID] + sha256(found.encode()).hexdigest()[:8]
    return listed, next_change(shown, facts, ruleset) if lasting else None


@dataclass(slots=True)
class Rows:
    """Reads the inventory's rows, each exemption once, and counts and names those that it leaves out.

    Args:
        names: which metadata keys say what.
        tenant: our tenant's id, lower case; "" where unknown: then rows of any tenant count.

    Attributes:
        seen: the keys (ExemptionId.hash) of the exemptions read.
        left_out: how many rows were left out for each reason: `foreign tenant`, `duplicate`, `no exemption`.
        examples: names of such rows, at most ten for each reason.
    """

    names: Names
    tenant: str = ""
    seen: set[bytes] = field(default_factory=set)
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def take(self, page: Page) -> Iterator[Exemption]:
        """Yield the exemptions of a page that were not there before."""
        for _, row in self._named(page):
            if (exemption := self.read(row)) is not None and self._is_new(exemption.id, row):
                yield exemption

    def ids(self, page: Page) -> Iterator[ExemptionId]:
        """Yield the ids in a page that were not there before; its rows may have nothing else."""
        for one, row in self._named(page):
            if self._is_new(one, row):
                yield one

    def named(self, page: Page) -> Iterator[tuple[ExemptionId, Mapping[str, Any]]]:
        """Yield the rows of a page, each with its id. Whoever takes one for an exemption says so (`seen`)."""
        for one, row in self._named(page):
            if one.hash in self.seen:
                self._is_new(one, row)
            else:
                yield one, row

    def _named(self, page: Page) -> Iterator[tuple[ExemptionId, Mapping[str, Any]]]:
        for row in page.rows:
            if not self._is_foreign(row):
                try:
                    one = ExemptionId.parse(row.get("id"))
                except Permanent as error:
                    self.refuse(row, error.message)
                else:
                    yield one, row

    def read(self, row: Mapping[str, Any]) -> Exemption | None:
        """Return the exemption in a row; None, and it is counted, where it is none."""
        try:
            return _exemption(row, self.names)
        except Permanent as error:
            self.refuse(row, error.message)
            return None

    def _is_foreign(self, row: Mapping[str, Any]) -> bool:
        tenant = row.get("tenantId")
        if tenant == self.tenant or not self.tenant or not isinstance(tenant, str) or not tenant:
            return False
        if tenant.lower() == self.tenant:
            return False
        self._note("foreign tenant", row, tenant)
        return True

    def _is_new(self, one: ExemptionId, row: Mapping[str, Any]) -> bool:
        key = one.hash
        if key in self.seen:
            self._note("duplicate", row, "the same id occurs twice, perhaps in other letter case")
            return False
        self.seen.add(key)
        return True

    def refuse(self, row: Mapping[str, Any], why: str) -> None:
        """Count a row as no exemption."""
        self._note(NO_EXEMPTION, row, why)

    def add(self, left_out: Mapping[str, int], examples: Mapping[str, Sequence[str]]) -> None:
        """Count what others left out, too."""
        for reason, count in left_out.items():
            self.left_out[reason] += count
            self.examples[reason] = [*self.examples.get(reason, ()), *examples.get(reason, ())][:_SHOWN]

    def problems(self) -> list[str]:
        """Return what was left out, a sentence for each reason, with examples."""
        return [
            f"{count} row{'s' if count > 1 else ''} of Resource Graph left out ({reason}): "
            + "; ".join(self.examples[reason][:3])
            for reason, count in sorted(self.left_out.items())
        ]

    def _note(self, reason: str, row: Mapping[str, Any], why: str) -> None:
        self.left_out[reason] += 1
        examples = self.examples.setdefault(reason, [])
        if len(examples) < _SHOWN:
            examples.append(f"{str(row.get('id') or 'a row without an id')[:300]}: {why[:200]}")


def _exemption(row: Mapping[str, Any], names: Names) -> Exemption:
    if not row.get("properties"):
        raise refuse("the row has no properties")
    return Exemption.from_arm(row, names, RESOURCE_GRAPH)
