"""What metadata and tags say: which keys name the owner, the ticket and the others, and their values. Pure."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

ROLES: Final[Mapping[str, tuple[str, ...]]] = {
    "owner": ("owner", "exemptionOwner", "ownerEmail", "requestedBy", "requestor", "requester", "contact"),
    "ticket": (
        "approvalTicket", "ticket", "ticketRef", "ticketReference", "ticketId", "ticketNumber", "changeTicket",
        "changeRequest", "exceptionTicket", "workItem", "jira", "serviceNow",
    ),
    "approver": ("approver", "approvedBy", "approvedByEmail", "exemptionApprover"),
    "review": ("reviewDate", "reviewOn", "reviewBy", "nextReview", "nextReviewDate", "reviewDueDate"),
    "reviewed": ("lastReviewed", "reviewedOn", "reviewedAt", "lastReview", "lastReviewDate", "lastReviewedOn"),
    "control": ("compensatingControl", "compensatingControls", "mitigation", "mitigatingControl", "mitigationControl"),
    "justification": ("justification", "businessJustification", "reason", "rationale"),
}  # fmt: skip
"""What an exemption's metadata can say, and the keys that say it, in order of preference. Case, `_`, `-`, `.` and
spaces in a key do not matter: ticket_ref, ticket-ref and TicketRef are one name."""


@lru_cache(maxsize=4096)
def fold_name(name: str) -> str:
    """Return a metadata key without case, `_`, `-`, `.` and spaces."""
    return "".join(c for c in name.lower() if c not in "_-. ")


class Names:
    """Which metadata keys say what. `roles` maps a role of ROLES to its keys, the preferred one first."""

    __slots__ = ("_found", "roles")

    def __init__(self, roles: Mapping[str, tuple[str, ...]] = ROLES) -> None:
        self.roles = {**ROLES, **roles}
        self._found: dict[str, tuple[str, int]] = {}
        for role, keys in self.roles.items():
            for rank, key in enumerate(keys):
                self._found.setdefault(fold_name(key), (role, rank))
                self._found.setdefault(key, (role, rank))  # found without folding when spelled as listed

    def read(self, metadata: Mapping[str, Any]) -> dict[str, str]:
        """Return role -> text for what `metadata` says.

        Blank values say nothing; numbers count as text; a list of either is its items, separated by commas.
        """
        said: dict[str, str] = {}
        ranks: dict[str, int] = {}
        for key, value in metadata.items():
            hit = self._found.get(key)
            if hit is None and isinstance(key, str) and len(key) <= _LONGEST_NAME:
                hit = self._found.get(fold_name(key))
            if hit is None:
                continue
            text = value.strip() if type(value) is str else _scalar_text(value)
            role, rank = hit
            if text and (role not in ranks or rank < ranks[role]):
                said[role], ranks[role] = text, rank
        return said

    def key_of(self, role: str, metadata: Mapping[str, Any]) -> str:
        """Return the key in `metadata` that says something of a role; where none does, the one that is preferred."""
        keys = self.roles[role]
        ranks = {key: self._found.get(key) or self._found.get(fold_name(key)) for key in metadata if _is_name(key)}
        there = [(hit[1], key) for key, hit in ranks.items() if hit and hit[0] == role]
        return min(there)[1] if there else keys[0]


def _is_name(key: object) -> bool:
    return isinstance(key, str) and len(key) <= _LONGEST_NAME


_LONGEST_NAME: Final = 64
"""Longer metadata keys mean nothing to us; folding them would keep strangers' text in the cache."""


def _scalar_text(value: object) -> str:
    """Return what a metadata value other than a text says; "" for null, true, false and objects."""
    if isinstance(value, list):
        return ", ".join(filter(None, (_scalar_text(item) for item in value if not isinstance(item, list))))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return str(value).strip()


DEFAULT_NAMES: Final = Names()


class TagNames(NamedTuple):
    """The tags that a tag-driven exception carries together: its id, the approval ticket, and when it ends."""

    id: str = "policyExceptionId"
    ticket: str = "exceptionTicket"
    expiry: str = "exceptionExpiry"


_TICKET: Final = 200
"""Characters of a ticket that count when tickets are compared."""


def ticket_mark(ticket: str) -> str:
    """Return what tickets are compared by: a hash of its beginning, blind to case."""
    return mark_of(ticket.strip()[:_TICKET].strip().casefold())


def mark_of(text: str) -> str:
    """Return a short hash (12 hex digits) that texts are compared by."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]
