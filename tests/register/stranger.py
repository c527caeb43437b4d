"""A verifier that somebody else might write: from docs/register.md alone, with nothing of ours imported.

It is there to show that the page says enough. Each check bears the words of the page that it rests on.
"""

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

type Columns = Mapping[str, Any]

ENTRY = {"id", "seq", "at", "event", "body_digest", "previous", "hash", "until", "pruned"}
LONG = ("facts", "row", "body")


def json_text(value: object) -> str:
    """*JSON text*."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def sha256(data: bytes) -> str:
    """*sha256*."""
    return hashlib.sha256(data).hexdigest()


def own(row: Columns) -> dict[str, Any]:
    """*Column*: not `PartitionKey`, `RowKey` or `Timestamp`, and none that begins with `odata.`."""
    azures = {"PartitionKey", "RowKey", "Timestamp"}
    return {name: value for name, value in row.items() if name not in azures and not name.startswith("odata.")}


def long(name: str, row: Columns, kind: type[Any]) -> Any:
    """A *long column*: the concatenation, up to the first that is missing."""
    found, nth = kind(), name
    while isinstance(row.get(nth), kind):
        found += row[nth]
        nth = f"{name}_{int(nth.rpartition('_')[2]) + 1 if nth != name else 1}"
    return found


def named(text: str) -> str:
    """*ID* escaped."""
    safe = re.sub("[^A-Za-z0-9._()-]", lambda one: "".join(f"={byte:02X}" for byte in one[0].encode()), text)
    return safe if len(safe) <= 200 else f"{safe[:150]}=~{sha256(text.encode())[:40]}"


def key_of(identity: str) -> str:
    """*KEY*: a lower case only if it is one character whose upper case is the original character."""
    lowered = ((one, one.lower()) for one in identity)
    low = "".join(two if len(two) == 1 and two.upper() == one else one for one, two in lowered)
    return sha256(low.encode())[:40]


def problems(rows: Sequence[Columns], key: str) -> list[str]:
    """Return what is wrong with the rows of the exemption with this KEY, a sentence each."""
    ours = sorted((row for row in rows if row["RowKey"].split("~")[1] == key), key=lambda row: row["RowKey"])
    by_kind = {
        kind: [row for row in ours if row["RowKey"].startswith(f"{kind}~")]
        for kind in ("state", "history", "body", "outbox")
    }
    found = [*entries(by_kind["history"], key), *bodies(by_kind["history"], by_kind["body"])]
    if len(by_kind["state"]) != 1:
        return [*found, "there is not one state row"]
    return [*found, *state(by_kind["state"][0], by_kind["history"], key), *outbox(by_kind["state"][0], by_kind, key)]


def hash_of(entry: Columns) -> str:
    """The bytes under `hash`."""
    text = {name: json_text(entry.get(name)) for name in ("at", "body_digest", "event", "previous")}
    whole = (
        f'{{"at":{text["at"]},"body_digest":{text["body_digest"]},"event":{text["event"]},'
        f'"facts":{long("facts", entry, str)},"previous":{text["previous"]},"row":{long("row", entry, str)},'
        f'"seq":{entry.get("seq")}}}'
    )
    return sha256(whole.encode())


def entries(history: Sequence[Columns], key: str) -> Iterator[str]:
    """Each history entry."""
    before: Any = ""
    for number, entry in enumerate(history, 1):
        if entry["RowKey"] != f"history~{key}~{number:010d}" or entry.get("seq") != number:
            yield f"{entry['RowKey']} is not entry {number}"
        if entry.get("hash") != hash_of(entry):
            yield f"entry {number}: its hash is another"
        if entry.get("previous") != before:
            yield f"entry {number} does not follow the one before"
        before = entry.get("hash")
        identity = read(long("row", entry, str)).get("id")
        if not isinstance(identity, str) or key_of(identity) != key:
            yield f"entry {number} is of another exemption"
        elif entry.get("id") != (identity if len(identity) <= 1000 else identity[:999] + "…"):
            yield f"entry {number}: its id is not the start of its row's"
        if strange := [name for name in own(entry) if name not in ENTRY and name not in pieces(entry)]:
            yield f"entry {number} has columns that are not its own: {strange}"


def pieces(row: Columns) -> set[str]:
    """The columns that long columns take."""
    found = set()
    for name in LONG:
        nth = [name, *(f"{name}_{n}" for n in range(1, len(row)))]
        found |= set(nth[: next((at for at, one in enumerate(nth) if one not in row), len(nth))])
    return found


def bodies(history: Sequence[Columns], apart: Sequence[Columns]) -> Iterator[str]:
    """Each body."""
    for entry in history:
        digest, number, there = entry.get("body_digest"), entry.get("seq"), long("body", entry, bytes)
        if not digest:
            if there:
                yield f"entry {number} has a body and no digest"
            continue
        if not there:
            named_so = [row for row in apart if row["RowKey"].split("~")[2] == digest]
            there = b"".join(long("body", row, bytes) for row in named_so)
        if there:
            if not is_whole(there, digest):
                yield f"entry {number}: its body is another"
        elif not any(pruned(later, number) for later in history[history.index(entry) + 1 :]):
            yield f"entry {number}: its body is missing"


@cache
def is_whole(data: bytes, digest: str) -> bool:
    """One complete zlib stream with nothing after it; the digest is that of the decompressed bytes."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data)
    except zlib.error:
        return False
    return stream.eof and not stream.unused_data and sha256(plain) == digest


def pruned(entry: Columns, number: object) -> bool:
    """Whether a later entry with a correct hash says that the body was pruned."""
    if entry.get("event") != "pruned" or entry.get("hash") != hash_of(entry):
        return False
    return number in read(long("facts", entry, str)).get("entries", ())


def seal_of(row: Columns) -> str:
    """The sha256 of a list of the partition key, the row key, and an object of all other columns, without `seal`."""
    columns = {
        name: value.hex() if isinstance(value, bytes) else value for name, value in own(row).items() if name != "seal"
    }
    return sha256(json_text([row["PartitionKey"], row["RowKey"], columns]).encode("ascii"))


def state(row: Columns, history: Sequence[Columns], key: str) -> Iterator[str]:
    """The state row."""
    if row["RowKey"] != f"state~{key}" or row.get("seal") != seal_of(row):
        yield "the state row does not fit its seal"
    newest: Columns = history[-1] if history else {}
    if (row.get("seq"), row.get("head")) != (newest.get("seq"), newest.get("hash")):
        yield "the state row does not name the newest entry"
    now, then = read(long("row", row, str)), read(long("row", newest, str))
    left, sent = (set(one.pop("outbox", ())) for one in (now, then))
    now.pop("outbox_at", None), then.pop("outbox_at", None)
    if now != then or not left <= sent:
        yield "the state row does not say what the newest entry says"


def outbox(row: Columns, by_kind: Mapping[str, Sequence[Columns]], key: str) -> Iterator[str]:
    """The outbox."""
    wanted = {f"outbox~{key}~{named(one)}" for one in read(long("row", row, str)).get("outbox", ())}
    there = {one["RowKey"] for one in by_kind["outbox"]}
    yield from (f"{one} is missing" for one in sorted(wanted - there))
    yield from (f"{one} is not in the outbox of the state row" for one in sorted(there - wanted))


def read(text: str) -> dict[str, Any]:
    """Read a JSON object; {} for what is none."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
