"""Rate limits: when the next request to an address may go, and when a failed one is tried again. Pure.

Teams takes 4 requests a second, Slack 1 message a second (azure limits: "Create and send messages" for webhooks in the
Teams documentation; "Rate limits" in Slack's). The limit holds over all instances of the service, so moments are handed
out one by one from a row that they share: a *slot*.
"""

from datetime import UTC, datetime, timedelta
from math import floor
from typing import Final

from guardrails.dataclass import replace
from guardrails.notices.route_state import RateLimit

GAPS: Final = {"teams": timedelta(milliseconds=270), "slack": timedelta(milliseconds=1050)}
"""The time between two slots, by channel: five slots of Teams span 1.08 s, two of Slack 1.05 s."""

LATE: Final = timedelta(milliseconds=40)
"""How late a request may be for its slot. Five slots span a second even where the first is late and the last is not."""

LEAD: Final = timedelta(milliseconds=150)
"""How far ahead a slot is at least: writing the rate limit takes that long where storage is slow."""

PATIENCE: Final = timedelta(seconds=2)
"""How long a message waits in the process for its slot; for a later one it goes back on the queue."""

EARLY: Final = timedelta(seconds=1)
"""How long before its slot a message comes back: queues count whole seconds, and hand out with some delay."""

LONGEST_HOLD: Final = timedelta(minutes=1)
"""How long a Retry-After holds up other notices for its address. The one that it answered waits as long as asked."""

FARTHEST: Final = timedelta(days=7)
"""How far ahead a slot may be: a queue hides no message for longer."""

MAX_ATTEMPTS: Final = 40
"""How often a message is tried before it becomes a dead letter: with the delays below, for more than a day."""

PATIENT: Final = MAX_ATTEMPTS // 2
"""Where attempts stop counting while our own identity gives no token: what comes after that has as many left."""

FIRST_DELAY: Final = 10.0
LONGEST_DELAY: Final = 3600.0
SPREAD: Final = 0.2


def backoff(attempt: int, asked: float | None = None, *, chance: float = 0.5) -> float:
    """Return the seconds to wait after failed attempt number `attempt` (0 for the first).

    It doubles from 10 s to an hour. `chance`, from 0 to 1, moves it by up to 20 % either way, so that what failed
    together does not come back together. `asked`, a Retry-After, is a floor, and at most an hour.
    """
    wait = min(FIRST_DELAY * 2.0 ** min(attempt, 20), LONGEST_DELAY) * (1 - SPREAD + 2 * SPREAD * chance)
    floor_ = min(asked or 0.0, LONGEST_DELAY)
    return wait if wait >= floor_ else floor_ * (1 + SPREAD * chance)


def attempts_after(attempts: int, *, waits: bool) -> int:
    """Return the number of attempts after one more; `waits`: our own identity gave no token, and nobody was asked."""
    return max(attempts, min(attempts + 1, PATIENT)) if waits else attempts + 1


def take_slot(rate_limit: RateLimit, channel: str, now: datetime, misses: int = 0) -> tuple[RateLimit, datetime | None]:
    """Return the rate limit without its next slot, and that slot; None for a channel without a limit.

    The slot is far enough ahead that it is not over when the rate limit is written; further after each miss.
    """
    gap = GAPS.get(channel)
    if gap is None:
        return rate_limit, None
    slot = max(_free(rate_limit, now), millis(now + LEAD * (misses + 1)))
    return replace(rate_limit, free=slot + millis_of(gap)), moment(slot)


def hold(rate_limit: RateLimit, asked: float, now: datetime) -> tuple[RateLimit, None]:
    """Promise no slot for the seconds that an address asked for, a minute at most: it has had too many requests."""
    until = now + min(timedelta(seconds=asked), LONGEST_HOLD)
    return replace(rate_limit, free=max(_free(rate_limit, now), millis(until))), None


def _free(rate_limit: RateLimit, now: datetime) -> int:
    """Return the first moment that is not promised; one so far ahead was not promised by us, and silences nobody."""
    return rate_limit.free if rate_limit.free <= millis(now + FARTHEST) else 0


def missed(slot: datetime, now: datetime) -> bool:
    """Whether it is too late for a slot."""
    return now > slot + LATE


def comes_back(slot: datetime, now: datetime) -> float:
    """Return the seconds after which a message comes back for its slot; 0 where it should wait in the process."""
    left = slot - now
    return float(floor((left - EARLY).total_seconds())) if left > PATIENCE else 0.0


def millis(time: datetime) -> int:
    """Return milliseconds since 1970, rounded up: a slot is never before `time`."""
    return -((datetime(1970, 1, 1, tzinfo=UTC) - time) // timedelta(milliseconds=1))


def millis_of(span: timedelta) -> int:
    """Return a span in milliseconds."""
    return span // timedelta(milliseconds=1)


def moment(milliseconds: int) -> datetime:
    """Return the time of milliseconds since 1970, UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
