"""What the register says of each exemption, step by step: what watchers read."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Row
from guardrails.errors import GuardrailsError
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.times import parse_time
from guardrails.ruleset.model import Owner, Ruleset
from tests.battery import model, rulesets
from tests.battery.invariants import End, messages_of

SLACK: Final = timedelta(minutes=10)
"""How far the clocks of two processes may be apart."""


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of a history: the row before it, which is None for the first one, and the row after it."""

    one: ExemptionId
    entry: HistoryEntry
    before: Row | None
    row: Row

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why what follows was decided; () where nothing was."""
        return tuple((self.entry.facts.get("plan") or {}).get("reasons", ()))

    @property
    def known(self) -> Row | None:
        """The row before it, where it is of this same exemption: it was there, from the same assignment."""
        before = self.before
        return before if before and before.content and before.assignment == self.row.assignment else None

    @property
    def edited(self) -> bool:
        """Whether somebody, who is not us, has changed what it says since the entry before."""
        known = self.known
        return known is not None and self.row.content not in ("", known.content) and self.row.own_write_at is None

    @property
    def sent(self) -> tuple[str, ...]:
        """The messages that leave with it, or left before and are not known to be sent: `NOTICE-ROUTE`."""
        return messages_of(self.entry)

    def says(self, kind: str) -> bool:
        """Whether a notice of this kind leaves with it."""
        return any(f"-{self.entry.seq}-{kind}-" in name for name in self.sent)

    def __str__(self) -> str:
        return f"{self.one.key}: entry {self.entry.seq}, {self.entry.event}"


@dataclass
class Book:
    """All of it.

    Attributes:
        steps: by exemption, oldest first.
        bodies: those that were read, by exemption and entry; None where one is not kept any more.
    """

    end: End
    steps: dict[ExemptionId, list[Step]] = field(default_factory=dict)
    bodies: dict[tuple[ExemptionId, int], Any] = field(default_factory=dict)

    @classmethod
    async def of(cls, end: End) -> "Book":
        """Read it, of every exemption that the register knows."""
        book = cls(end)
        async for stored in end.register.rows():
            one = ExemptionId.parse(stored.row.id)
            entries = end.history.get(one) or await end.register.history(one)
            before, steps = None, []
            for entry in entries:
                row = Row.from_json(entry.row)
                steps.append(Step(one, entry, before, row))
                before = row
            book.steps[one] = steps
        return book

    def __iter__(self) -> Iterator[Step]:
        for steps in self.steps.values():
            yield from steps

    def ruleset(self, step: Step) -> Ruleset | None:
        """Return the ruleset by which it was decided; None where a setting or an older version had it."""
        return next((one for _, one in self.end.cloud.ruled if one.digest == step.row.ruleset), None)

    def is_older(self, row: Row) -> bool:
        """Whether an older version of the service wrote a row."""
        return row.ruleset not in ("", *(one.digest for _, one in self.end.cloud.ruled))

    def in_force(self, at: datetime) -> list[Ruleset]:
        """Return the rulesets that were in force at a time, as far as clocks show."""
        return model.in_force(self.end, at, at)

    def is_half(self, at: datetime) -> bool:
        """Whether the register was lost before a time, and the import of its copy broke off and was not run again."""
        ledger = self.end.people.ledger
        whole = [one.at for one in ledger.operated if one.what.startswith("import") and not one.problem]
        return any(lost <= at and not any(lost <= done <= at for done in whole) for lost in ledger.wiped)

    def state(self, step: Step) -> dict[str, Any]:
        """Return what Azure had when a step saw it, as far as clocks show; {} where it never said what the step has.

        Of several times when it said just that, the last one.
        """
        found, at = dict[str, Any](), step.entry.at
        for change, after in pairwise((*self.end.journal(step.one), None)):
            assert change is not None
            stood = change.at <= at + SLACK and (after is None or after.at >= at - SLACK)
            if stood and change.after and fingerprint(change.after) == step.row.content:
                found = change.after
        return found

    def owner(self, step: Step, name: str) -> Owner | None:
        """Return the protected owner with a name, as the ruleset of a step has it."""
        ruleset = self.ruleset(step)
        return next((one for one in ruleset.owners if one.name == name), None) if ruleset else None

    def answers(self, ruleset: Ruleset) -> dict[str, timedelta]:
        """Return the rules that ask for a revert, each with its grace."""
        found = {}
        for rule, said in rulesets.said_by(ruleset)["rules"].items():
            asked = said if isinstance(said, dict) else {"response": said}
            if asked["response"] == "revert":
                text = str(asked.get("grace", "0d"))
                unit = {"m": "minutes", "h": "hours", "d": "days"}[text[-1]]
                found[rule] = timedelta(**{unit: int(text[:-1])})
        return found

    async def body(self, one: ExemptionId, entry: int | None) -> Any:
        """Return the body that an entry keeps; None where it keeps none."""
        if entry is None:
            return None
        if (one, entry) not in self.bodies:
            try:
                self.bodies[one, entry] = await self.end.register.body(one, entry)
            except GuardrailsError:
                self.bodies[one, entry] = None
        return self.bodies[one, entry]

    async def properties(self, step: Step) -> dict[str, Any]:
        """Return what the exemption says as a step has it; where its body was pruned since, as Azure had it."""
        body = await self.body(step.one, step.row.snapshot) or self._written(step)
        return dict(body.get("properties") or {})

    async def metadata(self, step: Step) -> dict[str, Any]:
        """Return its metadata."""
        return dict((await self.properties(step)).get("metadata") or {})

    def _written(self, step: Step) -> dict[str, Any]:
        """Return the exemption with the content that a step names, by Azure's journal; {} where none has it."""
        written = (change.after for change in self.end.journal(step.one) if change.after)
        return next((one for one in written if fingerprint(one) == step.row.content), {})


def time_of(text: object) -> datetime | None:
    """Return a time of a notice or a body; None where there is none."""
    try:
        return parse_time(text)
    except ValueError:
        return None
