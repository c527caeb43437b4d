"""Decide: assessment + register row + mode -> plan. Pure: a plan is a value: printed, tested, shown in a dry run.

The order of the questions is the order of safety: exclusion, ownership, adoption, what Azure forbids, grace, an
operator's hold, mode.
The breaker and the re-read come later, at the moment of acting (reconcile/act.py).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from guardrails.dataclass import dataclass, replace
from guardrails.decisions.assess import Assessment, Verdict
from guardrails.decisions.grace import TOGGLES, Broken, lasts, over, times_fixed
from guardrails.decisions.holds import is_held, on_hold
from guardrails.decisions.ownership import Ownership, Written, ownership_of
from guardrails.decisions.status import Status
from guardrails.exemption.body import marker_of, takes_marker
from guardrails.exemption.counts import number_of
from guardrails.exemption.exemption_id import ScopeKind
from guardrails.exemption.expiry import is_expired
from guardrails.exemption.model import Exemption
from guardrails.exemption.times import parse_time, read_time, spell_time
from guardrails.notices.notice import Kind
from guardrails.ruleset.bound_rules import Response
from guardrails.ruleset.model import Mode, Ruleset

if TYPE_CHECKING:
    from guardrails.decisions.row import Hold, Row

UNKNOWN_RETRY = timedelta(minutes=10)
UNKNOWN_RETRY_MAX = timedelta(hours=6)
REFUSED_RETRY = timedelta(days=1)
REFUSED_RETRY_MAX = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Tag:
    """Set our tag to `marker`, or take it away for None: in the exemption's metadata, on its scope, or both."""

    marker: Mapping[str, Any] | None
    on_exemption: bool
    on_scope: bool

    @property
    def name(self) -> str:
        """The action's name in plans and history."""
        return "untag" if self.marker is None else "tag"


@dataclass(frozen=True, slots=True)
class Delete:
    """Revert a creation: delete the exemption."""

    name = "delete"


@dataclass(frozen=True, slots=True)
class Remove(Delete):
    """Delete an exemption that ended long ago, because the ruleset wants that."""

    name = "remove"


@dataclass(frozen=True, slots=True)
class PutBack:
    """Revert an edit: write the body that history entry `entry` keeps."""

    entry: int
    name = "put-back"


type Action = Tag | Delete | PutBack

DOES: Final[Mapping[str, str]] = {
    "tag": "tag it",
    "untag": "take its tag away",
    "delete": "delete it",
    "remove": "delete it",
    "put-back": "put its last good state back",
}
"""What an action does, in words, by its name."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is decided for one exemption.

    Attributes:
        status: the exemption's status by this decision.
        answer: none, alert, tag, untag, delete, put-back or remove: what the ruleset wants, whether or not it is done.
        action: what to do in Azure now; None where nothing is to be done, and always in audit mode.
        withheld: what would be done in enforce mode; None elsewhere.
        reasons: why, in order; our words, names of owners and exclusions included.
        due: when to look again without being asked, UTC.
        notice: the kind of notice that this is worth when it is news; None where nobody is notified.
    """

    status: Status
    answer: str
    action: Action | None = None
    withheld: Action | None = None
    reasons: tuple[str, ...] = ()
    due: datetime | None = None
    notice: Kind | None = None

    @property
    def reverts(self) -> bool:
        """Whether it takes the exemption, or its last edit, away."""
        return isinstance(self.action, Delete | PutBack)

    def to_json(self) -> dict[str, Any]:
        """Return the documented JSON form."""
        return {
            "status": str(self.status),
            "answer": self.answer,
            "acts": self.action is not None,
            "reasons": list(self.reasons),
            "due": spell_time(self.due) if self.due else None,
        }


