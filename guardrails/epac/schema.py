"""The published JSON Schema of EPAC's exemptions, what it refuses, and by which keyword. Pure."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
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
            found = _faults(tuple(entry), tuple(map(type, entry.values()))) if isinstance(entry, dict) else _NO_OBJECT
            for at, rule in found:
                yield SchemaFault(f"/exemptions/{number}{at}", rule)


_NO_OBJECT: Final = (("", "type"),)


@lru_cache(maxsize=256)  # the entries of a file have mostly the same fields
def _faults(names: tuple[str, ...], kinds: tuple[type, ...]) -> tuple[tuple[str, str], ...]:
    """Return what the schema refuses of an entry with these fields: a pointer into the entry, and the keyword."""
    found = [("", "required") for name in _REQUIRED if name not in names]
    for name, kind in zip(names, kinds, strict=True):
        if name not in _KINDS:
            found.append(("", "additionalProperties"))
        elif not issubclass(kind, _KINDS[name]):
            found.append((f"/{name}", "type"))
    if len(_TARGETS.intersection(names)) != 1:
        found.append(("", "oneOf"))
    if ("scope" in names) == ("scopes" in names):
        found.append(("", "oneOf"))
    return tuple(found)
