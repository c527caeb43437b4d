"""Each watcher can fail: it says nothing of a short history by hand, and says so of the same with one thing wrong."""

from typing import Any, Final

import pytest

from tests.battery.record import ROOT
from tests.battery.spoiled import SPOILED
from tests.battery.tale import Tale
from tests.battery.watchers import WATCHERS

READ: Final = (
    ("decisions/decide.py", "not reverted: "),
    ("decisions/decide.py", "it belongs to "),
    ("decisions/decide.py", "but the last writer is not one of its authors"),
    ("decisions/decide.py", " broke it again "),
    ("decisions/decide.py", "not reverted before "),
    ("decisions/decide.py", ", to give time"),
    ("decisions/decide.py", "`authors`"),
    ("decisions/durability.py", " deleted it, which is allowed"),
    ("decisions/durability.py", "it is left to "),
    ("decisions/holds.py", "on hold until"),
    ("reconcile/restore_lost.py", " deleted it, which is not allowed"),
    ("reconcile/restore_lost.py", "at the same scope replaces it"),
    ("reconcile/restore_lost.py", "who deleted it is what the activity log says"),
    ("reconcile/restore_lost.py", "who deleted it is what an event says"),
    ("reconcile/restore_lost.py", "was not read"),
    ("reconcile/restore.py", "as history entry"),
    ("azure/events.py", "names no exemption"),
    ("criteria/weakened.py", "the assignment does not exist"),
    ("azure/arm.py", "the scope cannot be tagged"),
    ("register/table.py", "and a transaction takes"),
)
"""Texts of the service that watchers read, and the modules that write them."""


@pytest.mark.parametrize(("module", "text"), READ)
def test_what_watchers_read_is_what_the_service_writes(module: str, text: str) -> None:
    """Else a watcher says nothing any more, and nobody notices."""
    assert text in (ROOT / "guardrails" / module).read_text(encoding="utf-8")
    folder = ROOT / "tests" / "battery" / "watchers"
    assert any(text in path.read_text(encoding="utf-8") for path in folder.glob("*.py"))


@pytest.mark.parametrize("check", WATCHERS, ids=lambda check: check.__name__)
async def test_each_watcher_sees_what_it_watches_for_and_nothing_else(check: Any) -> None:
    for spoil in SPOILED[check.__name__]:
        for wrong in (False, True):
            tale = Tale()
            spoil(tale, wrong)
            broken = await check(await tale.book())
            assert bool(broken) is wrong, (spoil.__name__, broken)


def test_no_watcher_is_listed_that_is_none() -> None:
    assert SPOILED.keys() == {check.__name__ for check in WATCHERS}
