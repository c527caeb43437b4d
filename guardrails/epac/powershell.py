"""What PowerShell's operators make of values: equal, like, and texts of JSON. Pure.

A value is None, bool, int, float, str, NetDate, list or dict, as ConvertFrom-Json -AsHashtable makes them.
"""

import json
import re
import unicodedata
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any, Final

from guardrails.epac.date_texts import NoDate, text_date
from guardrails.epac.instants import NetDate, Runner
from guardrails.epac.uncertain import Uncertain

type Value = Any

_INVARIANT: Final = Runner(culture="invariant")
SYSTEM_NAMES: Final = frozenset(("keys", "count"))
"""Keys in lower case that stand in for an object's own properties, where EPAC reads these."""
_OWN_NAMES: Final = SYSTEM_NAMES.union((
    "values", "length", "item", "isreadonly", "isfixedsize", "issynchronized", "syncroot", "add", "clear", "clone",
    "contains", "containskey", "containsvalue", "copyto", "equals", "getenumerator", "gethashcode", "getobjectdata",
    "gettype", "ondeserialization", "remove", "tostring", "psbase", "psadapted", "psextended", "psobject",
    "pstypenames",
))  # fmt: skip
"""Names in lower case by which an object of PowerShell answers also where it has no such key."""

_BLANKS: Final = "".join(
    map(chr, (*range(9, 14), 32, 133, 160, 5760, *range(8192, 8203), 8232, 8233, 8239, 8287, 12288))
)
"""The characters that .NET takes for blanks."""


def trim(text: str) -> str:
    """Return a text without the blanks at its ends, as Trim() does."""
    return text.strip(_BLANKS)


def blank(value: Value) -> bool:
    """Whether [string]::IsNullOrWhiteSpace says so: a list is its items with spaces between."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or (value.isspace() and not trim(value))  # isspace is quick, and true of a few more
    return isinstance(value, list) and all(blank(item) for item in value)


def length(text: str) -> int:
    """Return a text's length as .NET counts it: in units of UTF-16."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def same_text(one: str, other: str) -> bool:
    """Whether PowerShell's -eq takes two texts for equal: without letter case. Raises Uncertain for rare characters."""
    if one == other or one.lower() == other.lower():
        return True
    if one.isascii() and other.isascii() and one.isprintable() and other.isprintable():
        return False
    found = alike(one, other)
    if found is None:
        raise Uncertain("whether EPAC takes these texts for equal depends on their rare characters")
    return found


def alike(one: str, other: str) -> bool | None:
    """Return whether the invariant culture takes two texts for equal; None where that depends on rare characters.

    It holds equal what differs in letter case or in a compatible form alone, such as a ligature or a hard blank.
    """
    first, second = _form(one), _form(other)
    if first == second:
        return None if any(map(_is_wide, one + other)) else True
    plain = _without_ignored(first), _without_ignored(second)
    if plain[0] == plain[1]:
        return None
    if plain == (first, second) and _usual(first) and _usual(second):
        return False
    for left, right in zip(*plain, strict=False):
        if left != right:
            return False if _distinct(left) and _distinct(right) else None
    return None


def _form(text: str) -> str:
    return unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())


def _is_wide(one: str) -> bool:
    """Whether a character is another one in another width, for which the culture may hold them different."""
    return unicodedata.decomposition(one).startswith(("<wide>", "<narrow>"))


def _without_ignored(text: str) -> str:
    """Return a text without what a comparison may ignore: control characters, format characters, joiners."""
    return "".join(
        one for one in text if one in _BLANKS or (unicodedata.category(one) not in ("Cc", "Cf") and one != "\u034f")
    )


def _usual(text: str) -> bool:
    """Whether a text is ASCII and accents: each counts in a comparison."""
    return all(one.isascii() or unicodedata.category(one) == "Mn" for one in text)


def _distinct(one: str) -> bool:
    """Whether a character certainly differs from each other one: some that are not ASCII may not."""
    if one.isascii() or unicodedata.category(one)[0] in "PS":
        return True
    return one.isalnum() and not unicodedata.name(one, "LATIN").startswith(("LATIN", "HIRAGANA", "KATAKANA"))


