"""Configuration files of AzPolicyFactory, read as each of its steps reads them. Pure.

PowerShell reads for the tests and the build step: it takes comments, commas at the end, single quotes and keys that are
there twice, but no keys that differ in letter case alone. The schema check takes strict JSON.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from guardrails.azpolicyfactory.config import EXEMPTION, ConfigFile, Reading
from guardrails.epac.uncertain import Uncertain
from guardrails.evaluation.values import Place
from guardrails.files.epac_json import BrokenJson, Object, read_json
from guardrails.files.json_places import Lines

DEEPEST: Final = 60
"""Levels of nesting that all steps read alike."""

_DIGITS: Final = 300
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_CASING: Final = "keys that differ only in letter case"
_RARE: Final = "what AzPolicyFactory makes of it is not certain: "


def read_config(data: bytes, path: str, name: str) -> ConfigFile:
    """Return what AzPolicyFactory reads of a file.

    Args:
        path: from the root of the repository.
        name: its path from the folder of the environment.
    """
    text = _decoded(data)
    if text is None:
        doubt = f"{_RARE}it is neither UTF-8 nor UTF-16 with a byte order mark"
        return unread(path, name, doubt)
    lines = Lines(text, path)
    if not text:
        return ConfigFile(path, name, None, Reading(readable=False), place_of=lambda _: lines.place(0))
    begin = lines.place(0)
    strict = _strict(text)
    try:
        value = read_json(text, lambda _: None)
    except BrokenJson as error:
        return ConfigFile(path, name, None, strict, stops=str(error), at=lines.place(error.at))
    except Uncertain as error:
        return ConfigFile(path, name, None, strict, doubt=f"{_RARE}{error}", place_of=lambda _: begin)
    if found := next(_refused(value), None):
        return ConfigFile(path, name, None, strict, stops=found[0], at=lines.place(found[1]))
    doubt = f"{_RARE}it is nested deeply" if _depth(value) > DEEPEST else ""
    return ConfigFile(path, name, value, strict, doubt=doubt, place_of=_places(value, lines))


def unread(path: str, name: str, why: str) -> ConfigFile:
    """Return a file of which nothing is certain."""
    begin = Place(path, 1, 1)
    return ConfigFile(path, name, None, Reading(None), doubt=why, place_of=lambda _: begin)


def _decoded(data: bytes) -> str | None:
    """Return a text as .NET reads it: by its byte order mark, else as UTF-8; None for what is rare."""
    found = next(((mark, encoding) for mark, encoding in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    try:
        text = data[len(found[0]) :].decode(found[1])
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _refused(value: Any) -> Iterator[tuple[str, int]]:
    """Yield what PowerShell refuses of JSON that it can parse, with offsets."""
    if isinstance(value, list):
        for one in value:
            yield from _refused(one)
    if not isinstance(value, Object):
        return
    seen: set[str] = set()
    for key, one in value.items():
        folded = "".join(_upper(one) for one in key)
        if folded in seen:
            yield f"{_CASING}: {key[:60]!r}", value.offsets[key]
        if not key:
            yield "a key without a name", value.offsets[key]
        seen.add(folded)
        yield from _refused(one)


def _upper(one: str) -> str:
    """Return a character as .NET compares it without letter case: one for one, and not across to ASCII."""
    upper = one.upper()
    return upper if len(upper) == 1 and one.isascii() == upper.isascii() else one


def _depth(value: Any) -> int:
    """Return how many objects and lists are inside one another. The reader bounds it."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth, inner), default=0)


def _places(value: Any, lines: Lines) -> Callable[[str], Place]:
    def place_of(pointer: str) -> Place:
        at, here = value.at if isinstance(value, Object) else 0, value
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(here, Object) and key in here.offsets:
                at, here = here.offsets[key], here[key]
            elif isinstance(here, list) and key.isdecimal() and int(key) < len(here):
                here = here[int(key)]
                at = here.at if isinstance(here, Object) else at
            else:
                break
        return lines.place(at)

    return place_of


class _Twice(dict[str, Any]):
    """An object with a key that is there twice."""


def _strict(text: str) -> Reading:
    """Return how the schema check reads a text: strict JSON."""
    twice: list[_Twice] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) == len(found):
            return made
        twice.append(_Twice(made))
        return twice[-1]

    try:
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=_no_constant, parse_int=_whole)
    except ValueError:
        return Reading(readable=False)
    except RecursionError:
        return Reading(None)
    if _depth(value) > DEEPEST or any("\ud800" <= one <= "\udfff" for one in json.dumps(value, ensure_ascii=False)):
        return Reading(None)
    if not twice:
        return Reading(readable=True, value=value)
    outer = isinstance(value, _Twice) or (len(twice) == 1 and _looked_at(value))
    return Reading(readable=False if outer else None)


def _looked_at(root: Any) -> bool:
    """Whether the schema comes to an object with a key that is there twice before it finds another fault."""
    exemption = root.get(EXEMPTION) if isinstance(root, dict) else None
    metadata = exemption.get("metadata") if isinstance(exemption, dict) else None
    return isinstance(exemption, _Twice) or isinstance(metadata, _Twice)


def _whole(word: str) -> int:
    """Return a number; of one that has very many digits only the first ones, for nobody looks at them."""
    return int(word[:_DIGITS])


def _no_constant(word: str) -> None:
    """Refuse NaN and Infinity, which are no JSON."""
    raise ValueError(word)
