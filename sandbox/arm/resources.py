"""Everything that is not an exemption: assignments, definitions, groups, management groups, locks, any resource."""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from sandbox.arm import changes, listing
from sandbox.arm.errors import ArmError, bad_content, not_allowed
from sandbox.arm.reply import Reply
from sandbox.arm.store import Entry, Json, Store, missing, system_data
from sandbox.arm.target import (
    ALL_RESOURCES,
    ASSIGNMENTS,
    DEFINITIONS,
    GROUPS,
    LOCKS,
    MANAGEMENT_GROUPS,
    MEMBERS,
    SET_DEFINITIONS,
    SUBSCRIPTIONS,
    Target,
    parse,
)
from sandbox.identity import TENANT_ID, Caller

_ENVELOPE = {"id", "name", "type", "systemdata", "apiversion", "scope", "dependson"}
_POLICY = {ASSIGNMENTS, DEFINITIONS, SET_DEFINITIONS}


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

    def get(self, target: Target) -> Reply:
        entry = self._store.get(target.key)
        if entry is None:
            self._store.require_containers(target.scope)
            raise missing(target)
        return Reply(200, entry.bytes())

    def put(self, target: Target, body: Any, caller: Caller) -> Reply:
        if target.type_key == SUBSCRIPTIONS:
            raise not_allowed("PUT")
        body = _object(body)
        before = self._store.get(target.key)
        self._store.require_scope(target.scope)
        self._check(target, body)
        entry = Entry(before.target if before else target, self._prepare(target, body))
        if target.type_key not in {GROUPS, MANAGEMENT_GROUPS, MEMBERS}:
            entry.system = system_data(caller, self._clock(), before.system if before else None)
        self._store.put(entry)
        changes.note(self._store, before, entry, caller, self._clock())
        plain = target.type_key in {MANAGEMENT_GROUPS, MEMBERS}
        return Reply(200 if before or plain else 201, entry.bytes())

    def patch(self, target: Target, body: Any, caller: Caller) -> Reply:
        before = self._store.get(target.key)
        if before is None:
            self._store.require_containers(target.scope)
            raise missing(target)
        body = _object(body)
        properties = before.body.get("properties", {}) | (body.get("properties") or {})
        return self.put(before.target, {**before.body, **body, "properties": properties}, caller)

    def delete(self, target: Target) -> Reply:
        entry = self._store.get(target.key)
        if entry is None:
            self._store.require_containers(target.scope)
            if target.type_key in {GROUPS, MANAGEMENT_GROUPS}:
                raise missing(target)
            return Reply(204)
        if target.type_key == SUBSCRIPTIONS:
            raise not_allowed("DELETE")
        if target.type_key == MEMBERS:
            self._store.above.pop(f"/subscriptions/{target.name.lower()}", None)
        self._store.remove(target.key)
        return Reply(200, entry.bytes() if target.type_key in _POLICY else b"")

    def list(self, target: Target, query: Mapping[str, str], url: str) -> Reply:
        self._store.require_scope(target.scope)
        if target.type_key == ALL_RESOURCES:
            rows = self._plain_resources(query.get("$filter", ""))
        else:
            rows = self._store.of_type(target.type_key)
        if target.type_key in _POLICY:
            chosen = listing.select(self._store, rows, target.scope_key, query.get("$filter", ""), self._clock())
            if target.type_key != ASSIGNMENTS and not target.scope_key:
                chosen = [entry for entry in chosen if not entry.target.scope_key]
        else:
            below = target.scope_key + "/"
            chosen = sorted(
                (entry for entry in rows if entry.target.key.startswith(below)), key=lambda entry: entry.target.key
            )
        return Reply(200, listing.page(chosen, self.page_size, url, query, Entry.bytes))

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
            self._require_definition(str(properties.get("policyDefinitionId") or ""))
        elif target.type_key in {DEFINITIONS, SET_DEFINITIONS} and not target.scope:
            raise ArmError(403, "AuthorizationFailed", "Built-in definitions cannot be changed.")
        elif target.type_key == LOCKS and properties.get("level") not in ("CanNotDelete", "ReadOnly"):
            raise ArmError(400, "InvalidLockLevel", "The level of a lock is CanNotDelete or ReadOnly.")
        elif target.type_key == MEMBERS:
            self._store.require_scope(f"/subscriptions/{target.name}")
            self._store.require_scope(target.id.rpartition("/subscriptions/")[0])

    def _require_definition(self, identity: str) -> None:
        if not identity:
            message = "The policy assignment create request is invalid. A 'policyDefinitionId' must be given."
            raise ArmError(400, "InvalidCreatePolicyAssignmentRequest", message)
        definition = parse(identity)
        if definition.key not in self._store.entries:
            raise missing(definition)

    def _prepare(self, target: Target, body: Json) -> Json:
        """Return the body to keep, with what ARM fills in for this type."""
        kept = {key: value for key, value in body.items() if key.lower() not in _ENVELOPE}
        kind = target.type_key
        if kind == SUBSCRIPTIONS:
            base = {"subscriptionId": target.name, "displayName": target.name, "state": "Enabled"}
            return base | {"tenantId": TENANT_ID} | kept
        properties: Json = dict(kept.get("properties") or {})
        if kind == ASSIGNMENTS:
            properties = {"enforcementMode": "Default", **properties, "scope": target.scope}
        elif kind in {DEFINITIONS, SET_DEFINITIONS}:
            properties = {"policyType": "Custom" if target.scope else "BuiltIn", **properties}
        elif kind not in {LOCKS, MANAGEMENT_GROUPS, MEMBERS}:
            properties = {**properties, "provisioningState": "Succeeded"}
        if kind == SET_DEFINITIONS:
            properties["policyDefinitions"] = [_with_reference(one) for one in properties.get("policyDefinitions", [])]
        if kind == MANAGEMENT_GROUPS:
            properties = self._place_management_group(target, properties)
        if kind == MEMBERS:
            self._store.above[f"/subscriptions/{target.name.lower()}"] = target.key.rpartition("/subscriptions/")[0]
        return {**kept, "properties": properties}

    def _place_management_group(self, target: Target, properties: Json) -> Json:
        parent = ((properties.get("details") or {}).get("parent") or {}).get("id", "")
        self._store.above[target.key] = parent.lower()
        named = {"id": parent, "name": parent.rpartition("/")[2]} if parent else None
        shown = {"tenantId": TENANT_ID, "displayName": properties.get("displayName", target.name)}
        return shown | {"details": {"version": 1, "parent": named}}


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


def _with_reference(member: Json) -> Json:
    """Give a member of an initiative without a reference id a long number, as Azure does."""
    if member.get("policyDefinitionReferenceId"):
        return member
    digest = hashlib.sha256(json.dumps(member, sort_keys=True).encode()).digest()
    return {**member, "policyDefinitionReferenceId": str(int.from_bytes(digest[:8]))}