def equal(left: Value, right: Value) -> bool:
    """Whether `left -eq right` for values that are no lists: the left one says what the right one is turned into."""
    if left is None or right is None:
        return left is right
    if isinstance(left, str):
        return same_text(left, as_text(right))
    if isinstance(left, bool):
        return left == (right != "" if isinstance(right, str) else bool(right))
    if isinstance(left, int | float):
        if isinstance(right, str):
            return _is_number(right, left)
        return isinstance(right, int | float) and left == right
    if isinstance(left, NetDate):
        return _is_date(right, left)
    return False


def _is_date(value: Value, date: NetDate) -> bool:
    """Whether a value is a date, once it is turned into one. Raises Uncertain."""
    if isinstance(value, NetDate):
        return date.ticks == value.ticks
    if isinstance(value, float) or (isinstance(value, dict) and date.ticks == 0):
        raise Uncertain("EPAC compares a date with a value that may be turned into one")
    if isinstance(value, int) and not isinstance(value, bool):
        return date.ticks == value
    if not isinstance(value, str):
        return False
    try:
        found = text_date(value, _INVARIANT)
    except NoDate:
        return False
    if found.zoned:
        raise Uncertain("EPAC compares a date with a text that says its zone")
    return date.ticks == found.date.utc


def _is_number(text: str, number: float) -> bool:
    if re.fullmatch(r"-?\d{1,15}", text.strip(), re.ASCII):
        return int(text) == number
    if re.fullmatch(r"[A-Za-z_]*", text):
        if text.strip() == "":
            return number == 0
        return False
    raise Uncertain("EPAC compares a number with a text that may be one")


def as_text(value: Value) -> str:
    """Return the text that PowerShell turns a value into. Raises Uncertain for what is rare."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and (value == 0 or 1e-4 <= abs(value) < 1e15):
        return str(int(value)) if value == int(value) else repr(value)
    if isinstance(value, NetDate):
        return value.as_words
    if isinstance(value, dict):
        return "System.Management.Automation.OrderedHashtable"
    raise Uncertain("EPAC compares values of different kinds")


def same(one: Value, other: Value) -> bool:
    """Whether EPAC's own deep comparison takes two values for equal: lists in any order, null as nothing."""
    if _surely_same(one, other):
        return True
    if one is None or other is None:
        return _empty(other if one is None else one)
    if isinstance(one, list) or isinstance(other, list):
        return _same_lists(one, other)
    if isinstance(one, dict) and isinstance(other, dict):
        return _same_objects(one, other)
    if isinstance(one, dict) or isinstance(other, dict):
        if isinstance(one, bool):
            return one  # an object is true
        return isinstance(one, str | NetDate) and equal(one, other)
    return equal(one, other)


def _surely_same(one: Value, other: Value) -> bool:
    """Whether two values are alike in the usual way: the same texts under the same keys. Quick; False says nothing."""
    if type(one) is str:
        return type(other) is str and one == other
    if isinstance(one, dict):
        if not isinstance(other, dict) or not one.keys() <= other.keys() or "Keys" in other:
            return False
        for key, value in other.items():
            said = one.get(key)
            if said is value and (type(value) is str or (value is None and key in one)):  # as most are
                continue
            if key not in one and key.lower() in _OWN_NAMES:
                return False
            if not _surely_same(said, value):
                return False
        return True
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_surely_same, one, other))
    return one is None and other is None


def _empty(value: Value) -> bool:
    if isinstance(value, dict):
        if "Count" in value:
            raise Uncertain("EPAC takes the value of a key called Count for the number of keys")
        return not value
    return value is None or value == [] or (isinstance(value, str) and not trim(value))


def _same_lists(one: Value, other: Value) -> bool:
    unsure = -1  # how long a list is of which it is not known how EPAC compares it with one value
    if not isinstance(one, list):
        one, unsure = _as_list(one), 0
    elif not isinstance(other, list):
        other, unsure = _as_list(other), 1
    if len(one) != len(other):
        return False
    if len(one) <= unsure:
        raise Uncertain("EPAC compares one value with a list of one or none")
    left = [*other]
    for item in one:
        found = next((number for number, wanted in enumerate(left) if same(item, wanted)), None)
        if found is None:
            return False
        del left[found]
    return True


