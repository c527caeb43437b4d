"""Answers of Table Storage that are plain success, read, and the answer that a row is not there. Pure.

What is none of these is left to azure-data-tables: see `table_client`, and `table_wire` for the figures.
"""

import json
import re
from base64 import b64decode
from functools import lru_cache
from typing import Any, Final

from guardrails.lazy_regex import lazy_regex
from guardrails.register.columns import Value
from guardrails.register.table_wire import TYPED

type Read = tuple[dict[str, Value], str | None]
"""A row as read: its columns with the keys, and its ETag, None where only some of its columns were asked for."""

_MULTIPART: Final = lazy_regex(rb'Content-Type: *multipart/mixed; *boundary="?([\w.-]+)"?', re.IGNORECASE)
_DONE: Final = lazy_regex(rb"HTTP/1\.1 2\d\d[ \r]")
_ETAG: Final = lazy_regex(rb"\r\netag: *([\x21-\x7e]+) *(?=\r\n)", re.IGNORECASE)


def etags(kind: str, body: bytes, count: int) -> list[dict[str, str]] | None:
    """Return {"etag": ...} for each of `count` operations, {} for one without; None where it is no plain success."""
    outer = _MULTIPART.fullmatch(b"Content-Type: " + kind.encode("ascii", "replace"))
    whole = body.split(b"--" + outer[1]) if outer else []
    inner = _MULTIPART.search(whole[1].partition(b"\r\n\r\n")[0]) if len(whole) == 3 else None
    parts = whole[1].split(b"--" + inner[1])[1:] if inner else []
    if len(parts) != count + 1 or not parts[-1].startswith(b"--"):
        return None
    done = []
    for part in parts[:-1]:
        said = part.split(b"\r\n\r\n", 2)
        found = _ETAG.findall(said[1] + b"\r\n") if len(said) > 2 and _DONE.match(said[1]) else None
        if found is None or len(found) > 1:
            return None
        done.append({"etag": found[0].decode("ascii")} if found else {})
    return done


def no_row(kind: str, body: bytes) -> str:
    """Return what the SDK's error says where storage answers that a row is not there; "" where it is no such answer.

    `kind`: the answer's Content-Type.
    """
    if "json" not in kind.lower():
        return ""
    try:
        said = json.loads(body.decode("utf-8"))["odata.error"]
        code, text = said["code"], said["message"]["value"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    plain = code == "ResourceNotFound" and said.keys() <= {"code", "message"}
    return f"{text}\nErrorCode:{code}" if plain and isinstance(text, str) else ""


def read_row(found: Any) -> Read | None:
    """Return a row of an answer; None where it is not as we write rows and storage answers.

    `found`: its JSON, read. It is taken over: most rows are what storage sent, and are not copied.
    """
    if not isinstance(found, dict):
        return None
    tagged, etag = "odata.etag" in found, found.pop("odata.etag", None)
    if (not etag or not isinstance(etag, str)) if tagged else "Timestamp" in found:  # of which the SDK makes one
        return None
    columns = _columns(tuple(found))
    if columns is None:
        for value in found.values():
            if type(value) is not str and (type(value) is not int or not -(2**31) <= value < 2**31):
                return None
        return found, etag
    row: dict[str, Value] = {}
    for name, typed in columns:
        value, kind = found[name], found[typed] if typed else None
        if kind == "Edm.Binary" and type(value) is str:
            try:
                row[name] = b64decode(value)
            except ValueError:
                return None
        elif (kind in (None, "Edm.String") and type(value) is str) or (
            kind in (None, "Edm.Int32") and type(value) is int and -(2**31) <= value < 2**31
        ):
            row[name] = value
        else:
            return None
    return row, etag


@lru_cache(maxsize=256)
def _columns(names: tuple[str, ...]) -> list[tuple[str, str]] | None:
    """Return our columns among the names in a row, each with that of its type, "" where it has none.

    None where all names are such columns without a type.
    """
    ours = [name for name in names if not (name.startswith("odata.") or name == "Timestamp" or name.endswith(TYPED))]
    columns = [(name, typed if (typed := name + TYPED) in names else "") for name in ours]
    return columns if len(ours) < len(names) else None


def read_page(found: Any) -> list[Read] | None:
    """Return the rows of a page, as `read_row` does; None where one of them is none."""
    value = found.get("value") if isinstance(found, dict) else None
    rows = [*map(read_row, value)] if isinstance(value, list) else [None]
    return [row for row in rows if row] if all(rows) else None
