"""Evasion: somebody tries to escape a rule, to silence a notice, or to stop the service for others. Pure.

Each habit is announced once an exemption, ever: what a writer repeats must not flood those who are notified. To
announce one, commit a row made by `attempted`: whoever commits a row with a habit that the row before lacks sends the
notice.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final

from guardrails.dataclass import replace
from guardrails.decisions import notify
from guardrails.decisions.row import Row
from guardrails.exemption.exemption_id import ExemptionId, ScopeKind
from guardrails.exemption.model import Exemption
from guardrails.notices.notice import SEVERITIES, TITLES, Kind, Notice


class Habit(StrEnum):
    """How it is tried."""

    CLAIMED_OWNER = "claimed-owner"
    TOGGLING = "toggling"
    FLOOD = "flood"
    FORGED_ID = "forged-id"


WHY: Final[Mapping[Habit, str]] = {
    Habit.CLAIMED_OWNER: "an edit claims a protected owner for the exemption, or names others who may delete it;"
    " the service ignores such a claim",
    Habit.TOGGLING: "edits change it back and forth between violations; this gains no time:"
    " the grace used so far counts",
    Habit.FLOOD: "it is rewritten again and again; a budget limits its reverts, and those of others go on",
    Habit.FORGED_ID: "an event named it by an id that is not its own; the service ignored the event",
}

DONE: Final[Mapping[Habit, str]] = {
    Habit.CLAIMED_OWNER: "The exemption is judged like any other.",
    Habit.TOGGLING: "The exemption is judged like any other.",
    Habit.FLOOD: "Reverts over the budget wait.",
    Habit.FORGED_ID: "Nothing was changed in Azure.",
}


def attempted(row: Row, habit: Habit) -> Row:
    """Return the row with a habit, announced once the row is committed. One that it has already is not added again."""
    return row if habit in row.evaded else replace(row, evaded=(*row.evaded, str(habit)))


def news(old: Row | None, row: Row) -> list[Habit]:
    """Return the habits that a row has, and the row before it lacks."""
    known = old.evaded if old else ()
    return [habit for habit in Habit if habit in row.evaded and habit not in known]


def notice(
    exemption_id: ExemptionId,
    habit: Habit,
    *,
    at: datetime,
    actor: str,
    row: Row | None = None,
    exemption: Exemption | None = None,
    why: str = "",
) -> Notice:
    """Return the notice about a habit; `why` adds a reason to the one that is always given: our words.

    Its id is the same for the same exemption and habit.
    """
    made = notify.about(
        Kind.EVASION_ATTEMPTED, exemption_id, 0, at=at, actor=actor, done=DONE[habit],
        why=[WHY[habit], *([why] if why else [])], exemption=exemption, row=row,
    )  # fmt: skip
    return replace(made, id=notify.evasion_id(exemption_id, habit))


def forged_id(text: str, *, at: datetime) -> Notice:
    """Return the notice about an event that names an exemption by an id that none can have. `text`: a stranger's.

    Within one hour it is the same notice, so that it may be sent again after a crash.

    No row remembers it: whoever sends it sends it once an hour at most, not once an event.
    """
    text = text.encode("utf-8", "replace").decode()
    scope, _, name = text.rpartition("/")
    shown = {"id": text[:_SHOWN], "name": name[:_SHOWN] or "?", "scope": scope[:_SHOWN] or "?"}
    digest = sha256(f"{text} {at:%Y%m%dT%H}".encode()).hexdigest()[:32]
    return Notice(
        id=f"{digest}-evasion-{Habit.FORGED_ID}",
        kind=Kind.EVASION_ATTEMPTED,
        severity=str(SEVERITIES[Kind.EVASION_ATTEMPTED][0]),
        at=at,
        title=TITLES[Kind.EVASION_ATTEMPTED],
        exemption={**shown, "scopeKind": str(ScopeKind.RESOURCE)},
        findings=(),
        actor="",
        done=DONE[Habit.FORGED_ID],
        why=(WHY[Habit.FORGED_ID],),
        next="Find out who holds the key of the function's endpoint, and renew it. What came: exg dead-letters list",
    )


_SHOWN: Final = 300
