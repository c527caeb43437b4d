"""What policy-as-code tools make of an exemption that they own: whether their next run has something to do.

`epac` models the drift compare of Enterprise Azure Policy as Code (Scripts/Helpers/Build-ExemptionsPlan.ps1,
Confirm-MetadataMatches.ps1, Confirm-ObjectValueEqualityDeep.ps1), `epac_wants` what its files ask for, and `epac_run`
what a run does with one deployed exemption. tests/epac holds them to what EPAC's own planner answered.
`terraform` models the plan of the azurerm provider's policy exemption resources (internal/services/policy).

The compares get the exemption as ARM returns it, and the properties that the tool's files ask for, in ARM's spelling.
They return UNCHANGED or the names of the fields that differ. Not modelled of EPAC: metadata texts that look like times,
keys of one object that differ in case only, ends with the name of a month.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

from guardrails.exemption.body import canonical

UNCHANGED: Final = "unchanged"

_SYSTEM_KEYS: Final = frozenset({"createdBy", "createdOn", "updatedBy", "updatedOn", "lastSyncedToArgOn"})
_PROVIDER_KEYS: Final = frozenset({"assignedBy", "createdBy", "createdOn", "updatedBy", "updatedOn"})
_TIME: Final = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(Z|[+-]\d\d:?\d\d)?",
    re.ASCII | re.IGNORECASE,
)
_CONVERTED: Final = re.compile(r"[\d-]+T\d\d:\d\d:\d\d.*", re.ASCII)
"""What PowerShell's ConvertFrom-Json turns into a time by itself; other texts EPAC reads."""
_AMERICAN: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)


def epac(deployed: Mapping[str, Any], wanted: Mapping[str, Any], zone: tzinfo = UTC) -> str | list[str]:
    """Return what EPAC's plan says. A changed policyAssignmentId is a replace, everything else an update.

    `zone`: the time zone of the machine that plans; its culture is en-US.
    """
    there, files = canonical(deployed)["properties"], wanted
    metadata, owner = _epac_metadata(there.get("metadata"), files.get("metadata") or {})
    validation = there.get("assignmentScopeValidation")
    same = {
        "policyAssignmentId": _equal(there.get("policyAssignmentId"), files.get("policyAssignmentId")),
        "displayName": _equal(there.get("displayName"), files.get("displayName")),
        "description": _deep(there.get("description"), files.get("description")),
        "exemptionCategory": _equal(there.get("exemptionCategory"), files.get("exemptionCategory")),
        "expiresOn": _deployed_end(there.get("expiresOn"), zone) == _wanted_end(files.get("expiresOn"), zone),
        "policyDefinitionReferenceIds": _deep(
            there.get("policyDefinitionReferenceIds"), files.get("policyDefinitionReferenceIds")
        ),
        "metadata": metadata,
        "pacOwnerId": owner,
        "assignmentScopeValidation": _equal(
            "Default" if validation is None else validation, files.get("assignmentScopeValidation") or "Default"
        ),
        "resourceSelectors": _deep(there.get("resourceSelectors"), files.get("resourceSelectors")),
    }
    return _verdict(same)


@dataclass(frozen=True, slots=True)
class Environment:
    """The environment that EPAC deploys to.

    Attributes:
        assignments: ids of the assignments under its root scope, in lower case.
        outside: ids of assignments that are there and not under its root scope, in lower case.
        strategy: `full` or `ownedOnly` (desiredState.strategy).
    """

    owner: str
    selector: str
    assignments: Collection[str]
    outside: Collection[str] = ()
    strategy: str = "full"


