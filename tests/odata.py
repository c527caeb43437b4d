"""OData filters as Table Storage takes them, for the tables in memory: comparisons of text, `and`, `or`, brackets."""

import re
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from types import NoneType
from typing import Any, Final, cast

type Key = tuple[str, str]
type Test = Callable[[Key, Mapping[str, Any]], bool]

KEYS: Final = frozenset({"PartitionKey", "RowKey"})
"""The columns that are a row's key."""

_TOKEN: Final = re.compile(r" *(?:(\w+) (eq|ne|lt|le|gt|ge) (?:'((?:[^']|'')*)'|(\d+))|(and|or|\(|\)))")
_COMPARE: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge,
}  # fmt: skip


@lru_cache(maxsize=1024)
def finds(text: str) -> Test:
    """Return what an OData filter finds: comparisons, `and`, `or`, brackets; "" finds everything.

    A column that is missing never fits.
    """
    rest, at = deque[Any](), 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        assert found, f"no filter that this stand-in knows: {text[at:]!r}"
        wanted = int(found[4]) if found[4] else str(found[3]).replace("''", "'")
        rest.append(found[5] or _term(found[1], _COMPARE[found[2]], wanted))
        at = found.end()
    test = _either(rest) if rest else lambda *_: True
    assert not rest, f"no filter that this stand-in knows: {text!r}"
    return test


@lru_cache(maxsize=1024)
def partition_of(text: str) -> str:
    """Return the partition of all rows that a filter finds, where its first comparison says that; else ""."""
    found = _TOKEN.match(text)
    sure = found and found[1] == "PartitionKey" and found[2] == "eq" and " or " not in text
    return found[3].replace("''", "'") if found and sure else ""


def _either(rest: deque[Any]) -> Test:
    tests = [_both(rest)]
    while rest and rest[0] == "or":
        rest.popleft()
        tests.append(_both(rest))
    return tests[0] if len(tests) == 1 else lambda key, columns: any(test(key, columns) for test in tests)


def _both(rest: deque[Any]) -> Test:
    tests = [_one(rest)]
    while rest and rest[0] == "and":
        rest.popleft()
        tests.append(_one(rest))
    return tests[0] if len(tests) == 1 else _all(tests)


def _all(tests: list[Test]) -> Test:
    def fits(key: Key, columns: Mapping[str, Any]) -> bool:
        for test in tests:  # noqa: SIM110 - at each row of each query, twice as fast as `all`
            if not test(key, columns):
                return False
        return True

    return fits


def _one(rest: deque[Any]) -> Test:
    test: Any = rest.popleft()
    if test == "(":
        test = _either(rest)
        rest.popleft()
    return cast(Test, test)


def _term(name: str, compare: Callable[[Any, Any], bool], wanted: str | int) -> Test:
    if name in KEYS:
        index = ("PartitionKey", "RowKey").index(name)
        return lambda key, _: compare(key[index], wanted)

    def fits(_: Key, columns: Mapping[str, Any]) -> bool:
        value = columns.get(name)
        assert isinstance(value, (type(wanted), NoneType)), f"a filter by what is of another kind: {value!r}"
        return value is not None and compare(value, wanted)

    return fits
