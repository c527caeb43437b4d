"""The operators of conditions: equals to exists. Sources and readings: see evaluator.py."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from unicodedata import decimal

from tests.policy.expressions import Refused, is_expression, plain
from tests.policy.fields import MISSING, get


@dataclass(frozen=True, slots=True)
class Reading:
    """How to read what Microsoft's pages leave open.

    Attributes:
        mismatch_raises: greater and less on values of different types fail ("an error is thrown"); else they are
            compared as texts where both are, and false where not.
        eager: every condition of allOf and anyOf is evaluated, so that one that fails is not hidden by another.
        missing_is_empty: what is not in the request compares as an empty text, but for exists.
        dates_are_texts: times are compared as texts; else as times where both are times.
        question_mark: `?` in like stands for one character.
        absent_array_fails: a condition on the members of an array that is not there is false; else true, as for an
            empty one.
        both_branches: if() evaluates the branch that it does not choose, which may fail.
        missing_is_null: field() gives null for what is not in the request; else an empty text.
    """

    name: str
    mismatch_raises: bool = True
    eager: bool = False
    missing_is_empty: bool = False
    dates_are_texts: bool = False
    question_mark: bool = False
    absent_array_fails: bool = False
    both_branches: bool = False
    missing_is_null: bool = False


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator: how a found value is compared, and what it may be compared with."""

    holds: Callable[[Any, Any, Reading], bool]
    wants: Callable[[Any, bool], str]

    def check(self, wanted: Any, *, computed: bool = False) -> None:
        """Raise Refused where Azure does not take the right side. `computed`: it was made from the request."""
        if is_expression(wanted) and not computed:
            return
        if wrong := self.wants(plain(wanted) if isinstance(wanted, str) else wanted, computed):
            raise Refused(wrong)


def compare(operator: str, found: Any, wanted: Any, reading: Reading) -> bool:
    """Return whether a condition holds for one value. Raises Refused where the comparison fails."""
    if (found is MISSING or found is None) and operator != "exists" and reading.missing_is_empty:
        found = ""
    return OPERATORS[operator].holds(found, wanted, reading)


@lru_cache(maxsize=2048)
def fold(text: str) -> str:
    """Return a text without case, as .NET does: what has no single upper-case character stays."""
    if text.isascii():
        return text.upper()
    return "".join(_capital(character) for character in text)


def _capital(character: str) -> str:
    high = character.upper()
    return high if len(high) == 1 and high.isascii() == character.isascii() else character


def as_text(value: Any) -> str | None:
    """Return a text, number or boolean as a text; None for everything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None


_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:(?:\.\d{1,7})?Z|\.\d{7}[+-]\d\d:\d\d)", re.ASCII)


def as_time(text: str) -> datetime | None:
    """Return a text that Azure Policy takes for a time; None for every other, though RFC 3339 may allow it.

    With `Z`, up to seven decimals; with an offset, exactly seven (azure-policy-linter, PolicyDateTimeExtensions.cs).
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _equals(found: Any, wanted: Any, _: Reading) -> bool:
    if isinstance(found, str) and isinstance(wanted, str):
        return fold(found) == fold(wanted)
    if found is MISSING or found is None:
        return wanted is None or (found is None and wanted == "")
    if _is_number(found) and _is_number(wanted):
        return bool(found == wanted)
    left, right = as_text(found), as_text(wanted)
    return left is not None and right is not None and fold(left) == fold(right)


def _in(found: Any, wanted: Any, reading: Reading) -> bool:
    return any(_equals(found, one, reading) for one in wanted)


def _contains(found: Any, wanted: Any, reading: Reading) -> bool:
    if isinstance(found, list):
        if reading.mismatch_raises:
            raise Refused("contains looks into texts, not into arrays")
        return _in(wanted, [one for one in found if not isinstance(one, list | Mapping)], reading)
    text = as_text(found)
    return text is not None and fold(str(wanted)) in fold(text)


def _contains_key(found: Any, wanted: Any, _: Reading) -> bool:
    return get(found, str(wanted)) is not MISSING


def _like(found: Any, wanted: Any, reading: Reading) -> bool:
    text = as_text(found)
    if text is None:
        return False
    text, pattern = fold(text), fold(str(wanted))
    start, star, end = pattern.partition("*")
    if not star:
        return _same(text, start, reading)
    if len(text) < len(start) + len(end):
        return False
    return _same(text[: len(start)], start, reading) and _same(text[len(text) - len(end) :], end, reading)


def _same(text: str, pattern: str, reading: Reading) -> bool:
    if "?" not in pattern or not reading.question_mark:
        return text == pattern
    return len(text) == len(pattern) and all(
        mark in ("?", character) for character, mark in zip(text, pattern, strict=True)
    )


