"""Whichever request is a process's last one: what it began is ended, once, by who repeats it or by the next sweep."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest

from guardrails import ports
from guardrails.cli import breaker
from guardrails.intake import Intake
from guardrails.reconcile.visit import Visit
from guardrails.register.queues import StorageQueues
from tests.battery import matrix
from tests.battery.flows import FLOWS, WITH_POLICY_TOKENS, Flow
from tests.battery.stage import Stage
from tests.battery.triggers import nothing
from tests.battery.worker import port_methods


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """What was found out of a product that a test has changed is no longer known."""
    known = (matrix.undisturbed, matrix.never, port_methods)
    for one in known:
        one.cache_clear()
    yield
    for one in known:
        one.cache_clear()


def test_a_crash_changes_the_end_of_no_flow(record_property: Callable[[str, object], None]) -> None:
    seen = matrix.Seen()
    found = matrix.short(seen)
    record_property("battery", f"crash matrix, short: {seen}")
    assert found == []
    assert seen.gaps() == []


@pytest.mark.long
@pytest.mark.parametrize("name", FLOWS)
def test_a_crash_at_any_request_changes_the_end_of_no_flow(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    seen = matrix.Seen()
    found = matrix.whole([name], seen)
    record_property("battery", f"crash matrix, {name}: {seen}")
    assert found == []


@pytest.mark.parametrize("name", WITH_POLICY_TOKENS)
def test_a_tenant_that_wants_policy_tokens_changes_the_end_of_no_flow(name: str) -> None:
    for where in FLOWS[name].scopes:
        wanted = matrix.undisturbed(WITH_POLICY_TOKENS[name], where)
        found = matrix.undisturbed(name, where)
        assert found.result == wanted.result
        assert not found.wrong
        assert Counter(found.effects) - Counter(wanted.effects)  # each of our writes was sent twice


# It can see


class Stamp(Protocol):
    """A port of which nobody has heard."""

    async def stamp(self) -> None:
        """Change the world."""


def test_a_method_of_a_port_that_no_flow_calls_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stamp, "__module__", ports.__name__)
    monkeypatch.setattr(ports, "Stamp", Stamp, raising=False)
    assert "no flow calls Stamp.stamp" in matrix.Seen().gaps()


async def _stamped(self: Any) -> None:
    await self.send("notices", {"stamp": True})
    await self._service.get_queue_client("reconcile").create_queue()


async def _stamp(stage: Stage) -> None:
    def stamp(service: Any) -> Any:
        return service.world.queues.stamp()

    await stage.call(stamp)


def test_a_new_method_of_a_port_has_its_crash_points_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports.Queues, "stamp", Stamp.stamp, raising=False)
    monkeypatch.setattr(StorageQueues, "stamp", _stamped, raising=False)
    monkeypatch.setitem(FLOWS, "stamp", Flow(_stamp, nothing, scopes=("resource",)))
    seen = matrix.Seen()
    matrix.whole(["stamp"], seen)
    assert {("Queues.stamp", "before"), ("Queues.stamp", "after")} <= seen.crashed


def test_a_method_that_changes_the_world_and_at_which_nobody_dies_is_seen() -> None:
    seen = matrix.Seen(changing={"Stamp.stamp"}, crashed={("Stamp.stamp", "before")})
    assert "no process dies after a request of Stamp.stamp" in seen.gaps()


def test_a_use_case_that_no_flow_sets_off_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Intake, "stamp", _stamped, raising=False)
    assert "no flow is set off by Intake.stamp" in matrix.Seen().gaps()


def test_a_command_that_no_flow_gives_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def arguments(parser: Any) -> None:
        parser.add_argument("action", choices=("show", "stamp"))

    monkeypatch.setattr(breaker, "arguments", arguments)
    assert "no flow has the command `breaker stamp`" in matrix.Seen().gaps()


def test_what_a_crash_leaves_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    async def left(*_: Any) -> None:
        """Send nothing that waits."""

    monkeypatch.setattr(Visit, "unchanged", left)
    assert matrix.failures(["alert/resource/1/after"])


def test_what_is_named_is_played_and_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert matrix.main(["good/resource/1"]) == 0
    assert capsys.readouterr().out == "crash matrix: 1 flows, 1 effects, 5 runs, 0 failures\n"
