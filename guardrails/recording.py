"""Record: what the register is to hold after a decision. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from guardrails.assess import Assessment, Verdict
from guardrails.decide import Plan, Situation
from guardrails.exemption import MARKER_KEY, Exemption
from guardrails.expiry import State, expiry_of, is_expired, later, mark, next_turn, reminder, reminder_turns, review_on
from guardrails.facts import NOBODY_LOOKED, Assignment, Author, Before, Facts, Gone, Together, Unread, last_write
from guardrails.hint import Hint
from guardrails.record import Entry, Row, Status, Stored
from guardrails.ruleset import Mode, Response, Ruleset

_DATES: Final = 20
"""How many changes of its expiry a row keeps: the first, and the last ones."""


def row_of_same(row: Row | None, exemption: Exemption, content: str) -> Row | None:
    """Return what the register knows of this very exemption.

    One that was gone and came back, or that now exempts from another assignment (which an update cannot do), is a new
    exemption under an old name: it has no compliant past to go back to, unless it says just what that past said.
    """
    if row is None:
        return None
    moved = row.assignment.lower().strip("/") != exemption.assignment_id.lower().strip("/") and row.assignment != ""
    gone = row.content == ""  # whatever its status says: it may have been unreadable since
    if (gone or moved) and content != row.compliant_content:
        return replace(
            row, compliant=None, compliant_content="", compliant_expires_on=None, compliant_at=None,
            compliant_ticket="", tolerated=None, tolerated_content="", findings={}, blocked="", scope_tagged=False,
            dates=() if moved else row.dates, together={},
        )  # fmt: skip
    return row


def facts_of(
    exemption: Exemption,
    row: Row | None,
    ruleset: Ruleset,
    now: datetime,
    assignment: Assignment | Gone | Unread,
    *,
    content: str = "",
    together: Together = NOBODY_LOOKED,
) -> Facts:
    """Return what the rules may know.

    The author is who last changed what the exemption says: not we, and not somebody who wrote the same again.
    `content` is its fingerprint; without one only our own writes are seen through. `together`: what a sweep or a scan
    told.
    """
    author: Author | Unread
    written_at: datetime | None
    if row is not None and says_the_same(exemption, row, content):
        author, written_at = Author(row.author, row.author_kind), row.written_at and min(row.written_at, now)
    else:
        author, written_at = last_write(exemption, now)
    before = None
    if row is not None and row.compliant is not None and row.compliant_at is not None:
        before = Before(row.compliant_expires_on, row.compliant_at, row.compliant_ticket)
    dates, recreated = (row.dates, len(row.restored)) if row else ((), 0)
    return Facts(now, written_at, assignment, author, before, dates, ruleset.approved, recreated, together)


def says_the_same(exemption: Exemption, row: Row | None, content: str) -> bool:
    """Whether nobody but us changed what it says since the register saw its author."""
    return is_own_write(exemption, row) or (row is not None and row.content == content != "" and row.author != "")


def is_own_write(exemption: Exemption, row: Row | None) -> bool:
    """Whether the exemption stands as we wrote it: by the time that Azure gave to our write, not by a name."""
    return row is not None and row.own_write_at is not None and row.own_write_at == exemption.modified_at


def row_after(
    at: Situation,
    plan: Plan,
    facts: Facts,
    stored: Stored | None,
    listed: str = "",
    *,
    together: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Row, Mapping[str, Any] | None]:
    """Return the row for a judged exemption, and the body that its history entry must keep: None where one does.

    `listed` is the token of what the inventory shows of it, `together` what a sweep told of it beside others, as JSON.
    """
    old, exemption = at.row, at.exemption
    seq = stored.seq + 1 if stored else 1
    if old and old.snapshot is not None and old.content == at.content:
        snapshot, body = old.snapshot, None
    elif old and old.compliant is not None and old.compliant_content == at.content:
        snapshot, body = old.compliant, None
    elif old and old.tolerated is not None and old.tolerated_content == at.content:
        snapshot, body = old.tolerated, None
    else:
        snapshot, body = seq, exemption.body
    base = old or Row(exemption.id.text, plan.status, at.now)
    own = is_own_write(exemption, old)
    same_status = old is not None and old.status is plan.status
    unclear = any(finding.status is Verdict.UNKNOWN for finding in at.assessment.findings)
    unknown_again = unclear and old is not None and old.unclear and old.content == at.content
    row = replace(
        base,
        id=exemption.id.text,
        status=plan.status,
        since=base.since if same_status else at.now,
        content=at.content,
        findings={finding.key: base.findings.get(finding.key, at.now) for finding in at.assessment.findings},
        ruleset=at.ruleset.digest_in(at.mode),
        answer=plan.answer,
        expires_on=exemption.expires_on,
        owner=exemption.owner[:200],
        ticket=exemption.ticket[:200],
        assignment=exemption.assignment_id,
        author=facts.author.name if isinstance(facts.author, Author) else "",
        author_kind=facts.author.kind if isinstance(facts.author, Author) else "",
        written_at=_written_at(exemption, base, facts, same=says_the_same(exemption, old, at.content)),
        own_write_at=base.own_write_at if own else None,
        snapshot=snapshot,
        blocked=at.blocked,
        held="",
        due=plan.due,
        attempts=base.attempts + (1 if plan.due != base.due else 0) if unknown_again else 0,
        kept=base.kept if base.kept == at.content else "",
        kept_why=base.kept_why if base.kept == at.content else "",
        adopted=base.adopted if base.kept == at.content else None,
        listed=listed,
        together=dict(together),
        wanted=wanted_of(exemption),
        lost=None,
        lost_by="",
        settled="",
        intent=None,
        **_over_time(at, plan, facts, base),
    )
    approved = plan.status is Status.COMPLIANT or (plan.status is Status.VIOLATION and at.assessment.is_sound)
    if approved and row.compliant_content != at.content:
        row = replace(
            row, compliant=snapshot, compliant_content=at.content, compliant_expires_on=exemption.expires_on,
            compliant_at=at.now, compliant_ticket=exemption.ticket[:200],
        )  # fmt: skip
    elif plan.status is Status.VIOLATION and tolerates(at.assessment):
        row = replace(row, tolerated=snapshot, tolerated_content=at.content)
    return row, body


def _over_time(at: Situation, plan: Plan, facts: Facts, base: Row) -> dict[str, Any]:
    """Return the part of a row that time changes by itself: expiry state, reminders, reviews.

    Whoever commits a row with another `reminded` than before tells of it: see Visit.commit.
    """
    end, rules, now = at.exemption.expires_on, at.ruleset, at.now
    review = review_on(at.exemption.said, facts.written_at, rules.review_months)
    told, reviewed = base.reminded, base.review_reminded
    if plan.status is not Status.EXCLUDED:
        told = _told(end, now, rules.reminder_days, told, rules.reminder_at)
        review_ahead = None if is_expired(end, now) else review
        reviewed = _told(review_ahead, now, rules.review_days, reviewed, rules.reminder_at)
    over = later(end, rules.delete_expired) if end and rules.delete_expired is not None else None
    reviews = reminder_turns(review, rules.review_days, rules.reminder_at) if review else []
    ends = reminder_turns(end, rules.reminder_days, rules.reminder_at) if end else []
    turns = [turn for turn in (next_turn(end, now, rules.reminder_days), *ends, *reviews, over) if turn and turn > now]
    if over and over <= now and not at.may_remove and at.mode is Mode.ENFORCE:  # a sweep is to decide on that, or has
        turns += [over] if plan.answer != "remove" else [base.turn] if base.turn else []
    dates = base.dates if base.dates and base.dates[-1][1] == end else (*base.dates, (now, end))
    return {
        "expiry": expiry_of(end, now, rules.reminder_days).name,
        "reminded": told,
        "review_on": review,
        "review_reminded": reviewed,
        "turn": min(turns, default=None),
        "dates": dates if len(dates) <= _DATES else (dates[0], *dates[1 - _DATES :]),
    }


def _told(date: datetime | None, now: datetime, days: Sequence[int], told: str, at: timedelta) -> str:
    due = reminder(date, now, days, told, at)
    return told if due is None or date is None else mark(date, due, told)


def _written_at(exemption: Exemption, base: Row, facts: Facts, *, same: bool) -> datetime | None:
    """Return Azure's own time of the last write that was not ours: our clock must not move it."""
    if exemption.modified_at is None:
        return base.written_at
    return base.written_at or facts.written_at if same else exemption.modified_at


