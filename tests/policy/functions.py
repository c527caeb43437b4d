"""Template functions that a policy may call, on values. Those that need the request are in evaluator.py.

Sources: Microsoft Learn, "Azure Policy definition structure policy rule" (Policy functions), and "ARM template
functions" (string, array, object, logical, numeric, comparison). What Azure has and this has not raises Unsupported, so
that no test rests on it unseen; what Azure has not raises Refused.
"""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final
from urllib.parse import quote

from tests.policy.conditions import as_time
from tests.policy.expressions import Refused
from tests.policy.fields import MISSING, get

_JSON: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
LONGEST_TEXT: Final = 131_072
"""Characters that a function may give back (Policy rule limits)."""


class Unsupported(NotImplementedError):
    """Azure can do this, this evaluator cannot."""


def spell(time: datetime) -> str:
    """Write a time as utcNow() does: yyyy-MM-ddTHH:mm:ss.fffffffZ."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond:06}0Z"


def as_json(value: Any) -> str:
    """Write a value as Newtonsoft's JSON writer does without indentation: not escaping what is not ASCII."""
    return _JSON.encode(value)


def call(name: str, arguments: list[Any]) -> Any:
    """Call a function. Raises Refused for wrong arguments, results too long, and functions that policies lack."""
    if name in _NOT_IN_POLICIES or name.startswith("list"):
        raise Refused(f"{name}() is not available in a policy rule")
    if name not in _FUNCTIONS:
        raise Unsupported(f"{name}()")
    least, most, function = _FUNCTIONS[name]
    if not least <= len(arguments) <= most:
        raise Refused(f"{name}() does not take {len(arguments)} arguments")
    try:
        result = function(*arguments)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        shown = ", ".join(f"{argument!r:.60}" for argument in arguments)
        raise Refused(f"{name}({shown}) fails: {error}") from error
    if isinstance(result, str) and len(result) > LONGEST_TEXT:
        raise Refused(f"{name}() gives {len(result)} characters; {LONGEST_TEXT} are allowed")
    return result


def access(value: Any, key: Any) -> Any:
    """Return a property or a member. Raises Refused where it is not there."""
    found = value[key] if isinstance(value, list) and _is_int(key) and 0 <= key < len(value) else get(value, str(key))
    if found is MISSING:
        raise Refused(f"there is no '{key}' in {value!r:.100}")
    return found


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is wanted, not {value!r:.60}")
    return value


def _whole(value: Any) -> int:
    if not _is_int(value):
        raise TypeError(f"a whole number is wanted, not {value!r:.60}")
    return int(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"true or false is wanted, not {value!r:.60}")
    return value


def _sized(value: Any) -> Any:
    if not isinstance(value, str | list | Mapping):
        raise TypeError(f"a text, array or object is wanted, not {value!r:.60}")
    return value


def _concat(*parts: Any) -> Any:
    if all(isinstance(part, list) for part in parts):
        return [item for part in parts for item in part]
    if any(isinstance(part, list | Mapping) or part is None for part in parts):
        raise TypeError("texts and arrays do not go together")
    return "".join(_string(part) for part in parts)


def _string(value: Any) -> str:
    if value is None or isinstance(value, float):
        raise TypeError(f"a text, whole number, boolean, object or array is wanted, not {value!r}")
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value)  # .NET's True and False
    return as_json(value)


def _contains(container: Any, item: Any) -> bool:
    if isinstance(container, str):
        return _text(item) in container
    if isinstance(container, list):
        return any(type(one) is type(item) and one == item for one in container)
    if isinstance(container, Mapping):
        return get(container, _text(item)) is not MISSING
    raise TypeError(f"nothing can be looked for in {container!r:.60}")


def _empty(value: Any) -> bool:
    return value is None or not _sized(value)


def _first(value: Any, place: int = 0) -> Any:
    if not _sized(value):
        return "" if isinstance(value, str) else None
    return value[place]


def _skip(value: Any, count: Any) -> Any:
    return _sized(value)[max(0, _whole(count)) :]


def _take(value: Any, count: Any) -> Any:
    return _sized(value)[: max(0, _whole(count))]


def _substring(text: Any, start: Any, length: Any = None) -> str:
    size = len(_text(text)) - _whole(start) if length is None else _whole(length)
    if start < 0 or size < 0 or start + size > len(text):
        raise ValueError("start and length must lie within the text")
    return str(text[start : start + size])


def _split(text: Any, delimiters: Any) -> list[str]:
    marks = [delimiters] if isinstance(delimiters, str) else list(delimiters)
    parts = [_text(text)]
    for mark in marks:
        parts = [piece for part in parts for piece in (part.split(mark) if mark else [part])]
    return parts


def _int(value: Any) -> int:
    return int(value) if isinstance(value, str) else _whole(value)


