"""Everything that is not an exemption: assignments, definitions, groups, management groups, locks, any resource."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sandbox.arm import changes, listing, versions
from sandbox.arm.errors import ArmError, bad_content, not_allowed
from sandbox.arm.exemption_body import check_assignment, find_assignment
from sandbox.arm.reply import Reply
from sandbox.arm.store import Entry, Json, Store, absent_code, missing, system_data, words
from sandbox.arm.target import (
    ALL_RESOURCES,
    ASSIGNMENTS,
    DEFINITIONS,
    ENROLLMENTS,
    GROUPS,
    LOCKS,
    MANAGEMENT_GROUPS,
    MEMBERS,
    SET_DEFINITIONS,
    SET_VERSIONS,
    SUBSCRIPTIONS,
    VERSIONS,
    Target,
    parse,
)
from sandbox.identity import TENANT_ID, Caller

_ENVELOPE = {"id", "name", "type", "systemdata", "etag", "apiversion", "scope", "dependson"}
_VERSIONED = {ASSIGNMENTS, DEFINITIONS, SET_DEFINITIONS, *VERSIONS}
_LISTED = {ASSIGNMENTS, DEFINITIONS, SET_DEFINITIONS, ENROLLMENTS}
"""What a list shows by scope: inherited, at it, and below."""
_TOPPED = {DEFINITIONS, SET_DEFINITIONS, *VERSIONS}
_MOST = 1000
_PATCHABLE = {"assignmentScopeValidation", "resourceSelectors"}
"""Of an enrollment (Microsoft Learn, enrollment structure)."""
_READ_ONLY = {"latestDefinitionVersion", "effectiveDefinitionVersion"}
_ALWAYS_CREATED = {ASSIGNMENTS, DEFINITIONS}
"""What a PUT answers with 201, be it there or not: azure-powershell's recordings."""


