"""What an Azure Policy exemption is: its id, its scope, its dates and what its metadata says. Pure.

Shapes follow the REST reference of Microsoft.Authorization/policyExemptions (2020-07-01-preview to
2026-01-01-preview) and what the portal, the CLI, PowerShell and Resource Graph make of it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

from guardrails.errors import Permanent
from guardrails.exemption.ids import folded, resource_id
from guardrails.exemption.names import DEFAULT_NAMES, ROLES, Names
from guardrails.exemption.sources import ARM, MODE, SELECTORS, SYSTEM, VALIDATION, Source

__all__ = [
    "DEFAULT_NAMES", "MARKER_FIELDS", "MARKER_KEY", "ROLES", "TYPE", "Exemption", "ExemptionId", "Names", "NotReturned",
    "ScopeKind", "canonical", "canonical_json", "fingerprint", "marker_of", "parse_time", "put_body", "refuse",
    "scope_container", "scope_kind", "spell_time", "spelling", "takes_marker", "with_marker",
]  # fmt: skip

MARKER_KEY: Final = "guardrails"
"""The metadata key under which we tag an exemption."""

MARKER_FIELDS: Final = frozenset({"status", "codes", "since"})
"""What we write below MARKER_KEY. These never count as content; other fields there are their author's."""

TYPE: Final = "Microsoft.Authorization/policyExemptions"
_TYPE_PATH: Final = "/providers/microsoft.authorization/policyexemptions/"
_MG_PATH: Final = "/providers/microsoft.management/managementgroups/"
_SUB_PATH: Final = "/subscriptions/"


class ScopeKind(StrEnum):
    """The four levels at which an exemption can be attached."""

    MANAGEMENT_GROUP = "management group"
    SUBSCRIPTION = "subscription"
    RESOURCE_GROUP = "resource group"
    RESOURCE = "resource"


_MANAGEMENT_GROUP, _SUBSCRIPTION, _RESOURCE_GROUP, _RESOURCE = ScopeKind


def refuse(
    message: str, subject: str = "", remedy: str = "Give the exemption as Azure Resource Manager returns it."
) -> Permanent:
    """Return (to raise) the error for input that is not an exemption."""
    return Permanent(message, code="not-an-exemption", subject=subject[:300], remedy=remedy)


class NotReturned(Exception):
    """A field was asked for that the exemption's source does not return: nobody knows what it says."""


@dataclass(frozen=True, slots=True)
class ExemptionId:
    """A policy exemption's resource id. Equal and hashed by `key`, for Azure's ids ignore case.

    Attributes:
        text: the id in its one spelling, its casing as given: what Azure is asked for.
        key: `text` in lower case, by guardrails.exemption.ids.folded.
        scope: the target scope: the part before the *last* /providers/Microsoft.Authorization/policyExemptions/.
        name: the exemption's own name.
        kind: the level of the scope.
        container: the register's partition: the subscription id in lower case, or `mg~name` for a management group.
    """

    text: str
    key: str
    scope: str
    name: str
    kind: ScopeKind
    container: str

    @classmethod
    def parse(cls, text: object) -> "ExemptionId":
        """Read an id in any casing, with or without its leading slash; guardrails.exemption.ids has the one spelling.

        Raises Permanent (not-an-exemption) where it names no exemption, or not one alone.
        """
        if not isinstance(text, str) or not text.strip("/ "):
            raise refuse("the exemption has no id")
        try:
            spelled = resource_id(text)
        except ValueError as error:
            raise refuse(f"the id cannot name one exemption: {error}", text) from None
        key = folded(spelled)
        at = key.rfind(_TYPE_PATH)
        if at < 0:
            raise refuse(f"the id does not name a {TYPE}", spelled)
        scope, name = spelled[:at], spelled[at + len(_TYPE_PATH) :]
        if not name or "/" in name:
            raise refuse("the id does not end in one exemption name", spelled)
        kind, container = _scope_of(key[:at], spelled)
        return cls(spelled, key, scope, name, kind, container)

    @property
    def hash(self) -> bytes:
        """A short name (20 bytes of sha256) that is the same for every casing of the id."""
        return hashlib.sha256(self.key.encode("utf-8", "backslashreplace")).digest()[:20]

    @property
    def subscription(self) -> str | None:
        """The subscription id in lower case; None at a management group."""
        return None if self.kind is ScopeKind.MANAGEMENT_GROUP else self.container

    @property
    def resource_group(self) -> str | None:
        """The resource group's name as written; None where the scope is in none."""
        parts = self.scope.split("/")
        return parts[4] if len(parts) > 4 and parts[3].lower() == "resourcegroups" else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExemptionId) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.text


