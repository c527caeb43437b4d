"""Files of exemptions of Enterprise Azure Policy as Code (EPAC): JSON, JSONC and CSV. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from guardrails.epac.entries import FIRST_OF_TABLE, Entry, EpacFile, Fault, Places
from guardrails.epac.instants import NetDate, Runner, json_date
from guardrails.epac.uncertain import Uncertain
from guardrails.evaluation.values import Place
from guardrails.files.epac_json import BrokenJson, Object, read_json
from guardrails.files.epac_table import BrokenTable, Record, read_table
from guardrails.files.json_places import Lines, decoded

ENDINGS: Final = (".json", ".jsonc", ".csv")
"""The endings of the files that EPAC reads, in the order in which it reads them."""
_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")
"""Byte order marks."""


def read_epac(data: bytes, path: str, runner: Runner) -> EpacFile:
    """Return what EPAC reads of a file.

    Args:
        runner: where EPAC runs: its reader turns texts with a day and a time into dates at once.
    """
    why = ""
    if b"\0" in data[:4] and data[:2] not in _MARKS:
        why = "it is UTF-16 or UTF-32 without a byte order mark, which EPAC takes for UTF-8"
    elif any(data.startswith(mark * 2) for mark in _MARKS):
        why = "it has two byte order marks, of which EPAC drops one"
    if why:
        return EpacFile(path, uncertain=why, notes=(Fault(Place(path, 1, 1), why),))
    text = decoded(data, path)
    if not isinstance(text, str):
        return EpacFile(path, uncertain=text.message, notes=(Fault(text.place, text.message),))
    if path.lower().endswith(".csv"):
        return _table(text, path)
    return _json(text, path, lambda plain: json_date(plain, runner))


def _json(text: str, path: str, date_of: Callable[[str], NetDate | None]) -> EpacFile:
    lines = Lines(text, path)
    try:
        root = read_json(text, date_of)
    except BrokenJson as error:
        return EpacFile(path, broken=Fault(lines.place(error.at), str(error)))
    except Uncertain as doubt:
        return EpacFile(path, uncertain=str(doubt))
    listed = root.get("exemptions") if isinstance(root, dict) else None
    notes = tuple(
        Fault(lines.place(at), f"the key {key[:60]!r} is there twice; the last one counts")
        for one in (root, *(listed if isinstance(listed, list) else ()))
        if isinstance(one, Object)
        for key, at in one.doubled
    )
    if isinstance(root, list) and any(isinstance(one, dict | list) and "exemptions" in one for one in root):
        return EpacFile(path, uncertain="its root is a list that holds `exemptions`", root=root)
    if isinstance(listed, dict):
        return _keys_for_entries(listed, path, root, lines)
    if isinstance(listed, list) and any(isinstance(one, list) for one in listed):
        return EpacFile(path, uncertain="an entry of its `exemptions` is a list", root=root, notes=notes)
    if listed is None or isinstance(listed, list):
        some = _entries(listed or (), lines)
        return EpacFile(path, tuple(some), root=root, notes=notes)
    return EpacFile(path, uncertain="its `exemptions` is no list", root=root, notes=notes)


def _entries(listed: Sequence[Any], lines: Lines) -> Iterator[Entry]:
    place_of, behind = lines.place, lines.behind
    for number, one in enumerate(listed):
        if isinstance(one, Object):
            place = place_of(one.at)
            yield Entry(number, place, one, Places(one, place, behind))
        else:
            yield Entry(number, place_of(0), None)


def _keys_for_entries(listed: dict[str, Any], path: str, root: Any, lines: Lines) -> EpacFile:
    """Return the entries of an object in place of the list: EPAC takes each key for an entry with that name alone."""
    if "Count" in listed:
        return EpacFile(path, uncertain="its `exemptions` is an object with a key called Count", root=root)
    at = lines.place(listed.at) if isinstance(listed, Object) else lines.place(0)
    some = [Entry(number, at, {"name": key}, {}) for number, key in enumerate(listed)]
    return EpacFile(path, tuple(some), root=root)


def _table(text: str, path: str) -> EpacFile:
    try:
        table = read_table(text, path)
    except BrokenTable as error:
        why = f"{error}, on which PowerShell has an error; whether EPAC goes on without this table is not known"
        return EpacFile(path, is_table=True, uncertain=why, notes=(Fault(error.place, why),))
    except Uncertain as doubt:
        return EpacFile(path, is_table=True, uncertain=str(doubt))
    lines = table.lines
    place = lines.place
    keys = [cell.text.lower() for cell in table.header]
    entries = tuple(_row(number, keys, record, lines) for number, record in enumerate(table.records, FIRST_OF_TABLE))
    last = table.records[-1] if table.records else table.header
    open_ = (cell for cell in last if cell.open)  # it goes to the end of the file
    notes = tuple(Fault(place(cell.at), "a quote is never closed") for cell in open_)
    columns = {cell.text: place(cell.at) for cell in table.header}
    return EpacFile(path, entries, is_table=True, columns=columns, notes=notes)


class _Cells(NamedTuple):
    """The cells of a record, under the columns that they are in."""

    keys: Sequence[str]
    record: Record

    @property
    def at(self) -> int:
        """The offset of the record."""
        return self.record.at

    @property
    def offsets(self) -> dict[str, int]:
        """The offset of each cell, by the name of its column in lower case."""
        return {key: cell.at for key, cell in zip(self.keys, self.record, strict=False)}


def _row(number: int, keys: list[str], record: Record, lines: Lines) -> Entry:
    start, texts = lines.place(record.at), record.texts
    fields: dict[str, str | None] = dict.fromkeys(keys) if len(texts) < len(keys) else {}
    fields.update(zip(keys, texts, strict=False))
    extra = lines.place([*record][len(keys)].at) if len(texts) > len(keys) else None
    places = Places(_Cells(keys, record), start, lines.behind)
    return Entry(number, start._replace(column=1), fields, places, is_table=True, extra=extra)