@dataclass(frozen=True)
class Situation:
    """Everything that a decision rests on. Without slots, so that it keeps what many ask it for.

    Attributes:
        row: what the register knows of this same exemption; None for a new one.
        content: the exemption's fingerprint.
        author: the last writer who was not us; "" where unknown.
        now: the present, UTC.
        mode: the mode in force: the ruleset's, or audit where a setting lowers it.
        blocked: why Azure does not let us change this content; "" where that is not known to be so.
        retry_on: when that is tried again; None where nothing is blocked.
        may_remove: whether an exemption that ended long ago may be deleted now: only sweeps ask for that.
        may_put_back: False where the last good body turned out to be no good any more.
        before: the protected owners that it claimed before its last edit, where that had to be read.
    """

    exemption: Exemption
    assessment: Assessment
    row: "Row | None"
    ruleset: Ruleset
    content: str
    author: str
    now: datetime
    mode: Mode
    blocked: str = ""
    retry_on: datetime | None = None
    may_remove: bool = False
    may_put_back: bool = True
    before: frozenset[str] | None = None

    @cached_property
    def written(self) -> Written:
        """The exemption as somebody wrote it."""
        return Written(self.exemption, self.author, self.content, self.row, self.before)

    @cached_property
    def ownership(self) -> Ownership:
        """Whose it is."""
        return ownership_of(self.written, self.ruleset)

    @property
    def adopted(self) -> bool:
        """Whether it was there before the guardrails, nobody edited it since, and the ruleset leaves it alone."""
        until = self.ruleset.adopted_until
        kept = self.row is not None and self.row.adopted is not None and self.row.kept == self.content
        return kept and (until is None or self.now < until)

    @property
    def is_tolerated(self) -> bool:
        """Whether what it says is reported and not reverted: adopted, or restored by an operator."""
        return self.row is not None and self.row.kept == self.content and (not self.row.adopted or self.adopted)


def decide(at: Situation) -> Plan:
    """Return the plan for an exemption that is there."""
    exclusion = at.ruleset.exclusion_for(at.exemption.id, at.now)
    if exclusion is not None:
        reason = f"excluded by the ruleset ({exclusion.scope}): {exclusion.reason}"
        return Plan(Status.EXCLUDED, "none", reasons=(reason,), due=exclusion.expires)
    whose = at.ownership
    name = whose.name
    if not name and not whose.violated and not at.blocked and (over := _long_over(at)):
        status = Status.VIOLATION if at.assessment.findings else Status.COMPLIANT
        action, kind = (Remove(), Kind.REMOVED) if at.may_remove else (None, None)
        plan = Plan(status, "remove", action, reasons=(over,), notice=kind)
    elif at.assessment.verdict is Verdict.PASS:
        plan = _clear(at, name or whose.pretended)  # a tag is left where it may be a tool's: it wins nobody anything
    elif at.assessment.verdict is Verdict.UNKNOWN:
        reasons = tuple(f"{finding.code} is unknown: {finding.text}" for finding in at.assessment.findings)
        due = retry_at(at.row, at.content, at.now) if _may_clear(at.assessment) else None
        plan = Plan(Status.UNKNOWN, "none", reasons=reasons, due=due, notice=Kind.UNKNOWN)
    else:
        plan = _answer(at, whose)
    if at.retry_on is not None:
        plan = replace(plan, due=min(filter(None, (plan.due, at.retry_on))))
    if at.row and at.row.hold and is_held(at.row, at.content, at.now):
        return _left_alone(plan, at.row.hold)
    return _in_mode(plan, at.mode)


def unblocked(at: Situation) -> Situation:
    """Return the situation without what Azure refused before, where nothing is to be changed, or rules are broken anew.

    What is to be changed then, or again later, is decided, tried and announced anew. While no rule was broken, Azure
    refused something else, such as an untagging, and people may have been notified that the exemption complies.
    """
    row = at.row
    if row and (row.refused or at.blocked) and at.assessment.violations and not row.running:
        return replace(at, row=replace(row, blocked="", refused=0, retry_on=None), blocked="", retry_on=None)
    if not at.blocked:
        return at
    plan = decide(replace(at, blocked="", retry_on=None, may_remove=True))
    nothing = plan.status is Status.COMPLIANT and plan.answer == "none"
    return replace(at, blocked="", retry_on=None) if nothing else at


