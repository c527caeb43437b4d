"""The body of an exemption: what of it a PUT writes, our tag in its metadata, and whether two say the same. Pure."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final, cast

from guardrails.exemption.json_values import json_object, kind_of, metadata_of, refuse, texts_of
from guardrails.exemption.times import spelled_time

MARKER_KEY: Final = "guardrails"
"""The metadata key under which we tag an exemption."""

MARKER_FIELDS: Final = frozenset({"status", "codes", "since"})
"""What we write below MARKER_KEY. These never count as content; other fields there are their author's."""

_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)

_PROPERTIES: Final = (
    "policyAssignmentId", "policyDefinitionReferenceIds", "exemptionCategory", "expiresOn", "displayName",
    "description", "metadata", "resourceSelectors", "assignmentScopeValidation", "exemptionManagementMode",
)  # fmt: skip

KNOWN: Final = frozenset(_PROPERTIES)

_PROPERTY_NAMES: Final = {
    **{name.lower(): name for name in _PROPERTIES},
    "policydefinitionreferenceid": "policyDefinitionReferenceIds",
    "resourceselector": "resourceSelectors",
}

_TOP_NAMES: Final = {
    "id": "id", "resourceid": "id", "exemptionid": "id", "policyexemptionid": "id", "name": "name", "type": "type",
    "systemdata": "systemData", "properties": "properties",
}  # fmt: skip

_TOP: Final = frozenset({"id", "name", "type", "systemData", "properties", "tenantId"})
"""What ARM and Resource Graph have beside the properties, as they spell it: none of it may be a property."""

_READ_ONLY: Final = frozenset({
    "id", "name", "type", "systemdata", "apiversion", "tenantid", "subscriptionid", "resourcegroup", "resourceid",
    "kind", "location",
})  # fmt: skip


def canonical(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return `body` in ARM's own spelling and nesting: id, name, type, properties, systemData, whatever the source.

    PowerShell writes PascalCase and flattens systemData (SystemDataCreatedBy), the CLI lifts the properties to the top,
    some exports use singular names. Fields that are not known keep their names. An `id` wins over its aliases.
    """
    top: dict[str, Any] = {}
    lifted: dict[str, Any] = {}
    flat_system: dict[str, Any] = {}
    for key, value in body.items():
        folded = str(key).lower()
        if folded in _TOP_NAMES:
            if folded == _TOP_NAMES[folded].lower() or _TOP_NAMES[folded] not in top:
                top[_TOP_NAMES[folded]] = value
        elif folded in _PROPERTY_NAMES:
            _keep(lifted, _PROPERTY_NAMES[folded], value)
        elif folded.startswith("systemdata"):
            flat_system[str(key)[len("systemdata") :]] = value
        else:
            top[str(key)] = value
    inner = top.get("properties")
    if isinstance(inner, str):
        inner = json_object(inner)
    if inner is not None and not isinstance(inner, Mapping):
        raise refuse(f"properties is {kind_of(inner)}, not a JSON object", str(top.get("id") or ""))
    properties = dict(lifted)
    for key, value in (inner or {}).items():
        _keep(properties, _PROPERTY_NAMES.get(str(key).lower(), str(key)), value)
    system = top.get("systemData") or flat_system or None
    if isinstance(system, Mapping):
        top["systemData"] = {str(k)[:1].lower() + str(k)[1:]: v for k, v in system.items()}
    return {**top, "properties": properties}


def _properties(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the properties of `canonical(body)`: those of the body itself where it is spelled as ARM does."""
    found = body.get("properties")
    if type(found) is dict and found.keys() <= KNOWN and body.keys() <= _TOP:
        return found
    return cast(Mapping[str, Any], canonical(body)["properties"])


def _keep(into: dict[str, Any], name: str, value: object) -> None:
    """Set a field, but never replace a value under another spelling of its name by null."""
    if value is not None or name not in into:
        into[name] = value


def put_body(body: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the body for a full PUT of an exemption that was read as `body`: all but what ARM sets itself.

    `metadata`, where given, replaces the exemption's. Unknown properties are kept, for a PUT replaces everything.
    """
    read = canonical(body)
    writable = {k: v for k, v in read.items() if k.lower() not in _READ_ONLY}
    properties = dict(read["properties"])
    if metadata is not None:
        properties["metadata"] = dict(metadata)
    return {**writable, "properties": properties}


def marker_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return our own tag in an exemption's metadata; {} where there is none."""
    found = metadata.get(MARKER_KEY)
    return {k: v for k, v in found.items() if k in MARKER_FIELDS} if isinstance(found, Mapping) else {}


def takes_marker(metadata: Mapping[str, Any]) -> bool:
    """Whether our tag has a place in an exemption's metadata: what others use its key for is left alone."""
    return metadata.get(MARKER_KEY) is None or isinstance(metadata[MARKER_KEY], Mapping)


def with_marker(metadata: Mapping[str, Any], marker: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `metadata` with our tag set to `marker`, or without it for None. What others wrote stays."""
    if not takes_marker(metadata) or (marker is None and not marker_of(metadata)):
        return dict(metadata)
    found = metadata.get(MARKER_KEY)
    theirs = {k: v for k, v in (found or {}).items() if k not in MARKER_FIELDS}
    ours = {**theirs, **(marker or {})}
    rest = {k: v for k, v in metadata.items() if k != MARKER_KEY}
    return {**rest, MARKER_KEY: ours} if ours else rest


def fingerprint(body: Mapping[str, Any]) -> str:
    """Return a hash (32 hex digits) of what an exemption says, blind to how it is spelled and to our own marker.

    Two bodies with one fingerprint switch off the same control for the same scope and say the same about it: ARM
    rewrites dates, drops empty fields and keeps the casing of old writes, and none of that is a change.
    """
    said: dict[str, Any] = {}
    for name, value in _properties(body).items():
        if name == "metadata":
            value = with_marker(metadata_of(value, ""), None)  # noqa: PLW2901
            if value.get(MARKER_KEY, MARKER_KEY) in (None, {}):  # as once our tag was set and taken off again
                del value[MARKER_KEY]
        elif name == "expiresOn":
            value = spelled_time(value)  # noqa: PLW2901
        elif name == "policyAssignmentId":
            value = "/" + str(value).strip("/").lower()  # noqa: PLW2901
        elif name in ("exemptionCategory", "assignmentScopeValidation", "exemptionManagementMode"):
            value = str(value or "").lower().replace("default", "").replace("admin", "")  # noqa: PLW2901
        elif name == "policyDefinitionReferenceIds":
            value = sorted({item.lower() for item in texts_of(value, name, "")})  # noqa: PLW2901
        if value or value not in (None, "", [], {}):
            said[name] = value
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()[:32]


def spelling(body: Mapping[str, Any]) -> str:
    """Return a short hash (12 hex digits) of all that a PUT of `body` writes, as it is spelled, without our marker.

    What has one `fingerprint` may be spelled in several ways; to a tool that compares texts these are differences.
    """
    read = {**_properties(body)}
    read["metadata"] = with_marker(metadata_of(read.get("metadata"), ""), None) or None
    said = {name: value for name, value in read.items() if value is not None}
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()[:12]


def canonical_json(value: object) -> str:
    """Return `value` as JSON in one spelling only: sorted keys, no spaces, ASCII."""
    return _CANONICAL.encode(value)
