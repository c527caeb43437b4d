"""Objects of JSON whose values are read at once, without a place for each. Pure."""

import json
from collections.abc import Callable
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
        quotes = _quotes(values, DEEPEST_RECORD)
        if quotes != text.count('"', start, end):  # it can be no record, a quote is escaped, or a key is given twice
            values, end = _scan_unlike(text, start)
    except StopIteration:
        raise ValueError from None
    return (values if quotes >= 0 else None), end


def _unlike(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object. Raises ValueError where a key is given twice."""
    found = dict(pairs)
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


def _scanner(hook: Callable[[list[tuple[str, Any]]], dict[str, Any]] | None) -> Any:
    return json.JSONDecoder(
        object_pairs_hook=hook, parse_int=_whole, parse_float=_refused, parse_constant=_refused
    ).scan_once  # type: ignore[attr-defined]


_scan: Final[Callable[[str, int], tuple[dict[str, Any], int]]] = _scanner(None)
"""Of two members with one key it takes the last one."""
_scan_unlike: Final[Callable[[str, int], tuple[dict[str, Any], int]]] = _scanner(_unlike)


def _quotes(values: dict[str, Any], levels: int) -> int:
    """Return how many quotes are around the keys and texts of an object; -1 where it can be no record.

    In a record no list or object is in a list, and it has no more than so many levels.
    """
    quotes = 2 * len(values)
    for one in values.values():
        kind = type(one)
        if kind is str:
            quotes += 2
        elif kind is dict:
            inner = _quotes(one, levels - 1) if levels > 1 else -1
            if inner < 0:
                return -1
            quotes += inner
        elif kind is list:
            kinds = [type(item) for item in one]
            if not _NESTED.isdisjoint(kinds):
                return -1
            quotes += 2 * kinds.count(str)
    return quotes
