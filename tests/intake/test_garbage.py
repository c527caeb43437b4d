"""How often a connected function looks for garbage: by Python's own threshold, that takes a sixth of a burst."""

import gc
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import function_app
from guardrails.errors import Misconfigured


@pytest.fixture
def _collector() -> Iterator[None]:
    """Leave Python's collector as it was."""
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


@pytest.mark.usefixtures("_collector")
def test_what_a_connection_made_is_not_looked_through_and_new_objects_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_app, "_intake", None)
    service = SimpleNamespace(log_problems=lambda: None, intake=object())
    monkeypatch.setattr("guardrails.wiring.connect", lambda: service)
    frozen = gc.get_freeze_count()
    assert function_app.intake() is service.intake
    assert gc.get_freeze_count() > frozen + 10_000
    assert gc.get_threshold()[0] >= 50_000


@pytest.mark.usefixtures("_collector")
def test_a_start_that_fails_leaves_the_collector_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect() -> object:
        assert not gc.isenabled()
        raise Misconfigured("there is no endpoint", code="no-endpoint")

    monkeypatch.setattr(function_app, "_intake", None)
    monkeypatch.setattr("guardrails.wiring.connect", connect)
    with pytest.raises(Misconfigured):
        function_app.intake()
    assert gc.isenabled()