def _scope_of(scope: str, text: str) -> tuple[ScopeKind, str]:
    """Return the level and the register partition of a lower-cased scope."""
    if scope.startswith(_MG_PATH):
        name = scope[len(_MG_PATH) :]
        if name and "/" not in name:
            return _MANAGEMENT_GROUP, "mg~" + name
    elif scope.startswith(_SUB_PATH):
        parts = scope.split("/")
        subscription, depth = parts[2], len(parts)
        if subscription and subscription != "managementgroups" and "//" not in scope and scope[-1] != "/":
            if depth == 3:
                return _SUBSCRIPTION, subscription
            inside = 5 if parts[3] == "resourcegroups" else 3
            if depth == inside:
                return _RESOURCE_GROUP, subscription
            if depth >= inside + 4 and parts[inside] == "providers" and (depth - inside) % 2 == 0:
                return _RESOURCE, subscription  # provider, then type and name in pairs, however deep
    raise refuse(
        "the scope in the id is not a management group, subscription, resource group or resource",
        text,
        "Scopes start with /providers/Microsoft.Management/managementGroups/ or /subscriptions/.",
    )


def scope_kind(scope: str) -> ScopeKind:
    """Return the level of a scope id. Raises Permanent (not-an-exemption) when it is none of the four."""
    return _scope_of("/" + scope.strip("/").lower(), scope)[0]


def scope_container(scope: str) -> str:
    """Return what ExemptionId.container is for exemptions at a scope. Raises Permanent (not-an-exemption)."""
    return _scope_of(folded("/" + scope.strip("/")), scope)[1]


@dataclass(slots=True)
class Exemption:
    """One policy exemption as read, never changed. (To make a frozen one of so many fields takes three times as long.)

    Attributes:
        body: the JSON as it was given; unknown fields live here and survive `put_body`.
        source: where it was read, which says what an absent field means.
        not_returned: the fields that are not known, for the body lacks them and the source does not return them. To
            ask for `selectors`, `scope_validation` or `management_mode` then raises NotReturned, so that no rule can
            take them for empty; what is read of systemData is "" or None.
        expires_on: UTC, or None where it has no expiry or the text could not be read (see `expiry_problem`).
        expiry_problem: why `expiresOn` could not be read; None where it is absent or fine.
        reference_ids: policyDefinitionReferenceIds; empty means the whole assignment.
        said: role -> text, from metadata: owner, ticket, approver, review, control, justification.
        created_by, modified_by: of systemData: a UPN for people, a GUID for applications; "" where unknown.
        created_at, modified_at: systemData.createdAt and lastModifiedAt, UTC; None where unknown.
    """

    id: ExemptionId
    body: Mapping[str, Any]
    assignment_id: str
    reference_ids: tuple[str, ...]
    category: str
    expires_on: datetime | None
    expiry_problem: str | None
    display_name: str
    description: str
    metadata: Mapping[str, Any]
    said: Mapping[str, str]
    _selectors: tuple[Mapping[str, Any], ...]
    _scope_validation: str
    _management_mode: str
    created_by: str
    created_by_type: str
    created_at: datetime | None
    modified_by: str
    modified_by_type: str
    modified_at: datetime | None
    source: Source
    not_returned: frozenset[str]

    @property
    def selectors(self) -> tuple[Mapping[str, Any], ...]:
        """Its resource selectors. Raises NotReturned."""
        self._ask(SELECTORS)
        return self._selectors

    @property
    def scope_validation(self) -> str:
        """Its assignmentScopeValidation; "" is the default. Raises NotReturned."""
        self._ask(VALIDATION)
        return self._scope_validation

    @property
    def management_mode(self) -> str:
        """Its exemptionManagementMode; "" is the default. Raises NotReturned."""
        self._ask(MODE)
        return self._management_mode

    def _ask(self, field: str) -> None:
        if field in self.not_returned:
            raise NotReturned(self.source.lacks(field))

    def as_of(self, source: Source) -> "Exemption":
        """Return what would be known of it, had this body come from another source."""
        if source is self.source:
            return self
        missing = source.missing_from(canonical(self.body)["properties"], SYSTEM not in self.not_returned)
        return replace(self, source=source, not_returned=missing)

    @property
    def owner(self) -> str:
        """The owner named in metadata; "" where none is."""
        return self.said.get("owner", "")

    @property
    def ticket(self) -> str:
        """The approval ticket named in metadata; "" where none is."""
        return self.said.get("ticket", "")

    @classmethod
    def from_arm(
        cls, body: object, names: Names = DEFAULT_NAMES, source: Source = ARM, known: ExemptionId | None = None
    ) -> "Exemption":
        """Read an exemption from ARM JSON, or from what the CLI, PowerShell or Resource Graph make of it.

        `source`: who returned the body, and so what a field means that it lacks. `known`: its id, where that was read
        before.

        Raises Permanent (not-an-exemption), naming what is wrong.
        """
        if type(body) is not dict and not isinstance(body, Mapping):
            raise refuse(f"an exemption is a JSON object, not {_kind_of(body)}")
        read = body
        properties = body.get("properties")
        if type(properties) is not dict or "id" not in body or not properties.keys() <= _KNOWN:
            read = canonical(body)
            properties = read["properties"]
        exemption_id = known or ExemptionId.parse(read.get("id"))
        get = properties.get
        assignment = get("policyAssignmentId")
        if not isinstance(assignment, str) or not assignment:
            raise refuse("the exemption names no policyAssignmentId", exemption_id.text)
        try:
            expires_on, problem = parse_time(get("expiresOn")), None
        except ValueError as error:
            expires_on, problem = None, str(error)
        metadata = _metadata(get("metadata"), exemption_id.text)
        category = get("exemptionCategory")
        if category not in _SPELLED_CATEGORIES:
            category = _CATEGORIES.get(_text(category).lower(), _text(category))
        system = read.get("systemData") or _NOTHING
        if type(system) is not dict and not isinstance(system, Mapping):
            raise refuse("systemData is not a JSON object", exemption_id.text)
        sys_get = system.get
        return cls(
            exemption_id,
            body,
            assignment,
            _texts(get("policyDefinitionReferenceIds"), "policyDefinitionReferenceIds", exemption_id.text),
            category,
            expires_on,
            problem,
            _text(get("displayName")),
            _text(get("description")),
            metadata,
            names.read(metadata) if metadata else _NOTHING,
            _objects(get("resourceSelectors"), exemption_id.text),
            _text(get("assignmentScopeValidation")),
            _text(get("exemptionManagementMode")),
            _text(sys_get("createdBy")),
            _text(sys_get("createdByType")),
            _time_or_none(sys_get("createdAt")),
            _text(sys_get("lastModifiedBy")),
            _text(sys_get("lastModifiedByType")),
            _time_or_none(sys_get("lastModifiedAt")),
            source,
            source.missing_from(properties, system),
        )