def _as_list(value: Value) -> list[Value]:
    """Return what EPAC makes of one value that it compares with a list: the JSON that a text holds, else itself."""
    if isinstance(value, str):
        if not trim(value):
            return []
        try:
            said = json.loads(value)
        except ValueError:
            if value.lstrip()[:1] in ("[", "{", "'", "/", '"'):
                raise Uncertain("EPAC compares a list with a text that may be JSON") from None
            return [value]
        if said is None:
            raise Uncertain("EPAC compares a list with a text of null")
        return said if isinstance(said, list) else [said]
    if isinstance(value, NetDate):
        raise Uncertain("EPAC compares a list with a date")
    return [value]


def _same_objects(one: dict[str, Value], other: dict[str, Value]) -> bool:
    if "Keys" in one or "Keys" in other:
        raise Uncertain("EPAC takes the value of a key called Keys for all keys")
    if collides(tuple(one)) or collides(tuple(other)):
        raise Uncertain("EPAC compares an object with keys that differ in letter case alone")
    for key in {name.lower(): name for name in (*other, *one)}.values():
        if not same(_member(one, key), _member(other, key)):
            return False
    return True


def _member(value: dict[str, Value], key: str) -> Value:
    found = value.get(key)
    if key not in value and key.lower() in _OWN_NAMES:
        raise Uncertain(f"EPAC takes what an object itself says of `{key}` for a key of that name")
    if found is None:
        near = [name for name in value if name.lower() == key.lower()]
        found = value[near[0]] if near else None
    return found


@lru_cache(maxsize=1024)  # patterns of settings are asked for each scope
def like(pattern: str) -> re.Pattern[str]:
    """Return what a pattern of -like matches. Raises Uncertain for brackets that make no sense."""
    parts, at = [""], 0  # what is between stars
    while at < len(pattern):
        one = pattern[at]
        if one == "`" and at + 1 < len(pattern):
            at += 1
            parts[-1] += re.escape(pattern[at])
        elif one == "*":
            parts.append("")
        elif one == "?":
            parts[-1] += "."
        elif one == "[":
            end = pattern.find("]", at + 2)
            inner = pattern[at + 1 : end]
            if end < 0 or not re.fullmatch(r"(?:[\w .]-[\w .]|[\w .])+", inner):
                raise Uncertain("what EPAC makes of these brackets in a pattern is not known")
            parts[-1] += f"[{inner}]"
            at = end
        else:
            parts[-1] += re.escape(one)
        at += 1
    first, *others = parts
    # between stars, what is found first is enough: so a stranger's pattern of many stars is no work without end
    found = first + "".join(f"(?>.*?{one})" for one in others[:-1] if one) + "".join(f".*{one}" for one in others[-1:])
    try:
        return re.compile(found, re.IGNORECASE | re.DOTALL)
    except re.error:
        raise Uncertain("what EPAC makes of these brackets in a pattern is not known") from None


def json_text(value: Value) -> str:
    """Return the text that ConvertTo-Json makes of a text or a list of texts, on Linux."""
    if isinstance(value, list):
        if not value:
            return "[]"
        return "[\n" + ",\n".join(f"  {_quoted(item)}" for item in value) + "\n]"
    return _quoted(value)


def _quoted(text: Value) -> str:
    if not isinstance(text, str) or not text.isprintable():
        raise Uncertain("how EPAC writes this reference id is not known")
    return encode_basestring(text)  # as json.dumps with its ensure_ascii off, which makes an encoder for each text


_ORDER: Final = {mark: at for at, mark in enumerate("_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$")}


def sort_key(text: str) -> tuple[tuple[int, int], ...]:
    """Return a key that sorts texts as Sort-Object does: marks, digits, a to z, without letter case."""
    return tuple((0, _ORDER[one]) if one in _ORDER else (1, ord(one)) for one in text.lower())


@lru_cache(maxsize=256)  # the metadata of one file have mostly the same keys
def collides(keys: tuple[str, ...]) -> bool:
    """Whether two keys differ in letter case alone."""
    return len({key.lower() for key in keys}) < len(keys)