def _left_alone(plan: Plan, hold: "Hold") -> Plan:
    """Return the plan as an operator's hold allows it: judged and reported, and nothing is done in Azure."""
    notice = Kind.VIOLATION if plan.notice in (Kind.REVERTED, Kind.TAGGED) else plan.notice
    notice = None if notice is Kind.REMOVED else notice
    return replace(plan, action=None, reasons=(*plan.reasons, on_hold(hold)), notice=notice)


def _long_over(at: Situation) -> str:
    """Return why an exemption may be removed, for it ended long ago; "" where it may not."""
    wait, end = at.ruleset.delete_expired, at.exemption.expires_on
    if not at.may_remove and not (at.row and at.row.answer == "remove" and at.row.content == at.content):
        return ""  # only a sweep decides this, and its decision holds whoever looks next
    restored = at.row is not None and at.row.kept == at.content and at.row.adopted is None
    if wait is None or end is None or restored or not is_expired(end, at.now - wait):
        return ""
    return f"it ended at {read_time(end)}, and the ruleset deletes such exemptions after {number_of(wait.days, 'day')}"


def _may_clear(assessment: Assessment) -> bool:
    """Whether another look may resolve anything that is Unknown; what only a sweep can resolve waits for one."""
    return any(one.status is Verdict.UNKNOWN and not one.swept for one in assessment.findings)


def retry_at(row: "Row | None", content: str, now: datetime) -> datetime:
    """Return when to look again at something Unknown: ever later, and not moved by being asked early.

    A row that is due later than any retry waits for something else: the end of a grace, or of a refusal.
    """
    if row and row.unclear and row.content == content and row.due and now < row.due <= now + UNKNOWN_RETRY_MAX:
        return row.due
    attempts = row.attempts if row and row.unclear else 0
    wait: timedelta = min(UNKNOWN_RETRY * (1 << min(attempts, 10)), UNKNOWN_RETRY_MAX)
    return now + wait


def refused_until(refused: int, now: datetime) -> datetime:
    """Return when something that Azure did not allow is tried again; `refused`: how often in a row it did not."""
    return now + (REFUSED_RETRY if refused <= 1 else REFUSED_RETRY_MAX)


def _clear(at: Situation, owner: str) -> Plan:
    """Return the plan for an exemption that keeps every rule."""
    marked = bool(marker_of(at.exemption.metadata)) and (at.ruleset.tagging.protected or not owner) and not at.blocked
    tagged = at.row is not None and at.row.scope_tagged and not at.blocked
    if marked or tagged:
        untag = Tag(None, on_exemption=marked, on_scope=tagged)
        reason = "it complies with every rule again; the service removes its tag"
        return Plan(Status.COMPLIANT, "untag", untag, reasons=(reason,), notice=_recovery(at.row))
    again = at.blocked and at.row is not None and at.row.refused > 1 and not at.row.findings  # notified after the first
    notice = None if again else _recovery(at.row)
    return Plan(Status.COMPLIANT, "none", reasons=("it keeps every rule",), notice=notice)


def _recovery(row: "Row | None") -> Kind | None:
    """Return the kind of notice that ends a trouble that people were notified of; None where there was none.

    A row can say violation or unknown before anybody was notified: an action on a new exemption was begun, and no more.
    Its answer is then still none, and nothing is due. Nor is anything due where only a sweep can resolve what is
    unknown; then nothing else was found.
    """
    if row is None:
        return None
    unknown = bool(row.findings) and all(key.endswith("?") for key in row.findings)
    notified = {
        Status.VIOLATION: row.answer != "none",
        Status.UNKNOWN: unknown or row.due is not None,
        Status.CANNOT_ACT: True,
        Status.LOST: not row.lost_untold,  # stored name
    }
    return Kind.COMPLIANT if notified.get(row.status, False) else None


