"""A clock that a test alone moves."""

from datetime import UTC, datetime, timedelta


class VirtualClock:
    """ports.Clock; it is `time` until somebody changes that."""

    def __init__(self, time: datetime = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> datetime:
        """Move on by days, hours, minutes or seconds; return the new time."""
        self.time += timedelta(**by)
        return self.time
