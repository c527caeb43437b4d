"""The history: entries as table rows, each with the hash of the one before, and what is wrong with a chain. Pure.

The hash of an entry is the sha256 (hex) of this JSON, in ASCII, without spaces, its keys in this order:

    {"at":..,"body_digest":..,"event":..,"facts":..,"previous":..,"row":..,"seq":..}

with `facts` and `row` exactly as they are in the table.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from guardrails.dataclass import dataclass, replace
from guardrails.decisions.history import Entry, HistoryEntry
from guardrails.decisions.row import Row
from guardrails.exemption.body import canonical_json
from guardrails.exemption.times import parse_time, spell_time
from guardrails.register.columns import Value, brief, join_text, split_text

FACTS_LIMIT: Final = 100_000
_KEPT: Final = 1_000

PRUNED: Final = "pruned"
"""The event of an entry that says which earlier ones keep no body any more."""
PRUNED_ENTRIES: Final = "entries"
"""The fact of such an entry that lists them."""


@dataclass(frozen=True, slots=True)
class Link:
    """An entry ready to be stored: its number, its hash and its columns, the body's apart."""

    seq: int
    hash: str
    columns: Mapping[str, Value]


def link(entry: Entry, row: Row, text: str, seq: int, previous: str, *, digest: str) -> Link:
    """Return the entry that follows the one with hash `previous`; `row` is the state after it, `text` its JSON."""
    at, event, facts = spell_time(entry.at), brief(entry.event), facts_text(entry.facts)
    made = _hash(at=at, digest=digest, event=event, facts=facts, previous=previous, row=text, seq=seq)
    columns: dict[str, Value] = {
        "id": brief(row.id),
        "seq": seq,
        "at": at,
        "event": event,
        **split_text("facts", facts),
        **split_text("row", text),
        "body_digest": digest,
        "previous": previous,
        "hash": made,
    }
    return Link(seq, made, columns)


def facts_text(facts: Mapping[str, Any]) -> str:
    """Return facts as JSON of at most about 100,000 characters: the longest values are cut and say so. Never fails."""
    try:
        text = canonical_json(facts)
        if len(text) <= FACTS_LIMIT:
            return text
        parts = {str(key): canonical_json(value) for key, value in facts.items()}
    except (TypeError, ValueError, RecursionError) as error:
        return canonical_json({"cut": f"facts that are not JSON: {error}"})
    cut: dict[str, Any] = {key: json.loads(part) for key, part in parts.items()}
    left = len(text)
    for key, part in sorted(parts.items(), key=lambda item: -len(item[1])):
        if left <= FACTS_LIMIT or len(part) <= _KEPT:
            break
        cut[key] = {"cut": f"{len(part)} characters of JSON, of which these are the first", "start": part[:_KEPT]}
        left -= len(part) - len(canonical_json(cut[key]))
    short = canonical_json(cut)
    if len(short) <= FACTS_LIMIT:
        return short
    return canonical_json(
        {"cut": f"{len(text)} characters of JSON, of which these are the first", "start": text[:_KEPT]}
    )


def _hash(*, at: str, digest: str, event: str, facts: str, previous: str, row: str, seq: int) -> str:
    head = canonical_json({"at": at, "body_digest": digest, "event": event})[:-1]
    text = f'{head},"facts":{facts},"previous":{json.dumps(previous)},"row":{row},"seq":{seq}}}'
    return hashlib.sha256(text.encode("ascii", "backslashreplace")).hexdigest()


def read_entry(columns: Mapping[str, Any]) -> HistoryEntry:
    """Read a history row. Raises ValueError, saying what is wrong, when it is damaged or its hash does not fit."""
    try:
        at, event, seq = columns["at"], columns["event"], _number(columns["seq"])
        digest, previous, given = columns["body_digest"], columns["previous"], columns["hash"]
        facts, row = join_text("facts", columns), join_text("row", columns)
        return _entry(at=at, event=event, facts=facts, row=row, seq=seq, digest=digest, previous=previous, given=given)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it lacks a column or has one of the wrong type ({error!r})") from error


@lru_cache(maxsize=128, typed=True)  # entries never change, and those of one exemption are read again and again
def _entry(
    *, at: str, event: str, facts: str, row: str, seq: int, digest: str, previous: str, given: str
) -> HistoryEntry:  # fmt: skip
    found = _hash(at=at, digest=digest, event=event, facts=facts, previous=previous, row=row, seq=seq)
    if given != found:
        raise ValueError("its hash does not fit its content")
    when = parse_time(at)
    if when is None:
        raise ValueError("it has no time")
    return HistoryEntry(seq, when, event, json.loads(facts), json.loads(row), digest, previous, given)


def _number(value: object) -> int:
    if isinstance(value, int):
        return value
    raise TypeError(f"seq is {value!r}")


@dataclass(frozen=True, slots=True)
class Chain:
    """A history as read: the entries that are sound, and everything that is wrong, a sentence each."""

    entries: tuple[HistoryEntry, ...]
    problems: tuple[str, ...]

    @property
    def newest(self) -> HistoryEntry | None:
        """The newest sound entry; None where there is none."""
        return self.entries[-1] if self.entries else None


def read_chain(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Chain:
    """Read history rows, given as (row key, columns) in the order of their keys, and check every hash and link."""
    entries: list[HistoryEntry] = []
    problems: list[str] = []
    expected, previous, known = 1, "", True
    for name, columns in rows:
        number = name.rsplit("~", 1)[-1]
        place = int(number) if number.isascii() and number.isdigit() else 0
        if place > expected:
            problems.append(_missing(expected, place - 1))
            known = False
        expected = place + 1
        try:
            entry = read_entry(columns)
        except ValueError as error:
            problems.append(f"entry {place}: {error}")
            known = False
            continue
        if entry.seq != place:
            problems.append(f"entry {place}: it says that it is number {entry.seq}")
        if known and entry.previous != previous:
            problems.append(f"entry {place}: it does not follow the entry before it")
        previous, known = entry.hash, True
        entries.append(entry)
    return Chain(tuple(_without_pruned(entries)), tuple(problems))


def _without_pruned(entries: list[HistoryEntry]) -> Iterator[HistoryEntry]:
    """Yield the entries, each with when its body was pruned: a later entry says so, under its own hash."""
    pruned: dict[int, Any] = {}
    for entry in entries:
        listed = entry.facts.get(PRUNED_ENTRIES) if entry.event == PRUNED else ()
        for seq in listed if isinstance(listed, list) else ():
            if isinstance(seq, int) and seq < entry.seq:
                pruned[seq] = entry.at
    for entry in entries:
        yield replace(entry, pruned=pruned[entry.seq]) if entry.seq in pruned else entry


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def row_of(entry: HistoryEntry) -> Row:
    """Return the state that an entry holds. Raises ValueError when it is not a row."""
    return Row.from_json(entry.row)