def _bool(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return bool(_whole(value)) if not isinstance(value, bool) else value


def add_days(text: Any, days: Any) -> str:
    """Return a time so many days on. The text must be one that Azure Policy takes for a time."""
    time = as_time(_text(text))
    if time is None:
        raise ValueError(f"'{text[:40]}' is not a time of the form yyyy-MM-ddTHH:mm:ss.FFFFFFFZ")
    return spell(time + timedelta(days=_whole(days)))


def _range(text: str) -> tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]:
    """Return the first and the last address of an address, a CIDR range, or two addresses with a hyphen."""
    first, hyphen, last = _text(text).partition("-")
    if hyphen:
        return ip_address(first), ip_address(last)
    network = ip_network(first, strict=False)
    return network[0], network[-1]


def _in_range(outer: Any, inner: Any) -> bool:
    (start, end), (first, last) = _range(outer), _range(inner)
    if isinstance(start, IPv4Address) and isinstance(end, IPv4Address):
        if isinstance(first, IPv4Address) and isinstance(last, IPv4Address):
            return start <= first and last <= end
    elif isinstance(start, IPv6Address) and isinstance(end, IPv6Address):  # noqa: SIM102 - the types must go together
        if isinstance(first, IPv6Address) and isinstance(last, IPv6Address):
            return start <= first and last <= end
    raise ValueError("the ranges are of different families")


def _ordered(left: Any, right: Any) -> int:
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    return (_whole(left) > _whole(right)) - (_whole(left) < _whole(right))


def _equals(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


_ANY: Final = 128
_FUNCTIONS: Final[Mapping[str, tuple[int, int, Callable[..., Any]]]] = {
    "concat": (1, _ANY, _concat),
    "string": (1, 1, _string),
    "int": (1, 1, _int),
    "bool": (1, 1, _bool),
    "json": (1, 1, lambda text: json.loads(_text(text))),
    "tolower": (1, 1, lambda text: _text(text).lower()),
    "toupper": (1, 1, lambda text: _text(text).upper()),
    "uricomponent": (1, 1, lambda text: quote(_text(text), safe="-_.~")),
    "trim": (1, 1, lambda text: _text(text).strip()),
    "replace": (3, 3, lambda text, old, new: _text(text).replace(_text(old), _text(new))),
    "split": (2, 2, _split),
    "join": (2, 2, lambda items, mark: _text(mark).join(map(_text, items))),
    "substring": (2, 3, _substring),
    "startswith": (2, 2, lambda text, start: _text(text).lower().startswith(_text(start).lower())),
    "endswith": (2, 2, lambda text, end: _text(text).lower().endswith(_text(end).lower())),
    "indexof": (2, 2, lambda text, part: _text(text).lower().find(_text(part).lower())),
    "lastindexof": (2, 2, lambda text, part: _text(text).lower().rfind(_text(part).lower())),
    "contains": (2, 2, _contains),
    "empty": (1, 1, _empty),
    "length": (1, 1, lambda value: len(_sized(value))),
    "first": (1, 1, _first),
    "last": (1, 1, lambda value: _first(value, -1)),
    "skip": (2, 2, _skip),
    "take": (2, 2, _take),
    "createarray": (0, _ANY, lambda *items: list(items)),
    "coalesce": (1, _ANY, lambda *items: next((item for item in items if item is not None), None)),
    "tryget": (2, 2, lambda value, key: None if (found := get(value, _text(key))) is MISSING else found),
    "and": (2, _ANY, lambda *items: False not in list(map(_truth, items))),  # every argument is evaluated
    "or": (2, _ANY, lambda *items: True in list(map(_truth, items))),
    "not": (1, 1, lambda item: not _truth(item)),
    "true": (0, 0, lambda: True),
    "false": (0, 0, lambda: False),
    "null": (0, 0, lambda: None),
    "equals": (2, 2, _equals),
    "less": (2, 2, lambda left, right: _ordered(left, right) < 0),
    "lessorequals": (2, 2, lambda left, right: _ordered(left, right) <= 0),
    "greater": (2, 2, lambda left, right: _ordered(left, right) > 0),
    "greaterorequals": (2, 2, lambda left, right: _ordered(left, right) >= 0),
    "add": (2, 2, lambda left, right: _whole(left) + _whole(right)),
    "sub": (2, 2, lambda left, right: _whole(left) - _whole(right)),
    "mul": (2, 2, lambda left, right: _whole(left) * _whole(right)),
    "div": (2, 2, lambda left, right: int(_whole(left) / _whole(right))),
    "min": (1, _ANY, lambda *items: min(map(_whole, items))),
    "max": (1, _ANY, lambda *items: max(map(_whole, items))),
    "adddays": (2, 2, add_days),
    "iprangecontains": (2, 2, _in_range),
}
_NOT_IN_POLICIES: Final = frozenset((
    "copyindex", "datetimeadd", "datetimefromepoch", "datetimetoepoch", "deployment", "environment",
    "extensionresourceid", "lambda", "managementgroup", "newguid", "pickzones", "providers", "reference", "resourceid",
    "subscriptionresourceid", "tenantresourceid", "tenant", "variables",
))  # fmt: skip
KNOWN: Final = frozenset(_FUNCTIONS)
