"""What one sweep came to, as the register and the record keep it."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from guardrails.dataclass import dataclass, field
from guardrails.decisions.watch import Run
from guardrails.exemption.times import parse_time, spell_time
from guardrails.sweep.matches import Matches

NAMED: Final = 50
"""How many containers that cannot be seen are named."""

_RECORDED: Final = 500
_LONGEST: Final = 500
"""Sentences about what was not seen, and characters of each, that the record keeps: a row holds 1 MiB in UTF-16."""


@dataclass(slots=True)
class Report:
    """What one sweep came to.

    Attributes:
        started: when it began, UTC.
        seconds: how long it took.
        seen: exemptions that the inventory showed.
        known: rows of the register.
        adopted: exemptions put into the register as there before.
        queued: exemptions handed to `reconcile`, by reason: new, changed, rules, due, held, absent, unlisted, soon,
            criteria.
        left_out: rows of the inventory that were left out, by reason.
        missing: what could not be seen, a sentence each.
        remarks: what else is unexpected, a sentence each.
        notified: ids of the notices about the sweep that were sent.
        bypasses: counts of the bypasses of policies; {} where they could not be looked at.
        bypasses_notified: when the last sweep began whose findings on bypasses were announced, UTC; None for never.
        matches: what each exclusion, override and owner of the ruleset matches; of an earlier sweep until all pages are
            read; None where none counted yet.
        altered: which of the rows that all instances share were changed from outside, a sentence each, until announced.
        announced: those of them that were announced. No part of what the next one needs.
        late: when the last sweep began before they came too late, as ARM spells it; "" while they come in time.
        open_since: since when the breaker is open, UTC; None while it is closed. No part of what is kept.
        clock_differs: whether our clock and Azure's are too far apart. No part of what is kept.
    """

    started: datetime
    seconds: float = 0.0
    seen: int = 0
    known: int = 0
    adopted: int = 0
    queued: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    notified: list[str] = field(default_factory=list)
    bypasses: Mapping[str, int] = field(default_factory=dict)
    bypasses_notified: datetime | None = None
    matches: Matches | None = None
    altered: list[str] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)
    late: str = ""
    open_since: datetime | None = None
    clock_differs: bool = False

    @classmethod
    def after(cls, run: Run) -> "Report":
        """Return the report of a run that begins, with what the one before it had announced."""
        try:
            until = parse_time(run.report.get("bypasses_told"))  # stored name
        except ValueError:  # the row was changed from outside: to announce twice is better than never
            until = None
        notified, altered = (list(map(str, run.report.get(name) or ())) for name in ("told", "altered"))  # stored name
        matches = Matches.from_json(run.report.get("matches"))
        return cls(run.started, notified=notified, bypasses_notified=until, matches=matches, altered=altered)

    def remark(self, text: str) -> None:
        """Note what is unexpected; of thousands, the first are enough."""
        if len(self.remarks) < NAMED:
            self.remarks.append(text)

    def unseen(self, container: str, left: str) -> None:
        """Say that a container cannot be seen any more, and what is left as it is for that."""
        name = container.replace("mg~", "management group ")
        self.missing.append(f"{name} can no longer be seen; the register keeps its rows")
        self.remark(f"{name}: {left} kept as in the register")

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "started": spell_time(self.started),
            "seconds": round(self.seconds, 1),
            "seen": self.seen,
            "known": self.known,
            "adopted": self.adopted,
            "queued": dict(self.queued),
            "odd": dict(self.left_out),  # stored name
            "missing": self.missing[:NAMED],
            "remarks": self.remarks,
            "told": self.notified,  # stored name
            "bypasses": dict(self.bypasses),
            "bypasses_told": spell_time(self.bypasses_notified) if self.bypasses_notified else None,  # stored name
            "matches": self.matches.to_json() if self.matches else None,
            "altered": self.altered[:NAMED],
            "late": self.late,
        }

    def kept(self) -> dict[str, Any]:
        """Return what the record keeps of it: all that it says of this sweep, and nothing that the next one needs."""
        said = self.to_json()
        said["left_out"] = said.pop("odd")  # stored name
        for name in ("told", "bypasses_told"):  # stored name
            del said[name]
        said["altered"] = [*self.announced, *self.altered][:NAMED]
        said["missing"] = [one[:_LONGEST] for one in self.missing[:_RECORDED]]
        said["missing_more"] = max(len(self.missing) - _RECORDED, 0)
        return said
