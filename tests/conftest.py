"""What every test may use: a storage emulator that all share, and a clock that only moves when it is told to."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.azurite import Azurite


class VirtualClock:
    """ports.Clock, standing still at `time`."""

    def __init__(self, time: datetime = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)) -> None:
        self.time = time

    def now(self) -> datetime:
        return self.time

    def advance(self, **by: float) -> datetime:
        """Move on by days, hours, minutes or seconds; return the new time."""
        self.time += timedelta(**by)
        return self.time


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of a running Azurite. Tests keep apart by table and queue names of their own."""
    storage = Azurite().start()
    yield storage.connection_string
    storage.stop()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()
