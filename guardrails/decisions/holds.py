"""Holds: break-glass. An operator's word that an exemption, as it is now, is left alone until a time. Pure."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from guardrails.dataclass import replace
from guardrails.exemption.times import read_time

if TYPE_CHECKING:
    from guardrails.decisions.row import Hold, Row

MINUTES: Final = (7 * 24 * 60, 24 * 60, 60, 10)
"""Minutes before its end at which people are reminded of a hold, if it was given for longer than that."""


def is_held(row: "Row | None", content: str, now: datetime) -> bool:
    """Whether an operator's hold is in force on an exemption that says `content`.

    It is on what the operator saw: what anybody makes of it since is judged like any other.
    """
    return row is not None and row.hold is not None and row.hold.content == content and now < row.hold.until


def hold_after(row: "Row", content: str, now: datetime) -> "Hold | None":
    """Return the hold that a row keeps after a look, with the reminder that is sent with it; None where it ended."""
    if row.hold is None or not is_held(row, content, now):
        return None
    passed = [before for before in _thresholds(row.hold) if row.hold.until - now <= timedelta(minutes=before)]
    return replace(row.hold, reminded=min(passed)) if passed else row.hold


def turns(hold: "Hold | None", now: datetime) -> list[datetime]:
    """Return when a hold is to be looked at: at its reminders, and at its end."""
    if hold is None:
        return []
    ahead = (hold.until - timedelta(minutes=before) for before in (*_thresholds(hold), 0))
    return [turn for turn in ahead if turn > now]


def _thresholds(hold: "Hold") -> list[int]:
    return [before for before in MINUTES if hold.until - hold.at > timedelta(minutes=before)]


def on_hold(hold: "Hold") -> str:
    """Return one sentence on a hold, for plans and notices."""
    return f"on hold until {read_time(hold.until)} by {hold.by[:100]}: {hold.reason}"


def ended(old: "Row | None", row: "Row", event: str, actor: str, at: datetime) -> str:
    """Return why a hold that the row before had is not in the row after; "" where none ended."""
    if old is None or old.hold is None or row.hold is not None:
        return ""
    if event == "released":
        return f"released by {actor[:100]}"
    if not row.content:
        return "the exemption is gone"
    if row.content != old.hold.content:
        return f"{row.author[:100] or 'somebody'} changed what it says; it is judged like any other"
    return f"its time was over at {read_time(old.hold.until)}" if old.hold.until <= at else "it was taken off"
