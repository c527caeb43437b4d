"""What the register keeps of a bypass: the row, and as much of it as a sweep must know. Pure values."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from guardrails.bypasses.model import Bypass, BypassKind, container_of
from guardrails.dataclass import dataclass


class Known(NamedTuple):
    """What a sweep must know of a row. Times are UTC.

    Attributes:
        partition: where the row is.
        kind: None where the row was changed from outside.
        scope, subject, who, since: as in Bypass.
        token: of what was shown last, that of its criteria behind it; "" where the row was changed from outside.
        codes: the codes of its violations that count.
        first_seen: when a sweep first saw it; None where the row was changed from outside.
        found: when the newest of its violations was found; None without one.
        gone: since when it is not shown any more; None while it is. Of an enrollment: since when it is known.
        detail, covers: as in Bypass, of enrollments; "" elsewhere.
    """

    partition: str
    kind: BypassKind | None
    scope: str
    subject: str
    token: str
    codes: frozenset[str]
    first_seen: datetime | None
    found: datetime | None
    gone: datetime | None
    who: str
    since: datetime | None
    detail: str = ""
    covers: str = ""

    @property
    def holder(self) -> str:
        """What it was read from, in lower case: the assignment's id, or that of what is tagged."""
        return holder_of(self.kind, self.scope, self.subject)

    @property
    def container(self) -> str:
        """The container of its holder, as ExemptionId.container; "" where that is at no scope that we know.

        Of an enrollment that of its own scope: the assignment may be far above it.
        """
        if self.kind is BypassKind.UNENROLLED:
            return container_of(self.scope)
        scope = self.holder if self.kind is BypassKind.TAG else self.holder.rpartition("/providers/")[0]
        return container_of(scope)


@dataclass(frozen=True, slots=True)
class Kept:
    """A bypass as the register keeps it. Times are UTC; see `Known`.

    Attributes:
        changed: when what is shown of it last changed.
    """

    bypass: Bypass
    token: str
    first_seen: datetime
    changed: datetime
    found: datetime | None = None
    gone: datetime | None = None

    @property
    def never_open(self) -> bool:
        """Whether it never was open: the row of an enrollment, kept so that its removal is noticed."""
        return self.bypass.kind is BypassKind.UNENROLLED and self.gone is not None and self.gone == self.changed


def codes_of(bypass: Bypass) -> frozenset[str]:
    """Return the codes of its violations that count: none where the ruleset accepts it."""
    return frozenset() if bypass.excluded else frozenset(one.code for one in bypass.violations)


def holder_of(kind: BypassKind | None, scope: str, subject: str) -> str:
    """Return what a bypass is read from, in lower case; see Known.holder."""
    return (scope if kind is BypassKind.TAG else subject).lower()


type Partitions = Mapping[bytes, str]
"""The partitions of rows, by Bypass.key."""
