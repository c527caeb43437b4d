"""The ports: what the use cases need from the world. Adapters in azure/, register/ and channels/ fulfil them."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

from guardrails.bypasses.row import Kept as KeptBypass
from guardrails.bypasses.row import Known as KnownBypass
from guardrails.bypasses.row import Partitions
from guardrails.dataclass import dataclass, field
from guardrails.decisions.adoption_notice import Adopted
from guardrails.decisions.grace import GraceUse
from guardrails.decisions.heads import KeptHeads, Step
from guardrails.decisions.history import DeadLetter, Entry, HistoryEntry, Outgoing
from guardrails.decisions.judged import Judgements
from guardrails.decisions.parts import EVERYTHING, Part, Span
from guardrails.decisions.record import RecordedSweep, Tip, UsedRuleset
from guardrails.decisions.row import Row, Stored
from guardrails.decisions.schedule import Tick
from guardrails.decisions.watch import Run, Watch
from guardrails.errors import Permanent
from guardrails.exemption.applies import Chain
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import NO_POLICIES, Assignment, Gone, PoliciesById, Unread
from guardrails.exemption.sources import Source
from guardrails.notices.digest import DigestItem, Kept
from guardrails.notices.notice import Notice
from guardrails.notices.route_state import RateLimit
from guardrails.ruleset.budgets import Budget, Full, Use


class Clock(Protocol):
    """The present."""

    def now(self) -> datetime:
        """Return the time, UTC."""


class Arm(Protocol):
    """Azure Resource Manager. Every method raises Retryable when it is throttled, down or slow.

    Writes raise Permanent with code `cannot-act` where Azure does not allow them: locks, deny assignments, missing
    permissions, a body that it does not take; Retryable for all that may pass by itself. `source` says which fields of
    an exemption it returns.
    """

    source: Source

    async def get(self, exemption: ExemptionId) -> Mapping[str, Any] | Gone | Unread:
        """Return the exemption's body now; Gone when Azure says that it or its scope is not there."""

    async def put(self, exemption: ExemptionId, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """Create or replace it; return the body as Azure then has it; {} where its answer could not be read.

        Raises Permanent (no-target) where Azure says that what it is attached to is not there.
        """

    async def delete(self, exemption: ExemptionId) -> None:
        """Delete it; one that is not there is no error."""

    async def list(self, container: str) -> Sequence[Mapping[str, Any]] | Unread:
        """Return the exemptions in a subscription, at any level in it, or at one management group; none inherited.

        `container`: as ExemptionId.container has it. Unread where it is not there or we may not read it.
        """

    async def at_same_scope(self, exemption: ExemptionId) -> Sequence[Mapping[str, Any]] | Gone | Unread:
        """Return the exemptions attached to exactly the same scope, this one included where it is there.

        Gone where Azure says that the scope is not there; an empty list does not prove that it is.
        """

    async def assignment(self, assignment_id: str, *, max_age: timedelta = timedelta.max) -> Assignment | Gone | Unread:
        """Return the assignment and what its initiative holds, cached for a while, and no older than `max_age`."""

    async def policies(self, ids: Collection[str], *, max_age: timedelta = timedelta.max) -> PoliciesById:
        """Return what policy definitions say of themselves, for each of these ids; cached as assignments are.

        Unread, too, for what is no id of a policy definition: that is not asked for.
        """

    async def leaves_out(self, scope: str, assignment_id: str) -> tuple[str, ...] | Unread | None:
        """Return the notScopes of an assignment, if Azure lists it at a scope now, for it was made there or above it.

        None where it is not among those that are. Raises nothing: Unread where Azure does not list all of them.
        """

    async def enrollments(self, scope: str) -> Sequence[Mapping[str, Any]] | Gone | Unread:
        """Return the policy enrollments at a scope and above it.

        Gone where Azure says that the scope is not there; Unread where it does not list all of them.
        """

    async def tag_scope(self, scope: str, name: str, value: str | None) -> None:
        """Merge one tag on a subscription, resource group or resource; None removes it."""


class ActivityLog(Protocol):
    """Azure's own record of who did what. It lags behind events: some minutes, at times twenty."""

    async def deleted_by(self, exemption: ExemptionId, since: datetime, until: datetime) -> str | Unread:
        """Return who deleted the exemption last between two times (UTC), as in Hint.

        "" where nobody did, or somebody wrote it after that: then its target went. Raises Retryable.
        """


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the inventory.

    Attributes:
        rows: exemptions as the inventory gives them: id, tenantId, properties, systemData; some may be malformed.
        total: how many rows there are in all, by this page; 0 where unknown.
        missing: what could not be read in place of this page, one sentence; `rows` is then empty.
        lost: whether that is a stretch of rows that may be read another time; else it is never shown to us.
        note: what is worth knowing besides and hides no rows, one sentence.
        skew: seconds that our clock is ahead of Azure's; 0 where unknown.
    """

    rows: Sequence[Mapping[str, Any]] = ()
    total: int = 0
    missing: str = ""
    lost: bool = False
    note: str = ""
    skew: float = 0.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What exemptions are judged by, for the whole tenant at once.

    Attributes:
        containers: the subscriptions and management groups that we can see, as ExemptionId.container names them, and
            their display names.
        assignments: policy assignments with the members of their initiatives, by lower-case id with one slash in front.
        tenant: our tenant's id, lower case; "" where unknown.
        missing: what could not be read, a sentence each.
        assigned: the rows of all assignments as the inventory gives them: id, tenantId, properties, systemData; some
            may be malformed.
        enrolled: the same of policy enrollments.
        initiatives: display names of initiatives that are assigned, by lower-case id; those that have one.
        whole: whether these are all assignments and enrollments; False where a part could not be read.
        policies: the policy definitions, where they were asked for; those that are not shown are not in it.
        above: the management groups above each container, as far as they are known; by ExemptionId.container.
        in_order: whether exemptions come with all management groups first, and each subscription's in one run.
    """

    containers: Mapping[str, str]
    assignments: Mapping[str, Assignment]
    tenant: str = ""
    missing: tuple[str, ...] = ()
    assigned: Sequence[Mapping[str, Any]] = ()
    whole: bool = True
    policies: PoliciesById = NO_POLICIES
    above: Mapping[str, Chain] = field(default_factory=dict)
    in_order: bool = True
    enrolled: Sequence[Mapping[str, Any]] = ()
    initiatives: Mapping[str, str] = field(default_factory=dict)


class Inventory(Protocol):
    """Everything in the tenant, as Resource Graph shows it: late at times, and never the verdict. Raises Retryable."""

    async def surroundings(self, *, policies: bool = False) -> Surroundings:
        """Return what is visible, and the assignments; `policies`: the policy definitions, too."""

    def exemptions(self, subscriptions: Sequence[str] | None = None) -> AsyncGenerator[Page]:
        """Yield all exemptions, or those in some subscriptions, page by page, in the order of their ids."""

    def tagged(self, names: Sequence[str]) -> AsyncGenerator[Page]:
        """Yield all resources, groups and subscriptions that have any of these tags, in whatever case.

        A row: id, name, tenantId, tags; and `changedBy`, `changedAt` of the last change of one of these tags, where
        that is known. A row may have none of the tags, where its other tags mention them.
        """


@dataclass(frozen=True, slots=True)
class BreakerState:
    """The limit on reverts and restores.

    Attributes:
        opened_at: when it opened, UTC; None while it is closed.
        recent: reverts in the last hour.
        notified: whether the notice that it is open is on its way.
        taken: whether what was asked for may be done.
        refused: the budget that had no room for it; None where it is taken, or nothing was asked for.
        reverts, restores: those of the last hour, removals among the reverts.
        notified_budgets: Full.whose of the used-up budgets that were notified within the hour.
        damaged: what is wrong with its row, which then counts as open; "" where nothing is.
    """

    opened_at: datetime | None
    recent: int
    notified: bool = False
    taken: bool = False
    refused: Full | None = field(default=None, compare=False)
    reverts: tuple[Use, ...] = field(default=(), compare=False)
    restores: tuple[Use, ...] = field(default=(), compare=False)
    notified_budgets: frozenset[str] = field(default=frozenset(), compare=False)
    damaged: str = ""


class Register(Protocol):
    """Rows, history, outbox, dead letters and the breaker. Raises Retryable when the store is down or slow."""

    async def read(self, exemption: ExemptionId) -> Stored | None:
        """Return the row, or None where the register never saw the exemption.

        Raises Permanent (register-altered) when the row was changed from outside and the history cannot restore it.
        """

    async def commit(
        self, exemption: ExemptionId, before: Stored | None, row: Row, entry: Entry, outgoing: Sequence[Outgoing] = ()
    ) -> Stored | None:
        """Write row, history entry and outbox in one transaction; None when somebody else was there first."""

    async def sent(self, exemption: ExemptionId, stored: Stored, ids: Sequence[str]) -> Stored | None:
        """Take messages out of the outbox once they are on their queue; None when somebody else was there first."""

    async def take_outbox(self, exemption: ExemptionId, stored: Stored, now: datetime) -> Stored | None:
        """Note that what is left in the outbox is being sent from now on; None when somebody else was there first."""

    async def outbox(self, exemption: ExemptionId, ids: Sequence[str]) -> list[Outgoing]:
        """Return committed messages that are still in the outbox, delays counted from now."""

    async def body(self, exemption: ExemptionId, seq: int) -> Mapping[str, Any]:
        """Return the ARM body that a history entry keeps.

        Raises Permanent: no-body where it keeps none, or none any more; register-altered where it fails its hash.
        """

    async def kept(self, exemption: ExemptionId, seq: int) -> tuple[HistoryEntry, Mapping[str, Any]]:
        """Return a history entry and the ARM body that it keeps, in one read. Raises as `body` does."""

    async def entry(self, exemption: ExemptionId, seq: int) -> HistoryEntry:
        """Return one history entry, without its body. Raises Permanent (register-altered) where it is not sound."""

    async def prune(self, exemption: ExemptionId, stored: Stored) -> Stored | None:
        """Delete bodies that nothing needs, ten at the most, and record that; None when somebody else was there first.

        guardrails.decisions.bodies says which and when.
        """

    async def history(self, exemption: ExemptionId) -> list[HistoryEntry]:
        """Return the entries, oldest first."""

    async def take_revert(self, now: datetime, budget: Budget, asked: Use) -> BreakerState:
        """Count one revert or removal against its budgets, unless one is used up; return the state.

        A revert that the total refuses opens the breaker. Asked again with the same `asked`, it is counted once.
        """

    async def take_restore(self, now: datetime, budget: Budget, asked: Use) -> BreakerState:
        """Count one restore, likewise; it never opens the breaker, and while that is open nothing is taken."""

    async def breaker(
        self, now: datetime, *, suffices: Callable[[BreakerState], bool] | None = None
    ) -> BreakerState:  # fmt: skip
        """Return the breaker's state.

        `suffices`: whether a state as this process saw it last will do, which costs no request. What rests on that is
        to be confirmed: taking a revert does.
        """

    async def claim_notification(self, whose: str, now: datetime) -> bool:
        """Claim the notification that a budget is used up or the breaker is open; False where it was sent already.

        False, too, where another worker claimed it a moment ago. `whose`: Full.whose, or budgets.BREAKER.
        """

    async def breaker_notified(self, opened_at: datetime) -> None:
        """Record that the breaker that opened then was notified; no error when it is closed again."""

    async def budget_notified(self, whose: str, now: datetime) -> None:
        """Record for an hour that a used-up budget was notified; `whose`: Full.whose."""

    async def close_breaker(self, now: datetime) -> None:
        """Close the breaker and forget the reverts that opened it."""

    def watches(self, span: Span = EVERYTHING) -> AsyncIterator[tuple[str, bytes, Watch, bytes]]:
        """Yield what a sweep must know of every row in some containers.

        That is its container, ExemptionId.hash, the watch, and the head: that of guardrails.decisions.heads; b"" where
        the row does not say it.
        """

    async def id_of(self, container: str, key: bytes) -> str:
        """Return the id in a row, for a hash that `watches` gave; "" where it has gone or cannot be read."""

    async def attached_ids(self, container: str, scope: str, *, lost: bool) -> list[str]:
        """Return the ids in rows of exemptions attached to a scope, or to anything below it: the lost, or those there.

        `container`: that of the scope, as ExemptionId.container; `scope`: in lower case, as in ExemptionId.key. What
        was committed before the call is in it.
        """

    async def grace_uses_at_same_scope(self, exemption: ExemptionId, assignment_id: str) -> Sequence[GraceUse]:
        """Return the grace uses of the other exemptions at the same scope from the same assignment, gone too.

        They are as of some moment: what was committed before the call is in them.
        """

    def adopted(self, since: datetime) -> AsyncIterator[Adopted]:
        """Yield what was adopted at a time or later."""

    async def held(self) -> dict[str, str]:
        """Return the ids of exemptions whose revert or restore waits for a budget -> Row.held."""

    async def on_hold(self) -> dict[str, str]:
        """Return the ids of exemptions that an operator holds -> until when, as ARM spells times."""

    async def take_unseen(self, now: datetime) -> bool:
        """Count one more row of an exemption that Azure never showed; False where no more are kept."""

    async def keep_dead_letter(self, dead_letter: DeadLetter) -> bool:
        """Keep something that could not be processed; one with the same id is replaced.

        Return whether it needs a notification: it is new, or the worker that was to notify of it has not confirmed.
        """

    async def dead_letter_notified(self, dead_letter_id: str) -> None:
        """Record that a dead letter was notified, or needs no notice; one that is not there is no error."""

    async def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters, oldest first."""

    async def drop_dead_letter(self, dead_letter_id: str) -> None:
        """Delete a dead letter; one that is not there is no error."""


class Sweeps(Protocol):
    """What sweeps share: who sweeps now, what the last one saw, and which containers are covered. Raises Retryable."""

    async def begin(self, now: datetime, holder: str, lease: timedelta) -> Run | None:
        """Take the lease and return the run; None while another run holds it. One read, one write."""

    async def beat(self, run: Run, now: datetime, lease: timedelta) -> Run | None:
        """Hold the lease for another while; None where it was lost. One write."""

    async def end(self, run: Run, now: datetime, report: Mapping[str, Any], *, whole: bool) -> None:
        """Give the lease back and keep the report; `whole`: adoption, if there was any, is done and notified."""

    async def last(self) -> Run | None:
        """Return the run under way, or the last one; None where there was none."""

    async def covered(self, refused: Callable[[str], object] | None = None) -> Mapping[str, datetime]:
        """Return the containers that an earlier sweep saw whole, and since when.

        What cannot be read counts as not covered; `refused` is given a sentence for it.
        """

    async def cover(self, covered: Mapping[str, datetime]) -> None:
        """Keep them."""

    def judged(self, span: Span = EVERYTHING) -> AsyncIterator[tuple[str, Judgements]]:
        """Yield what earlier sweeps judged in some containers: each, as the register's partition is named.

        What cannot be read is left out: it is judged again.
        """

    async def keep_judged(self, judged: Mapping[str, Judgements]) -> None:
        """Keep judgements, by container, whatever was there; without entries there are none any more."""

    async def tick(self) -> Tick | None:
        """Return the message of the second clock that is on its way; None where there never was one. One read."""

    async def expect(self, tick: Tick) -> bool:
        """Remember one in the place of that whose etag it has; False where somebody else was quicker. One write."""


class SharedParts(Protocol):
    """The parts of the sweep under way. `holder`: Run.holder. Raises Retryable."""

    async def hand_out(self, holder: str, spans: Sequence[Span], last: Mapping[str, Any]) -> None:
        """Write the parts of a sweep, and the one that ends it, in the place of any others.

        `last`: what whoever ends the sweep is to know, JSON-ready: the outcome of that part.
        """

    async def all(self, holder: str) -> list[Part]:
        """Return the parts of a sweep, in their order; [] where they are another's."""

    async def claim(self, holder: str, part: Part, now: datetime, lease: timedelta) -> Part | None:
        """Claim a part, or hold a claim for another while; None where somebody else was quicker."""

    async def end(self, holder: str, part: Part, heads: bytes) -> Part | None:
        """Keep what came of a part, and the heads that it has read; None where somebody else did."""

    def heads(self, holder: str) -> AsyncIterator[bytes]:
        """Yield the heads that the parts of a sweep have read."""

    async def forget(self) -> None:
        """Delete the parts of the last sweep."""


class Bypasses(Protocol):
    """The bypasses of policies, as the register keeps them. Raises Retryable."""

    async def known(self) -> Mapping[bytes, KnownBypass]:
        """Return what a sweep must know of every row, by Bypass.key."""

    async def write(self, kept: Iterable[KeptBypass]) -> None:
        """Keep rows whole, whatever was there; in groups, so that some may be kept where it fails."""

    async def mark_gone(self, rows: Partitions, at: datetime) -> None:
        """Say since when these are not shown any more; one whose row is not there is no error."""

    async def forget(self, rows: Partitions) -> None:
        """Delete rows; one that is not there is no error."""

    def rows(self, refused: Callable[[Permanent], object] | None = None) -> AsyncIterator[KeptBypass]:
        """Yield all of them, those that are gone too. One that cannot be read goes to `refused`."""


class Record(Protocol):
    """What auditors ask for: every sweep, and every ruleset in force. Raises Retryable."""

    async def begin(self, sweep: RecordedSweep, ruleset: UsedRuleset, before: Run) -> tuple[Tip, RecordedSweep]:
        """Record that a sweep begins, and the ruleset in force; return both as they are kept. One read, one write.

        `before`: the run as its lease has it.
        """

    async def end(
        self, tip: Tip, sweep: RecordedSweep, ruleset: UsedRuleset, containers: Sequence[str]
    ) -> tuple[Tip, RecordedSweep]:
        """Record that a sweep ended, as the newest of the chain; return both as they are kept. One write.

        A sweep that has ended stays as it is recorded.
        """

    async def use(self, ruleset: UsedRuleset, now: datetime) -> None:
        """Record the ruleset in force when the app starts. One read, unless it changed."""

    async def heads(self, tip: Tip) -> KeptHeads:
        """Return the heads of all exemptions' histories as the record has them. One read: a page of 4 MiB or more."""

    async def keep_heads(self, kept: KeptHeads, step: Step, lost: int, now: datetime) -> KeptHeads | None:
        """Change them by one step; None where somebody else did since they were read. One write."""

    async def prune(self, tip: Tip, before: datetime, now: datetime) -> Tip:
        """Delete sweeps that began before a time, a limited number; no request where that was done."""


class Queues(Protocol):
    """The queues `reconcile` and `notices`."""

    async def send(self, queue: str, body: Mapping[str, Any], delay: float = 0.0) -> None:
        """Put a message on a queue, to be seen after `delay` seconds. Raises Retryable."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The channel took the notice."""


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The channel did not take it now. `delay` in seconds where the channel said so; `reason` holds no address.

    `waits`: it was not asked, since our identity gets no token. However long that lasts, the notice is not given up.
    """

    reason: str
    delay: float | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """The channel will never take it as it is; `reason` holds no address.

    `disable`: the address is gone for good (410), so nothing more is to be sent there until an operator says so.
    """

    reason: str
    disable: bool = False


type Delivery = Delivered | TryAgain | Undeliverable


class Channels(Protocol):
    """Where notices go, by the name of a route in the ruleset."""

    async def deliver(self, notice: Notice, route: str) -> Delivery:
        """Hand one notice to one route. Never raises for what a channel does."""


class RateLimits(Protocol):
    """The rate limit of each address, which all instances share: its next free slot, its routes' windows and troubles.

    Raises Retryable when the store is down, or when too many change one rate limit at once.
    """

    async def look(self, name: str) -> RateLimit:
        """Return a rate limit; an empty one where there is none yet. One read."""

    async def change[T](self, name: str, step: Callable[[RateLimit], tuple[RateLimit, T]]) -> T:
        """Apply `step` to a rate limit and return what it says. One read, and one write unless nothing changes.

        `step` is pure: it is called again where another instance was there first.
        """


class DigestItems(Protocol):
    """Notices that wait for their digest, and the digests. Raises Retryable when the store is down or slow."""

    async def add(self, route: str, window: str, notice: Notice) -> None:
        """Add a notice; again is no error, and puts it into the window that is named then. One write."""

    async def waiting(self, route: str, window: str) -> list[DigestItem]:
        """Return what is pending in a digest window or an earlier one, oldest window first."""

    async def open_members(self, route: str) -> frozenset[str]:
        """Return the ids of the notices that are in a digest which is not delivered yet."""

    async def keep(self, kept: Kept) -> Kept:
        """Keep a digest, and return it as it is kept: the first with its id stays."""

    async def kept(self, digest_id: str) -> Kept | None:
        """Return a digest with its entries."""

    async def was_delivered(self, digest_id: str) -> bool:
        """Whether a digest is kept that was delivered."""

    async def delivered(self, digest_id: str) -> None:
        """Delete the items of a digest; the digest itself stays, and is no longer open."""

    async def prune(self, before: datetime) -> None:
        """Forget delivered digests made before a time."""
