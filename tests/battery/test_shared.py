"""What a cache hands out is shared by all who ask: nobody changes it, whatever happens in histories by chance."""

import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from inspect import signature
from typing import Any, Final

import pytest

from guardrails.exemption.hint import Hint
from guardrails.reconcile.reconcile import Reconciler
from guardrails.reconcile.visit import Visit
from guardrails.register import chain, state
from tests.battery.simulation import simulate

SEEDS: Final = range(8)
STEPS: Final = 12
LEAST: Final = 40
"""Rows and entries of these histories that are read, at the least."""


class Shared:
    """A function with a cache, which keeps all that it ever handed out."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.given: dict[Hashable, tuple[tuple[Any, ...], dict[str, Any], Any]] = {}

    def __call__(self, *args: Any, **more: Any) -> Any:
        """Return what it returned before for the same."""
        key = (args, tuple(map(type, args)), tuple(sorted(more.items())))
        if key not in self.given:
            self.given[key] = args, more, self.function.__wrapped__(*args, **more)
        return self.given[key][2]

    def changed(self) -> Iterator[str]:
        """Yield a line for each that is not any more what the function makes of the same."""
        for args, more, shared in self.given.values():
            made, again = (self.function.__wrapped__(*args, **more) for _ in range(2))
            if shared != made and made == again:  # a Glob, for one, equals no other
                yield f"{self.function.__module__}.{self.function.__qualname__}: {shared} was {made}"


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Shared]:
    """All functions and classes of the product with arguments and a cache, by name, wherever they were imported."""
    found: dict[int, Shared] = {}
    for module in [one for name, one in sys.modules.items() if name.partition(".")[0] == "guardrails"]:
        for name, value in [*vars(module).items()]:
            if hasattr(value, "cache_parameters") and signature(value.__wrapped__).parameters:
                monkeypatch.setattr(module, name, found.setdefault(id(value), Shared(value)))
    return {f"{one.function.__module__}.{one.function.__qualname__}": one for one in found.values()}


def test_nobody_changes_what_a_cache_hands_out(shared: dict[str, Shared]) -> None:
    for seed in SEEDS:
        simulate(seed, STEPS)
    assert len(shared[f"{state.__name__}._row"].given) > LEAST
    assert len(shared[f"{chain.__name__}._entry"].given) > LEAST
    assert [line for one in shared.values() for line in one.changed()] == []


def test_a_row_that_is_changed_is_seen(shared: dict[str, Shared], monkeypatch: pytest.MonkeyPatch) -> None:
    visit: Callable[..., Visit] = Reconciler.visit

    def careless(reconciler: Reconciler, exemption_id: Any, hint: Hint) -> Visit:
        for _, _, row in shared[f"{state.__name__}._row"].given.values():
            row.findings["expiry-missing"] = row.since
        return visit(reconciler, exemption_id, hint)

    monkeypatch.setattr(Reconciler, "visit", careless)
    with suppress(AssertionError):  # an invariant may see it, too
        simulate(0, STEPS)
    assert [*shared[f"{state.__name__}._row"].changed()]
