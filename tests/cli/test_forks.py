"""Work that is shared with forks: nothing of it is lost, whatever becomes of a fork, and no fork outlives it."""

import os
import signal
import sys
import time
from collections.abc import Callable

import pytest

from guardrails.cli.forks import MOST, shared

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks of this kind are for Linux")


def without_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return True
    return False


def in_forks(act: Callable[[], object]) -> Callable[[int], int]:
    """Return work that gives twice a number, and does something before it in each process but this one."""
    here = os.getpid()

    def work(number: int) -> int:
        time.sleep(0.005)  # so that each process gets some
        if os.getpid() != here:
            act()
        return 2 * number

    return work


def test_answers_come_in_the_order_of_the_parts_and_from_several_processes() -> None:
    def work(number: int) -> tuple[int, int]:
        time.sleep(0.01)
        return number, os.getpid()

    found = shared(work, 20, 3)
    assert [number for number, _ in found] == [*range(20)]
    processes = {process for _, process in found}
    assert os.getpid() in processes
    assert len(processes) > 1
    assert without_children()


def test_as_many_parts_as_there_may_be_wait_at_once() -> None:
    assert shared(lambda number: number, MOST, 2) == [*range(MOST)]


@pytest.mark.parametrize(
    "act",
    [lambda: 1 / 0, lambda: os._exit(1), lambda: os.kill(os.getpid(), signal.SIGKILL)],
    ids=["raises", "goes", "is killed"],
)
def test_what_a_fork_does_not_answer_is_done_here(act: Callable[[], object]) -> None:
    assert shared(in_forks(act), 20, 3) == [2 * number for number in range(20)]
    assert without_children()


def test_what_the_work_raises_here_is_raised_and_no_fork_is_left() -> None:
    here = os.getpid()

    def work(number: int) -> int:
        if os.getpid() == here:
            raise ValueError("this part cannot be done")
        time.sleep(60)
        return number

    with pytest.raises(ValueError, match="cannot be done"):
        shared(work, 4, 2)
    assert without_children()


def test_what_the_work_raises_everywhere_is_raised_here() -> None:
    def work(number: int) -> int:
        raise ValueError(f"part {number} cannot be done")

    with pytest.raises(ValueError, match="cannot be done"):
        shared(work, 4, 2)
    assert without_children()
