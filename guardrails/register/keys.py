"""The keys of the register's table: which rows there are and what they are called. Pure.

Table keys must not hold `/ \\ # ?` or control characters, are at most 1 KiB long and are case-sensitive
("Understanding the Table service data model", Microsoft Learn). An exemption's id may break all three, so its rows are
named by a hash of the lower-cased id, and the partition's name is escaped.

    partition       row                       holds
    container       state~KEY                 the current row
    container       history~KEY~SEQ           one history entry; SEQ has ten digits
    container       outbox~KEY~ID             a message that is not yet on its queue
    container       body~KEY~DIGEST~N         piece N of a body that is too long for its history entry
    container       grace~CONTROL~KEY         what an exemption used of its grace; see guardrails.register.grace_used
    container       bypass~KEY                a bypass of a policy; KEY is Bypass.key
    breaker         breaker                   the reverts of the last hour
    letters         letter~ID                 a dead letter: what could not be processed  # stored name
    unseen          count                     how many rows there are of what Azure never showed
    lanes           lane~NAME                 the rate limit of an address of notices  # stored name
    gathered~ROUTE  notice~ID                 a digest item: a notice that waits for its route's digest  # stored name
    sweep           run, covered, clock       who sweeps, what the last sweep came to; which containers it covers; the
                                              message of the second clock that is on its way
    sweep           judged~CONTAINER          what sweeps judged of the exemptions of a container
    sweep           part~N, heads~N~M         a part of the sweep that instances share, and the heads that it has read
    record          chain, run~, ruleset~     what auditors ask for: see guardrails.register.record
    digests         digest~ID                 a digest; `part~ID~N` has the entries of 1,000 notices in it
    doctor          try~ID                    what the doctor writes, reads and deletes at once

`# stored name`: the name is older than our terms, and stays as it is in every table.
"""

import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

from guardrails.exemption.exemption_id import ExemptionId, ScopeKind
from guardrails.lazy_regex import lazy_regex

_UNSAFE: Final = lazy_regex(r"[^A-Za-z0-9._()-]")
_LONGEST: Final = 200

BREAKER: Final = ("breaker", "breaker")
DEAD_LETTERS: Final = "letters"  # stored name
UNSEEN: Final = ("unseen", "count")
RATE_LIMITS: Final = "lanes"  # stored name
DIGESTS: Final = "digests"
BYPASS: Final = "bypass~"
GRACE: Final = "grace~"
SWEEP: Final = ("sweep", "run")
COVERED: Final = ("sweep", "covered")
TICK: Final = ("sweep", "clock")
JUDGED: Final = "judged~"
PART: Final = "part~"
PART_HEADS: Final = "heads~"
RECORD: Final = "record"
DOCTOR: Final = "doctor"


class Address(NamedTuple):
    """Where an exemption's rows are: its partition, and the KEY in the names of its rows."""

    partition: str
    key: str

    @property
    def state(self) -> str:
        """The row key of the current row."""
        return f"state~{self.key}"

    def history(self, seq: int) -> str:
        """Return the row key of a history entry; the first has number 1."""
        return f"history~{self.key}~{seq:010d}"

    def outbox(self, message_id: str) -> str:
        """Return the row key of a message in the outbox."""
        return f"outbox~{self.key}~{escape(message_id)}"

    def body(self, digest: str, part: int) -> str:
        """Return the row key of one piece of a long body; the first has number 0."""
        return f"body~{self.key}~{digest}~{part:04d}"


@lru_cache(maxsize=2048)
def address(exemption: ExemptionId) -> Address:
    """Return where the rows of an exemption are; the same for every casing of its id."""
    container = exemption.container
    named = partition_of(container) if exemption.kind is ScopeKind.MANAGEMENT_GROUP else escape(container)
    return Address(named, exemption.hash.hex())


def partition_of(container: str) -> str:
    """Return the partition of a container as ExemptionId.container names it; one beginning `mg~` counts as a group."""
    group = container.removeprefix("mg~")
    return escape(container) if group == container else "mg~" + escape(group)


def bypass_row(key: bytes) -> str:
    """Return the row key of a bypass; `key` is Bypass.key."""
    return f"{BYPASS}{key.hex()}"


def escape(text: str) -> str:
    """Return `text` as a legal part of a table key; two texts do not give the same.

    Characters other than `A-Z a-z 0-9 . _ ( ) -` become `=XX`, the hex of their UTF-8 bytes. Long texts keep
    their beginning, then `=~` and a hash.
    """
    safe = _UNSAFE.sub(lambda m: "".join(f"={b:02X}" for b in m[0].encode("utf-8", "backslashreplace")), text)
    if len(safe) <= _LONGEST:
        return safe
    return f"{safe[: _LONGEST - 50]}=~{hashlib.sha256(text.encode('utf-8', 'backslashreplace')).hexdigest()[:40]}"


def digest_items_partition(route: str) -> str:
    """Return the partition of the notices that wait for a digest of a route."""
    return f"gathered~{escape(route)}"  # stored name


def starting_with(prefix: str, partition: str | None = None) -> str:
    """Return the OData filter for rows whose key starts with `prefix`, in one partition or in all.

    `prefix` ends in `~`, and nothing that follows it in our keys begins with `~`, the last printable of ASCII.
    """
    rows = f"RowKey ge '{prefix}' and RowKey lt '{prefix}~'"
    return f"PartitionKey eq '{partition}' and {rows}" if partition is not None else rows
