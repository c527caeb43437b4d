"""Where all output of the command line goes: made safe for a terminal, coloured there, plain in a pipe.

Everything that is shown may hold strangers' text. Control, escape and bidirectional characters are taken out here, so
that no command can forget it; markup is never interpreted.
"""

import io
import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from guardrails.channels.text import plain
from guardrails.cli.program import SCRIPT, is_script, missing, named
from guardrails.cli.schema_version import Form

if TYPE_CHECKING:
    from rich.console import Console

    from guardrails.cli.progress import Moved

LONGEST: Final = 4000
"""Characters of one line or cell line."""

_STYLES: Final[Mapping[str, str]] = {
    "pass": "green", "compliant": "green", "sound": "green", "closed": "green", "right": "green",
    "violation": "bold red", "high": "red", "open": "bold red", "cannot-act": "bold red", "fail": "bold red",
    "mistake": "bold red", "not-judged": "yellow",
    "unknown": "yellow", "medium": "yellow",
    "off": "dim", "info": "dim", "low": "cyan", "excluded": "cyan", "gone": "dim", "skipped": "dim",
}  # fmt: skip

_WIDTH: Final = 80
"""Cells of a line where there is no terminal."""

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
        if self.refused is None:
            try:
                self._stream.write(text)
            except OSError as error:
                self._refuse(error)
        return len(text)

    def flush(self) -> None:
        """Have the stream write what it holds back."""
        if self.refused is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._refuse(error)

    def _refuse(self, error: OSError) -> None:
        self.refused = error
        with suppress(OSError), Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), self._stream.fileno())  # or Python fails with the rest of it when it ends
        if self.left and self._stops:
            raise error


def complain(text: str, more: Sequence[str] = ()) -> None:
    """Say what went wrong in one line on standard error; `more` are its particulars, a line each, indented as given."""
    name = SCRIPT if is_script() else "guardrails"
    _say(f"{name}: {plain(named(text), LONGEST)}")
    for line in more:
        _say("  " + " " * (len(line) - len(line.lstrip())) + plain(named(line), LONGEST))


def _say(line: str) -> None:
    """Write a line to standard error; in a terminal its words stay whole."""
    if sys.stderr.isatty():
        indent = len(line) - len(line.lstrip())
        line = "\n".join(_folded(line.lstrip(), width_of(sys.stderr), indent))
    print(line, file=sys.stderr)


def _folded(text: str, width: int, indent: int, hang: int = 2) -> list[str]:
    from guardrails.cli.wrapping import wrapped  # noqa: PLC0415 - not needed in a pipe

    return wrapped(text, width, first=" " * indent, hang=" " * (indent + hang), whole=True)


def width_of(stream: TextIO) -> int:
    """Return the width of the terminal behind a stream, in cells: COLUMNS goes before what it says itself."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or _WIDTH
    return _WIDTH


class Screen:
    """Standard output and standard error. `form`: how what is printed as JSON or CSV is spelled."""

    def __init__(self, form: Form = Form()) -> None:  # noqa: B008 - it is frozen
        self.form = form
        self.terminal = sys.stdout.isatty()
        self._console: Console | None = None
        if self.terminal:
            try:
                from rich import console  # noqa: PLC0415 - not needed in a pipe, nor where it is not installed
            except ImportError:
                self.terminal = False
                self.note(f"plain text only, without tables and colour; {missing('rich')}")
            else:
                width = width_of(sys.stdout)
                self._console = console.Console(highlight=False, markup=False, emoji=False, width=width)

    def line(self, text: str = "", *, indent: int = 0, style: str = "", hang: int = 2) -> None:
        """Print one line; in a terminal, what does not fit goes on below, where a word begins.

        Args:
            indent: blanks before it.
            style: a style of rich, or a word that has one here.
            hang: blanks more before what goes on below.
        """
        shown = plain(text, LONGEST)
        if self._console:
            shown = "\n".join(_folded(shown, self._console.width, indent, hang))
            self._print(shown, _STYLES.get(style, style))
        else:
            sys.stdout.write(f"{' ' * indent}{shown}\n")  # one call where print makes two

    def mark(self, text: str, *, indent: int = 0) -> None:
        """Print a text of ours with its blanks as they are, below a line that is not wrapped."""
        line = " " * indent + text
        self._print(line, "bold") if self._console else sys.stdout.write(f"{line}\n")

    def command(self, text: str) -> None:
        """Print what is to be copied: in one line, however long."""
        shown = plain(text, LONGEST)
        if self._console:
            self._print(shown)
        else:
            print(shown)

    def json(self, value: Any) -> None:
        """Print what a command found as JSON, in its form. In ASCII, whatever a text holds: no terminal obeys it."""
        self.raw_json(self.form(value))

    def raw_json(self, value: Any) -> None:
        """Print JSON that is not ours, as it is."""
        print(json.dumps(value, indent=2, default=str))

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, lines: bool = False) -> None:
        """Print a table, by guardrails.cli.tables; in a pipe nothing is cut, and lines of a cell are joined by "; ".

        What may be long belongs into the last column, the only one that wraps. `lines`: whether blank lines part rows.
        """
        safe = [[_lines(cell) for cell in row] for row in rows]
        if self._console:
            from guardrails.cli.tables import drawn  # noqa: PLC0415 - see above

            shown = drawn(columns, safe, self._console.width, styles=_STYLES, lines=lines)
            self._console.print(shown, crop=False)  # what is too wide for all that is for the terminal to wrap
            return
        flat = [list(columns), *(["; ".join(cell) for cell in row] for row in safe)]
        widths = [max(len(row[n]) for row in flat) for n in range(len(columns))]
        for row in flat:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def note(self, text: str) -> None:
        """Say something beside the result, on standard error."""
        _say(plain(named(text), LONGEST))

    def problem(self, text: str, more: Sequence[str] = ()) -> None:
        """Say what went wrong: see `complain`."""
        complain(text, more)

    def progress(self, what: str, *, quiet: bool = False) -> "AbstractContextManager[Moved]":
        """Show progress on standard error: see guardrails.cli.progress."""
        from guardrails.cli.progress import progress  # noqa: PLC0415 - not every command takes long

        return progress(what, quiet=quiet)

    def _print(self, text: str, style: str = "") -> None:
        """Print what is safe to show and has its lines already."""
        from rich.text import Text  # noqa: PLC0415 - see above

        if self._console:
            self._console.print(Text(text, style=style), soft_wrap=True)


def _lines(cell: Cell) -> list[str]:
    return [plain(part, LONGEST) for part in ([cell] if isinstance(cell, str) else cell)]
