"""What happened in a history beside what Azure's journal says of it: what invariants excuse by.

The journal of Resource Manager has who wrote and deleted what. This book has what else must be known: what was there
before, what operators did, what texts claimed, and what routes answered.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from tests.battery.azure import Change, Cloud


@dataclass(frozen=True, slots=True)
class Operated:
    """One thing that an operator did.

    Attributes:
        at: when it was ended, UTC, by Azure's clock.
        what: restore, restore --at, hold, release, reconcile, close, replay, export, import, import --force, wipe,
            enable or dry-run.
        key: the exemption's key; "" where it is about none.
        problem: the code of the error that it ended with; "" where it was done; died: its process died, and it may
            have been done.
        content: for restores and hold, the fingerprint of what was restored or held.
        until: for hold, when it ends.
    """

    at: datetime
    what: str
    key: str = ""
    problem: str = ""
    content: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that an exemption's text says to win something by it: who wrote it when, and what it claims."""

    at: datetime
    by: str
    what: str


@dataclass
class Ledger:
    """The book.

    Attributes:
        before: the fingerprints of what was there before the service first ran, by key.
        operated: what operators did, in order.
        claims: what texts claimed, by key: `pacOwnerId`, `guardrails`, `guardrails.restore`, `owner: WHO`.
        forged: ids that events named and that no exemption of the tenant has.
        twice: how often a route took a notice and its answer was lost, so that it may come once more: (route, id).
        refused: how often a route did not take a notice: (route, id).
        wiped: when the register was lost and an older copy of it put back, UTC.
        altered: how often a hand was in the register.
        sent_before: the messages that an older version sent, `NOTICE-ROUTE`.
        rulesets_before: the rulesets by which it judged, as rows have them: it kept no record.
        open_before: whether an older version left the breaker open.
    """

    cloud: Cloud
    before: dict[str, str] = field(default_factory=dict)
    operated: list[Operated] = field(default_factory=list)
    claims: dict[str, list[Claim]] = field(default_factory=dict)
    forged: list[str] = field(default_factory=list)
    twice: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    wiped: list[datetime] = field(default_factory=list)
    altered: int = 0
    sent_before: set[str] = field(default_factory=set)
    rulesets_before: set[str] = field(default_factory=set)
    open_before: bool = False

    def existed(self, one: ExemptionId, body: Mapping[str, Any]) -> None:
        """Note what was there before the service first ran; it becomes the journal's first word on it."""
        self.before[one.key] = fingerprint(body)
        by = str(body["systemData"]["lastModifiedBy"]).lower()
        arm, now = self.cloud.arm, self.cloud.now()
        there = dict(arm.store.entries)
        arm.journal.append(Change(now, ours=False, id=one.key, by=by, before=None, after=dict(body), azure=there))

    def claim(self, one: ExemptionId, by: str, what: str) -> None:
        """Note what a text claims."""
        self.claims.setdefault(one.key, []).append(Claim(self.cloud.now(), by, what))

    def states(self, one: ExemptionId) -> Iterator[Change]:
        """Yield what the journal has on an exemption, newest first."""
        return (change for change in reversed(self.cloud.arm.journal) if change.id == one.key)

    def last(self, one: ExemptionId) -> Change | None:
        """Return what happened to an exemption last; None where nothing ever did."""
        return next(self.states(one), None)


def short(key: str) -> str:
    """Return an exemption's name for a trace: the last part of its scope, and its own."""
    parts = key.split("/")
    return f"{parts[-5]}/{parts[-1]}" if len(parts) > 5 else key
