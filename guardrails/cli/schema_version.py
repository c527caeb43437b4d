"""The two versions of what commands print as JSON and CSV: the names of today, and those of version 1. Pure.

`--schema-version 1` asks for the old names, until 1.0. They are here, and nowhere else in the command line.
"""

import argparse
from collections.abc import Mapping, Sequence, Sized
from typing import Any, Final

from guardrails.notices.renames import Names, inverse, renamed, replaced
from guardrails.notices.stored_names import FINDING

VERSION: Final = 2
"""What is printed unless another version is asked for."""
VERSIONS: Final = (1, VERSION)


def _at(place: str, names: Names) -> dict[str, str]:
    return {f"{place}.{name}": old for name, old in names.items()}


_ROW: Final = {"lost_unnotified": "lost_untold", **_at("intent.notice.findings", FINDING)}

NAMES: Final[Mapping[str, Names]] = {
    "judge": _at("findings", FINDING),
    "reconcile": _at("findings", FINDING),
    "rules": FINDING,
    "scan": {
        "bypasses_by_kind": "ways",
        "bypasses_by_kind.kind": "way",
        "bypasses.kind": "way",
        **_at("rules", FINDING),
        **_at("exemptions.findings", FINDING),
        **_at("bypasses.findings", FINDING),
    },
    "scan, CSV": {"kind": "way", **FINDING},
    "register show": _ROW,
    "register export": _ROW,
    "register bypasses": {"kind": "way"},
    "history": {**_at("entries.facts.findings", FINDING), **_at("entries.row", _ROW)},
    "sweep": _at("report", {"left_out": "odd", "notified": "told", "bypasses_notified": "bypasses_told"}),
    "dead-letters list": {"id": "letter"},
    "dead-letters show": {"id": "letter"},
    "notices failed": {"dead_letter": "letter"},
    "notices show": _at("digest.findings", FINDING),
    "doctor": _at("checks.findings", FINDING),
}
"""By command: where a name of today is -> what version 1 calls it."""

_SCAN: Final = "urn:exemption-guardrails:scan.schema"

VALUES: Final[Mapping[str, Mapping[str, Names]]] = {
    "doctor": {"checks.check": {"dead-letters": "letters"}},
    "scan": {"$schema": {f"{_SCAN}.2.json{part}": f"{_SCAN}.json{part}" for part in ("", "#/$defs/coverage")}},
}
"""By command: where a value is -> a value of today -> what version 1 has there."""


NEW: Final[Mapping[str, frozenset[str]]] = {
    "judge": frozenset({"fix", "criteria_weakened"}),
    "reconcile": frozenset({"fix", "criteria_weakened"}),
    "scan": frozenset({"exemptions.criteria_weakened", "bypasses.criteria_weakened"}),
    "scan, CSV": frozenset({"criteria_weakened"}),
    "register list": frozenset({"criteria_weakened"}),
    "register show": frozenset({"criteria_weakened"}),
    "register export": frozenset({"criteria_weakened"}),
    "register bypasses": frozenset({"criteria_weakened"}),
    "history": frozenset({"entries.row.criteria_weakened"}),
}
"""By command: where keys of its objects are, and columns, that version 1 has not."""


class Form:
    """How the output of a command is spelled.

    Attributes:
        command: with its action, such as `register show`.
        version: one of VERSIONS.
    """

    def __init__(self, command: str = "", version: int = VERSION) -> None:
        self.command, self.version = command, version  # no dataclass: every start of the program would import that

    def __call__(self, value: Any, at: str = "") -> Any:
        """Return JSON as it is to be printed. `at`: where it is in what is printed; "" for the whole."""
        if self.version == 1:
            value = _without(value, _named(NEW, self.command, frozenset[str]()), at)
            value = replaced(value, _named(VALUES, self.command, {}), at)
            return renamed(value, _named(NAMES, self.command, {}), at)
        whole = isinstance(value, Mapping) and not at
        return {"schema_version": self.version, **value} if whole else value

    def from_stored(self, value: Any) -> Any:
        """Return what is stored with the names of today: version 1 printed rows, histories and reports as they are."""
        return renamed(value, inverse(_named(NAMES, self.command, {})))

    def columns(self, names: Sequence[str]) -> list[str]:
        """Return the head of a CSV file, of the columns that `kept` keeps."""
        old = NAMES.get(f"{self.command}, CSV") or _named(NAMES, self.command, {})
        return [old.get(name, name) for name in self.kept(names)] if self.version == 1 else list(names)

    def kept(self, names: Sequence[str]) -> list[str]:
        """Return the columns of a CSV file that this version has, by their names of today."""
        new = NEW.get(f"{self.command}, CSV") or _named(NEW, self.command, frozenset[str]())
        return [name for name in names if name not in new] if self.version == 1 else list(names)


def form_of(command: str, args: argparse.Namespace) -> Form:
    """Return how the output of a command is to be spelled."""
    named = " ".join(filter(None, (command, getattr(args, "action", None))))
    return Form(named, getattr(args, "schema_version", VERSION))


def _without(value: Any, places: frozenset[str], at: str = "") -> Any:
    """Return JSON without what is at some places; see guardrails.notices.renames for places."""
    if isinstance(value, list):
        return [_without(item, places, at) for item in value]
    if not isinstance(value, Mapping) or not any(place.startswith(at) for place in places):
        return value
    inner = ((f"{at}.{key}" if at else str(key), key, item) for key, item in value.items())
    return {key: _without(item, places, place) for place, key, item in inner if place not in places}


def _named[T: Sized](tables: Mapping[str, T], command: str, none: T) -> T:
    """Return what goes for a command: for its action, else for all of its actions."""
    return tables.get(command) or tables.get(command.partition(" ")[0], none)
