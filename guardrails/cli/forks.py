"""Work that this process shares with forks of itself. Linux only."""

import os
import pickle
import signal
import struct
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, NamedTuple

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
    os.write(written, b"".join(map(_NUMBER.pack, range(parts))))
    os.close(written)
    forks: list[_Fork] = []
    done: dict[int, T] = {}
    try:
        taken = os.read(waiting, _NUMBER.size)  # the first part is this process's own
        forks.extend(_fork(work, waiting) for _ in range(processes - 1))
        while taken:
            (number,) = _NUMBER.unpack(taken)
            done[number] = work(number)
            taken = os.read(waiting, _NUMBER.size)
        for fork in forks:
            done.update(fork.answered())
    finally:
        os.close(waiting)
        for fork in forks:
            fork.end()
    return [done[number] if number in done else work(number) for number in range(parts)]


class _Fork(NamedTuple):
    """A process that answers. `ended`: what can be read once it has answered all, or is gone."""

    process: int
    ended: int
    answers: BinaryIO

    def answered(self) -> Iterator[tuple[int, Any]]:
        """Wait until it has answered all that it took, and yield that, as far as it came."""
        os.read(self.ended, 1)
        self.answers.seek(0)
        try:
            while True:
                yield pickle.load(self.answers)  # noqa: S301 - a fork of ours wrote it
        except (EOFError, pickle.UnpicklingError):
            return

    def end(self) -> None:
        """End it, whatever it is at: what it answered has been read, or something was raised here."""
        os.close(self.ended)
        self.answers.close()
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)


def _fork(work: Callable[[int], object], waiting: int) -> _Fork:
    answers: BinaryIO = os.fdopen(os.memfd_create("answers"), "w+b")
    ended, ending = os.pipe()
    if not (process := os.fork()):
        _answer(work, waiting, answers, ending)
    os.close(ending)
    return _Fork(process, ended, answers)


def _answer(work: Callable[[int], object], waiting: int, answers: BinaryIO, ending: int) -> None:
    """Be a fork: answer what is waiting, and go, without what a program does at its end."""
    try:
        while taken := os.read(waiting, _NUMBER.size):
            (number,) = _NUMBER.unpack(taken)
            pickle.dump((number, work(number)), answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
        os.write(ending, b"\0")  # what was answered is read while the system takes this process apart
    finally:
        os._exit(0)