def epac_wants(entry: Mapping[str, Any], where: Environment) -> dict[str, Any]:
    """Return the properties that an entry by policyAssignmentId, with one scope, asks for, as they are sent."""
    assignment, references = entry["policyAssignmentId"], entry.get("policyDefinitionReferenceIds")
    texts = {"originalDescription": _blank(entry.get("description")), "originalDisplayName": entry["displayName"]}
    notes = {
        **texts,
        "originalName": entry["name"],
        "pacSelector": where.selector,
        "policyAssignmentId": assignment,
        "policyAssignmentName": assignment.rpartition("/")[2],
        "policyDefinitionReferenceIds": json.dumps(references, indent=2) if references else None,
        "scopePostfix": "",
    }
    metadata = {
        "deployedBy": f"epac/{where.owner}/{where.selector}",
        **(entry.get("metadata") or {}),
        "epacMetadata": _said(notes),
        "pacOwnerId": where.owner,
    }
    named = (
        "displayName", "exemptionCategory", "expiresOn", "policyDefinitionReferenceIds", "resourceSelectors",
        "assignmentScopeValidation",
    )  # fmt: skip
    known = {name: entry.get(name) for name in named}
    description = _blank(entry.get("description"))
    return _said({**known, "policyAssignmentId": assignment, "description": description, "metadata": _said(metadata)})


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of EPAC does with one deployed exemption: none, update, replace or delete.

    Attributes:
        because: the fields that differ, for an update or a replace.
        unchanged: whether it counts the exemption as unchanged.
    """

    action: str
    because: tuple[str, ...] = ()
    unchanged: bool = False


def epac_run(
    deployed: Mapping[str, Any], wanted: Mapping[str, Any] | None, where: Environment, now: datetime, zone: tzinfo = UTC
) -> Run:
    """Return what the next run does. `wanted`: what its files ask for with this id, None where they do not have it."""
    there = canonical(deployed)["properties"]
    if there["policyAssignmentId"].lower() in where.outside:
        return Run("none")
    if wanted is None or wanted["policyAssignmentId"].lower() not in where.assignments:
        owner = (there.get("metadata") or {}).get("pacOwnerId")
        its_own = _equal(owner, where.owner) or (owner is None and where.strategy == "full")
        return Run("delete" if its_own else "none")
    if epac_is_over(wanted, now, zone):
        return Run("none", unchanged=True)  # whatever differs: the deployed one stays as it is
    found = epac(deployed, wanted, zone)
    if isinstance(found, str):
        return Run("none", unchanged=True)
    return Run("replace" if "policyAssignmentId" in found else "update", tuple(found))


def epac_is_over(wanted: Mapping[str, Any], now: datetime, zone: tzinfo = UTC) -> bool:
    """Return whether EPAC takes an entry for expired."""
    end = _wanted_end(wanted.get("expiresOn"), zone)
    return end is not None and end[0] <= now.astimezone(UTC).replace(tzinfo=None)


def _epac_metadata(there: Mapping[str, Any] | None, files: Mapping[str, Any]) -> tuple[bool, bool]:
    """Return whether the metadata is the same, key by key and in number, and whether the owner is.

    Only what is deployed is freed of what Azure and its tools add by themselves, where its keys are in their own case.
    """
    if there is None:
        return False, False
    left = {key: value for key, value in there.items() if key not in _SYSTEM_KEYS and key != "pacOwnerId"}
    right = {key: value for key, value in files.items() if key != "pacOwnerId"}
    owner = _equal(there.get("pacOwnerId"), files.get("pacOwnerId"))
    return len(left) == len(right) and _deep(left, right), owner


def _deep(there: Any, files: Any) -> bool:
    """Lists are equal in any order, keys and texts in any case; nothing is like an empty list, object or text.

    A text beside a list is read as JSON, where it is that.
    """
    if there is None or files is None:
        rest = files if there is None else there
        return rest is None or rest in ([], {}) or (isinstance(rest, str) and not rest.strip())
    if isinstance(there, list) or isinstance(files, list):
        rest = _items(there)
        for item in _items(files):
            at = next((index for index, other in enumerate(rest) if _deep(other, item)), None)
            if at is None:
                return False
            rest.pop(at)
        return not rest
    if isinstance(there, Mapping) and isinstance(files, Mapping):
        left, right = ({key.casefold(): value for key, value in one.items()} for one in (there, files))
        return all(_deep(left.get(key), right.get(key)) for key in left.keys() | right.keys())
    return _equal(there, files)


def _items(value: Any) -> list[Any]:
    if isinstance(value, list):
        return list(value)
    try:
        read = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        read = value
    return list(read) if isinstance(read, list) else [read]


def _equal(one: Any, other: Any) -> bool:
    """PowerShell's -eq: texts without regard to case, a number like its text."""
    if one is None or other is None:
        return one is other
    return (
        str(one).casefold() == str(other).casefold() if isinstance(one, str) or isinstance(other, str) else one == other
    )


