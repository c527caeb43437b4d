"""The next row: what the register is to hold after a decision. Pure."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from guardrails.criteria.model import NOT_KEPT, Weakened
from guardrails.dataclass import replace
from guardrails.decisions.assess import Assessment, Verdict, keys_found
from guardrails.decisions.baseline import Baseline, come_back, cut, first, leave, nothing
from guardrails.decisions.decide import Plan, Situation, broken_at, running_at, toggling
from guardrails.decisions.evasion import Habit, attempted
from guardrails.decisions.facts import baseline_of, is_own_write, says_the_same
from guardrails.decisions.grace import WINDOW, after, closed, lasts
from guardrails.decisions.history import Entry
from guardrails.decisions.holds import hold_after
from guardrails.decisions.holds import turns as turns_of
from guardrails.decisions.ownership import owner_after, rights_after
from guardrails.decisions.row import Row, Status, Stored
from guardrails.exemption.body import spelling
from guardrails.exemption.expiry import (
    State,
    expiry_of,
    is_expired,
    later,
    mark,
    next_turn,
    reminder,
    reminder_turns,
    review_on,
)
from guardrails.exemption.facts import Author, Facts, Gone
from guardrails.exemption.hint import Hint
from guardrails.exemption.model import Exemption
from guardrails.notices.stored_names import stored_finding
from guardrails.rules.azure.expiry_extended import RULE as EXTENDS
from guardrails.ruleset.bound_rules import Response
from guardrails.ruleset.model import Mode

_DATES: Final = 20
"""How many changes of its expiry a row keeps: see guardrails.decisions.baseline.cut."""

_FAR: Final = datetime(9999, 12, 31, tzinfo=UTC)


def row_of_same(row: Row | None, exemption: Exemption, content: str, now: datetime | None = None) -> Row | None:
    """Return what the register knows of this very exemption.

    One that was gone and came back, or that now exempts from another assignment (which an update cannot do), is a new
    exemption under an old name: it has no compliant past to go back to, unless it says just what that past said, or it
    is to be put back: who deletes an approved one and makes it anew gets no further than who edits it. What
    must not begin anew by that goes on: its grace use, and, within 30 days, the end that it was accepted with.
    `now`: the present, UTC; None is as long ago as it can be.
    """
    if row is None:
        return None
    moved = row.assignment.lower().strip("/") != exemption.assignment_id.lower().strip("/") and row.assignment != ""
    gone = row.content == ""  # whatever its status says: it may have been unreadable since
    if (gone or moved) and not is_own_write(exemption, row):  # whose it was, it does not inherit
        if row.kept == row.content != "" and not lasts(row.grace_use):  # that was tolerated: it used up no grace
            row = replace(row, findings={}, paused={})
        row = replace(row, content="", theirs="", theirs_by=(), theirs_at=None, theirs_content="", claimed="")
    if ((gone and not row.wanted_back) or moved) and content != row.compliant_content:
        return replace(
            row, compliant=None, compliant_content="", compliant_expires_on=None, compliant_at=None,
            compliant_ticket="", tolerated=None, tolerated_content="", scope_tagged=False, blocked="", refused=0,
            retry_on=None, together={}, **_past(row, exemption, now or row.since, moved=moved, gone=gone),
        )  # fmt: skip
    return row


def _past(row: Row, exemption: Exemption, now: datetime, *, moved: bool, gone: bool) -> dict[str, Any]:
    """Return the part of a row that a new exemption takes over from the one that had its name before."""
    left, known = row.since if gone else now, baseline_of(row)
    if not moved:
        return {"baseline": known if now - left < WINDOW else None}
    baseline, dates = come_back(row.former, exemption.assignment_id, now)
    return {"baseline": baseline, "dates": dates, "former": leave(row.former, row.assignment, left, known, row.dates)}


def row_after(
    at: Situation,
    plan: Plan,
    facts: Facts,
    stored: Stored | None,
    listed: str = "",
    *,
    together: Mapping[str, Any] = MappingProxyType({}),
    weakened: Weakened = NOT_KEPT,
) -> tuple[Row, Mapping[str, Any] | None]:
    """Return the row for a judged exemption, and the body that its history entry must keep: None where one does.

    `listed` is the token of what the inventory shows of it, `together` what a sweep found of it and others, as JSON;
    `weakened` the criteria that it weakens.
    """
    old, exemption = at.row, at.exemption
    seq = stored.seq + 1 if stored else 1
    now_spelled = spelling(exemption.body)
    snapshot, spelled = _kept(old, at.content, now_spelled) or (seq, now_spelled)
    body = exemption.body if snapshot == seq else None
    base = old or Row(exemption.id.text, plan.status, at.now)
    own = is_own_write(exemption, old)
    same_status = old is not None and old.status is plan.status
    unclear = any(finding.status is Verdict.UNKNOWN for finding in at.assessment.findings)
    unknown_again = unclear and old is not None and old.unclear and old.content == at.content
    broken, running = broken_at(at), running_at(at)
    written_back = own and base.content != at.content  # by a put-back or a restore: what broke a rule is replaced
    carried = () if written_back else broken.unclear
    lasting = broken._replace(unclear=() if at.is_tolerated else carried)
    seen = {**base.findings, **broken.seen}
    edited = None if own or base.content == at.content else facts.written_at
    row = replace(
        base,
        id=exemption.id.text,
        status=plan.status,
        since=base.since if same_status else at.now,
        content=at.content,
        findings={finding.key: seen.get(finding.key, at.now) for finding in at.assessment.findings},
        paused={code: running[code] for code in carried if code in running.keys() - broken.seen.keys()},
        grace=after(base.grace_use, lasting, at.author, at.now, running=running, edited=edited),
        severity=_worst(at.assessment),
        ruleset=at.ruleset.digest_in(at.mode),
        answer=plan.answer,
        expires_on=exemption.expires_on,
        baseline=base.baseline if base.content == at.content else baseline_of(base),  # of before: it hangs on the end
        owner=exemption.owner[:200],
        ticket=exemption.ticket[:200],
        assignment=exemption.assignment_id,
        author=_name(facts),
        author_kind=facts.author.kind if isinstance(facts.author, Author) else "",
        written_at=_written_at(exemption, base, facts, same=says_the_same(exemption, old, at.content)),
        own_write_at=base.own_write_at if own else None,
        snapshot=snapshot,
        spelled=spelled,
        blocked=at.blocked,
        retry_on=at.retry_on,
        refused=_refused(at, plan, base),
        held="",
        hold=hold_after(base, at.content, at.now),
        due=plan.due,
        attempts=base.attempts + (1 if plan.due != base.due else 0) if unknown_again else 0,
        kept=base.kept if base.kept == at.content else "",
        kept_why=base.kept_why if base.kept == at.content else "",
        adopted=base.adopted if base.kept == at.content else None,
        listed=listed,
        together=dict(together),
        criteria_weakened=_weakened(at, facts, base, weakened),
        lost=None,
        lost_by="",
        lost_said="",
        lost_untold=False,  # stored name
        settled="",
        intent=None,
        **rights_after(base, at.written, at.ruleset, own=own),
        **owner_after(at.ownership, base, at.written, snapshot),
        **_over_time(at, plan, facts, base),
    )
    if at.ownership.added:
        row = attempted(row, Habit.CLAIMED_OWNER)
    if toggling(at):
        row = attempted(row, Habit.TOGGLING)
    approved = plan.status is Status.COMPLIANT or (plan.status is Status.VIOLATION and at.assessment.is_sound)
    if approved and row.compliant_content != at.content:
        row = replace(
            row, compliant=snapshot, compliant_content=at.content, compliant_expires_on=exemption.expires_on,
            compliant_at=at.now, compliant_ticket=exemption.ticket[:200],
            baseline=_baseline(at, facts, base),
        )  # fmt: skip
    elif approved:
        waits = row.baseline is not None and row.baseline.latest != exemption.expires_on
        row = replace(row, compliant=snapshot, baseline=_baseline(at, facts, base) if waits else row.baseline)
    elif plan.status is Status.VIOLATION and tolerates(at.assessment):
        accepts = row.compliant is None and not _extends(at)
        known = _baseline(at, facts, base) if accepts else row.baseline  # at each such look: the first may be Unknown
        row = replace(row, tolerated=snapshot, tolerated_content=at.content, baseline=known)
    return row, body


def _weakened(at: Situation, facts: Facts, base: Row, weakened: Weakened) -> Mapping[str, Any]:
    """Return what the row says of the criteria: what was known of this content, where nothing can be read now."""
    unread = weakened.is_unknown and not weakened.policies and not isinstance(facts.assignment, Gone)
    if unread and base.criteria_weakened and base.content == at.content:
        return base.criteria_weakened
    return weakened.to_json()


def _kept(old: Row | None, content: str, spelled: str) -> tuple[int, str] | None:
    """Return the entry that keeps such a body already, and how that spells it; None where none does.

    What is put back is as it was spelled last, for policy as code compares texts. How the compliant and the tolerated
    state were spelled is not known where another followed.
    """
    if old is None:
        return None
    compliant, tolerated = (old.compliant, old.compliant_content), (old.tolerated, old.tolerated_content)
    for entry, said in ((old.snapshot, old.content), compliant, tolerated):
        if entry is not None and said == content:
            known = old.spelled if entry == old.snapshot else ""
            return (entry, known) if known in ("", spelled) else None
    return None


def _baseline(at: Situation, facts: Facts, base: Row) -> Baseline:
    """Return the end that later ones are compared with, after a look at a state that asks for no revert.

    The state is not accepted while a rule that asks for a revert is Unknown. While the assignment is gone, rules pass
    that would look at it. So no first end is accepted then, and no earlier one: later ends would be measured by it.
    """
    known, end, ticket = baseline_of(base), at.exemption.expires_on, at.exemption.ticket
    gone, unclear = isinstance(facts.assignment, Gone), is_unclear(at.assessment)
    if known is None:
        return nothing(at.now) if gone or unclear else first(end, ticket, at.now)
    if unclear or (gone and (known.end is None or (end is not None and end < known.end))):
        return known
    near = False
    if known.end is not None and end is not None and end > known.end and not _extends(at):
        far = replace(at.exemption, expires_on=_FAR)  # what lets even this pass is no tolerance
        near = any(key.rstrip("?") == EXTENDS.code for key in keys_found(far, facts, at.ruleset))
    return known.follow(end, ticket, at.now, near=near)


def _extends(at: Situation) -> bool:
    return any(finding.code == EXTENDS.code for finding in at.assessment.findings)


def _name(facts: Facts) -> str:
    return facts.author.name if isinstance(facts.author, Author) else ""


def _over_time(at: Situation, plan: Plan, facts: Facts, base: Row) -> dict[str, Any]:
    """Return the part of a row that time changes by itself: expiry state, reminders, reviews.

    Whoever commits a row with another `reminded` than before sends the reminder: see Visit.commit.
    """
    end, rules, now = at.exemption.expires_on, at.ruleset, at.now
    review = review_on(at.exemption.said, facts.written_at, rules.review_months)
    reminded, reviewed = base.reminded, base.review_reminded
    if plan.status is not Status.EXCLUDED:
        reminded = _reminded(end, now, rules.reminder_days, reminded, rules.reminder_at)
        review_ahead = None if is_expired(end, now) else review
        reviewed = _reminded(review_ahead, now, rules.review_days, reviewed, rules.reminder_at)
    over = _removable_from(at)
    reviews = reminder_turns(review, rules.review_days, rules.reminder_at) if review else ()
    ends = reminder_turns(end, rules.reminder_days, rules.reminder_at) if end else ()
    looks = turns_of(hold_after(base, at.content, now), now)
    turns = [
        turn
        for turn in (next_turn(end, now, rules.reminder_days), *ends, *reviews, *looks, over)
        if turn and turn > now
    ]
    if (swept := _removed_by_a_sweep(at)) is not None:
        turns += [swept] if plan.answer != "remove" else [base.turn] if base.turn else []
    if (end_of_override := rules.limits.next_end(at.exemption, now)) is not None:
        turns.append(end_of_override)
    dates = base.dates if base.dates and base.dates[-1][1] == end else (*base.dates, (now, end))
    return {
        "expiry": expiry_of(end, now, rules.reminder_days).name,
        "reminded": reminded,
        "review_on": review,
        "review_reminded": reviewed,
        "turn": min(turns, default=None),
        "dates": cut(dates, _DATES),
    }


def _removable_from(at: Situation) -> datetime | None:
    """Return from when on the ruleset deletes an exemption that has ended, UTC; None where it never does."""
    end, wait = at.exemption.expires_on, at.ruleset.delete_expired
    return later(end, wait) if end and wait is not None else None


def _removed_by_a_sweep(at: Situation) -> datetime | None:
    """Return the same where that time has come and this look is no sweep's: a sweep is to decide on it, or has."""
    over = _removable_from(at)
    return over if over and over <= at.now and not at.may_remove and at.mode is Mode.ENFORCE else None


