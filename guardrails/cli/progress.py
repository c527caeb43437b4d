"""Progress on standard error, while a person looks there; nothing is written anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

type Moved = Callable[[int, int], None]
"""What moves a bar: (done, total), total 0 where it is unknown."""

_BAR: Final = 20
"""Characters: with what is said of it, a bar fits into 60."""
_shown: Final[list[str]] = []
"""What is being shown. There is one bar at a time: what runs inside another is a part of it."""


def _still(_done: int, _total: int) -> None:
    """Move nothing: nobody looks."""


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Moved]:
    """Show a bar until the block ends; yield what moves it. `quiet`: show none, and none for what runs inside."""
    idle = bool(_shown) or quiet or not sys.stderr.isatty()
    _shown.append(what)
    try:
        if idle:
            yield _still
        else:
            with _bar(what) as moved:
                yield moved
    finally:
        _shown.pop()


@contextmanager
def _bar(what: str) -> Iterator[Moved]:
    try:
        from rich import console, progress  # noqa: PLC0415 - not needed in a pipe, nor where it is not installed
    except ImportError:
        yield _still
        return
    columns = (
        progress.TextColumn("{task.description}", markup=False), progress.BarColumn(_BAR),
        progress.TextColumn("{task.fields[count]}", markup=False), progress.TimeElapsedColumn(),
    )  # fmt: skip
    with progress.Progress(*columns, console=console.Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, count="")

        def moved(done: int, total: int) -> None:
            most = max(total, done) if total else None
            bar.update(task, completed=done, total=most, count=f"{done}/{most}" if most else str(done))

        yield moved
