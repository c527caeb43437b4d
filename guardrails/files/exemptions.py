"""Exemptions in files: which tool saved each, and so what a field means that it lacks. Pure.

| as saved by | known by |
|---|---|
| ARM (`az rest`) | `properties`, in lower case |
| `az policy exemption list` | the properties next to the id; before azure-cli 2.77 with null for what is absent |
| Get-AzPolicyExemption, Az.Resources before 7 | a bag `Properties` |
| Get-AzPolicyExemption, Az.Resources 7 and newer | the properties next to the id, in capitals |
| Resource Graph | its list `data`, a `tenantId`, or a type all in lower case |
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from guardrails.dataclass import dataclass, replace
from guardrails.errors import Permanent
from guardrails.exemption import sources
from guardrails.exemption.model import Exemption
from guardrails.exemption.names import Names
from guardrails.exemption.sources import Source
from guardrails.files import foreign, powershell
from guardrails.files.arm_json import Item, Problem, Reading, once

_PART: Final = (
    f"{foreign.THIS_IS}only a part of an exemption, perhaps by --query or Select-Object; save the whole object"
)
_ALWAYS: Final = frozenset({"exemptioncategory"})
_NULL_AT_LEAST: Final = frozenset({"exemptioncategory", "expireson", "metadata"})
_FOLDED: Final = {name.lower(): name for name in sources.FIELDS} | {
    "policydefinitionreferenceid": "policyDefinitionReferenceIds", "resourceselector": sources.SELECTORS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Read:
    """The exemptions of one file, each with its place, and what could not be read of it."""

    exemptions: tuple[tuple[str, Exemption], ...] = ()
    problems: tuple[Problem, ...] = ()


def exemptions_of(reading: Reading, names: Names, api_version: str = "") -> Read:
    """Return what a file holds; none of it where anything in it was cut off: what else was is unknown.

    `api_version`: with which answers of ARM were read, where that is known.
    """
    places = (powershell.cut_off(item.body, item.place) for item in reading.items)
    if place := reading.cut_off or next(filter(None, places), ""):
        return Read(problems=(Problem(place, powershell.CUT_OFF),))
    found, problems = [], list(reading.problems)
    for item, source in zip(reading.items, sources_of(reading.items, api_version), strict=True):
        known = foreign.of_id(_field(item.body, "id", "resourceid"))
        try:
            if known or _is_part(item.body, source):
                problems.append(Problem(item.place, known or _PART))
            else:
                found.append((item.place, Exemption.from_arm(item.body, names, source)))
        except Permanent as error:
            problems.append(Problem(item.place, str(error)))
    return Read(tuple(found), once(problems))


def sources_of(items: Iterable[Item], api_version: str = "") -> Iterator[Source]:
    """Yield the source of each object of one answer.

    What any of them shows, the others would show too: one api-version, or one version of a tool, made them all.
    Resource Graph alone took each row at another time.
    """
    items = list(items)
    guessed = [item.source or _guess(item.body) for item in items]
    pairs = list(zip(items, guessed, strict=True))
    if any(source is sources.AZ and _is_old(item.body) for item, source in pairs):
        guessed = [sources.AZ_OLD if source is sources.AZ else source for source in guessed]
    shown: dict[Source, set[str]] = {}
    for item, source in zip(items, guessed, strict=True):
        if source is not sources.RESOURCE_GRAPH:
            shown.setdefault(source, set()).update(_shown(item.body))
    for source in guessed:
        if source is sources.REST and api_version:
            yield sources.arm(api_version)
        elif source in shown and (more := shown[source] - source.returns):
            yield replace(source, returns=source.returns | more)
        else:
            yield source


def _is_part(body: Mapping[str, Any], source: Source) -> bool:
    """Whether an object is a part of an exemption: Azure always returns its category, and PowerShell writes nulls.

    A row of Resource Graph may lack anything.
    """
    inner = _field(body, "properties")
    shown = {str(key).lower() for key in (*body, *(inner if isinstance(inner, Mapping) else ()))}
    always = _NULL_AT_LEAST if source.name == sources.POWERSHELL else _ALWAYS
    return "policyassignmentid" in shown and source is not sources.RESOURCE_GRAPH and not always <= shown


def _guess(body: Mapping[str, Any]) -> Source:
    """Return who returned an object, by its shape alone."""
    keys = {str(key): str(key).lower() for key in body}
    kind = _field(body, "type")
    if "tenantid" in keys.values() or (isinstance(kind, str) and kind.islower() and "properties" in keys):
        return sources.RESOURCE_GRAPH
    if any(key[:1].isupper() and low in _FOLDED for key, low in keys.items()):
        system = {sources.SYSTEM} if any(low.startswith(sources.SYSTEM.lower()) for low in keys.values()) else set()
        return sources.powershell(frozenset({_FOLDED[low] for low in keys.values() if low in _FOLDED} | system))
    if "Properties" in keys:
        return sources.POWERSHELL_OLD
    return sources.REST if "properties" in keys else sources.AZ


def _is_old(body: Mapping[str, Any]) -> bool:
    """Whether the azure-cli that printed an object was one that prints null for what is absent."""
    return any(value is None and key in sources.BASE for key, value in body.items())


def _shown(body: Mapping[str, Any]) -> set[str]:
    """Return the fields that an object has, and not as null."""
    inner = _field(body, "properties")
    every = (*body.items(), *(inner.items() if isinstance(inner, Mapping) else ()))
    return {_FOLDED[low] for key, value in every if value is not None and (low := str(key).lower()) in _FOLDED}


def _field(body: Mapping[str, Any], *names: str) -> Any:
    """Return the first of some fields, whatever its casing; None where there is none."""
    folded = {str(key).lower(): value for key, value in body.items()}
    return next((folded[name] for name in names if folded.get(name) is not None), None)
