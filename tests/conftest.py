"""What every test may use: storage, and a clock that a test alone moves."""

import asyncio
import gc
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from guardrails.runtime.garbage import starting
from sandbox.azurite import Azurite

from . import canaries
from .clock import VirtualClock
from .patience import jump
from .storage import Account

if TYPE_CHECKING:
    from .spread import ByFile

# A machine may be as slow as it likes. What else is set stays: Hypothesis has a profile of its own for CI.
_KEPT = settings.get_profile(settings.get_current_profile_name())
settings.register_profile(
    "any machine", _KEPT, deadline=None, suppress_health_check=[*_KEPT.suppress_health_check, HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of a running Azurite. Tests keep apart by table and queue names of their own."""
    storage = Azurite().start()
    yield storage.connection_string
    storage.stop()


@pytest.fixture
def storage(request: pytest.FixtureRequest) -> Iterator[str]:
    """The connection string of storage for whole flows: in memory, or with TEST_STORAGE=azurite Azurite's."""
    if os.environ.get("TEST_STORAGE") == "azurite":
        yield request.getfixturevalue("azurite")
    else:
        with Account().serve() as account:
            yield account.connection_string


@pytest.fixture
def over_http(request: pytest.FixtureRequest) -> bool:
    """Whether ARM is asked over HTTP: in a test marked `http`, and with TEST_ARM=http. Else the wire is memory."""
    return bool(request.node.get_closest_marker("http")) or os.environ.get("TEST_ARM") == "http"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> "ByFile | None":
    """Spread the tests as tests/spread.py has it."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from .spread import ByFile  # noqa: PLC0415 - a process that runs the tests by itself needs no xdist

    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Look for no garbage while tests are collected, and seldom afterwards: a tenth of the suite's time."""
    with starting():
        return (yield)


def pytest_unconfigure() -> None:
    """Collect garbage until there is none, then exempt what is left: pytest would go through it five times, and Python
    once more at its exit. Garbage can leave more garbage, so once is not enough."""
    for _ in range(5):
        if not gc.collect():
            break
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the battery counted."""
    for report in terminalreporter.getreports("passed"):
        for name, said in report.user_properties:
            if name == "battery":
                terminalreporter.write_line(f"battery: {said}")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def time_jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time jump where ARM is to answer late: whoever waits less long for it gives up, and nobody else waits."""

    async def late(seconds: float) -> None:
        jump(seconds)
        for _ in range(100):
            await asyncio.sleep(0)

    monkeypatch.setattr("sandbox.arm.server.sleep", late)


@pytest.fixture(scope="session")
def watch() -> Iterator[canaries.Watch]:
    """What the loggers of this process say: ours from DEBUG on, others from INFO on, as the worker in Azure logs."""
    watch = canaries.Watch()
    root, ours = logging.getLogger(), logging.getLogger("guardrails")
    before = root.level, ours.level
    root.addHandler(watch)
    root.setLevel(logging.INFO)
    ours.setLevel(logging.DEBUG)
    yield watch
    root.removeHandler(watch)
    root.setLevel(before[0])
    ours.setLevel(before[1])


@pytest.fixture(autouse=True)
def no_secret_in_the_log(watch: canaries.Watch) -> Iterator[None]:
    """Every test fails that had a planted secret, a token, or the text of an exemption logged."""
    watch.leaks.clear()
    yield
    assert watch.leaks == []


@pytest.fixture(scope="session", autouse=True)
def no_secret_in_log_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The same for the log files that parts of the sandbox wrote, once all tests are done."""
    yield
    assert canaries.leaks_of(tmp_path_factory.getbasetemp()) == []
