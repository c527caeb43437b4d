"""Columns: long values in a table row, and JSON that reads back as it was written. Pure.

A string property holds 64 KiB, that is 32 Ki UTF-16 units; a binary one 64 KiB; an entity 1 MiB in all ("Understanding
the Table service data model", Microsoft Learn). Longer values continue in columns `name_1`, `name_2`, and so on.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from guardrails.dataclass import dataclass
from guardrails.exemption.body import canonical_json

type Value = str | int | bytes
"""What our columns hold: Edm.String, Edm.Int32 or Edm.Binary."""

PIECE_BYTES: Final = 60 * 1024
INLINE_BYTES: Final = 600 * 1024
"""A compressed body up to this size is kept in its history entry; a longer one in rows of its own."""
BODY_ROW_BYTES: Final = 12 * PIECE_BYTES
"""Compressed bytes in one body row: 720 KiB. In base64, as it travels and as the emulator counts, that is 960 KiB."""
BODY_LIMIT: Final = 64 * 1024 * 1024
KEPT_BYTES: Final = 16 * 1024 * 1024
"""The longest body that is kept, as JSON in ASCII: what Azure takes has 4 MiB of UTF-8, at most three times as long."""
_ASCII_PIECE: Final = 32_000
_WIDE_PIECE: Final = 16_000
_MOST_PIECES: Final = 17
"""More columns of text than a row can hold, by their size."""

ENTRY: Final = (
    "id", "seq", "at", "event", "body_digest", "previous", "hash", "until", "pruned",
    *("facts" + (f"_{n}" if n else "") for n in range(_MOST_PIECES)),
    *("row" + (f"_{n}" if n else "") for n in range(_MOST_PIECES)),
)  # fmt: skip
"""All columns of a history entry but those of its body."""


def split_text(name: str, text: str) -> dict[str, str]:
    """Return the columns that hold `text`: `name`, `name_1`, ... A lone surrogate becomes its escape, as in JSON."""
    if text.isascii():
        size = _ASCII_PIECE
    else:
        size, text = _WIDE_PIECE, text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= size:
        return {name: text}
    return {_nth(name, n): text[at : at + size] for n, at in enumerate(range(0, len(text), size))}


def join_text(name: str, columns: Mapping[str, Any]) -> str:
    """Return the text that `split_text` split; "" where the first column is missing or no text."""
    return "".join(_pieces(name, columns, str))


def read_json(text: str | bytes) -> Any:
    """Read JSON that a hand may have changed. Raises ValueError, for what is nested too deeply too."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_object(text: str | bytes) -> dict[str, Any]:
    """Read a JSON object that a hand may have changed. Raises ValueError."""
    found = read_json(text)
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found


def split_bytes(name: str, data: bytes) -> dict[str, bytes]:
    """Return the columns that hold `data`, of at most 60 KiB each."""
    return {_nth(name, n): data[at : at + PIECE_BYTES] for n, at in enumerate(range(0, len(data), PIECE_BYTES))}


def join_bytes(name: str, columns: Mapping[str, Any]) -> bytes:
    """Return the bytes that `split_bytes` split."""
    return b"".join(_pieces(name, columns, bytes))


def _nth(name: str, n: int) -> str:
    return f"{name}_{n}" if n else name


def _pieces[T: (str, bytes)](name: str, columns: Mapping[str, Any], kind: type[T]) -> list[T]:
    found: list[T] = []
    while isinstance(piece := columns.get(_nth(name, len(found))), kind):
        found.append(piece)
    return found


def brief(text: str, limit: int = 1000) -> str:
    """Return a stranger's text as a column that people and queries read: valid Unicode, at most `limit` characters."""
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    return short if short.isascii() else short.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class Packed:
    """An ARM body as it is kept: `digest` is the sha256 (hex) of its canonical JSON, `data` that JSON, compressed.

    `size` is how many bytes the JSON has.
    """

    digest: str
    data: bytes
    size: int


def pack(body: Mapping[str, Any]) -> Packed:
    """Compress a body."""
    raw = canonical_json(body).encode("ascii")
    return Packed(hashlib.sha256(raw).hexdigest(), zlib.compress(raw, 6), len(raw))


def unpack(data: bytes, digest: str, *, what: str = "body", by: str = "that its history entry gives") -> bytes:
    """Return what was compressed, such as by `pack`. Raises ValueError where it is damaged or not what `digest` says.

    `what` it is, and `by` which words its digest is known, are for the error.
    """
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, BODY_LIMIT)
    except zlib.error as error:
        raise ValueError(f"the stored {what} cannot be decompressed: {error}") from error
    if stream.unconsumed_tail or not stream.eof:
        raise ValueError(f"the stored {what} is incomplete or too long")
    if hashlib.sha256(raw).hexdigest() != digest:
        raise ValueError(f"the stored {what} does not have the digest {by}")
    return raw