def _match(found: Any, wanted: Any, *, folded: bool) -> bool:
    text, pattern = as_text(found), str(wanted)
    if text is None or len(text) != len(pattern):
        return False
    if folded:
        text, pattern = fold(text), fold(pattern)
    return all(
        {"#": character.isdecimal(), "?": character.isalpha(), ".": True}.get(mark, mark == character)
        for character, mark in zip(text, pattern, strict=True)
    )


def _exists(found: Any, wanted: Any, _: Reading) -> bool:
    return (found is not MISSING and found is not None) is (fold(str(wanted)) == "TRUE")


def _order(found: Any, wanted: Any, reading: Reading) -> int | None:
    """Return -1, 0 or 1; None where the two cannot be compared, and the condition is false."""
    if found is MISSING or found is None:
        return None
    if _is_number(found) and _is_number(wanted):
        return int(found > wanted) - int(found < wanted)
    if isinstance(found, str) and isinstance(wanted, str):
        times = (as_time(found), as_time(wanted))
        if times != (None, None) and reading.dates_are_texts:
            times = (None, None)
        if times[0] is not None and times[1] is not None:
            return (times[0] > times[1]) - (times[0] < times[1])
        if times == (None, None) or not reading.mismatch_raises:
            left, right = _collated(found), _collated(wanted)
            return (left > right) - (left < right)
    if reading.mismatch_raises:
        raise Refused(f"{found!r:.60} and {wanted!r:.60} are of different types")
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@lru_cache(maxsize=512)
def _collated(text: str) -> tuple[tuple[int, str], ...]:
    """Return a text as InvariantCultureIgnoreCase orders it: signs, digits of any script, alphabets; without case."""
    return tuple((1, str(decimal(c))) if c.isdecimal() else (2 if c.isalpha() else 0, c) for c in fold(text))


def _ordered(fits: Callable[[int], bool]) -> Callable[[Any, Any, Reading], bool]:
    return lambda found, wanted, reading: (order := _order(found, wanted, reading)) is not None and fits(order)


def _negated(holds: Callable[[Any, Any, Reading], bool]) -> Callable[[Any, Any, Reading], bool]:
    return lambda found, wanted, reading: not holds(found, wanted, reading)


def _scalar(wanted: Any, computed: bool) -> str:
    if not computed and isinstance(wanted, list | Mapping):
        return f"a text, number or boolean is wanted, not {wanted!r:.60}"
    return ""


def _one_star(wanted: Any, computed: bool) -> str:
    if as_text(wanted) is None:
        return f"like wants a text, not {wanted!r:.60}"
    return f"like takes one *, and '{str(wanted)[:60]}' has more" if str(wanted).count("*") > 1 else ""


def _no_star(wanted: Any, computed: bool) -> str:
    if as_text(wanted) is None:
        return f"contains wants a text, not {wanted!r:.60}"
    return f"contains takes no *, and '{str(wanted)[:60]}' has one" if "*" in str(wanted) else ""


def _a_text(wanted: Any, computed: bool) -> str:
    return "" if isinstance(wanted, str) else f"a text is wanted, not {wanted!r:.60}"


def _an_array(wanted: Any, computed: bool) -> str:
    return "" if isinstance(wanted, list) else f"in and notIn want an array, not {wanted!r:.60}"


def _a_truth(wanted: Any, computed: bool) -> str:
    return "" if str(wanted).lower() in ("true", "false") else f"exists is true or false, not {wanted!r:.60}"


def _in_order(wanted: Any, computed: bool) -> str:
    return "" if isinstance(wanted, str) or _is_number(wanted) else f"a text or number is wanted, not {wanted!r:.60}"


def _matches(found: Any, wanted: Any, _: Reading) -> bool:
    return _match(found, wanted, folded=False)


def _matches_folded(found: Any, wanted: Any, _: Reading) -> bool:
    return _match(found, wanted, folded=True)


OPERATORS: Final[Mapping[str, Operator]] = {
    "equals": Operator(_equals, _scalar),
    "notequals": Operator(_negated(_equals), _scalar),
    "like": Operator(_like, _one_star),
    "notlike": Operator(_negated(_like), _one_star),
    "match": Operator(_matches, _a_text),
    "notmatch": Operator(_negated(_matches), _a_text),
    "matchinsensitively": Operator(_matches_folded, _a_text),
    "notmatchinsensitively": Operator(_negated(_matches_folded), _a_text),
    "contains": Operator(_contains, _no_star),
    "notcontains": Operator(_negated(_contains), _no_star),
    "in": Operator(_in, _an_array),
    "notin": Operator(_negated(_in), _an_array),
    "containskey": Operator(_contains_key, _a_text),
    "notcontainskey": Operator(_negated(_contains_key), _a_text),
    "exists": Operator(_exists, _a_truth),
    "less": Operator(_ordered(lambda order: order < 0), _in_order),
    "lessorequals": Operator(_ordered(lambda order: order <= 0), _in_order),
    "greater": Operator(_ordered(lambda order: order > 0), _in_order),
    "greaterorequals": Operator(_ordered(lambda order: order >= 0), _in_order),
}
"""By lower-cased name."""
