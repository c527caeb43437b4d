"""What the register keeps of an exemption: its current row. Pure values; `history.py` has what else it keeps."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from guardrails.dataclass import dataclass, field, fields
from guardrails.decisions.baseline import Baseline, Former
from guardrails.decisions.grace import GraceUse, Period, read_grace_use
from guardrails.decisions.status import Status as Status  # noqa: PLC0414 - whoever has a row finds it here, too
from guardrails.exemption.times import parse_time, spell_time


@dataclass(frozen=True, slots=True)
class Intent:
    """An ARM write that was decided and may have happened: recorded before it, cleared with its outcome.

    Attributes:
        action: delete, put-back, remove, tag, untag, restore or bring-back.
        content: the fingerprint that the exemption has once it is done; "" for a delete.
        why: the reason, one sentence.
        at: when it was recorded, UTC.
        body: for put-back and restore, the sequence number of the history entry whose body is to be written.
        notice: the notice to send once it is done, as JSON; None where nobody is notified.
    """

    action: str
    content: str
    why: str
    at: datetime
    body: int | None = None
    notice: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """An operator's word that an exemption, as it is now, is left alone for a while. Times are UTC.

    Attributes:
        by, reason: who said so, and why.
        at: when.
        until: when it ends by itself.
        content: the fingerprint of what the operator saw: what says something else is not held.
        reminded: how many minutes before its end the last reminder was sent; 0 for none yet.
    """

    by: str
    reason: str
    at: datetime
    until: datetime
    content: str
    reminded: int = 0


@dataclass(frozen=True)
class Row:
    """The current state of one exemption. Times are UTC.

    Attributes:
        id: the exemption's id as last seen.
        status: its status.
        since: since when it has this status.
        content: fingerprint of what it says; "" when it is gone.
        findings: code -> when that finding was first seen in this run of it; unknown ones as `CODE?`.
        paused: code -> the same of a finding that is Unknown now and was a violation before: its run goes on.
        grace: the periods in which it broke rules that ask for a revert; see guardrails.decisions.grace.
        severity: the worst severity of its violations, as the ruleset had it; "" where there is none.
        ruleset: digest of the ruleset that judged it; `+audit` behind it where a setting held it at audit mode.
        answer: what was done, or in audit mode would be done: none, alert, tag, untag, delete, put-back, remove.
        expires_on, owner, ticket, assignment: as the exemption says, for lists and reminders.
        author, author_kind: the last writer who was not us.
        written_at: when that writer wrote it; None where unknown.
        own_write_at: systemData.lastModifiedAt of our own last write; None where we wrote nothing.
        snapshot: sequence number of the history entry that holds the body of `content`.
        spelled: how that body spells it, by guardrails.exemption.body.spelling; "" where an older version kept it.
        compliant: the same for the last compliant state; None where it never was.
        compliant_content, compliant_expires_on, compliant_ticket: what that state said.
        compliant_at: when that state was recorded; None where it never was.
        tolerated, tolerated_content: the same for the last state with violations of which none asks for a revert: what
            an edit goes back to where there never was a compliant state.
        baseline: the end that later ones are compared with; see guardrails.decisions.baseline. None where every
            state asked for a revert, and in rows of before there were baselines: there it is what the compliant state
            said.
        former: what is remembered of exemptions from other assignments under this name, the last ones.
        undo: the entry whose body our last write replaced or deleted; what `restore` writes.
        kept: fingerprint of content that is reported but not reverted: adopted, or restored by an operator.
        kept_why: why that is.
        adopted: when its present content was adopted, for it was there before the guardrails; None elsewhere.
        listed: the token of what the inventory shows of it; see guardrails.reconcile.inventory.
        together: what the last sweep reported of it together with others, as JSON; see guardrails.exemption.together.
        criteria_weakened: the criteria that it weakens, as JSON; see guardrails.criteria.model. {} where nobody has
            looked since they are known, or it is gone.
        expiry: its expiry state when last looked at, such as active or expiring-14.
        reminded: the last reminders of its expiry that were sent, as `date/threshold`, one a date, the newest last.
        review_on: when a review is due; None where unknown.
        review_reminded: the same as `reminded`, for reviews.
        turn: when its expiry or review state next changes by itself; None where it never does.
        wanted: what its metadata says of putting it back, as who may delete it wrote that: "", yes or no.
        lost: since when it is gone although it is durable; None elsewhere. While `settled` is "" it is to be put back.
        lost_by: who is known to have deleted it; "" where nobody is: its target was deleted, or the event was lost.
        lost_said: who deleted it by an event alone, until the activity log was asked; "" elsewhere.
        lost_untold: whether nobody was notified of the loss yet.  # stored name
        settled: why it is not put back after all.
        restored: when we put it back, the last times, oldest first; `fought`: those after somebody had deleted it.
        dates: when it was seen with which expiry, oldest first, at most 20, the first and the one with the earliest end
            among them: each a pair of (seen at, expires on).
        scope_tagged: whether our tag is on the target scope.
        blocked: why Azure did not let us act on this content; "" where it did, or it is to be tried again.
        refused: how often in a row it did not; `retry_on`: when it is tried again.
        held: why a decided revert or restore waits: "", breaker or a budget; see guardrails.ruleset.budgets.WAITS.
        reverts: when a revert of it was begun, the last times, oldest first.
        warned: its own budget that people were last notified of as used up, and when, as `fight/time`.
        hold: an operator's hold on it; None where there is none.
        due: when to look again without being asked; None where nothing is pending.
        attempts: how often in a row it was Unknown.
        intent: an ARM write under way.
        outbox: ids of messages that are committed and not yet on their queue.
        outbox_at: when they were committed; who committed them sends them, others only when that is long ago.
        bodies: entries that keep a body which nothing above names, oldest first; None in rows of before this was known.
        taken: when the next body that was taken away may have been kept for long enough; see .bodies.
        evaded: the habits of evasion that people were notified of, each once; see guardrails.decisions.evasion.
        theirs: the protected owner that it is known to be of, by metadata seen before somebody else edited it.
        theirs_by: who is known to write it for that owner, lower case; () where nobody is.
        theirs_at, theirs_content: the entry that keeps what that owner wrote last, and its fingerprint.
        claimed: the protected owner that an edit said it is of: a claim, which protects nothing.
        vouched: whether the next two are known: not in rows of a version that did not ask, and kept no `grace`.
        creator: who created it, by systemData, lower case.
        owners: who else may delete it, lower case: its owners as its creator, or who may delete it, wrote them.
    """

    id: str
    status: Status
    since: datetime
    content: str = ""
    findings: Mapping[str, datetime] = field(default_factory=dict)
    paused: Mapping[str, datetime] = field(default_factory=dict)
    grace: GraceUse = ()
    severity: str = ""
    ruleset: str = ""
    answer: str = "none"
    expires_on: datetime | None = None
    owner: str = ""
    ticket: str = ""
    assignment: str = ""
    author: str = ""
    author_kind: str = ""
    written_at: datetime | None = None
    own_write_at: datetime | None = None
    snapshot: int | None = None
    spelled: str = ""
    compliant: int | None = None
    compliant_content: str = ""
    compliant_expires_on: datetime | None = None
    compliant_ticket: str = ""
    compliant_at: datetime | None = None
    tolerated: int | None = None
    tolerated_content: str = ""
    baseline: Baseline | None = None
    former: tuple[Former, ...] = ()
    undo: int | None = None
    kept: str = ""
    kept_why: str = ""
    adopted: datetime | None = None
    listed: str = ""
    together: Mapping[str, Any] = field(default_factory=dict)
    criteria_weakened: Mapping[str, Any] = field(default_factory=dict)
    expiry: str = ""
    reminded: str = ""
    review_on: datetime | None = None
    review_reminded: str = ""
    turn: datetime | None = None
    wanted: str = ""
    lost: datetime | None = None
    lost_by: str = ""
    lost_said: str = ""
    lost_untold: bool = False  # stored name
    settled: str = ""
    restored: tuple[datetime, ...] = ()
    fought: tuple[datetime, ...] = ()
    dates: tuple[tuple[datetime, datetime | None], ...] = ()
    scope_tagged: bool = False
    blocked: str = ""
    refused: int = 0
    retry_on: datetime | None = None
    held: str = ""
    reverts: tuple[datetime, ...] = ()
    warned: str = ""
    hold: Hold | None = None
    due: datetime | None = None
    attempts: int = 0
    intent: Intent | None = None
    outbox: tuple[str, ...] = ()
    outbox_at: datetime | None = None
    bodies: tuple[int, ...] | None = ()
    taken: datetime | None = None
    evaded: tuple[str, ...] = ()
    theirs: str = ""
    theirs_by: tuple[str, ...] = ()
    theirs_at: int | None = None
    theirs_content: str = ""
    claimed: str = ""
    vouched: bool = False
    creator: str = ""
    owners: tuple[str, ...] = ()

    def __replace__(self, /, **changes: Any) -> "Row":
        """Return a copy with these fields changed: what `replace` calls. Raises TypeError.

        It copies the dictionary that holds the fields, so a row has no slots: __init__ sets 70 fields one by one, at
        thirty times the cost.
        """
        fields = vars(self) | changes
        if len(fields) != len(_DEFAULTS):
            raise TypeError(f"a row has no {', '.join(sorted(changes.keys() - vars(self).keys()))}")
        return _made(fields)

    @property
    def wanted_back(self) -> bool:
        """Whether it is gone and is to be put back."""
        return self.lost is not None and not self.settled and not self.content

    @property
    def unclear(self) -> bool:
        """Whether it, or a rule on it, is unknown: that is looked at again."""
        return self.status is Status.UNKNOWN or any(key.endswith("?") for key in self.findings)

    @property
    def running(self) -> Mapping[str, datetime]:
        """Code -> since when it is broken without a look that found it kept."""
        return {**self.paused, **{key: seen for key, seen in self.findings.items() if not key.endswith("?")}}

    @property
    def grace_use(self) -> GraceUse:
        """The periods of `grace`; in an older row, which is not `vouched` and kept none, what its findings imply."""
        waits = not self.vouched and self.status is Status.VIOLATION and self.due is not None and not self.unclear
        if self.grace or not waits or self.due is None or self.kept == self.content or not self.findings:
            return self.grace
        start, none = min(self.findings.values()), dict.fromkeys(self.findings, timedelta())
        return (Period(start, None, (self.author.lower(),), max(self.due - start, timedelta()), none),)

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON: times spelled as ARM does, fields with their default left out."""
        out: dict[str, Any] = {}
        mine = vars(self)
        for name, default in _DEFAULTS:
            value = mine[name]
            if value is not default and value != default:
                out[name] = value if type(value) in _PLAIN else _to_json(value)
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Row":
        """Read what `to_json` wrote. Fields of a newer version are ignored. Raises ValueError when it is not a row."""
        try:
            values = {name: _READ[name](value) for name, value in data.items() if name in _READ}
            if values["since"] is None or not values["id"] or not values["status"]:
                raise ValueError("a row needs an id, a status and a time")
            return _made({**vars(_BLANK), **_unsaid(), **values})
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a register row: {error!r}") from error


