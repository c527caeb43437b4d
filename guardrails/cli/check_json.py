"""What `check` found, as JSON: an object a line, in ASCII, with nothing that a pipeline obeys. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def as_json(said: Mapping[str, Any]) -> Iterator[str]:
    """Yield a JSON object: each of its lists with one item a line, for ten thousand of them are written at once."""
    yield "{"
    for number, (key, value) in enumerate(said.items()):
        yield f'{"," if number else ""}\n  "{key}": '
        yield from _list(value) if isinstance(value, list) and value else (dumped(value),)
    yield "\n}\n"


def _list(items: Sequence[Any]) -> Iterator[str]:
    yield "["
    for number, item in enumerate(items):
        yield f"{',' if number else ''}\n    {dumped(item)}"
    yield "\n  ]"


def dumped(value: Any) -> str:
    """Return JSON in ASCII on one line. `##[`, with which old commands of GitHub's runner begin, is only in texts."""
    return json.dumps(value, default=str).replace("##[", "#\\u0023[")