def _refused(at: Situation, plan: Plan, base: Row) -> int:
    """Return how often in a row Azure did not let us change this content; once where an old row only says that.

    What is not tried meanwhile, because it is Unknown, on hold, left to a sweep, or in audit mode, was not let through
    either.
    """
    if at.blocked:
        return max(base.refused, 1)
    wanted = plan.answer != "none" or plan.status is not Status.COMPLIANT or _removed_by_a_sweep(at) is not None
    return base.refused if wanted and base.content == at.content else 0


def _reminded(date: datetime | None, now: datetime, days: Sequence[int], before: str, at: timedelta) -> str:
    """Return the reminders that were sent after this look; `before`: those until then."""
    due = reminder(date, now, days, before, at)
    return before if due is None or date is None else mark(date, due, before)


def _written_at(exemption: Exemption, base: Row, facts: Facts, *, same: bool) -> datetime | None:
    """Return Azure's own time of the last write that was not ours: our clock must not move it."""
    if exemption.modified_at is None:
        return base.written_at
    return base.written_at or facts.written_at if same else exemption.modified_at


def _worst(assessment: Assessment) -> str:
    severities = (finding.severity for finding in assessment.violations)
    return str(min(severities, key=lambda severity: severity.rank, default=""))


def tolerates(assessment: Assessment) -> bool:
    """Whether no violation found asks for a revert."""
    return all(finding.response is not Response.REVERT for finding in assessment.violations)