def _made(values: dict[str, Any]) -> Row:
    """Return the row with just these values, one of each field."""
    row = object.__new__(Row)
    object.__setattr__(row, "__dict__", values)
    return row


_PLAIN: Final = frozenset({str, int, bool, type(None)})
_PARTS: Final = {kind: tuple(item.name for item in fields(kind)) for kind in (Intent, Hold)}


def _time(text: str) -> datetime:
    time = parse_time(text)
    if time is None:
        raise ValueError("a time is missing")
    return time


def _number(value: object) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is no number of an entry")
    return value


def _hold(data: Mapping[str, Any]) -> Hold:
    known = {item.name: data[item.name] for item in fields(Hold) if item.name in data}
    return Hold(**{**known, "at": _time(data["at"]), "until": _time(data["until"])})


def _to_json(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if type(value) is dict:
        return {key: item if type(item) in _PLAIN else _to_json(item) for key, item in value.items()}
    if isinstance(value, datetime):
        return spell_time(value)
    if isinstance(value, tuple):
        return [item if type(item) in _PLAIN else _to_json(item) for item in value]
    if isinstance(value, StrEnum):
        return str(value)
    if isinstance(value, Intent | Hold):
        return {name: _to_json(item) for name in _PARTS[type(value)] if (item := getattr(value, name)) is not None}
    if isinstance(value, Period | Baseline | Former):
        return value.to_json()
    return _to_json(dict(value)) if isinstance(value, Mapping) else value


def _unsaid() -> dict[str, Any]:
    """Return what the fields hold that a row's JSON may leave out and whose default is another, or a new one each."""
    return {"findings": {}, "paused": {}, "together": {}, "criteria_weakened": {}, "bodies": None}


_BY_TYPE: Final[Mapping[Any, Callable[[Any], Any]]] = {
    Status: Status, GraceUse: read_grace_use, Mapping[str, Any]: dict,
    datetime: parse_time, datetime | None: parse_time,
    Mapping[str, datetime]: lambda data: {code: parse_time(at) for code, at in data.items()},
    tuple[str, ...]: lambda data: tuple(map(str, data)),
    tuple[datetime, ...]: lambda data: tuple(map(_time, data)),
    tuple[tuple[datetime, datetime | None], ...]: lambda data: tuple((_time(at), parse_time(end)) for at, end in data),
    tuple[int, ...] | None: lambda data: None if data is None else tuple(map(_number, data)),
    tuple[Former, ...]: lambda data: tuple(map(Former.read, data)),
    Baseline | None: lambda data: Baseline.read(data) if data else None,
    Intent | None: lambda data: Intent(**{**data, "at": parse_time(data["at"])}) if data else None,
    Hold | None: lambda data: _hold(data) if data else None,
}  # fmt: skip

_READ: Final = {item.name: _BY_TYPE.get(item.type, lambda value: value) for item in fields(Row)}
"""What reads each field of a row from its JSON, by the field's type."""

_BLANK: Final = Row("", Status.UNKNOWN, datetime.min.replace(tzinfo=UTC))

_UNSAID: Final = {**vars(_BLANK), **dict.fromkeys(("id", "status", "since"), object()), **_unsaid()}

_DEFAULTS: Final = tuple((item.name, _UNSAID[item.name]) for item in fields(Row))
"""The fields of a row, and what they hold where nothing is said."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row as the register holds it.

    Attributes:
        row: the row.
        seq: the sequence number of its newest history entry; the first is 1.
        head: the hash of that entry.
        etag: the guard for the next commit.
        altered: what is wrong where the stored row was changed from outside and was rebuilt from the history; else "".
    """

    row: Row
    seq: int
    head: str
    etag: str
    altered: str = ""
