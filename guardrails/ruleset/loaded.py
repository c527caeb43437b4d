"""What a ruleset file says, once it is read and checked. That of the shipped file is kept in `shipped.json`. Pure.

So whoever judges by the shipped ruleset needs neither YAML nor the schema: together they took 18 % of the time of
`exg judge`. `exg docs` makes the file. It goes for the very text of which it was made: any other is read as YAML.
"""

import hashlib
import json
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

NEWEST: Final = 2
"""The newest version of a ruleset's form."""

SHIPPED: Final = Path(__file__).with_name("shipped.json")


class Written(NamedTuple):
    """A pattern in a ruleset file.

    Attributes:
        place: line and column, from 1.
        path: such as `exclusions[0].scope`.
        kind: what it matches: `scope` an id and all below, `target` a scope, `assignment` an assignment's id or name,
            `policy` a definition's or an initiative's id or name, `owner` an owner, `metadata` a value, `text` a word.
        narrow: whether it would be a mistake to match everything with it.
        leading: whether the schema itself sees to how it begins.
    """

    place: str
    path: str
    text: str
    kind: str
    narrow: bool
    leading: bool


class Loaded(NamedTuple):
    """A file as it was read.

    Attributes:
        value: None where there is a problem.
        problems: every one found, as `name:line:column: what; what is right`.
        warnings: what does not keep the file from being used, likewise.
        retired: those of the warnings that are about old names.
        patterns: every pattern in it.
        places: where the items of its lists are: a path, such as `overrides[3]`, -> line and column.
    """

    value: Any
    problems: list[str]
    warnings: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()
    patterns: tuple[Written, ...] = ()
    places: Mapping[str, str] = types.MappingProxyType({})


def shipped(text: str) -> Loaded | None:
    """Return what is kept of the shipped ruleset; None where `text` is not the one of which it was made."""
    try:
        kept = json.loads(SHIPPED.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the YAML says the same
        return None
    if kept["sha256"] != _digest(text):
        return None
    return Loaded(kept["value"], [], patterns=tuple(Written(*one) for one in kept["patterns"]), places=kept["places"])


def to_keep(text: str, loaded: Loaded) -> dict[str, Any]:
    """Return what `shipped` reads, as JSON has it, of a text without problems and warnings."""
    return {
        "sha256": _digest(text), "value": loaded.value, "patterns": loaded.patterns, "places": loaded.places,
    }  # fmt: skip


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
