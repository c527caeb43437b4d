"""A hint: why an exemption is looked at now. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from guardrails.dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class Hint:
    """What said that an exemption should be looked at. It is never the truth about it.

    Attributes:
        source: event, queue, wake-up, operator, sweep or target.
        operation: write or delete, as an event says; target-write or target-delete where that was about its target.
        actor: who is said to have done it: a UPN, else an application id, else an object id; "" where unknown.
        event_id: the event's id, for the logs.
        listed: the token of what the inventory shows, from a sweep; see guardrails.reconcile.inventory.
        adopt: from a sweep: one that the register does not know was there before the guardrails if it was last written
            before this time, UTC; None where it was not.
        together: from a sweep: what it found of the exemption and others; see guardrails.exemption.together.
        seen: from a sweep: when it began to look, UTC; what was read before then is not what it saw. None elsewhere.
        due: from a wake-up: the time that it is for, UTC; None elsewhere.
        verified: whether Azure's activity log says so; an event can be sent by whoever holds the key of its endpoint.
    """

    source: str
    operation: str = ""
    actor: str = ""
    event_id: str = ""
    listed: str = ""
    adopt: datetime | None = None
    seen: datetime | None = None
    due: datetime | None = None
    verified: bool = False
    together: Mapping[str, Any] = field(default_factory=dict, hash=False)
