"""One visit to one exemption: what the six steps of reconcile share. Observe, assess and decide; record and notify."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any, Final

from guardrails.criteria.model import Weakened
from guardrails.criteria.weakened import Criteria, own_criteria
from guardrails.dataclass import dataclass, field, replace
from guardrails.decisions import evasion, notify
from guardrails.decisions.adoption import was_before
from guardrails.decisions.assess import Assessment, assess
from guardrails.decisions.decide import Plan, PutBack, Situation, broken_at, decide, refused_until, unblocked
from guardrails.decisions.facts import facts_of
from guardrails.decisions.fix import fix_for
from guardrails.decisions.grace import begins, inherit
from guardrails.decisions.history import Entry, HistoryEntry, Outgoing
from guardrails.decisions.holds import ended
from guardrails.decisions.next_row import is_unclear, row_after, row_of_same, tolerates
from guardrails.decisions.ownership import Written, claimed_by, unseen_claims
from guardrails.decisions.row import Row, Status, Stored
from guardrails.errors import Permanent, Retryable
from guardrails.exemption.applies import applies_now
from guardrails.exemption.body import fingerprint
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.expiry import is_expired, threshold_of
from guardrails.exemption.facts import NO_POLICIES, Assignment, Author, Facts, Gone, Outside, PoliciesById, Unread
from guardrails.exemption.hint import Hint
from guardrails.exemption.model import Exemption
from guardrails.exemption.times import spell_time
from guardrails.exemption.together import BASE, from_json, merged, named, to_json, without
from guardrails.notices.notice import Kind, Notice
from guardrails.ports import ActivityLog, Arm, Clock, Queues, Register
from guardrails.reconcile.inventory import SAID, token
from guardrails.reconcile.outbox import Outbox
from guardrails.rules.selection import policies_of
from guardrails.ruleset.model import Mode, Ruleset

MAX_DELAY: Final = timedelta(days=7)
"""The longest that a storage queue hides a message (REST reference, Put Message, visibilitytimeout)."""

NOTHING_DONE: Final = "Nothing was changed in Azure."
ADOPTED: Final = "it was there before the guardrails"
_NO_ROW: Final = Row("", Status.UNKNOWN, datetime.min.replace(tzinfo=UTC))
_NOT_READ: Final = Unread("it is left out, to see what rests on it")


type Kept = tuple[HistoryEntry, Mapping[str, Any]]
"""A history entry, and the body that it keeps."""


@dataclass(frozen=True, slots=True)
class World:
    """The ports, together. `log`: None where the activity log is not read. `criteria`: says what is weakened."""

    arm: Arm
    register: Register
    queues: Queues
    clock: Clock
    log: ActivityLog | None = None
    criteria: Criteria = field(default_factory=own_criteria)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one reconcile came to.

    Attributes:
        did: what was changed in Azure: "", tag, untag, delete, put-back or restore.
        wrote: whether the register was written.
        row: the register row as it is now.
        assessment, plan: of the look that decided; None where the exemption is gone or could not be read.
    """

    id: ExemptionId
    did: str
    wrote: bool
    row: Row
    assessment: Assessment | None = None
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """One look at an exemption that is there: everything known and decided at one moment.

    `target`, `then`: the body that its plan puts back, and the row of that time, where the look read them.
    """

    exemption: Exemption
    situation: Situation
    facts: Facts
    plan: Plan
    listed: str
    together: Mapping[str, Any]
    weakened: Weakened
    target: Mapping[str, Any] | None = None
    then: Row | None = None

    @property
    def assessment(self) -> Assessment:
        """The findings."""
        return self.situation.assessment

    def row_after(self, stored: Stored | None) -> tuple[Row, Mapping[str, Any] | None]:
        """Return the row for what was seen and decided, and the body that its history entry must keep."""
        return row_after(
            self.situation, self.plan, self.facts, stored, self.listed, together=self.together, weakened=self.weakened
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """The world, the exemption, what said to look at it, and the rules and mode in force. Keeps no state."""

    world: World
    id: ExemptionId
    hint: Hint
    ruleset: Ruleset
    mode: Mode

    async def observe(self) -> tuple[Stored | None, Exemption | Gone | Unread]:
        """Return the register's row, and then the exemption as Azure has it.

        In this order: so Azure's answer is never older than the row, and what rests on a row that changed meanwhile is
        not committed. Azure may be behind by itself: where it shows what the register knows to be gone, and nobody has
        written it since, Azure is asked once more.
        """
        stored = await self.world.register.read(self.id)
        seen = await self._seen()
        if stored and isinstance(seen, Exemption) and _went(stored.row, seen):
            seen = await self._seen()
        return stored, seen

    async def _seen(self) -> Exemption | Gone | Unread:
        body = await self.world.arm.get(self.id)
        if isinstance(body, Gone | Unread):
            return body
        try:
            return Exemption.from_arm(body, self.ruleset.names, self.world.arm.source)
        except Permanent as error:
            return Unread(error.message)

    async def look(self, exemption: Exemption, row: Row | None) -> Look:
        """Assess and decide, with every fact that the rules need.

        What is kept of an assignment may be out of date, and so may be what a sweep found of where it applies: a revert
        that rests on them is decided by what Azure says now.
        """
        now = self.world.clock.now()
        content = fingerprint(exemption.body)
        same = row_of_same(row, exemption, content, now)
        if same is None and self._was_before(exemption):
            adopted = now.replace(microsecond=0)
            same = replace(_NO_ROW, id=self.id.text, since=now, kept=content, kept_why=ADOPTED, adopted=adopted)
        read: dict[int, Kept] = {}
        before = await self._claimed_before(exemption, same, content, read)
        max_age = now - self.hint.seen if self.hint.seen else timedelta.max  # what a sweep saw may be just this
        about = await self.exempted(exemption, max_age=max_age)
        together = self.together(same)
        facts, situation = self._judged(exemption, same, content, *about, before=before, together=together)
        if (known := await self._with_others(situation)) is not same:
            same = known
            facts, situation = self._judged(exemption, same, content, *about, before=before, together=together)
        plan = decide(situation)
        if plan.reverts:
            less = without(together, "outside")
            _, unread = self._judged(exemption, same, content, _NOT_READ, before=before, together=less)
            if not decide(unread).reverts:
                about = await self.exempted(exemption, max_age=timedelta())
                together = await self._confirmed(exemption, together)
                facts, situation = self._judged(exemption, same, content, *about, before=before, together=together)
                plan = decide(situation)
        back = plan.action or plan.withheld
        target, then = None, None
        if isinstance(back, PutBack) and situation.ownership.kept is None:
            target, then = await self._still_good(back, facts, read)
            if target is None:
                situation = replace(situation, may_put_back=False)
                plan = decide(situation)
        listed = named(self._listed(situation, facts), together)
        weakened = self.world.criteria.by_exemption(exemption, facts.assignment)
        return Look(exemption, situation, facts, plan, listed, together, weakened, target, then)

    async def _with_others(self, at: Situation) -> Row | None:
        """Return the row, with what its author used of the grace of other exemptions like it.

        That is asked where a period begins, and then kept in the row.
        """
        uses, broken = at.row.grace_use if at.row else (), broken_at(at)
        if not begins(uses, broken):
            return at.row
        others = await self.world.register.grace_uses_at_same_scope(at.exemption.id, at.exemption.assignment_id)
        known = inherit(uses, others, broken, at.author, at.now)
        return at.row if known == uses else replace(at.row or Row(self.id.text, Status.UNKNOWN, at.now), grace=known)

    async def exempted(
        self, exemption: Exemption, *, max_age: timedelta = timedelta.max
    ) -> tuple[Assignment | Gone | Unread, PoliciesById]:
        """Return what it exempts from: the assignment, and, where the ruleset asks for them, the policies.

        Nothing of it was read longer ago than `max_age`.
        """
        assignment = await self.world.arm.assignment(exemption.assignment_id, max_age=max_age)
        return assignment, await self._policies(exemption, assignment, max_age)

    async def _policies(
        self, exemption: Exemption, assignment: Assignment | Gone | Unread, max_age: timedelta
    ) -> PoliciesById:
        ids = policies_of(exemption, assignment) if self.ruleset.asks_policies else ()
        return await self.world.arm.policies(ids, max_age=max_age) if ids else NO_POLICIES

    def together(self, row: Row | None) -> Mapping[str, Any]:
        """Return what a sweep found of the exemption and others, as JSON: this sweep, else as the register has it."""
        return merged(self.hint.listed, self.hint.together, row.together if row else {})

    async def _confirmed(self, exemption: Exemption, together: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the same by what Azure lists now, where a sweep found that the assignment does not apply."""
        if not isinstance(from_json(together).outside, Outside):
            return together
        identity = exemption.id
        listed = await self.world.arm.leaves_out(identity.scope, exemption.assignment_id)
        scope = identity.key[: len(identity.scope)]
        applies = listed if isinstance(listed, Unread) else applies_now(scope, identity.container, listed)
        if isinstance(applies, Unread):
            return {**together, "outside": to_json(applies)}
        return without(together, "outside") if applies else together

    def _judged(
        self,
        exemption: Exemption,
        same: Row | None,
        content: str,
        assignment: Assignment | Gone | Unread,
        policies: PoliciesById = NO_POLICIES,
        *,
        before: frozenset[str] | None,
        together: Mapping[str, Any],
    ) -> tuple[Facts, Situation]:
        """Return what the rules may know and what they find, by these and by what a sweep found."""
        now = self.world.clock.now()
        blocked, retry_on = self._blocked(same, content, now)
        found = from_json(together)
        facts = facts_of(
            exemption, same, self.ruleset, now, assignment, content=content, policies=policies, together=found
        )
        situation = Situation(
            exemption,
            assess(exemption, facts, self.ruleset),
            same,
            self.ruleset,
            content=content,
            author="" if isinstance(facts.author, Unread) else facts.author.name,
            now=now,
            mode=self.mode,
            blocked=blocked,
            retry_on=retry_on,
            may_remove=self.hint.source == "sweep",
            before=before,
        )
        return facts, unblocked(situation)

    def _blocked(self, same: Row | None, content: str, now: datetime) -> tuple[str, datetime | None]:
        """Return why Azure does not let us change this content, and when that is tried again.

        Nothing is blocked for an operator, who asks now, nor once its time has come. A row of before there was one
        waits for as long as after a first refusal.
        """
        if same is None or not same.blocked or same.content != content or self.hint.source == "operator":
            return "", None
        retry_on = same.retry_on or refused_until(1, now)
        return (same.blocked, retry_on) if now < retry_on else ("", None)

    async def _claimed_before(
        self, exemption: Exemption, same: Row | None, content: str, read: dict[int, Kept]
    ) -> frozenset[str] | None:
        """Return the owners that it claimed before this edit, where the row does not say; None where nothing asks.

        It is read once, and noted in `read`: from then on the row knows. What is not kept any more is no reason to
        revert. Raises Permanent where a request failed: another try shows it, and what is decided now would last.
        """
        it = Written(exemption, "", content, same)
        if same is None or same.snapshot is None or not unseen_claims(it, self.ruleset):
            return None
        try:
            read[same.snapshot] = await self.world.register.kept(self.id, same.snapshot)
            return claimed_by(self._read(read[same.snapshot][1]), self.ruleset)
        except Permanent as error:
            if error.code == "storage-refused":
                raise
            return claimed_by(exemption, self.ruleset)

    def _was_before(self, exemption: Exemption) -> bool:
        """Whether an exemption that the register does not know was there before the guardrails."""
        if self.hint.source == "operator":
            return True
        return was_before(exemption.modified_at, self.hint.adopt)

    def _listed(self, at: Situation, facts: Facts) -> str:
        """Return the token of what the inventory shows: as a sweep saw it, as it was, or as it will be.

        It goes with what this look finds: else a violation that ended since the sweep stays hidden once it is back.
        So it is made anew where Azure gives something else now, except where the inventory shows another body than
        Azure, or still shows something else after a look that found just this.
        """
        row = at.row if at.row and at.row.content == at.content else None
        about, found = (facts.assignment, self.ruleset, at.now, facts.policies), (facts, at.assessment)
        own = token(at.exemption, *about, content=at.content, known=found)
        known = row.listed if row else ""
        listed = self.hint.listed or known or own
        news = row is not None and row.findings.keys() != {finding.key for finding in at.assessment.findings}
        outdated = listed[:SAID] == own[:SAID] and known[SAID:BASE] != own[SAID:BASE]
        return own if news or outdated else listed

    async def kept(self, entry: int) -> Exemption:
        """Return the exemption as history entry `entry` keeps it. Raises Permanent."""
        return self._read(await self.world.register.body(self.id, entry))

    def _read(self, body: Mapping[str, Any]) -> Exemption:
        """Read a kept body. It was read as ARM is read today: what that does not return, nobody knows of it."""
        return Exemption.from_arm(body, self.ruleset.names, self.world.arm.source)

    async def _still_good(
        self, back: PutBack, facts: Facts, read: Mapping[int, Kept]
    ) -> tuple[Mapping[str, Any] | None, Row]:
        """Return the body to put back, None where it would itself be reverted under today's ruleset; and its row then.

        That is judged by what Azure says now. Raises Retryable where it would be reverted by what was read before, and
        that cannot be read now. `read`: the entries that this look has read.
        """
        entry, body = read.get(back.entry) or await self.world.register.kept(self.id, back.entry)
        exemption, then = self._read(body), Row.from_json(entry.row)
        author = Author(then.author, then.author_kind) if then.author else Unread("the register does not know it")
        policies = await self._policies(exemption, facts.assignment, timedelta.max)
        facts = replace(facts, before=None, accepted=None, author=author, written_at=then.written_at, policies=policies)
        found = assess(exemption, facts, self.ruleset)
        if not tolerates(found):
            assignment, policies = await self.exempted(exemption, max_age=timedelta())
            found = assess(exemption, replace(facts, assignment=assignment, policies=policies), self.ruleset)
            if tolerates(found) and is_unclear(found):
                why = "what is to be put back could be judged a moment ago and cannot now"
                raise Retryable(why, code="unread", subject=self.id.text, delay=60)
        return exemption.body if tolerates(found) else None, then

    async def row_at(self, entry: int) -> Row:
        """Return the row as history entry `entry` left it: it says who wrote the body that the entry keeps, and when.

        Raises Permanent (register-altered) where there is no such entry any more. No body is read.
        """
        return Row.from_json((await self.world.register.entry(self.id, entry)).row)

    def about(
        self, kind: Kind, look: Look, stored: Stored | None, done: str, why: Sequence[str], *, row: Row
    ) -> Notice:
        """Return the notice about what was seen and decided, bound to the next history entry.

        `row`: the look's `row_after`.
        """
        return notify.about(
            kind,
            self.id,
            next_seq(stored),
            at=look.situation.now,
            actor=look.situation.author or self.hint.actor,
            done=done,
            why=why,
            exemption=look.exemption,
            assessment=look.assessment,
            row=row,
            fix=fix_for(kind, look.plan, look.exemption, look.facts, self.ruleset),
        )

    async def commit(
        self,
        stored: Stored | None,
        row: Row,
        entry: Entry,
        notices: Sequence[Notice] = (),
        committed: Callable[[], Awaitable[None]] | None = None,
        *,
        carried_out: bool = False,
    ) -> Stored | None:
        """Commit, then put what it has to say on the queues. None: somebody else was there first.

        `committed` is called in between: from then on the notices are sure to be sent, however sending them fails now.
        `carried_out`: it ends the intent that has these notices; what is ours to announce first needs no outbox.
        """
        box = self._outbox
        entry, messages = self._said(stored, row, entry, notices)
        new = {message.id for message in messages}  # what is announced again, under the same id, goes once
        left = [name for name in stored.row.outbox if name not in new] if stored and box.is_left(stored.row) else []
        failed: list[Exception] = []
        if carried_out and stored and box.is_ours(stored.row):
            sent, failed = await box.send_ahead(messages)
            messages = [message for message in messages if message.id not in sent]
            entry = replace(entry, facts={**entry.facts, "sent": sent}) if sent else entry
        if messages or left:
            row = replace(row, outbox_at=entry.at)
        saved = await self.world.register.commit(self.id, stored, row, entry, messages)
        if failed:
            raise failed[0]  # the outbox has them; where somebody else was first, the intent has
        if saved is not None and committed is not None:
            await committed()
        if saved is not None and left:
            messages += await self.world.register.outbox(self.id, left)
        if saved is not None and messages:
            return await box.send(saved, messages, (*left, *(message.id for message in messages)))
        return saved

    def _said(
        self, stored: Stored | None, row: Row, entry: Entry, notices: Sequence[Notice]
    ) -> tuple[Entry, list[Outgoing]]:
        """Return the messages that go with a commit, and its entry with what it says of them."""
        seq = next_seq(stored)
        old = stored.row if stored else None
        notices = [*notices, *self._reminders(old, row, entry.at), *self._evasions(old, row, entry.at)]
        if _replaced(old, row, entry.at):
            whys = ("it exempts from another assignment now: it was deleted, and another was made under its name",)
            actor = row.author or self.hint.actor
            notices.append(
                notify.about(Kind.DELETED, self.id, seq, at=entry.at, actor=actor, done=NOTHING_DONE, why=whys, row=old)
            )
        over = ended(old, row, entry.event, self.hint.actor, entry.at)
        if hold := notify.about_hold(self.id, seq, old, row, at=entry.at, over=over):
            notices.append(hold)
        if over:
            entry = replace(entry, facts={**entry.facts, "hold": over})
        messages = [message for notice in notices for message in notify.outgoing(notice, self.ruleset)]
        lost = notify.unrouted(notices, self.ruleset)
        if lost:
            entry = replace(entry, facts={**entry.facts, "unrouted": lost})
        if stored and stored.altered:
            why, done = (stored.altered,), "The row was rebuilt from its history."
            altered = notify.about(
                Kind.REGISTER_ALTERED, self.id, seq, at=entry.at, actor="", done=done, why=why, row=stored.row
            )
            messages += notify.outgoing(altered, self.ruleset)
        due = row.due  # later than in MAX_DELAY, a sweep sees to it
        if due and due - entry.at <= MAX_DELAY and (stored is None or due != stored.row.due):
            messages.append(Outgoing(notify.message_id(self.id, seq, "wake"), *self._wake_up(due)))
        return entry, messages

    def _reminders(self, old: Row | None, row: Row, at: datetime) -> list[Notice]:
        """Return the reminders that go with a row, and did not go with the row before it.

        What had ended when it was written needs none: the write itself is judged and notified.
        """
        notices = []
        if row.expires_on and row.reminded and (old is None or row.reminded != old.reminded):
            days, written = threshold_of(row.reminded), old is None or old.expires_on != row.expires_on
            if days or not written:
                notices.append(notify.expiry(self.id, row.expires_on, at=at, threshold=days, row=row))
        if row.review_on and row.review_reminded and (old is None or row.review_reminded != old.review_reminded):
            days = threshold_of(row.review_reminded)
            notices.append(notify.review(self.id, row.review_on, at=at, threshold=days, row=row))
        return notices

    def _evasions(self, old: Row | None, row: Row, at: datetime) -> list[Notice]:
        """Return the notices about the habits of evasion that a row notes, and the row before it did not."""
        actor = row.author or self.hint.actor
        return [evasion.notice(self.id, habit, at=at, actor=actor, row=row) for habit in evasion.news(old, row)]

    @property
    def _outbox(self) -> Outbox:
        return Outbox(self.world.register, self.world.queues, self.world.clock, self.id)

    async def unchanged(self, stored: Stored) -> None:
        """Do what is left where nothing is to be recorded: send what a crash left behind. Raises Retryable."""
        await self._outbox.send_left(stored)

    async def came_early(self, row: Row) -> None:
        """Queue again a wake-up that came before the time that it is for: clocks differ, and no other one will come."""
        if row.due and row.due == self.hint.due and self.world.clock.now() < row.due:
            await self.world.queues.send(*self._wake_up(row.due))

    def _wake_up(self, due: datetime) -> tuple[str, Mapping[str, Any], float]:
        """Return the queue, the message and its delay in seconds."""
        wait = (due - self.world.clock.now()).total_seconds()
        return "reconcile", wake_up(self.id, due), max(ceil(wait), 1.0)


def _went(row: Row, exemption: Exemption) -> bool:
    """Whether the register knows it to be gone since a time after which Azure knows of no write."""
    gone = row.status in (Status.GONE, Status.LOST)
    written = exemption.modified_at  # by Azure's clock, which may be ahead of ours
    return gone and (written is None or written == row.written_at or written <= row.since)


def _replaced(old: Row | None, row: Row, now: datetime) -> bool:
    """Whether one that was approved is not to come back, for somebody made another under its name."""
    if old is None or old.compliant is None or not (old.content or old.wanted_back):
        return False
    if not row.content or row.own_write_at is not None:
        return False
    same = old.assignment.lower().strip("/") == row.assignment.lower().strip("/")
    return not same and old.assignment != "" and not is_expired(old.expires_on, now)


def wake_up(exemption_id: ExemptionId, due: datetime | None) -> dict[str, Any]:
    """Return the message of the `reconcile` queue that wakes us for what is due at a time."""
    return {"id": exemption_id.text, "wake": True, **({"at": spell_time(due)} if due else {})}


def next_seq(stored: Stored | None) -> int:
    """Return the sequence number of the history entry that comes next."""
    return stored.seq + 1 if stored else 1
