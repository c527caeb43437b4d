"""The verdict of AzPolicyFactory's schema on a file, with its faults. Pure.

The schema asks for keys, types and patterns only. It says nothing of keys that it does not know, and its rules for
`policyDefinitionReferenceIds` and `resourceSelectors` are in a place where they do nothing.
"""

import re
from typing import Final, NamedTuple

from guardrails.azpolicyfactory.config import EXEMPTION, ConfigFile, Value, units
from guardrails.epac.schema import Verdict as Status

_METADATA: Final = "metadata"
_ANY: Final = ".*"
_DEVICE: Final = r"\x00-\x1F\x7F"

_ROOT: Final = {
    "managementGroupId": r"[a-zA-Z0-9]([a-zA-Z0-9\-_.()]{0,88}[a-zA-Z0-9\-_()])?",
    "resourceGroupName": r"[-\w._()]+",
    "subscriptionId": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
}
_EXEMPTION: Final = {
    "name": rf"[^\s#<>%&:\\?/{_DEVICE}]([^\s#<>%&:?/{_DEVICE}]*[^\s#<>%&:?/{_DEVICE}. ])?",
    "displayName": r".{1,128}",
    "description": _ANY,
    "policyAssignmentId": _ANY,
    "exemptionCategory": r"(?:Mitigated|Waiver)",
    "assignmentScopeValidation": r"(?:Default|DoNotValidate)",
    "expiresOn": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z",
}
_PEOPLE: Final = {
    "requestedBy": _ANY, "approvedBy": _ANY, "approvedOn": r"\d{4}-\d{2}-\d{2}", "ticketRef": _ANY,
}  # fmt: skip
_REQUIRED: Final = (
    "name", "displayName", "description", _METADATA, "policyAssignmentId", "exemptionCategory",
    "assignmentScopeValidation",
)  # fmt: skip
_UNSURE: Final = "\u0130\u0131"
"""Characters that some versions of .NET count among \\w."""


class Fault(NamedTuple):
    """What is wrong: a JSON pointer into the file, the schema's rule, and the key that is missing, "" for none."""

    at: str
    rule: str
    key: str = ""


class Verdict(NamedTuple):
    """The schema's verdict. `status`: None where it is not certain."""

    status: Status | None
    faults: tuple[Fault, ...] = ()


def schema_verdict(file: ConfigFile) -> Verdict:
    """Return what the schema check says of a file."""
    if file.strict.readable is None:
        return Verdict(None)
    if not file.strict.readable:
        return Verdict(Status.UNREADABLE)
    root = file.strict.value
    if _unsure(root):
        return Verdict(None)
    found = tuple(sorted(_faults_of(root)))
    return Verdict(Status.INVALID if found else Status.VALID, found)


def _unsure(root: Value) -> bool:
    name = root.get("resourceGroupName") if isinstance(root, dict) else None
    return isinstance(name, str) and any(one in _UNSURE for one in name)


def _faults_of(root: Value) -> list[Fault]:
    found = _object(root, "", (EXEMPTION,), _ROOT)
    if isinstance(root, dict) and EXEMPTION in root:
        exemption, at = root[EXEMPTION], f"/{EXEMPTION}"
        found += _object(exemption, at, _REQUIRED, _EXEMPTION)
        if isinstance(exemption, dict) and _METADATA in exemption:
            found += _object(exemption[_METADATA], f"{at}/{_METADATA}", tuple(_PEOPLE), _PEOPLE)
    return found


def _object(value: Value, at: str, required: tuple[str, ...], patterns: dict[str, str]) -> list[Fault]:
    """Return what is wrong with an object and its texts."""
    if not isinstance(value, dict):
        return [Fault(at, "type")]
    found = [Fault(at, "missing", key) for key in required if key not in value]
    for key, pattern in patterns.items():
        if key not in value:
            continue
        if not isinstance(value[key], str):
            found.append(Fault(f"{at}/{key}", "type"))
        elif not re.match(rf"{pattern}$", units(value[key]), re.ASCII):  # $: a line end may be last, as in .NET
            found.append(Fault(f"{at}/{key}", "pattern"))
    return found
