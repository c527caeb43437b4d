"""The five verbs of policy exemptions."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sandbox.arm import listing
from sandbox.arm.errors import not_allowed
from sandbox.arm.exemption_body import FIELDS, LEVELS, PATCHABLE, check_assignment, check_name, invalid, read_properties
from sandbox.arm.reply import Reply
from sandbox.arm.store import Entry, Json, Store, missing, system_data
from sandbox.arm.target import Target
from sandbox.identity import Caller

MAX_PER_SCOPE = 1000


class Exemptions:
    """PUT replaces, PATCH touches three properties, a read shows only what its api-version knows."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self.page_size = 100
        self.max_per_scope = MAX_PER_SCOPE

    def level(self, version: str) -> int:
        """Return the level of fields that an api-version knows."""
        return max((level for since, level in LEVELS.items() if since <= version.lower()), default=0)

    def get(self, target: Target, version: str) -> Reply:
        level = self.level(version)
        return Reply(200, self._render(self._existing(target), level))

    def put(self, target: Target, body: Any, version: str, caller: Caller) -> Reply:
        level = self.level(version)
        check_name(target.name)
        before = self._store.get(target.key)
        if before is None:
            self._store.require_scope(target.scope)
        properties = read_properties(target.name, body, level)
        self._check(target, properties, before)
        entry = Entry(
            before.target if before else target,
            {"properties": properties},
            system_data(caller, self._clock(), before.system if before else None),
        )
        self._store.put(entry)
        return Reply(200 if before else 201, self._render(entry, level))

    def _check(self, target: Target, properties: Json, before: Entry | None) -> None:
        for field in ("policyAssignmentId", "exemptionCategory"):
            if not properties.get(field):
                raise invalid(target.name, f"The property '{field}' is required.")
        if before is not None:
            old, new = before.body["properties"]["policyAssignmentId"], properties["policyAssignmentId"]
            if old.strip("/").lower() != new.strip("/").lower():
                why = f"The policy assignment id cannot be changed from '{old}' to '{new}'."
                raise invalid(target.name, why, "InvalidPolicyAssignmentIdUpdate")
        elif len(self._store.exemptions[target.scope_key]) >= self.max_per_scope:
            why = f"The scope '{target.scope}' has {self.max_per_scope} exemptions, which is the most that it can have."
            raise invalid(target.name, why, "PolicyExemptionQuotaExceeded")
        check_assignment(self._store, target, properties)

    def patch(self, target: Target, body: Any, version: str, caller: Caller) -> Reply:
        level = self.level(version)
        if level < 1:
            raise not_allowed("PATCH")
        before = self._existing(target)
        sent = read_properties(target.name, body, level)
        changed = {field: sent[field] for field in PATCHABLE if field in sent}
        merged = before.body["properties"] | changed
        properties = {field: merged[field] for field in FIELDS if field in merged}
        check_assignment(self._store, target, properties)
        entry = Entry(before.target, {"properties": properties}, system_data(caller, self._clock(), before.system))
        self._store.put(entry)
        return Reply(200, self._render(entry, level))

    def delete(self, target: Target, version: str) -> Reply:
        level = self.level(version)
        entry = self._store.get(target.key)
        if entry is None:
            self._store.require_containers(target.scope)
            return Reply(204)
        self._store.remove(target.key)
        return Reply(200, self._render(entry, level))

    def list(self, target: Target, version: str, query: Mapping[str, str], url: str) -> Reply:
        level = self.level(version)
        self._store.require_scope(target.scope)
        asked = query.get("$filter", "")
        every = self._store.exemptions_about("" if listing.goes_below(asked) else target.scope_key)
        rows = listing.select(self._store, every, target.scope_key, asked, self._clock())
        return Reply(200, listing.page(rows, self.page_size, url, query, lambda entry: self._render(entry, level)))

    def _existing(self, target: Target) -> Entry:
        entry = self._store.get(target.key)
        if entry is None:
            self._store.require_containers(target.scope)
            raise missing(target)
        return entry

    @staticmethod
    def _render(entry: Entry, level: int) -> bytes:
        if level not in entry.rendered:
            shown = entry.json()
            shown["properties"] = {
                field: value for field, value in shown["properties"].items() if FIELDS[field][0] <= level
            }
            entry.rendered[level] = json.dumps(shown).encode()
        return entry.rendered[level]