def tolerates(assessment: Assessment) -> bool:
    """Whether no violation found asks for a revert."""
    return all(finding.response is not Response.REVERT for finding in assessment.violations)


def wanted_of(exemption: Exemption) -> str:
    """Return what its metadata says of putting it back, as `guardrails: {restore: true}` or `guardrails.restore`."""
    ours = exemption.metadata.get(MARKER_KEY)
    said = ours.get("restore") if isinstance(ours, Mapping) else exemption.metadata.get(f"{MARKER_KEY}.restore")
    return {"true": "yes", "false": "no"}.get(str(said).lower(), "")


def row_gone(row: Row | None, exemption_id: str, now: datetime) -> Row:
    """Return the row for an exemption that is not there."""
    if row is not None and row.status is Status.GONE and not row.content:
        return replace(row, intent=None)
    base = row or Row(exemption_id, Status.GONE, now)
    return replace(
        base, status=Status.GONE, since=now, content="", findings={}, answer="none", undo=base.snapshot, due=None,
        attempts=0, held="", blocked="", intent=None, scope_tagged=False, own_write_at=None, kept="", kept_why="",
        adopted=None, listed="", together={}, expiry=str(State.GONE), turn=None, review_on=None,
    )  # fmt: skip


def is_news(old: Row | None, new: Row) -> bool:
    """Whether people should hear of a decision: not again for the same content, findings and answer."""
    if old is None or old.status in (Status.GONE, Status.LOST):
        return True
    if new.status is Status.UNKNOWN:
        return old.status is not Status.UNKNOWN
    changed = (old.content, old.status, old.answer, old.kept) != (new.content, new.status, new.answer, new.kept)
    return changed or set(old.findings) != set(new.findings)


def entry_for(event: str, at: datetime, hint: Hint, body: Mapping[str, Any] | None = None, **facts: Any) -> Entry:
    """Return a history entry; `facts` that are empty are left out."""
    told: dict[str, Any] = {"hint": hint.source, "actor": hint.actor, "event": hint.event_id, **facts}
    return Entry(at, event, {key: value for key, value in told.items() if value not in ("", None, (), [], {})}, body)


def particulars(assessment: Assessment, plan: Plan) -> dict[str, Any]:
    """Return the part of a history entry that explains a decision."""
    return {
        "verdict": str(assessment.verdict),
        "findings": [finding.to_json() for finding in assessment.findings],
        "plan": plan.to_json(),
    }