def _answer(at: Situation, whose: Ownership) -> Plan:
    """Return the plan for an exemption that breaks rules."""
    violations, owner = at.assessment.violations, whose.name
    reasons = [f"{finding.code} {finding.rule}: {finding.text}" for finding in violations]
    if whose.pretended:
        reasons.append(f"it claims to belong to {whose.pretended}; this does not protect it: {_PRETENDED}")
    if whose.violated:
        reasons.append(f"it belongs to {whose.violated.name}, but the last writer is not one of its authors")
    reverting = [finding for finding in violations if finding.response is Response.REVERT]
    ripe, due, used_up = _grace(at)
    spared = _spared(at, whose)
    if reverting and spared:
        reasons.append(f"not reverted: {spared}")
        ripe, due = False, at.ruleset.adopted_until if at.adopted else None
    elif due and not ripe:
        reasons.append(f"not reverted before {read_time(due)}, to give time to fix it")
    if at.blocked and (ripe or not owner):
        return Plan(Status.CANNOT_ACT, "none", reasons=(*reasons, f"nothing can be changed: {at.blocked}"))
    reasons += filter(None, (toggling(at),))
    if ripe:
        action = _revert(at)
        reasons += [used_up] if used_up else []
        reasons.append(_ENDS[type(action), whose.violated is not None])
        return Plan(Status.VIOLATION, action.name, action, reasons=tuple(reasons), notice=Kind.REVERTED)
    if _may_clear(at.assessment):
        due = min(filter(None, (due, retry_at(at.row, at.content, at.now))))
    tagging = any(finding.response is not Response.ALERT for finding in violations)
    if tagging and owner and not at.ruleset.tagging.protected:
        reasons.append(f"not tagged: it belongs to {owner}")
        tagging = False
    if tagging and at.adopted:
        reasons.append("not tagged: it is older than the guardrails")
        tagging, due = False, min(filter(None, (due, at.ruleset.adopted_until)), default=None)
    if tagging and not _tags_exemption(at) and not _tags_scope(at):
        taken = at.ruleset.tagging.exemption and not takes_marker(at.exemption.metadata)
        why = "its metadata has another value under the key `guardrails`" if taken else "the ruleset does not tag here"
        why = next((one.no_tag for one in violations if one.no_tag), why)
        reasons.append(f"not tagged: {why}")
        tagging = False
    if tagging:
        return Plan(Status.VIOLATION, "tag", _tag(at), reasons=tuple(reasons), due=due, notice=Kind.TAGGED)
    return Plan(Status.VIOLATION, "alert", reasons=tuple(reasons), due=due, notice=Kind.VIOLATION)


_PRETENDED = "its last writer is not one of that owner's authors, or only added the claim by an edit"
_GAP = "by its metadata alone, which anybody can write; name its `authors` in the ruleset"
_ENDS = {
    (PutBack, False): "its last compliant state is put back",
    (PutBack, True): "the state that its owner wrote last is put back",
    (Delete, False): "it has no compliant state to put back; it is deleted",
    (Delete, True): "the register has no state that its owner wrote; it is deleted",
}


def _spared(at: Situation, whose: Ownership) -> str:
    """Return why a revert is out of the question; "" where it is not."""
    if whose.owner:
        return f"it belongs to {whose.name}" + (f" {_GAP}" if whose.claim else "")
    return (at.row.kept_why or "it stays") if at.row and at.is_tolerated else ""


def running_at(at: Situation) -> Mapping[str, datetime]:
    """Return since when rules are broken, as of the look before. What was tolerated then used up no grace."""
    tolerated = at.row is not None and at.row.kept == at.row.content != "" and not lasts(at.row.grace_use)
    return at.row.running if at.row and (at.is_tolerated or not tolerated) else {}


def broken_at(at: Situation) -> Broken:
    """Return the rules that are found broken, and since when. What is tolerated uses up no grace."""
    running, violations = running_at(at), at.assessment.violations
    graces = {one.code: one.grace for one in violations if one.response is Response.REVERT and not at.is_tolerated}
    seen = {one.code: running.get(one.code, at.now) for one in violations}
    unclear = [one.code for one in at.assessment.findings if one.status is Verdict.UNKNOWN]
    return Broken(graces, seen, unclear, at.exemption.reference_ids)


