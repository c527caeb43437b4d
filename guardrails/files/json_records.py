"""Objects of JSON whose values are read at once, without a place for each. Pure."""

import json
from collections.abc import Callable
from sys import intern
from typing import Any, Final, NoReturn

from guardrails.evaluation.expressions import DEEPEST_RECORD

_NESTED: Final = frozenset({dict, list})


def values_at(text: str, start: int) -> tuple[dict[str, Any] | None, int]:
    """Return the object at an offset, and the offset behind it; None for one that can be no record.

    Raises ValueError or RecursionError where it has no certain value: it is no JSON, a key is given twice, or a number
    is large or a decimal.
    """
    try:
        values, end = _scan(text, start)
    except StopIteration:
        raise ValueError from None
    return (values if _is_plain(values, DEEPEST_RECORD) else None), end


def _unlike(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises ValueError where a key is given twice."""
    found = {intern(key): value for key, value in pairs}  # so that a key is kept and sent to another process once
    if len(found) < len(pairs):
        raise ValueError
    return found


def _whole(word: str) -> int:
    """Return a number. Raises ValueError where it may not fit into 64 bits."""
    if len(word) > 18:
        raise ValueError
    return int(word)


def _refused(_word: str) -> NoReturn:
    raise ValueError


_scan: Final[Callable[[str, int], tuple[dict[str, Any], int]]] = json.JSONDecoder(
    object_pairs_hook=_unlike, parse_int=_whole, parse_float=_refused, parse_constant=_refused
).scan_once  # type: ignore[attr-defined]


def _is_plain(values: dict[str, Any], levels: int) -> bool:
    """Whether an object can be a record: no list or object is in a list, and it has no more than so many levels."""
    for one in values.values():
        kind = type(one)
        if kind is dict:
            if levels <= 1 or not _is_plain(one, levels - 1):
                return False
        elif kind is list and not _NESTED.isdisjoint(map(type, one)):
            return False
    return True
