"""Tests are spread by file and group over the processes that run them, the long ones first."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests.spread import ByFile

TESTS = [
    "tests/a/test_few.py::test_x",
    "tests/a/test_many.py::test_x[1]",
    "tests/a/test_many.py::test_x[b@c]",
    "tests/a/test_many.py::TestY::test_x",
    "tests/battery/test_simulation.py::test_x[0]",
    "tests/battery/test_simulation.py::test_x[1]",
    "tests/end_to_end/test_z.py::test_x",
    "tests/kql/test_q.py::test_x[]@kql",
    "tests/other/test_q.py::test_x[d@e]@kql",
]


class Process:
    """A process that runs tests: it gets their numbers."""

    def __init__(self) -> None:
        self.given: list[int] = []
        self.shutting_down = False
        self.gateway = SimpleNamespace(id="gw")

    def send_runtest_some(self, numbers: list[int]) -> None:
        self.given += numbers

    def shutdown(self) -> None:
        self.shutting_down = True


@pytest.fixture
def spread() -> list[list[int]]:
    """Run all tests in two processes by turns; return the numbers that each was given."""
    config: Any = SimpleNamespace(getvalue=lambda _: ["popen"] * 2, option=SimpleNamespace(loadscopereorder=True))
    plan, processes = ByFile(config), [Process(), Process()]
    for one in processes:
        plan.add_node(one)
        plan.add_node_collection(one, TESTS)
    plan.schedule()
    for at in range(len(TESTS)):
        for one in processes:
            if at < len(one.given):
                plan.mark_test_complete(one, one.given[at])
    assert not plan.has_pending
    return [one.given for one in processes]


def test_each_test_runs_once(spread: list[list[int]]) -> None:
    assert sorted(spread[0] + spread[1]) == list(range(len(TESTS)))


@pytest.mark.parametrize("unit", [{0}, {1, 2, 3}, {4}, {5}, {6}, {7, 8}])
def test_a_file_or_group_runs_in_one_process_without_a_break(spread: list[list[int]], unit: set[int]) -> None:
    (given,) = [given for given in spread if unit & set(given)]
    first = min(given.index(one) for one in unit)
    assert set(given[first : first + len(unit)]) == unit


def test_the_long_ones_come_first(spread: list[list[int]]) -> None:
    """The few tests of these files may take as long as all the others."""
    assert {given[0] for given in spread} == {4, 5}
    assert 6 in {given[1] for given in spread}