def _grace(at: Situation) -> tuple[bool, datetime | None, str]:
    """Return whether the grace of a rule is over, when the next one's will be, and why it was over early; else ""."""
    broken = broken_at(at)
    ends = over(at.row.grace_use if at.row else (), broken, at.author, at.now)
    early = all(at.now < broken.seen[code] + broken.graces[code] for code, end in ends.items() if at.now >= end)
    why = "its grace period was used up within the last 30 days" if early else ""
    return (
        any(at.now >= end for end in ends.values()),
        min((end for end in ends.values() if at.now < end), default=None),
        why,
    )


def toggling(at: Situation) -> str:
    """Return what to say of an author who fixes an exemption and breaks it again and again; "" where that is not so.

    This is where an attempt to evade the rules by toggling is known.
    """
    times = times_fixed(at.row.grace_use if at.row else (), at.author, at.now)
    again = times > TOGGLES and bool(broken_at(at).graces)
    return f"{at.author} broke it again {number_of(times, 'time')} after a fix within 30 days" if again else ""


def _revert(at: Situation) -> Delete | PutBack:
    row = at.row
    if at.ownership.kept is not None:
        return PutBack(at.ownership.kept)  # whatever it was: that was reported, and left to its owner
    if row is None or not at.may_put_back:
        return Delete()
    if row.compliant is not None and row.compliant_content != at.content:
        return PutBack(row.compliant)
    if row.compliant is None and row.tolerated is not None and row.tolerated_content != at.content:
        return PutBack(row.tolerated)
    return Delete()


def _tag(at: Situation) -> Tag | None:
    """Return the tag to write; None where it is there already."""
    codes = sorted(finding.code for finding in at.assessment.violations)
    found = marker_of(at.exemption.metadata)
    on_exemption = _tags_exemption(at) and (found.get("status"), found.get("codes")) != ("violation", codes)
    known = [key for key in at.row.findings if not key.endswith("?")] if at.row else []
    tagged = at.row is not None and at.row.scope_tagged and codes == sorted(known)
    on_scope = _tags_scope(at) and not tagged
    if not on_exemption and not on_scope:
        return None
    marker = {"status": "violation", "codes": codes, "since": _since(found.get("since"), at.now)}
    return Tag(marker, on_exemption=on_exemption, on_scope=on_scope)


def _since(found: object, now: datetime) -> str:
    """Return since when it is tagged: as its tag says, where that is a past time, for anybody may have written it."""
    try:
        since = parse_time(found) if isinstance(found, str) else None
    except ValueError:
        since = None
    return spell_time((since if since and since < now else now).replace(microsecond=0))


def _tags_exemption(at: Situation) -> bool:
    """Whether exemptions are tagged, and this one can be: Azure refuses some writes, and others may use our key."""
    refused = any(one.no_tag for one in at.assessment.violations)
    return at.ruleset.tagging.exemption and not refused and takes_marker(at.exemption.metadata)


def _tags_scope(at: Situation) -> bool:
    """Whether target scopes are tagged, and this one can be: management groups have no tags."""
    return at.ruleset.tagging.scope and at.exemption.id.kind is not ScopeKind.MANAGEMENT_GROUP


def _in_mode(plan: Plan, mode: Mode) -> Plan:
    """Return the plan as the mode allows it: in audit mode nothing is done in Azure."""
    if mode is Mode.ENFORCE:
        return plan
    notice = plan.notice
    if notice in (Kind.REVERTED, Kind.TAGGED):
        notice = Kind.WOULD_REVERT if notice is Kind.REVERTED else Kind.VIOLATION
    if notice is Kind.REMOVED:
        notice = None
    if plan.action is None:
        return replace(plan, notice=notice)
    reasons = (*plan.reasons, f"audit mode: nothing is changed in Azure; enforce mode would {DOES[plan.action.name]}")
    return replace(plan, action=None, withheld=plan.action, reasons=reasons, notice=notice)
