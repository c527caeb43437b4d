"""Work that is shared with forks: nothing of it is lost, whatever becomes of a fork, and no fork outlives it."""

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator

import pytest

from guardrails.cli.forks import MOST, shared
from tests.patience import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks of this kind are for Linux")

type Work = Callable[[int], int]


@pytest.fixture(autouse=True)
def forks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The forks that were made; none of them is left at the end."""
    made, fork = list[int](), os.fork

    def noted() -> int:
        made.append(fork())
        return made[-1]

    monkeypatch.setattr(os, "fork", noted)
    yield made
    for one in made:
        with pytest.raises(ProcessLookupError):
            os.kill(one, 0)


def in_forks(act: Callable[[], object]) -> Work:
    """Return work that gives twice a number, and does something before it in each fork; here it waits for a fork."""
    here, (began, begin) = os.getpid(), os.pipe()

    def work(number: int) -> int:
        if os.getpid() != here:
            os.write(begin, b"x")
            act()
        else:
            assert select.select([began], [], [], PATIENCE)[0], "no fork began"
        return 2 * number

    return work


def test_answers_come_in_the_order_of_the_parts_and_from_several_processes(forks: list[int]) -> None:
    assert shared(in_forks(lambda: None), 20, 3) == [2 * number for number in range(20)]
    assert len(forks) == 2


def test_as_many_parts_as_there_may_be_wait_at_once() -> None:
    assert shared(lambda number: number, MOST, 2) == [*range(MOST)]


@pytest.mark.parametrize(
    "act",
    [lambda: 1 / 0, lambda: os._exit(1), lambda: os.kill(os.getpid(), signal.SIGKILL)],
    ids=["raises", "goes", "is killed"],
)
def test_what_a_fork_does_not_answer_is_done_here(act: Callable[[], object]) -> None:
    assert shared(in_forks(act), 20, 3) == [2 * number for number in range(20)]


def test_what_the_work_raises_here_is_raised_and_no_fork_is_left() -> None:
    here = os.getpid()

    def work(number: int) -> int:
        if os.getpid() == here:
            raise ValueError("this part cannot be done")
        signal.pause()
        return number

    with pytest.raises(ValueError, match="cannot be done"):
        shared(work, 4, 2)


def test_what_the_work_raises_everywhere_is_raised_here() -> None:
    def work(number: int) -> int:
        raise ValueError(f"part {number} cannot be done")

    with pytest.raises(ValueError, match="cannot be done"):
        shared(work, 4, 2)
