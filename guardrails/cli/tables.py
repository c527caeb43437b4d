"""Tables for a terminal, of whatever width: no code, name, date or number in one is ever broken.

Only the last column wraps. Where the others leave it too little room, they go below its text, from the right, each as a
line with its heading. Where all have gone there, a row is a record: a line for each value.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from guardrails.cli.wrapping import cells, wrapped
from guardrails.lazy_regex import lazy_regex

if TYPE_CHECKING:
    from rich.console import RenderableType

type Lines = Sequence[str]
"""What a cell holds. The texts are safe to show: see `guardrails.cli.screen`."""

LEAST: Final = 24
"""Cells that the last column has at least, where it needs them."""
_WORD: Final = 64
"""Cells of the longest word, or step of an id, that the last column makes room for: Azure's names have no more."""
_PIECE: Final = lazy_regex(r"[^\s/]+/?|/")
_GAP: Final = 2


def drawn(
    columns: Sequence[str], rows: Sequence[Sequence[Lines]], width: int, *, styles: Mapping[str, str], lines: bool
) -> "RenderableType":
    """Return what a console of rich prints.

    Args:
        columns: their headings.
        rows: their cells.
        width: that of the terminal, in cells.
        styles: a style of rich for each word that has one.
        lines: whether a blank line parts the rows; one does where columns have gone below the last.
    """
    sizes = [max(cells(line) for cell in column for line in cell) for column in _turned(columns, rows)]
    for count in reversed(range(1, len(columns))):
        folded = [[*row[:count], _folded(columns, row, count)] for row in rows]
        last = [line for *_, cell in folded for line in cell]
        room = width - sum(sizes[:count]) - _GAP * count
        if room >= _least(last):
            size = min(room, max(map(cells, (columns[-1], *last))))
            heads = (*columns[:count], columns[-1])
            return _table(heads, folded, [*sizes[:count], size], styles, lines=lines or count < len(columns) - 1)
    return _records(columns, rows, width, styles)


def _turned(columns: Sequence[str], rows: Sequence[Sequence[Lines]]) -> Iterator[list[Lines]]:
    """Yield the cells by column, the heading first."""
    for number, name in enumerate(columns):
        yield [[name], *(row[number] for row in rows)]


def _folded(columns: Sequence[str], row: Sequence[Lines], count: int) -> list[str]:
    """Return the last cell, with the cells below it that are not among the first `count`."""
    lines = list(row[-1])
    for name, cell in zip(columns[count:-1], row[count:-1], strict=True):
        head = f"{name}: "
        for line in filter(None, cell):
            lines.append(head + line)
            head = "  "
    return lines


def _least(last: Lines) -> int:
    """Return how many cells the last column needs at least."""
    return max(_longest(last, _WORD), min(LEAST, max(map(cells, last), default=0)))


def _longest(lines: Iterable[str], most: int) -> int:
    """Return the cells of the longest word, or step of an id, of those that have `most` at most."""
    sizes = (cells(piece) for line in lines for piece in _PIECE.findall(line))
    return max((size for size in sizes if size <= most), default=0)


def _table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Lines]],
    sizes: Sequence[int],
    styles: Mapping[str, str],
    *,
    lines: bool,
) -> "RenderableType":
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - nobody pays for it but who looks at a table
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_lines=lines)
    for name, size in zip(columns, sizes, strict=True):
        table.add_column(Text(name), width=size, overflow="fold")
    for row in rows:
        cells = (_wrapped(cell, size, styles) for cell, size in zip(row, sizes, strict=True))
        table.add_row(*(Text("\n").join(Text(line, style) for line, style in cell) for cell in cells))
    return table


def _records(
    columns: Sequence[str], rows: Sequence[Sequence[Lines]], width: int, styles: Mapping[str, str]
) -> "RenderableType":
    from rich.console import Group  # noqa: PLC0415 - see above
    from rich.text import Text  # noqa: PLC0415

    indent = max(map(cells, columns)) + _GAP
    shown: list[Text] = []
    for row in rows:
        shown += [Text()] if shown else []
        for name, cell in zip(columns, row, strict=True):
            label, start = f"{name}:", indent
            if _longest(cell, width - _GAP) > width - indent:  # it is whole below the label alone
                shown.append(Text(label, "dim"))
                label, start = "", _GAP
            for line in _wrapped(filter(None, cell), width - start, styles):
                text = Text.assemble((label.ljust(start), "dim"), line)
                text.no_wrap, text.overflow = True, "ignore"
                shown.append(text)
                label = ""
    return Group(*shown)


def _wrapped(cell: Iterable[str], width: int, styles: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the lines of a cell, none wider than `width`, each with its style."""
    for line in cell:
        for part in wrapped(line, width):
            yield part, styles.get(line, "")
