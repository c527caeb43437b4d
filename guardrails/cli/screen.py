"""Where all output of the command line goes: made safe for a terminal, coloured there, plain in a pipe.

Everything that is shown may hold strangers' text. Control, escape and bidirectional characters are taken out here, so
that no command can forget it; markup is never interpreted.
"""

import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from guardrails.channels.text import plain

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LONGEST: Final = 4000
"""Characters of one line or cell line."""

_STYLES: Final[Mapping[str, str]] = {
    "pass": "green", "compliant": "green", "sound": "green", "closed": "green", "right": "green",
    "violation": "bold red", "high": "red", "open": "bold red", "cannot-act": "bold red", "fail": "bold red",
    "mistake": "bold red", "not-judged": "yellow",
    "unknown": "yellow", "medium": "yellow",
    "off": "dim", "info": "dim", "low": "cyan", "excluded": "cyan", "gone": "dim", "skipped": "dim",
}  # fmt: skip

type Cell = str | Sequence[str]
"""One line of text, or several."""


class Outlet:
    """A standard stream. What it cannot take is left out, and the command goes on: a full disk stops no work half-way.

    Characters that the stream's encoding lacks are shown as escapes.

    Args:
        stream: None where whoever started us had closed it.
        stops: whether a reader who has left stops the command, by BrokenPipeError: nobody wants the rest.

    Attributes:
        refused: why the stream takes no more; None while it does.
    """

    def __init__(self, stream: TextIO | None, *, stops: bool = False) -> None:
        self._stream: Any = io.TextIOBase() if stream is None else stream
        self._stops = stops
        self.refused: OSError | None = None
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def left(self) -> bool:
        """Whether the reader has left."""
        return isinstance(self.refused, BrokenPipeError)

    def write(self, text: str) -> int:
        """Write text, unless the stream has refused some before."""
        self._do(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Have the stream write what it holds back."""
        self._do(self._stream.flush)

    def _do(self, operation: Callable[[], object]) -> None:
        if self.refused is not None:
            return
        try:
            operation()
        except OSError as error:
            self.refused = error
            with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
                os.dup2(nowhere.fileno(), self._stream.fileno())  # or Python fails with the rest of it when it ends
            if self.left and self._stops:
                raise


def complain(text: str, more: Sequence[str] = ()) -> None:
    """Say what went wrong in one line on standard error; `more` are its particulars, a line each, indented as given."""
    print("guardrails: " + plain(text, LONGEST), file=sys.stderr)
    for line in more:
        print("  " + " " * (len(line) - len(line.lstrip())) + plain(line, LONGEST), file=sys.stderr)


class Screen:
    """Standard output and standard error."""

    def __init__(self) -> None:
        self.terminal = sys.stdout.isatty()
        self._console: Console | None = None
        if self.terminal:
            try:
                from rich import console  # noqa: PLC0415 - not needed in a pipe, nor where it is not installed
            except ImportError:
                self.terminal = False
                self.note("plain text only; for tables and colour: pip install -r requirements-cli.txt")
            else:
                self._console = console.Console(highlight=False, markup=False, emoji=False)

    def line(self, text: str = "", *, indent: int = 0, style: str = "") -> None:
        """Print one line. `style` is a style of rich, or a word that has one here."""
        shown = " " * indent + plain(text, LONGEST)
        if self._console:
            self._console.print(_text(shown, _STYLES.get(style, style)), soft_wrap=True)
        else:
            print(shown)

    def json(self, value: Any) -> None:
        """Print JSON in ASCII: whatever a text holds, a terminal sees letters."""
        print(json.dumps(value, indent=2, default=str))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, lines: bool = False) -> None:
        """Print a table; in a pipe, columns two spaces apart, nothing cut, the lines of a cell joined by "; "."""
        safe = [[_lines(cell) for cell in row] for row in rows]
        if self._console:
            self._rich_table(columns, safe, lines=lines)
            return
        flat = [list(columns), *(["; ".join(cell) for cell in row] for row in safe)]
        widths = [max(len(row[n]) for row in flat) for n in range(len(columns))]
        for row in flat:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def note(self, text: str) -> None:
        """Say something beside the result, on standard error."""
        print(plain(text, LONGEST), file=sys.stderr)

    def problem(self, text: str, more: Sequence[str] = ()) -> None:
        """Say what went wrong: see `complain`."""
        complain(text, more)

    @contextmanager
    def progress(self, what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
        """Show a bar on standard error while a person looks there; yield what moves it: (done, total), 0 unknown."""
        if quiet or not sys.stderr.isatty():
            yield lambda _done, _total: None
            return
        try:
            from rich import console, progress  # noqa: PLC0415 - see above
        except ImportError:
            yield lambda _done, _total: None
            return
        columns = (
            progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
        )  # fmt: skip
        with progress.Progress(*columns, console=console.Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=max(total, done) if total else None)

    def _rich_table(self, columns: Sequence[str], rows: Sequence[Sequence[Sequence[str]]], *, lines: bool) -> None:
        from rich.table import Table  # noqa: PLC0415 - see above
        from rich.text import Text  # noqa: PLC0415

        table = Table(show_lines=lines)
        for column in columns:
            table.add_column(Text(column), overflow="fold")
        for row in rows:
            table.add_row(*(Text("\n").join(_text(part, _STYLES.get(part, "")) for part in cell) for cell in row))
        if self._console:
            self._console.print(table)


def _lines(cell: Cell) -> list[str]:
    return [plain(part, LONGEST) for part in ([cell] if isinstance(cell, str) else cell)]


def _text(text: str, style: str) -> "Text":
    from rich.text import Text  # noqa: PLC0415 - see above

    return Text(text, style=style)
