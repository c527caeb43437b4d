"""CSV as PowerShell's ConvertFrom-Csv reads it, with the line and column of every cell. Pure.

A quote in the midst of a cell is plain text; text behind a closing quote belongs to the cell; blanks before a cell are
dropped; a record of one empty cell, which a blank line is, is skipped; remarks before the header begin with #.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from guardrails.dataclass import dataclass
from guardrails.evaluation.values import Place
from guardrails.files.json_places import Lines
from guardrails.lazy_regex import lazy_regex

_BLANKS: Final = " \t"
_FIELDS: Final = "#Fields: "
"""What PowerShell drops before the first name of a header."""
_REMARK: Final = lazy_regex(r"#[^\r\n]*(?:\r\n|\r|\n|\Z)")
"""A first line that PowerShell passes over as a whole, whatever quotes are in it."""
_CELL: Final = lazy_regex(
    r"""([ \t]*+(?:"[^"]*+(?:""[^"]*+)*+"|(?:[^",\r\n \t]++|[ \t]++(?=[^",\r\n \t]))*+))(,|\r\n|\r|\n|\Z)|(.)""", re.S
)
"""A cell as it is written, and what ends it: the usual case, at once; or a mark of a cell that is not usual.

In a usual one no quote is in its midst, and no blank at its end.
"""


class BrokenTable(ValueError):
    """PowerShell has an error on the table, and reads nothing of it. `place`: of what is wrong."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


class Cell(NamedTuple):
    """A cell's text and offset. `open`: its quote is never closed."""

    text: str
    at: int
    open: bool = False


class Record:
    """A record: the texts of its cells, and its offset. Where its cells are is looked for where somebody asks.

    `texts`: None for an empty cell whose quote is never closed, which PowerShell does not count.
    """

    __slots__ = ("_text", "at", "texts")

    def __init__(self, text: str, at: int, texts: Sequence[str | None]) -> None:
        self._text, self.at, self.texts = text, at, texts

    def __iter__(self) -> Iterator[Cell]:
        return iter(_record(self._text, self.at)[0])


@dataclass(frozen=True, slots=True)
class Table:
    """A header and the records below it; cells that a record lacks are simply not there. `lines`: of its text."""

    header: tuple[Cell, ...]
    records: tuple[Record, ...]
    lines: Lines


def read_table(text: str, path: str) -> Table:
    """Return a table, which has no columns where the text has none. Raises BrokenTable."""
    lines = Lines(text, path)
    records = _records(text)
    header = _header(records)
    seen: dict[str, Cell] = {}
    for cell in header:
        key = cell.text.lower()
        if key and key in seen:
            raise BrokenTable(f"two columns are called {cell.text[:60]!r}", lines.place(cell.at))
        seen[key] = cell
    found = (one for one in records if len(one.texts) - (one.texts[-1] is None) > 1 or one.texts[0])
    return Table(tuple(header), tuple(found), lines)


def _header(records: Iterator[Record]) -> list[Cell]:
    """Return the cells of the first record that is no remark: PowerShell passes over those that begin with #."""
    for record in records:
        header = list(record)
        while len(header) > 1 and not header[-1].text:
            header.pop()
        if header[0].text.startswith(_FIELDS):
            return [header[0]._replace(text=header[0].text[len(_FIELDS) :]), *header[1:]]
        if not header[0].text.startswith("#"):
            return header
    return []


def _records(text: str) -> Iterator[Record]:
    at = remark.end() if (remark := _REMARK.match(text)) else 0
    end, ended = len(text), text[-1:] in ("\r", "\n")
    cells: list[tuple[str, str, str]] = _CELL.findall(text, at)
    if any(mark for _, _, mark in cells):
        while at < end:
            start = at
            record, at = _record(text, start)
            if at >= end and len(record) == 1 and not record[0].text and not ended:
                return
            yield Record(text, start, [cell.text or (None if cell.open else "") for cell in record])
        return
    start, texts = at, list[str]()
    for written, behind, _ in cells:
        if at >= end and not texts:
            return
        at += len(written) + len(behind)
        said = _text_of(written)
        texts.append(said)
        if behind == ",":
            continue
        if at >= end and not said:
            if len(texts) > 1 and text.rstrip(_BLANKS)[-1:] == ",":
                texts.pop()  # nothing behind the last comma of the file
            if texts == [""] and not ended:
                return
        yield Record(text, start, texts)
        start, texts = at, []


def _text_of(written: str) -> str:
    """Return the text of a usual cell."""
    said = written.lstrip(_BLANKS)
    return said[1:-1].replace('""', '"') if said[:1] == '"' else said


def _record(text: str, at: int) -> tuple[list[Cell], int]:
    """Return the cells of the record that begins at an offset, and the offset behind it."""
    record: list[Cell] = []
    end, done = len(text), False
    while not done:
        usual = _CELL.match(text, at)
        if usual is not None and usual[3] is None:
            written = usual[1]
            cell = Cell(_text_of(written), at + len(written) - len(written.lstrip(_BLANKS)))
            at, done = usual.end(), usual[2] != ","
        else:
            cell, at, done = _cell(text, at)
        record.append(cell)
        if done and at >= end and not cell.text and len(record) > 1 and text.rstrip(_BLANKS)[-1:] == ",":
            record.pop()  # nothing behind the last comma of the file
    return record, at


def _cell(text: str, at: int) -> tuple[Cell, int, bool]:
    """Return the cell that begins at an offset, the offset behind it, and whether its record ends with it."""
    end = len(text)
    while at < end and text[at] in _BLANKS:
        at += 1
    start = at
    if at < end and text[at] == '"':
        return _quoted(text, at)
    while at < end and text[at] not in ",\r\n":
        if text[at] in _BLANKS:
            stop = _stop(text, at)
            said = text[start : at + 1]
            rest = text[at + 1 : stop]
            said += rest.strip() if not rest.strip(_BLANKS) else rest
            return _finish(Cell(said, start), text, stop)
        if text[at] == '"':
            at = _stop(text, at)
            break
        at += 1
    return _finish(Cell(text[start:at], start), text, at)


def _quoted(text: str, start: int) -> tuple[Cell, int, bool]:
    pieces, at = [], start + 1
    while True:
        quote = text.find('"', at)
        if quote < 0:
            pieces.append(text[at:])
            return Cell("".join(pieces), start, open=True), len(text), True
        pieces.append(text[at:quote])
        if text[quote + 1 : quote + 2] != '"':
            break
        pieces.append('"')
        at = quote + 2
    stop = _stop(text, quote + 1)
    rest = text[quote + 1 : stop]
    pieces.append(rest if rest.strip(_BLANKS) else rest.strip())
    return _finish(Cell("".join(pieces), start), text, stop)


def _stop(text: str, at: int) -> int:
    """Return the offset of the next comma or line end."""
    while at < len(text) and text[at] not in ",\r\n":
        at += 1
    return at


def _finish(cell: Cell, text: str, at: int) -> tuple[Cell, int, bool]:
    if at >= len(text):
        return cell, at, True
    if text[at] == ",":
        return cell, at + 1, False
    return cell, at + (2 if text.startswith("\r\n", at) else 1), True
