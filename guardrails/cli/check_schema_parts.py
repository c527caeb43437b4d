"""Parts that the JSON Schemas of `check` are made of. Pure."""

from collections.abc import Mapping
from typing import Any, Final

LINE: Final = {"type": "integer", "minimum": 0}
MAYBE: Final = {"type": ["string", "null"]}
ANY: Final = {"type": ["null", "boolean", "number", "string", "array", "object"]}


def texts(description: str) -> dict[str, Any]:
    """Return the schema of a list of texts."""
    return array({"type": "string"}, description)


def array(items: Mapping[str, Any], description: str) -> dict[str, Any]:
    """Return the schema of a list."""
    return {"type": "array", "items": dict(items), **({"description": description} if description else {})}


def closed(properties: Mapping[str, Any], description: str, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the schema of an object with these properties only."""
    made: dict[str, Any] = {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
    return made | ({"description": description} if description else {})