class Resources:
    """PUT, PATCH, GET, DELETE and lists of any type, with what the known types need besides."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self.page_size = 100

    def seed(self, identity: str, body: Json | None = None) -> Entry:
        """Put a resource in place without checks, events or systemData: built-ins, subscriptions, fixtures."""
        target = parse(identity)
        prepared = self._prepare(target, body or {})
        entry = Entry(target, prepared)
        self._store.put(entry)
        return entry

    def get(self, target: Target, version: str, expand: str = "") -> Reply:
        entry = versions.find(self._store, target)
        if entry is None:
            self._store.require_containers(target.scope)
            raise missing(target)
        return Reply(200, self._render(entry, version, expand))

    def put(self, target: Target, body: Any, version: str, caller: Caller) -> Reply:
        if target.type_key == SUBSCRIPTIONS:
            raise not_allowed("PUT")
        body = _object(body)
        before = versions.find(self._store, target)
        self._store.require_scope(target.scope)
        self._check(target, body)
        entry = Entry(before.target if before else target, self._prepare(target, body))
        versions.settle(self._store, target, entry.body["properties"])
        self._bind(entry, before)
        if target.type_key not in {GROUPS, MANAGEMENT_GROUPS, MEMBERS}:
            entry.system = system_data(caller, self._clock(), before.system if before else None)
        if target.type_key in VERSIONS:
            versions.write(self._store, entry)
        else:
            self._store.put(entry)
        changes.note(self._store, before, entry, caller, self._clock())
        was_there = before is not None and target.type_key not in _ALWAYS_CREATED
        plain = target.type_key in {MANAGEMENT_GROUPS, MEMBERS}
        return Reply(200 if was_there or plain else 201, self._render(entry, version))

    def _bind(self, entry: Entry, before: Entry | None) -> None:
        """Give an assignment the id of its life, and an enrollment that of its assignment's.

        Recorded: azure-powershell, GetPolicyEnrollment. That a write of an enrollment keeps it is a guess.
        """
        kind, properties = entry.target.type_key, entry.body["properties"]
        seal = str(uuid5(NAMESPACE_URL, f"{entry.target.key} {self._clock().isoformat()}"))
        if kind == ASSIGNMENTS:
            properties["instanceId"] = _property(before, "instanceId") or seal
        elif kind == ENROLLMENTS:
            entry.body["etag"] = f'"{seal}"'
            bound = _property(before, "policyAssignmentInstanceId") or _property(
                find_assignment(self._store, properties["policyAssignmentId"]), "instanceId"
            )
            properties.pop("policyAssignmentInstanceId", None)
            properties |= {"policyAssignmentInstanceId": bound} if bound else {}

    def patch(self, target: Target, body: Any, version: str, caller: Caller) -> Reply:
        before = self._store.get(target.key)
        if before is None:
            self._store.require_containers(target.scope)
            raise missing(target)
        body = _object(body)
        if target.type_key == ENROLLMENTS and not (body.get("properties") or {}).keys() <= _PATCHABLE:
            raise bad_content(f"Of an enrollment, {' and '.join(sorted(_PATCHABLE))} alone can be changed")
        properties = before.body.get("properties", {}) | (body.get("properties") or {})
        whole = {**before.body, **body, "properties": properties}
        return Reply(200, self.put(before.target, whole, version, caller).body)

    def delete(self, target: Target, version: str) -> Reply:
        entry = versions.find(self._store, target)
        if entry is None:
            self._store.require_containers(target.scope)
            if target.type_key in {GROUPS, MANAGEMENT_GROUPS}:
                raise missing(target)
            return Reply(204)
        if target.type_key == SUBSCRIPTIONS:
            raise not_allowed("DELETE")
        if target.type_key == MEMBERS:
            self._store.above.pop(f"/subscriptions/{target.name.lower()}", None)
        if target.type_key in VERSIONS:
            versions.drop(self._store, target)
            return Reply(200)
        last = self._render(entry, version) if target.type_key in _LISTED else b""
        self._store.remove(target.key)
        return Reply(200, last)

    def list(self, target: Target, version: str, query: Mapping[str, str], url: str) -> Reply:
        self._store.require_scope(target.scope)
        if target.type_key in VERSIONS:
            rows = iter(versions.every(self._store, self._store.entries[target.scope_key]))
        elif target.type_key == ALL_RESOURCES:
            rows = self._plain_resources(query.get("$filter", ""))
        else:
            rows = self._store.of_type(target.type_key)
        if target.type_key in _LISTED:
            chosen = listing.select(self._store, rows, target.scope_key, query.get("$filter", ""), self._clock())
            if target.type_key in _VERSIONED - {ASSIGNMENTS} and not target.scope_key:
                chosen = [entry for entry in chosen if not entry.target.scope_key]
        else:
            below = target.scope_key + "/"
            chosen = sorted(
                (entry for entry in rows if entry.target.key.startswith(below)), key=lambda entry: entry.target.key
            )
        expand = query.get("$expand", "")
        size = min(self.page_size, _top(query)) if target.type_key in _TOPPED else self.page_size
        shown = listing.page(chosen, size, url, query, lambda entry: self._render(entry, version, expand))
        return Reply(200, shown)

    def list_versions(self, target: Target, version: str) -> Reply:
        """Return all versions of all definitions of a type that are at a scope itself, on one page."""
        self._store.require_scope(target.scope)
        definitions = [one for one in self._store.of_type(target.type_key) if one.target.scope_key == target.scope_key]
        rows = [row for one in definitions for row in versions.every(self._store, one)]
        return Reply(200, b'{"value":[' + b",".join(self._render(row, version) for row in rows) + b"]}")

    def _render(self, entry: Entry, version: str, expand: str = "") -> bytes:
        malformed = not isinstance(entry.body.get("properties") or {}, dict)  # put there by a test, and shown as it is
        if malformed or entry.target.type_key not in _VERSIONED:
            return entry.bytes()
        properties = versions.shown(self._store, entry, version, expand)
        return json.dumps({**entry.json(), "properties": properties}).encode()

    def _plain_resources(self, text: str) -> Iterator[Entry]:
        wanted = re.fullmatch(r"\s*resourceType\s+eq\s+'([^']+)'\s*", text, re.IGNORECASE)
        if text and not wanted:
            raise ArmError(
                400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string."
            )
        for entry in list(self._store.entries.values()):
            kind = entry.target.type_key
            if not kind.startswith(changes.HIDDEN) and (not wanted or kind == wanted[1].lower()):
                yield entry

    def _check(self, target: Target, body: Json) -> None:
        properties = body.get("properties") or {}
        if target.type_key == ASSIGNMENTS:
            self._check_assignment(properties)
        elif target.type_key == ENROLLMENTS:
            if not isinstance(properties.get("policyAssignmentId"), str):
                raise bad_content("Required property 'policyAssignmentId' not found in JSON. Path 'properties'")
            check_assignment(self._store, target, properties)
        elif target.built_in:
            raise ArmError(403, "AuthorizationFailed", "Built-in definitions cannot be changed.")
        elif target.type_key in VERSIONS:
            versions.check(target, properties)
        elif target.type_key == LOCKS and properties.get("level") not in ("CanNotDelete", "ReadOnly"):
            raise ArmError(400, "InvalidLockLevel", "The level of a lock is CanNotDelete or ReadOnly.")
        elif target.type_key == MEMBERS:
            self._store.require_scope(f"/subscriptions/{target.name}")
            self._store.require_scope(target.id.rpartition("/subscriptions/")[0])

    def _check_assignment(self, properties: Json) -> None:
        """Check what an assignment assigns. Raises ArmError 400, 404; that of a pin: Azure/Azure-Landing-Zones 292."""
        identity = str(properties.get("policyDefinitionId") or "")
        if not identity:
            message = "The policy assignment create request is invalid. A 'policyDefinitionId' must be given."
            raise ArmError(400, "InvalidCreatePolicyAssignmentRequest", message)
        definition, pin = versions.assigned(self._store, properties)
        if definition is None:
            raise missing(parse(identity))
        if not versions.chosen(self._store, definition, pin):
            listed = ", ".join(versions.numbers(self._store, definition))
            message = (
                "The policy assignment create request is invalid. Could not find a version of "
                f"{words(definition.target)}: '{definition.target.id}' that matches '{pin}'. The available versions "
                f"are: '{listed}'"
            )
            code = absent_code(definition.target).replace("NotFound", "VersionNotFound")
            raise ArmError(400, code, message)

    def _prepare(self, target: Target, body: Json) -> Json:
        """Return the body to keep, with what ARM fills in for this type."""
        kept = {key: value for key, value in body.items() if key.lower() not in _ENVELOPE}
        kind = target.type_key
        if kind == SUBSCRIPTIONS:
            base = {"subscriptionId": target.name, "displayName": target.name, "state": "Enabled"}
            policies = {"locationPlacementId": "Public_2014-09-01", "quotaId": "Sandbox", "spendingLimit": "Off"}
            more = {"authorizationSource": "RoleBased", "managedByTenants": [], "subscriptionPolicies": policies}
            return base | {"tenantId": TENANT_ID} | more | kept
        properties: Json = dict(kept.get("properties") or {})
        if kind == ASSIGNMENTS:
            given = {key: value for key, value in properties.items() if key not in _READ_ONLY}
            properties = {"enforcementMode": "Default", **given, "scope": target.scope}
        elif kind in _VERSIONED:
            properties = {"policyType": "BuiltIn" if target.built_in else "Custom", **properties}
        elif kind not in {LOCKS, MANAGEMENT_GROUPS, MEMBERS}:
            properties = {**properties, "provisioningState": "Succeeded"}
        if kind in VERSIONS:
            properties = {"version": target.name, **properties}
            properties.pop("versions", None)
        if kind in (SET_DEFINITIONS, SET_VERSIONS):
            properties["policyDefinitions"] = [_with_reference(one) for one in properties.get("policyDefinitions", [])]
        if kind == MANAGEMENT_GROUPS:
            properties = self._place_management_group(target, properties)
        if kind == MEMBERS:
            group, _, member = target.id.rpartition("/subscriptions/")
            named = self._store.get(f"/subscriptions/{member.lower()}")
            properties |= {
                "displayName": named.body["displayName"] if named else member, "parent": {"id": group},
                "state": "Active", "tenant": TENANT_ID,
            }  # fmt: skip
            left = self._store.above.get(f"/subscriptions/{target.name.lower()}")
            self._store.entries.pop(f"{left}/subscriptions/{target.name.lower()}", None)  # it is in one group only
            self._store.above[f"/subscriptions/{target.name.lower()}"] = target.key.rpartition("/subscriptions/")[0]
        return {**kept, "properties": properties}

    def _place_management_group(self, target: Target, properties: Json) -> Json:
        parent = ((properties.get("details") or {}).get("parent") or {}).get("id", "")
        self._store.above[target.key] = parent.lower()
        named = {"id": parent, "name": parent.rpartition("/")[2]} if parent else None
        shown = {"tenantId": TENANT_ID, "displayName": properties.get("displayName", target.name)}
        return shown | {"details": {"version": 1, "parent": named}}


def _top(query: Mapping[str, str]) -> int:
    """Return the most rows that a page may have. Raises ArmError 400; the specification has the bounds."""
    text = query.get("$top", str(_MOST))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= _MOST:
        raise ArmError(400, "InvalidTopInQueryString", f"The $top '{text}' must be between 1 and {_MOST}.")
    return int(text)


def _object(body: Any) -> Json:
    """Check the shape of a resource's body, as deep as this module looks into it. Raises ArmError 400."""
    if not isinstance(body, dict):
        raise bad_content("The request body must be a JSON object")
    properties = body.get("properties") or {}
    for name, value in (("properties", properties), ("tags", body.get("tags") or {})):
        if not isinstance(value, dict):
            raise bad_content(f"The value of '{name}' must be an object. Path '{name}'")
    members = properties.get("policyDefinitions", [])
    if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
        raise bad_content("The value must be a list of objects. Path 'properties.policyDefinitions'")
    details = properties.get("details") or {}
    parent = (details.get("parent") or {}) if isinstance(details, dict) else None
    if not isinstance(parent, dict) or not isinstance(parent.get("id", ""), str):
        raise bad_content("The parent must be an object with an id. Path 'properties.details'")
    return body


def _property(entry: Entry | None, name: str) -> Any:
    properties = entry.body.get("properties") if entry else None
    return properties.get(name) if isinstance(properties, dict) else None


def _with_reference(member: Json) -> Json:
    """Give a member of an initiative without a reference id a long number, as Azure does."""
    if member.get("policyDefinitionReferenceId"):
        return member
    digest = hashlib.sha256(json.dumps(member, sort_keys=True).encode()).digest()
    return {**member, "policyDefinitionReferenceId": str(int.from_bytes(digest[:8]))}
