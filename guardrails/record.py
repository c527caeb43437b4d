"""What the register keeps of an exemption: its current row, and the entries of its history. Pure values."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from math import ceil
from sys import intern
from typing import Any, Final, NamedTuple

from guardrails.exemption import parse_time, spell_time


class Status(StrEnum):
    """Where an exemption stands."""

    COMPLIANT = "compliant"
    VIOLATION = "violation"
    UNKNOWN = "unknown"
    EXCLUDED = "excluded"
    CANNOT_ACT = "cannot-act"
    LOST = "lost"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Intent:
    """An ARM write that was decided and may have happened: recorded before it, cleared with its outcome.

    Attributes:
        action: delete, put-back, remove, tag, untag, restore or bring-back.
        content: the fingerprint that the exemption has once it is done; "" for a delete.
        why: the reason, one sentence.
        at: when it was recorded, UTC.
        body: for put-back and restore, the sequence number of the history entry whose body is to be written.
        notice: the notice to send once it is done, as JSON; None where nobody is told.
    """

    action: str
    content: str
    why: str
    at: datetime
    body: int | None = None
    notice: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """The current state of one exemption. Times are UTC.

    Attributes:
        id: the exemption's id as last seen.
        status: where it stands.
        since: since when it has this status.
        content: fingerprint of what it says; "" when it is gone.
        findings: code -> when that finding was first seen in this run of it; unknown ones as `CODE?`.
        ruleset: digest of the ruleset that judged it; `+audit` behind it where a setting held it at audit mode.
        answer: what was done, or in audit mode would be done: none, alert, tag, untag, delete, put-back, remove.
        expires_on, owner, ticket, assignment: as the exemption says, for lists and reminders.
        author, author_kind: the last writer who was not us.
        written_at: when that writer wrote it; None where unknown.
        own_write_at: systemData.lastModifiedAt of our own last write; None where we wrote nothing.
        snapshot: sequence number of the history entry that holds the body of `content`.
        compliant: the same for the last compliant state; None where it never was.
        compliant_content, compliant_expires_on, compliant_ticket: what that state said.
        compliant_at: when that state was recorded; None where it never was.
        tolerated, tolerated_content: the same for the last state with violations of which none asks for a revert: what
            an edit goes back to where there never was a compliant state.
        undo: the entry whose body our last write replaced or deleted; what `restore` brings back.
        kept: fingerprint of content that is reported but not reverted: adopted, or restored by an operator.
        kept_why: why that is.
        adopted: when its present content was adopted, for it was there before the guardrails; None elsewhere.
        listed: the token of what the inventory shows of it; see guardrails.inventory.
        together: what the last sweep told of it beside others, as JSON; see guardrails.together.
        expiry: its expiry state when last looked at, such as active or expiring-14.
        reminded: the last reminders of its expiry that were told, as `date/threshold`, one a date, the newest last.
        review_on: when a review is due; None where unknown.
        review_reminded: the same as `reminded`, for reviews.
        turn: when its expiry or review state next changes by itself; None where it never does.
        wanted: what its own metadata says of putting it back: "", yes or no.
        lost: since when it is gone although it is durable; None elsewhere. While `settled` is "" it is to be put back.
        lost_by: who is known to have deleted it; "" where nobody is: its target was deleted, or the event was lost.
        settled: why it is not put back after all.
        restored: when we put it back, the last times, oldest first; `fought`: those after somebody had deleted it.
        dates: when it was seen with which expiry, oldest first, at most 20: each a pair of (seen at, expires on).
        scope_tagged: whether our tag is on the target scope.
        blocked: why we cannot act on this content; "" where we can.
        held: why a decided revert waits: "" or "breaker".
        due: when to look again without being asked; None where nothing is pending.
        attempts: how often in a row it was Unknown.
        intent: an ARM write under way.
        outbox: ids of messages that are committed and not yet on their queue.
        outbox_at: when they were committed; who committed them sends them, others only when that is long ago.
    """

    id: str
    status: Status
    since: datetime
    content: str = ""
    findings: Mapping[str, datetime] = field(default_factory=dict)
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
    compliant: int | None = None
    compliant_content: str = ""
    compliant_expires_on: datetime | None = None
    compliant_ticket: str = ""
    compliant_at: datetime | None = None
    tolerated: int | None = None
    tolerated_content: str = ""
    undo: int | None = None
    kept: str = ""
    kept_why: str = ""
    adopted: datetime | None = None
    listed: str = ""
    together: Mapping[str, Any] = field(default_factory=dict)
    expiry: str = ""
    reminded: str = ""
    review_on: datetime | None = None
    review_reminded: str = ""
    turn: datetime | None = None
    wanted: str = ""
    lost: datetime | None = None
    lost_by: str = ""
    settled: str = ""
    restored: tuple[datetime, ...] = ()
    fought: tuple[datetime, ...] = ()
    dates: tuple[tuple[datetime, datetime | None], ...] = ()
    scope_tagged: bool = False
    blocked: str = ""
    held: str = ""
    due: datetime | None = None
    attempts: int = 0
    intent: Intent | None = None
    outbox: tuple[str, ...] = ()
    outbox_at: datetime | None = None

    @property
    def wanted_back(self) -> bool:
        """Whether it is gone and is to be put back."""
        return self.lost is not None and not self.settled and not self.content

    @property
    def unclear(self) -> bool:
        """Whether it, or a rule on it, could not be told: that is looked at again."""
        return self.status is Status.UNKNOWN or any(key.endswith("?") for key in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON: times spelled as ARM does, fields with their default left out."""
        out: dict[str, Any] = {}
        for name, default in _DEFAULTS:
            value = getattr(self, name)
            if value is not default and value != default:
                out[name] = value if type(value) in _PLAIN else _to_json(value)
        return out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Row":
        """Read what `to_json` wrote. Fields of a newer version are ignored. Raises ValueError when it is not a row."""
        try:
            values = {item.name: data[item.name] for item in fields(cls) if item.name in data}
            for name in _TIMES & values.keys():
                values[name] = parse_time(values[name])
            values["status"] = Status(values["status"])
            values["findings"] = {code: parse_time(at) for code, at in values.get("findings", {}).items()}
            values["together"] = dict(values.get("together", {}))
            values["outbox"] = tuple(values.get("outbox", ()))
            for name in ("restored", "fought"):
                values[name] = tuple(map(_time, values.get(name, ())))
            values["dates"] = tuple((_time(at), parse_time(end)) for at, end in values.get("dates", ()))
            if values.get("intent"):
                values["intent"] = Intent(**{**values["intent"], "at": parse_time(values["intent"]["at"])})
            if values["since"] is None or not values["id"]:
                raise ValueError("a row needs an id and a time")
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a register row: {error!r}") from error


