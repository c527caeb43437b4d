"""Work that this process shares with forks of itself. Linux only."""

import os
import pickle
import signal
import struct
from collections.abc import Callable, Sequence
from typing import Any, BinaryIO, Final

_NUMBER: Final = struct.Struct("i")
MOST: Final = 1024
"""Parts whose numbers the smallest pipe holds."""


def shared[T](work: Callable[[int], T], parts: int, processes: int) -> list[T]:
    """Return what comes of each part, in their order: each process takes the next part that nobody has taken.

    This one takes the first.

    What a fork did not answer, for whatever reason, this process does itself. So what `work` raises is raised here.

    Args:
        work: takes the number of a part, from 0. What it returns can be pickled.
        parts: how many there are, at most MOST.
        processes: how many take part, with this one.
    """
    waiting, written = os.pipe()
    os.write(written, b"".join(map(_NUMBER.pack, range(1, parts))))
    os.close(written)
    forks: list[tuple[int, BinaryIO]] = []
    done: dict[int, T] = {}
    try:
        for _ in range(processes - 1):
            answers: BinaryIO = os.fdopen(os.memfd_create("answers"), "w+b")
            if not (fork := os.fork()):
                _answer(work, waiting, answers)
            forks.append((fork, answers))
        taken = _NUMBER.pack(0) if parts else b""
        while taken:
            (number,) = _NUMBER.unpack(taken)
            done[number] = work(number)
            taken = os.read(waiting, _NUMBER.size)
        while forks:
            fork, answers = forks[-1]
            os.waitpid(fork, 0)
            forks.pop()
            with answers:
                done.update(_answers(answers))
    finally:
        os.close(waiting)
        for fork, unread in forks:  # something was raised here
            os.kill(fork, signal.SIGKILL)
            os.waitpid(fork, 0)
            unread.close()
    return [done[number] if number in done else work(number) for number in range(parts)]


def _answer(work: Callable[[int], object], waiting: int, answers: BinaryIO) -> None:
    """Be a fork: answer what is waiting, and go, without what a program does at its end."""
    try:
        while taken := os.read(waiting, _NUMBER.size):
            (number,) = _NUMBER.unpack(taken)
            pickle.dump((number, work(number)), answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
    finally:
        os._exit(0)


def _answers(answers: BinaryIO) -> Sequence[tuple[int, Any]]:
    """Return what a fork answered, as far as it came."""
    answers.seek(0)
    found = []
    try:
        while True:
            found.append(pickle.load(answers))  # noqa: S301 - a fork of ours wrote it
    except (EOFError, pickle.UnpicklingError):
        return found
