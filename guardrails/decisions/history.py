"""What the register keeps besides rows: entries of the history, messages to send, and dead letters. Pure values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from guardrails.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an exemption's history, as handed to the register.

    Attributes:
        at: when, UTC.
        event: adopted, written, edited, deleted, judged, intent, reverted, put-back, removed, tagged, untagged,
            restored, brought-back, lost, waiting, not-restored, cannot-act, withdrawn, unknown, held, excluded,
            pruned, hold, released.
        facts: JSON-ready particulars: hint, actor, findings with evidence, plan, reasons, outcome.
        body: the exemption's ARM body, where this entry keeps it.
    """

    at: datetime
    event: str
    facts: Mapping[str, Any]
    body: Mapping[str, Any] | None = None


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
        row: the row after this entry, as JSON.
        body_digest: sha256 (hex) of the body that it keeps, or kept; "" where it never did.
        pruned: when that body was deleted, for nothing needs it; None where it is kept, and where the entry was not
            read together with those that followed.
    """

    seq: int
    at: datetime
    event: str
    facts: Mapping[str, Any]
    row: Mapping[str, Any]
    body_digest: str
    previous: str
    hash: str
    pruned: datetime | None = None

    @property
    def keeps_body(self) -> bool:
        """Whether it keeps a body."""
        return self.body_digest != "" and self.pruned is None


@dataclass(frozen=True, slots=True)
class DeadLetter:
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