def is_unclear(assessment: Assessment) -> bool:
    """Whether a rule that asks for a revert is Unknown: it may turn out to be violated."""
    return any(one.status is Verdict.UNKNOWN and one.response is Response.REVERT for one in assessment.findings)


def begun(row: Row, old: Row | None) -> Row:
    """Return a row for something begun: until that has ended, it keeps what was decided and notified before."""
    if old is None:
        return replace(row, answer="none", reminded="", review_reminded="")
    return replace(
        row, status=old.status, since=old.since, answer=old.answer, reminded=old.reminded,
        review_reminded=old.review_reminded,
    )  # fmt: skip


def row_gone(row: Row | None, exemption_id: str, now: datetime) -> Row:
    """Return the row for an exemption that is not there; one that Azure never showed keeps no expiry state."""
    if row is not None and row.status is Status.GONE and not row.content:
        return replace(row, intent=None)
    base = row or Row(exemption_id, Status.GONE, now)
    return replace(
        base, status=Status.GONE, since=now, content="", findings={}, paused={},
        grace=closed(base.grace_use, base.running, now), severity="", answer="none", undo=base.snapshot, due=None,
        attempts=0, held="", hold=None, blocked="", refused=0, retry_on=None, intent=None, scope_tagged=False,
        own_write_at=None, kept="", kept_why="", adopted=None, listed="", together={}, criteria_weakened={},
        expiry=str(State.GONE) if row is None or row.expiry else "", turn=None, review_on=None,
    )  # fmt: skip


def is_news(old: Row | None, new: Row) -> bool:
    """Whether people are notified of a decision: not again for the same content, findings and answer."""
    if old is None or old.status in (Status.GONE, Status.LOST):
        return True
    if new.status is Status.UNKNOWN:
        return old.status is not Status.UNKNOWN
    changed = (old.content, old.status, old.answer, old.kept) != (new.content, new.status, new.answer, new.kept)
    return changed or set(old.findings) != set(new.findings)


def entry_for(event: str, at: datetime, hint: Hint, body: Mapping[str, Any] | None = None, **facts: Any) -> Entry:
    """Return a history entry; `facts` that are empty are left out."""
    known: dict[str, Any] = {"hint": hint.source, "actor": hint.actor, "event": hint.event_id, **facts}
    return Entry(at, event, {key: value for key, value in known.items() if value not in ("", None, (), [], {})}, body)


def particulars(assessment: Assessment, plan: Plan) -> dict[str, Any]:
    """Return the part of a history entry that explains a decision."""
    return {
        "verdict": str(assessment.verdict),
        "findings": [stored_finding(finding.to_json()) for finding in assessment.findings],
        "plan": plan.to_json(),
    }