def _blank(text: Any) -> Any:
    return None if isinstance(text, str) and not text.strip() else text


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that are not null: the others are not sent."""
    return {name: value for name, value in fields.items() if value is not None}


type _Instant = tuple[datetime, int]
"""UTC to the second, without a zone, and units of 100 ns."""


def _deployed_end(text: str | None, zone: tzinfo) -> _Instant | None:
    """Read the end of a deployed exemption: without a zone it is taken for local time."""
    if not text:
        return None
    moment, part, at = _read(text)
    return (moment.replace(tzinfo=at or zone).astimezone(UTC).replace(tzinfo=None), part)


def _wanted_end(text: str | None, zone: tzinfo) -> _Instant | None:
    """Read the end that a file asks for: without a zone it is UTC, and with an offset the local time taken for UTC."""
    if not text or not text.strip():
        return None
    moment, part, at = _read(text.strip())
    known = moment.replace(tzinfo=at or UTC)
    local = _CONVERTED.fullmatch(text) and at is not None and not text.endswith("Z")
    return (known.astimezone(zone if local else UTC).replace(tzinfo=None), part)


def _read(text: str) -> tuple[datetime, int, tzinfo | None]:
    if found := _AMERICAN.fullmatch(text):
        month, day, year = map(int, found.groups())
        return datetime(year, month, day), 0, None  # noqa: DTZ001 - its zone is what is asked
    found = _TIME.fullmatch(text)
    assert found is not None, f"the model of EPAC does not read {text!r}"
    *numbers, fraction, offset = found.groups()
    units = round(int(fraction or 0) * 10 ** (7 - len(fraction or "")))
    year, month, day, *clock = (int(number or 0) for number in numbers)
    days, clock = (1, [0, 0, 0]) if clock == [24, 0, 0] else (0, clock)
    moment = datetime(year, month, day, clock[0], clock[1], clock[2])  # noqa: DTZ001
    at = datetime.fromisoformat(f"2000-01-01T00:00:00{offset.upper()}").tzinfo if offset else None
    return moment + timedelta(days=days, seconds=units // 10**7), units % 10**7, at


def terraform(deployed: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> str | list[str]:
    """Return what `terraform plan` says of azurerm_*_policy_exemption; "create" where the exemption is not there.

    The provider reads neither selectors nor scope validation. Reference ids are a list: their order counts. `metadata`
    is optional and computed: where the configuration is silent, what is there stays.
    """
    if deployed is None:
        return "create"
    there = canonical(deployed)["properties"]
    same = {
        name: (there.get(name) or None) == (wanted.get(name) or None)
        for name in (
            "policyAssignmentId", "exemptionCategory", "displayName", "description", "policyDefinitionReferenceIds",
            "expiresOn",
        )
    }  # fmt: skip
    asked = wanted.get("metadata")
    same["metadata"] = asked is None or _without(there.get("metadata")) == _without(asked)
    return _verdict(same)


def _without(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (metadata or {}).items() if key not in _PROVIDER_KEYS}


def _verdict(same: Mapping[str, bool]) -> str | list[str]:
    return [name for name, equal in same.items() if not equal] or UNCHANGED