_NOTHING: Final[Mapping[str, Any]] = {}
_CATEGORIES: Final = {"waiver": "Waiver", "mitigated": "Mitigated"}
_SPELLED_CATEGORIES: Final = tuple(_CATEGORIES.values())
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)
_PROPERTIES: Final = (
    "policyAssignmentId", "policyDefinitionReferenceIds", "exemptionCategory", "expiresOn", "displayName",
    "description", "metadata", "resourceSelectors", "assignmentScopeValidation", "exemptionManagementMode",
)  # fmt: skip
_KNOWN: Final = frozenset(_PROPERTIES)
_PROPERTY_NAMES: Final = {
    **{name.lower(): name for name in _PROPERTIES},
    "policydefinitionreferenceid": "policyDefinitionReferenceIds",
    "resourceselector": "resourceSelectors",
}
_TOP_NAMES: Final = {
    "id": "id", "resourceid": "id", "exemptionid": "id", "policyexemptionid": "id", "name": "name", "type": "type",
    "systemdata": "systemData", "properties": "properties",
}  # fmt: skip
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
        inner = _json_object(inner)
    if inner is not None and not isinstance(inner, Mapping):
        raise refuse(f"properties is {_kind_of(inner)}, not a JSON object", str(top.get("id") or ""))
    properties = dict(lifted)
    for key, value in (inner or {}).items():
        _keep(properties, _PROPERTY_NAMES.get(str(key).lower(), str(key)), value)
    system = top.get("systemData") or flat_system or None
    if isinstance(system, Mapping):
        top["systemData"] = {str(k)[:1].lower() + str(k)[1:]: v for k, v in system.items()}
    return {**top, "properties": properties}


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
    for name, value in canonical(body)["properties"].items():
        if name == "metadata":
            value = with_marker(_metadata(value, ""), None)  # noqa: PLW2901
            if value.get(MARKER_KEY, MARKER_KEY) in (None, {}):  # as once our tag was set and taken off again
                del value[MARKER_KEY]
        elif name == "expiresOn":
            value = _spelled_time(value)  # noqa: PLW2901
        elif name == "policyAssignmentId":
            value = "/" + str(value).strip("/").lower()  # noqa: PLW2901
        elif name in ("exemptionCategory", "assignmentScopeValidation", "exemptionManagementMode"):
            value = str(value or "").lower().replace("default", "").replace("admin", "")  # noqa: PLW2901
        elif name == "policyDefinitionReferenceIds":
            value = sorted({item.lower() for item in _texts(value, name, "")})  # noqa: PLW2901
        if value not in (None, "", [], {}):
            said[name] = value
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()[:32]


