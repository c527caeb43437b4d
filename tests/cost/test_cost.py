"""The page of costs: what is counted, what a bill comes to, and that the page says just that."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tools.cost import count
from tools.cost.model import ALERTS, COUNTS, SIZES, Assumed, Data, Line, bill, monitor, options
from tools.cost.page import PAGE, render

NOTHING = {"arm": 0, "table": 0, "queue": 0, "log_lines": 0, "log_bytes": 0}
TRIGGERS = ("new", "again", "edited", "queued", "reverted", "notice", "target")


@pytest.fixture(scope="module")
def data() -> Data:
    return Data.read()


def of(lines: list[Line], start: str) -> Line:
    (found,) = (line for line in lines if line.what.startswith(start))
    return found


def small(**triggers: dict[str, int]) -> Data:
    """A tenant of 1,000 of which only what is named costs anything; prices are 1 a unit, and nothing is free."""
    real = Data.read()
    counts: dict[str, Any] = {
        "triggers": {name: {**NOTHING, **triggers.get(name, {})} for name in TRIGGERS},
        "sweeps": {"1000": {"arm": 0, "table": 3, "queue": 0, "seconds": 5.0}},
        "bytes": {"state": 1000, "history": 500, "run": 2000},
    }
    prices = {name: {**price, "price": 1.0, "free": 0} for name, price in real.prices["prices"].items()}
    assumed = replace(Assumed(), changes=1.0, bad=0.25, due=0.5, reminders=0.1, targets=2, writes=10, entries=4)
    return replace(real, counts=counts, prices={**real.prices, "prices": prices}, assumed=assumed)


def test_the_page_is_what_the_tool_makes(data: Data) -> None:
    assert PAGE.read_text(encoding="utf-8") == render(data), "run `python -m tools.cost`"


async def test_the_counts_are_those_of_the_code() -> None:
    """Log lines and sizes may differ by some characters, ids among them; requests may not."""
    known, found = json.loads(COUNTS.read_text(encoding="utf-8")), await count.triggers()
    for kind in ("arm", "table", "queue", "log_lines"):
        now = {name: one[kind] for name, one in found["triggers"].items()}
        assert now == {name: one[kind] for name, one in known["triggers"].items()}, "python -m tools.cost count 1000"
    for name, one in found["triggers"].items():
        assert one["log_bytes"] == pytest.approx(known["triggers"][name]["log_bytes"], rel=0.1)
    assert found["bytes"] == pytest.approx(known["bytes"], rel=0.1)


def test_a_bill_by_hand() -> None:
    lines = bill(small(reverted={"table": 4, "queue": 2, "log_lines": 1, "log_bytes": 40}, edited={"table": 2}), 1000)
    times = 750 + 250 + 250 + 500 + (250 + 100) + 10 * 2 * 30
    assert of(lines, "Functions, Flex Consumption, on demand: executions").quantity == (times + 720) / 1e6
    assert of(lines, "Functions, Flex Consumption, on demand: execution time").quantity == 2 * (times + 720 * 5)
    assert of(lines, "Table Storage: operations").quantity == (250 * 4 + 750 * 2 + 720 * 3) / 1e4
    assert (
        of(lines, "Table Storage, ZRS").quantity
        == (1000 * (1000 + 4 * 500) + 12 * 720 * 2000 + 56 * 1000 * (1 + 4)) / 1e9
    )
    polls = 4 * 30 * 86400 / 2
    assert of(lines, "Queue").quantity == (250 * 2 + (500 + 350) * 3 + polls) / 1e4
    assert of(lines, "Event Grid").quantity == (10 * 10 * 30 * 3 + 1000 + 250 + 600) / 1e6
    records = 250 + (times + 720) * 3
    assert of(lines, "Log Analytics").quantity == pytest.approx((250 * 40 + records * 1000) / 1e9)
    assert all(line.cost == line.quantity for line in lines)


def test_what_is_free_is_taken_off_and_no_more(data: Data) -> None:
    assert data.cost("log_gb", 4.0).cost == 0
    assert data.cost("log_gb", 7.0).cost == pytest.approx(2 * 2.99)
    assert data.cost("execution", 1_250_000).cost == pytest.approx(0.40)
    line = data.cost("table_operation", 20_000)
    assert (line.unit, line.quantity) == ("10,000 operations", 2.0)
    assert line.cost == pytest.approx(0.00072)


def test_a_monitor_that_asks_each_minute_is_on_the_page(data: Data) -> None:
    """43,200 executions of a second and 2 GB, a read each, and three records of the host's: no grant is taken off."""
    lines = monitor(data)
    assert of(lines, "Functions, Flex Consumption, on demand: executions").quantity == pytest.approx(0.0432)
    assert of(lines, "Functions, Flex Consumption, on demand: execution time").quantity == 86_400
    assert of(lines, "Table Storage: operations").quantity == pytest.approx(4.32)
    assert of(lines, "Log Analytics").quantity == pytest.approx(0.1296)
    dollars = 86_400 * 0.000026 + 0.0432 * 0.40 + 4.32 * 0.00036 + 0.1296 * 2.99
    assert sum(line.cost for line in lines) == pytest.approx(dollars)
    assert "makes 43,200 executions a month" in render(data)
    assert f"they cost {dollars:.2f} US dollars" in render(data)


@pytest.mark.parametrize("size", SIZES)
def test_more_exemptions_cost_more(data: Data, size: int) -> None:
    lines = bill(data, size)
    assert all(line.cost >= 0 for line in lines)
    larger = bill(replace(data, assumed=replace(data.assumed, changes=1.0)), size)
    assert sum(line.cost for line in larger) >= sum(line.cost for line in lines)


def test_every_price_has_a_source_and_none_is_guessed(data: Data) -> None:
    used = {line.what for line in (*bill(data, 1000), *options(data))}
    for price in data.prices["prices"].values():
        assert price["source"]
        assert (price["price"] is None) == price["source"].startswith("not found")
        assert (price["what"] in used) == (price["price"] is not None)


def test_alerts_and_polling_are_those_that_are_deployed(data: Data) -> None:
    often, seldom, series = data.alerts
    assert often + seldom == ALERTS.read_text(encoding="utf-8").count("    query: '")
    assert (series, data.poll_seconds) == (3, 2)
