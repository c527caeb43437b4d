"""A short history by hand: what watchers read, without a service that wrote it.

tale = Tale()
tale.add("edited", content="b")    an entry, that leaves the row so
await tale.book()                  what the watchers are given
"""

import json
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, Final, cast

from guardrails.decisions.history import DeadLetter, HistoryEntry
from guardrails.decisions.row import Intent, Row, Status, Stored
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.notices.notice import Kind, Notice
from guardrails.ruleset.model import Ruleset, parse_ruleset
from sandbox import tenant
from tests.battery import rulesets
from tests.battery.azure import START, Change, Cloud
from tests.battery.invariants import End
from tests.battery.ledger import Operated
from tests.battery.watchers import Book

ONE: Final = ExemptionId.parse(tenant.exemption_id(tenant.RESOURCE, "one"))
TWO: Final = ExemptionId.parse(tenant.exemption_id(tenant.RESOURCE, "two"))
ALICE, MALLORY, EPAC = "alice@contoso.com", "mallory@contoso.com", "5f0e9d1c-1111-4222-8333-444455557777"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW: Final = START + 9 * DAY
OPEN: Final[dict[str, Any]] = {"owners": [{"name": "EPAC", "metadata": {rulesets.CLAIM: "*"}}]}
NAMED: Final[dict[str, Any]] = {"owners": [{**OPEN["owners"][0], "authors": [EPAC]}]}


def ruled(**said: Any) -> Ruleset:
    """Return a ruleset of the battery's rules, with this beside them."""
    file = {"version": 2, "mode": "enforce", "rules": rulesets.RULES, "notices": rulesets.ROUTES[0], **said}
    made = parse_ruleset(json.dumps(file))
    rulesets._SAID[made.digest] = file
    return made


PLAIN: Final = ruled()


class Register:
    """What the watchers ask of the register."""

    def __init__(self, tale: "Tale") -> None:
        self._tale = tale
        self.sweeps = SimpleNamespace(last=self._last)
        self.backup = SimpleNamespace(record=self._record)

    async def rows(self) -> AsyncIterator[Stored]:
        """Yield the rows as the last entries left them."""
        for entries in self._tale.history.values():
            yield Stored(Row.from_json(entries[-1].row), entries[-1].seq, "", "")

    async def body(self, one: ExemptionId, entry: int) -> Any:
        """Return a body that was kept. Raises Permanent."""
        if (one, entry) not in self._tale.bodies:
            raise Permanent("it is not kept", code="no-body")
        return self._tale.bodies[one, entry]

    async def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters."""
        return self._tale.dead_letters

    async def breaker(self, _: datetime) -> Any:
        """Return the breaker's state."""
        return SimpleNamespace(opened_at=self._tale.opened_at)

    async def _last(self) -> Any:
        return self._tale.swept

    async def _record(self) -> dict[str, Any]:
        return self._tale.record


@dataclass
class Tale:
    """A history by hand.

    `earlier`: the rulesets that were in force before the last one.
    """

    ruleset: Ruleset = PLAIN
    earlier: tuple[Ruleset, ...] = ()
    history: dict[ExemptionId, list[HistoryEntry]] = field(default_factory=dict)
    bodies: dict[tuple[ExemptionId, int], Any] = field(default_factory=dict)
    journal: list[Change] = field(default_factory=list)
    delivered: list[tuple[datetime, str, Notice]] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    opened_at: datetime | None = None
    swept: Any = None
    record: dict[str, Any] = field(default_factory=dict)
    there: dict[ExemptionId, Any] = field(default_factory=dict)
    operated: list[Operated] = field(default_factory=list)
    wiped: list[datetime] = field(default_factory=list)
    hours: float = 0

    def add(
        self, event: str = "judged", one: ExemptionId = ONE, after: float = 1, facts: Mapping[str, Any] = {}, **row: Any
    ) -> None:
        """Add an entry, so many hours after the last one, that leaves the row like this."""
        self.hours += after
        entries = self.history.setdefault(one, [])
        first = Row(
            one.text, Status.COMPLIANT, START, content="a", ruleset=self.ruleset.digest, author=ALICE,
            assignment=tenant.ASSIGNMENT,
        )  # fmt: skip
        last = Row.from_json(entries[-1].row) if entries else first
        new = replace(last, **{"intent": None, "outbox": (), **row})
        entries.append(HistoryEntry(len(entries) + 1, self.at, event, facts, new.to_json(), "", "", ""))

    @property
    def at(self) -> datetime:
        """When the last entry was added."""
        return START + self.hours * HOUR

    def keep(self, *, said: Mapping[str, Any] = {}, entry: int = 1, one: ExemptionId = ONE, of: str = "") -> Any:
        """Keep a body with this metadata as that of an entry."""
        properties = {"policyAssignmentId": tenant.ASSIGNMENT, "metadata": dict(said)}
        self.bodies[one, entry] = {"id": of or one.text, "properties": properties}
        return self.bodies[one, entry]

    def wrote(self, after: Any, by: str = MALLORY, *, before: Any = None, ours: bool = False) -> None:
        """Let somebody write or delete it now."""
        self.journal.append(Change(self.at, ours, ONE.key, by, before, after, (self.ruleset,)))

    def deliver(self, name: str, kind: Kind = Kind.EVASION_ATTEMPTED, **exemption: str) -> None:
        """Deliver a notice to its route now."""
        notice = Notice(name, kind, "low", self.at, "", exemption, (), "", "", (), "")
        self.delivered.append((self.at, "audit", notice))

    def dead_letter(self, payload: str, reason: str, source: str = "event") -> None:
        """Let something become a dead letter now."""
        self.dead_letters.append(DeadLetter(f"dead-{len(self.dead_letters)}", source, reason, payload, self.at))

    async def book(self) -> Book:
        """Return what the watchers read."""
        service = SimpleNamespace(register=Register(self))
        worker = SimpleNamespace(service=service, line=SimpleNamespace(requests=self.requests), unrecorded=set())
        cloud = SimpleNamespace(
            arm=SimpleNamespace(journal=self.journal, store=SimpleNamespace(entries={})),
            ruled=[(START, one) for one in (*self.earlier, self.ruleset)],
            ruleset=self.ruleset, digests={}, delivered=self.delivered, workers=[worker], trace=self.trace,
            troubles=[], lost=[], unruled=[], swept=None, now=lambda: NOW,
        )  # fmt: skip
        ledger = SimpleNamespace(wiped=self.wiped, operated=self.operated, rulesets_before=set())
        people = SimpleNamespace(ids=[ONE], ledger=ledger)
        rows = {one: Row.from_json(entries[-1].row) for one, entries in self.history.items()}
        return await Book.of(End(cast(Cloud, cloud), cast(Any, people), self.there, rows, self.history))


def plan(*reasons: str, **facts: Any) -> dict[str, Any]:
    """Return the facts of an entry that was decided for these reasons."""
    return {"plan": {"reasons": reasons}, **facts}


def found(*rules: str, unknown: Collection[str] = (), **facts: Any) -> dict[str, Any]:
    """Return the facts of a look that found these rules broken, and those Unknown."""
    statuses = {**dict.fromkeys(rules, "violation"), **dict.fromkeys(unknown, "unknown")}
    findings = [{"rule": rule, "status": status} for rule, status in statuses.items()]
    return {"verdict": "x", "findings": findings, **facts}


def intent(action: str, body: int | None = None) -> Intent:
    """Return a write that was begun."""
    return Intent(action, "", "", START, body)
