"""The published JSON Schema of EPAC's exemptions, what it refuses, and by which keyword. Pure."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple

from guardrails.epac.entries import EpacFile
from guardrails.epac.instants import NetDate
from guardrails.epac.rows import FIELDS, TARGETS


class Verdict(StrEnum):
    """What the schema says of a file."""

    VALID = "valid"
    INVALID = "invalid"
    UNREADABLE = "unreadable"


class SchemaFault(NamedTuple):
    """What the schema refuses: a JSON pointer, and the keyword that does."""

    at: str
    rule: str

    def to_json(self) -> dict[str, str]:
        """Return the documented JSON form."""
        return {"at": self.at, "rule": self.rule}


_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(FIELDS, (str, NetDate)),
    **dict.fromkeys(("description", "expiresOn", "assignmentScopeValidation"), (str, NetDate, type(None))),
    **dict.fromkeys(("policyDefinitionReferenceIds", "resourceSelectors"), (list, type(None))),
    "scopes": (list,),
    "metadata": (dict,),
}
"""Field -> what its value may be; a date is a text."""
_TARGETS: Final = frozenset(TARGETS)
_REQUIRED: Final = ("name", "displayName", "exemptionCategory")


def verdict(file: EpacFile) -> tuple[Verdict | None, list[SchemaFault]]:
    """Return what the schema says of a file; None for a table, which it is not for."""
    if file.is_table:
        return None, []
    if file.broken or (file.uncertain and file.root is None):
        return Verdict.UNREADABLE, []
    faults = [*_root(file.root)]
    return Verdict.INVALID if faults else Verdict.VALID, faults


def _root(root: Any) -> Iterator[SchemaFault]:
    if not isinstance(root, dict):
        yield SchemaFault("", "type")
    elif "exemptions" not in root:
        yield SchemaFault("", "required")
    elif not isinstance(root["exemptions"], list):
        yield SchemaFault("/exemptions", "type")
    else:
        for number, entry in enumerate(root["exemptions"]):
            yield from _entry(entry, f"/exemptions/{number}")


def _entry(entry: Any, at: str) -> Iterator[SchemaFault]:
    if not isinstance(entry, dict):
        yield SchemaFault(at, "type")
        return
    for name in _REQUIRED:
        if name not in entry:
            yield SchemaFault(at, "required")
    for name, value in entry.items():
        if name not in _KINDS:
            yield SchemaFault(at, "additionalProperties")
        elif not isinstance(value, _KINDS[name]):
            yield SchemaFault(f"{at}/{name}", "type")
    if len(_TARGETS & entry.keys()) != 1:
        yield SchemaFault(at, "oneOf")
    if ("scope" in entry) == ("scopes" in entry):
        yield SchemaFault(at, "oneOf")