_TIMES = frozenset(
    {
        "since", "expires_on", "written_at", "own_write_at", "compliant_expires_on", "compliant_at", "due", "outbox_at",
        "adopted", "review_on", "turn", "lost",
    }
)  # fmt: skip


_ALWAYS: Final = ("id", "status", "since")
_DEFAULTS: Final = tuple(
    (item.name, object() if item.name in _ALWAYS else {} if item.default is MISSING else item.default)
    for item in fields(Row)
)
"""The fields of a row, and what they hold where nothing is said."""

_PLAIN: Final = frozenset({str, int, bool})


def _time(text: str) -> datetime:
    time = parse_time(text)
    if time is None:
        raise ValueError("a time is missing")
    return time


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return spell_time(value)
    if isinstance(value, Intent):
        return {name: _to_json(item) for name, item in asdict(value).items() if item is not None}
    if isinstance(value, Mapping):
        return {key: _to_json(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_to_json(item) for item in value]
    return str(value) if isinstance(value, StrEnum) else value


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an exemption's history, as handed to the register.

    Attributes:
        at: when, UTC.
        event: adopted, written, edited, deleted, judged, intent, reverted, put-back, removed, tagged, untagged,
            restored, brought-back, lost, waiting, not-restored, cannot-act, withdrawn, unknown, held, excluded.
        facts: JSON-ready particulars: hint, actor, findings with evidence, plan, reasons, outcome.
        body: the exemption's ARM body, where this entry keeps it.
    """

    at: datetime
    event: str
    facts: Mapping[str, Any]
    body: Mapping[str, Any] | None = None


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


class Watch(NamedTuple):
    """What a sweep must know of a row to see that nothing is to be done: kept beside it, small.

    Attributes:
        listed, ruleset: as in the row.
        at: when to look again without being asked, in seconds since 1970, UTC; 0 for never.
        gone: whether it is gone.
        held: whether a revert waits for the breaker.
    """

    listed: str
    ruleset: str
    at: int
    gone: bool = False
    held: bool = False

    @classmethod
    def of(cls, row: Row) -> "Watch":
        """Return what is kept of a row. What was begun and not ended is to be looked at as soon as it is left alone."""
        begun = [row.intent.at] if row.intent else [row.outbox_at or row.since] if row.outbox else []
        at = min((time for time in (row.due, row.turn, *begun) if time), default=None)
        return cls(
            row.listed, row.ruleset, ceil(at.timestamp()) if at else 0, row.status is Status.GONE, row.held != ""
        )

    def __str__(self) -> str:
        """Return it as `parse` reads it."""
        return f"{self.listed}/{self.ruleset}/{self.at}/{'g' * self.gone}{'h' * self.held}"

    @classmethod
    def parse(cls, text: str) -> "Watch":
        """Read it. One that cannot be read asks for a look: a damaged row must not be passed over."""
        parts = text.split("/")
        if len(parts) != 4 or not parts[2].lstrip("-").isdigit():
            return cls("", "", 1)
        return cls(parts[0], intern(parts[1]), int(parts[2]), "g" in parts[3], "h" in parts[3])


@dataclass(frozen=True, slots=True)
class Run:
    """One sweep, under way or ended. Times are UTC.

    Attributes:
        started: when it began.
        holder: a name for who does it.
        until: until when the lease holds, unless it is held for longer; None once it ended.
        adopting: when the first sweep began whose adoptions people were not told of yet; None where all is told.
        before: when the run before it began; None for the first.
        report: what the last run that ended came to, as JSON: see guardrails.sweep.Report.
        etag: the guard for the next change.
    """

    started: datetime
    holder: str
    until: datetime | None
    adopting: datetime | None = None
    before: datetime | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that leaves with a commit, through the outbox.

    Attributes:
        id: stable over retries; legal as part of a table key.
        queue: notices or reconcile.
        body: the JSON of the message; at most 40 KB.
        delay: seconds before it may be seen on the queue; at most 7 days (the queue's limit).
    """

    id: str
    queue: str
    body: Mapping[str, Any]
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """An entry as read back.

    Attributes:
        seq: 1 for the first.
        previous: hash of the entry before; "" for the first.
        hash: sha256 (hex) over the entry's canonical JSON, `previous` included.
        row: the row as it stood after this entry, as JSON.
        body_digest: sha256 (hex) of the body that it keeps; "" where it keeps none.
    """

    seq: int
    at: datetime
    event: str
    facts: Mapping[str, Any]
    row: Mapping[str, Any]
    body_digest: str
    previous: str
    hash: str


@dataclass(frozen=True, slots=True)
class Letter:
    """Something that could not be processed, kept until somebody replays or drops it.

    Attributes:
        id: stable name; legal as a table key.
        source: event, reconcile, notices, outbox or ruleset.
        reason: what is wrong, one sentence.
        payload: the message as it came, text, at most 256 KiB; longer ones are cut and say so.
        at: when it was kept, UTC.
        attempts: how often it was tried.
    """

    id: str
    source: str
    reason: str
    payload: str
    at: datetime
    attempts: int = 0
