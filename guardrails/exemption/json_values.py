"""Values in a body, read whatever way people and tools write them: lists as texts, objects as JSON in a text. Pure."""

import json
from collections.abc import Mapping
from typing import Any, Final

from guardrails.errors import Permanent


def refuse(
    message: str, subject: str = "", remedy: str = "Give the exemption as Azure Resource Manager returns it."
) -> Permanent:
    """Return (to raise) the error for input that is not an exemption."""
    return Permanent(message, code="not-an-exemption", subject=subject[:300], remedy=remedy)


NOTHING: Final[Mapping[str, Any]] = {}


def text_of(value: object) -> str:
    """Return a value as text; "" for null."""
    return value if isinstance(value, str) else "" if value is None else str(value)


def texts_of(value: object, name: str, subject: str) -> tuple[str, ...]:
    """Return a list of texts, which may be one text or a JSON list in a text. Raises Permanent for other kinds."""
    if not value:
        return ()
    if isinstance(value, str):
        listed = _json_list(value)
        if listed is None:
            return (value,)
        value = listed
    if not isinstance(value, (list, tuple)):
        raise refuse(f"{name} is {kind_of(value)}, not a list", subject)
    for one in value:
        if type(one) is not str:
            return tuple([_item(one, name, subject) for one in value])
    return tuple(value)


def _item(value: object, name: str, subject: str) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise refuse(f"{name} has {kind_of(value)} in it", subject)
    return str(value)


def objects_of(value: object, subject: str) -> tuple[Mapping[str, Any], ...]:
    """Return a list of objects, which may be a JSON list in a text. Raises Permanent for other kinds."""
    if not value:
        return ()
    if isinstance(value, str):
        value = _json_list(value)
    items = [value] if isinstance(value, Mapping) else value
    if isinstance(items, list) and all(isinstance(item, Mapping) for item in items):
        return tuple(items)
    raise refuse("resourceSelectors is not a list of objects", subject)


def metadata_of(value: object, subject: str) -> Mapping[str, Any]:
    """Return metadata, which may be a JSON object in a text. Raises Permanent for other kinds."""
    if type(value) is dict:
        return value
    if not value:
        return NOTHING
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str):
        found = json_object(value) if value.strip() else {}
        if found is not None:
            return found
    raise refuse(f"metadata is {kind_of(value)}, not a JSON object", subject)


def json_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object that a text holds, None where it holds none."""
    found = _json(text)
    return found if isinstance(found, dict) else None


def _json_list(text: str) -> list[Any] | None:
    found = _json(text) if text.lstrip().startswith("[") else None
    return found if isinstance(found, list) else None


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # not JSON, or nested deeper than anybody nests
        return None


def kind_of(value: object) -> str:
    """Name a JSON value's kind for a message."""
    return {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number" if isinstance(value, int | float) else type(value).__name__
    )