def spelling(body: Mapping[str, Any]) -> str:
    """Return a short hash (12 hex digits) of all that a PUT of `body` writes, as it is spelled, without our marker.

    What has one `fingerprint` may be spelled in several ways; to a tool that compares texts these are differences.
    """
    read = dict(canonical(body)["properties"])
    read["metadata"] = with_marker(_metadata(read.get("metadata"), ""), None) or None
    said = {name: value for name, value in read.items() if value is not None}
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()[:12]


def canonical_json(value: object) -> str:
    """Return `value` as JSON in one spelling only: sorted keys, no spaces, ASCII."""
    return _CANONICAL.encode(value)


def parse_time(value: object) -> datetime | None:
    """Read a point in time as UTC. None, "" and blanks are None; no zone means UTC; a bare date is its first second.

    Raises ValueError, saying what is wrong, for anything else that is not an ISO 8601 time of the years 1 to 9999.
    """
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        try:
            time = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"'{value[:60]}' is not an ISO 8601 time such as 2027-06-30T00:00:00Z") from None
    elif isinstance(value, datetime):
        time = value
    elif isinstance(value, date):
        time = datetime(value.year, value.month, value.day, tzinfo=UTC)
    else:
        raise ValueError(f"{_kind_of(value)} is not a time; write it as 2027-06-30T00:00:00Z")
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    if time.tzinfo is UTC:
        return time
    try:
        return time.astimezone(UTC)
    except OverflowError:  # an offset that leads out of the years 1 to 9999
        return time.replace(tzinfo=UTC)


def spell_time(time: datetime) -> str:
    """Write a UTC time as ARM does: 2027-06-30T00:00:00Z, with fractions only where there are any."""
    utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return utc.isoformat().replace("+00:00", "Z")


def _spelled_time(value: object) -> object:
    try:
        time = parse_time(value)
    except ValueError:
        return value
    return spell_time(time) if time else None


def _time_or_none(value: object) -> datetime | None:
    try:
        return parse_time(value)
    except ValueError:
        return None


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _texts(value: object, name: str, subject: str) -> tuple[str, ...]:
    if not value:
        return ()
    if isinstance(value, str):
        listed = _json_list(value)
        if listed is None:
            return (value,)
        value = listed
    if not isinstance(value, (list, tuple)):
        raise refuse(f"{name} is {_kind_of(value)}, not a list", subject)
    for one in value:
        if not isinstance(one, str | int) or isinstance(one, bool):
            raise refuse(f"{name} has {_kind_of(one)} in it", subject)
    return tuple(map(str, value))


def _objects(value: object, subject: str) -> tuple[Mapping[str, Any], ...]:
    if not value:
        return ()
    if isinstance(value, str):
        value = _json_list(value)
    items = [value] if isinstance(value, Mapping) else value
    if isinstance(items, list) and all(isinstance(item, Mapping) for item in items):
        return tuple(items)
    raise refuse("resourceSelectors is not a list of objects", subject)


def _metadata(value: object, subject: str) -> Mapping[str, Any]:
    if type(value) is dict:
        return value
    if not value:
        return _NOTHING
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str):
        found = _json_object(value) if value.strip() else {}
        if found is not None:
            return found
    raise refuse(f"metadata is {_kind_of(value)}, not a JSON object", subject)


def _json_object(text: str) -> dict[str, Any] | None:
    found = _json(text)
    return found if isinstance(found, dict) else None


def _json_list(text: str) -> list[Any] | None:
    found = _json(text) if text.lstrip().startswith("[") else None
    return found if isinstance(found, list) else None


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # not JSON, or nested deeper than anybody nests
        return None


def _kind_of(value: object) -> str:
    """Name a JSON value's kind for a message."""
    return {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(
        type(value), "a number" if isinstance(value, int | float) else type(value).__name__
    )
