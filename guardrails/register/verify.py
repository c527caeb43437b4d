"""Verify: what is wrong with the rows of one exemption: state, history, bodies and outbox against one another. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from guardrails.decisions.history import HistoryEntry
from guardrails.decisions.row import Stored
from guardrails.register.chain import Chain, read_chain
from guardrails.register.columns import join_bytes, join_text, read_object, unpack
from guardrails.register.keys import Address
from guardrails.register.state import read_state

type Columns = Mapping[str, Any]


def problems_of(
    place: Address,
    current: Columns | None,
    history: Sequence[Columns],
    bodies: Sequence[Columns],
    waiting: Iterable[str],
) -> list[str]:
    """Return a sentence for everything that does not fit; [] when all is sound.

    `history` and `bodies` are the exemption's rows in the order of their keys, `waiting` the row
    keys of its messages in the outbox.
    """
    chain = read_chain([(row["RowKey"], row) for row in history])
    problems = list(chain.problems)
    by_name = {row["RowKey"]: row for row in history}
    for entry in chain.entries:
        problems += _body_problems(place, entry, by_name.get(place.history(entry.seq), {}), bodies)
    if current is None:
        return [*problems, "the current row is missing"] if history or bodies else problems
    try:
        stored = read_state(current)
    except ValueError as error:
        return [*problems, f"current row: {error}"]
    said = read_object(join_text("row", current))
    return problems + _state_problems(stored, said, chain) + _outbox_problems(place, stored, set(waiting))


def _body_problems(place: Address, entry: HistoryEntry, columns: Columns, bodies: Sequence[Columns]) -> list[str]:
    if not entry.body_digest:
        return []
    data = join_bytes("body", columns)
    if not data:
        prefix = place.body(entry.body_digest, 0)[:-4]
        data = b"".join(join_bytes("body", row) for row in bodies if row["RowKey"].startswith(prefix))
    if not data:
        return [] if entry.pruned else [f"entry {entry.seq}: its body is missing"]
    try:
        unpack(data, entry.body_digest)
    except ValueError as error:
        return [f"entry {entry.seq}: {error}"]
    return []


def _state_problems(stored: Stored, said: Mapping[str, Any], chain: Chain) -> list[str]:
    """Compare with the newest entry. `said`: the row as it is stored, with fields that only a newer version knows."""
    newest = chain.newest
    if newest is None:
        return ["the current row has no history"]
    if stored.seq != newest.seq:
        return [f"the current row is at entry {stored.seq}, the history ends with {newest.seq}"]
    if stored.head != newest.hash:
        return [f"the current row does not name the hash of entry {newest.seq}"]
    now, then = dict(said), dict(newest.row)
    left, waiting = set(now.pop("outbox", ())), set(then.pop("outbox", ()))
    for one in (now, then):
        one.pop("outbox_at", None)  # moves when somebody else takes on what was left to be sent
    if now != then or not left <= waiting:
        return [f"the current row does not say what entry {newest.seq} says"]
    return []


def _outbox_problems(place: Address, stored: Stored, there: set[str]) -> list[str]:
    named = {place.outbox(message): message for message in stored.row.outbox}
    return [f"message {named[row]} is missing from the outbox" for row in sorted(named.keys() - there)] + [
        f"outbox row {row} is not one that the current row names" for row in sorted(there - named.keys())
    ]
