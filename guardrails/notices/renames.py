"""Other names for keys in JSON, by where they are: an older version of a form, or the form that is stored. Pure."""

from collections.abc import Mapping
from typing import Any

type Names = Mapping[str, str]
"""Where a key is -> what it is called instead. A path is keys joined by dots; a list is passed through."""


def renamed(value: Any, names: Names, at: str = "", *, both: bool = False) -> Any:
    """Return JSON with other names at some places, the order of keys kept.

    Args:
        value: what `json.dumps` takes; it is not changed.
        names: the places and the names.
        at: where the value itself is; "" for the whole.
        both: keep the name that there was, too, with the same value.
    """
    if isinstance(value, str):  # most of it is text: the looks at what it may be else cost more than the rest
        return value
    if isinstance(value, list | tuple):
        return [renamed(item, names, at, both=both) for item in value]
    below = f"{at}." if at else ""
    ahead = {place.removeprefix(below).partition(".")[0] for place in names if place.startswith(below)}
    if not ahead or not isinstance(value, dict | Mapping):
        return value
    made: dict[str, Any] = {}
    for key, item in value.items():
        if key not in ahead:  # nothing in it has another name
            made[key] = item
            continue
        place = f"{below}{key}"
        inner = renamed(item, names, place, both=both)
        if both or place not in names:
            made[key] = inner
        if place in names:
            made[names[place]] = inner
    return made


def inverse(names: Names) -> dict[str, str]:
    """Return what undoes a renaming of leaves."""
    return {".".join([*place.split(".")[:-1], name]): place.rpartition(".")[2] for place, name in names.items()}


def replaced(value: Any, values: Mapping[str, Names], at: str = "") -> Any:
    """Return JSON with other texts for some of its values. `values`: where they are -> a text -> what is there instead.

    `at`: where the value itself is; "" for the whole.
    """
    if isinstance(value, list | tuple):
        return [replaced(item, values, at) for item in value]
    if isinstance(value, Mapping) and values:
        return {key: replaced(item, values, f"{at}.{key}" if at else str(key)) for key, item in value.items()}
    return values[at].get(value, value) if at in values and isinstance(value, str) else value
