"""What PowerShell's ConvertTo-Json does to objects: forms that say the same are read, what it cut off is found. Pure.

Windows PowerShell writes a time as `/Date(milliseconds)/`, or with it as an object {value, DateTime}, and some lists as
{value, Count}. Below its -Depth (default: 2) every version writes texts for lists and objects: items joined by blanks,
`@{key=value}`, a type's name, or nothing. What was there instead of such a text is lost.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from guardrails.exemption.times import spell_time
from guardrails.lazy_regex import lazy_regex

CUT_OFF: Final = (
    "PowerShell's ConvertTo-Json, at its default depth, turned a list or an object into text and lost its content;"
    " save it again with ConvertTo-Json -Depth 10"
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DATE: Final = lazy_regex(r"\\?/Date\((-?\d{1,18})(?:[+-]\d{4})?\)\\?/", re.ASCII)
_TYPE: Final = lazy_regex(
    r"System\.(?:Object|\w+\[\])|(?:System\.(?:Collections|Management\.Automation|Text\.Json)|Newtonsoft\.Json\.Linq"
    r"|Microsoft\.(?:Azure\.(?:PowerShell|Commands|Management)|PowerShell))\.[\w.+]+(?:`\d+)?(?:\[[\w.+,`\[\]]*\])?",
    re.ASCII,
)
_OBJECT: Final = lazy_regex(r"@\{.*\}", re.DOTALL)
_NO_WORD: Final = lazy_regex(r"[\s,;|&{}]|\A[\W_]*\Z")

_LISTS: Final = frozenset({"policydefinitionreferenceids", "policydefinitionreferenceid"})
_SELECTORS: Final = frozenset({"resourceselectors", "resourceselector"})
_CONDITIONS: Final = frozenset({"selectors", "selector"})


def read(value: Any) -> Any:
    """Return a JSON value with PowerShell's times in ISO 8601 and its lists as lists; nothing else is changed."""
    if isinstance(value, str):
        return _time(value) if "/Date(" in value else value
    if isinstance(value, list):
        return [read(one) for one in value]
    if isinstance(value, Mapping):
        inner = {str(key).lower(): one for key, one in value.items()}
        if "datetime" in inner and {"value", "datetime", "displayhint"} >= inner.keys() and "value" in inner:
            return read(inner["value"])
        if inner.keys() == {"value", "count"} and isinstance(inner["value"], list):
            return read(inner["value"])
        return {key: read(one) for key, one in value.items()}
    return value


def _time(text: str) -> str:
    found = _DATE.fullmatch(text.strip())
    try:
        return spell_time(_EPOCH + timedelta(milliseconds=int(found[1]))) if found else text
    except OverflowError:  # beyond the years 1 to 9999
        return text


def is_cut_off(text: str) -> bool:
    """Whether a text is all that is left of an object: `@{key=value}`, or the names of types."""
    if "@{" in text:
        return _OBJECT.fullmatch(text.strip()) is not None
    words = text.replace(", ", ",").split()
    return bool(words) and all(map(_TYPE.fullmatch, words))


def cut_off(body: Mapping[str, Any], place: str = "$") -> str:
    """Return the place of the first thing in an exemption that was cut off; "" where all is there."""
    return next(_lost(body, place), "")


def _lost(body: Mapping[str, Any], place: str) -> Iterator[str]:
    """Yield the places of what was cut off, in any spelling of an exemption's fields."""
    for key, value in body.items():
        name, here = str(key).lower(), f"{place}.{key}"
        if name in _LISTS:
            yield from _joined(value, here)
        elif name in _SELECTORS:
            yield from _selectors(value, here)
        elif name == "properties" and isinstance(value, Mapping):
            yield from _lost(value, here)
        elif name in ("properties", "metadata", "systemdata"):
            yield from _texts(value, here)


def _joined(value: object, place: str) -> Iterator[str]:
    """Yield where a list of texts became one text, which is one word only where the list had one; or a text in it."""
    if isinstance(value, str):
        if (_NO_WORD.search(value.strip()) or is_cut_off(value)) and not _is_list(value):
            yield place
    else:
        for one, here in _each(value, place):
            yield from (here,) if one == "" else _texts(one, here)


def _selectors(value: object, place: str) -> Iterator[str]:
    for one, here in _each(value, place):
        if isinstance(one, str):
            if not one.strip() or is_cut_off(one):
                yield here
        elif isinstance(one, Mapping):
            for key, inner in one.items():
                name, below = str(key).lower(), f"{here}.{key}"
                if name in _CONDITIONS:
                    yield from _selectors(inner, below)
                elif name in ("in", "notin"):
                    yield from _joined(inner, below)


def _texts(value: object, place: str) -> Iterator[str]:
    """Yield where a value, or one inside it, is what is left of an object."""
    if isinstance(value, str):
        if is_cut_off(value):
            yield place
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{place}.{key}")
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from _texts(inner, f"{place}[{n}]")


def _each(value: object, place: str) -> Iterator[tuple[object, str]]:
    yield from ((one, f"{place}[{n}]") for n, one in enumerate(value)) if isinstance(value, list) else ((value, place),)


def _is_list(text: str) -> bool:
    """Whether a text is a list as JSON: some tools keep lists so."""
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False
