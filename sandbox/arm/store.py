"""The resources that exist, by lower-cased id, and the tree that they form."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sandbox.arm.errors import ArmError
from sandbox.arm.target import EXEMPTIONS, GROUPS, LOCKS, MANAGEMENT_GROUPS, SUBSCRIPTIONS, VERSIONS, Target, parse
from sandbox.identity import Caller

type Json = dict[str, Any]


@dataclass(slots=True)
class Entry:
    """One resource. `body` holds what its type keeps (properties, location, tags ...), without the envelope."""

    target: Target
    body: Json
    system: Json | None = None
    rendered: dict[int, bytes] = field(default_factory=dict)

    def json(self) -> Json:
        kind = "Microsoft.Resources/resourceGroups" if self.target.type_key == GROUPS else self.target.type
        shown = {**self.body, "id": self.target.id, "type": kind, "name": self.target.name}
        if self.system:
            shown["systemData"] = self.system
        return shown

    def bytes(self) -> bytes:
        if -1 not in self.rendered:
            self.rendered[-1] = json.dumps(self.json()).encode()
        return self.rendered[-1]


def container(scope_key: str) -> str:
    """Return the subscription of a scope, or the scope itself where it is in none."""
    return "/".join(scope_key.split("/")[:3]) if scope_key.startswith("/subscriptions/") else scope_key


def stamp(moment: datetime) -> str:
    """Write a UTC moment as systemData does: seven digits of a second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


def system_data(caller: Caller, moment: datetime, before: Json | None) -> Json:
    """Make the systemData after a write: who made it stays, who changed it last is the caller."""
    now, who, kind = stamp(moment), caller.created_by, caller.kind
    made = before or {"createdBy": who, "createdByType": kind, "createdAt": now}
    return {
        "createdBy": made["createdBy"], "createdByType": made["createdByType"], "createdAt": made["createdAt"],
        "lastModifiedBy": who, "lastModifiedByType": kind, "lastModifiedAt": now,
    }  # fmt: skip


class Store:
    """All entries, the exemptions of each scope, and the management-group tree.

    `exemptions` is by scope, `inside` by the subscription that holds the scope, or the scope itself above
    subscriptions. `versions` are those that were put, by their definition. `changes` are those of tags and the
    creations, oldest first: see changes.py. `version` grows with every entry that is put or removed.
    """

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.exemptions: dict[str, dict[str, Entry]] = defaultdict(dict)
        self.inside: dict[str, dict[str, Entry]] = defaultdict(dict)
        self.versions: dict[str, dict[str, Entry]] = defaultdict(dict)
        self.version = 0
        self.locks: dict[str, Entry] = {}
        self.above: dict[str, str] = {}
        self.changes: list[Entry] = []

    def get(self, key: str) -> Entry | None:
        return self.entries.get(key)

    def put(self, entry: Entry) -> None:
        self.version += 1
        self.entries[entry.target.key] = entry
        if entry.target.type_key == EXEMPTIONS:
            self.exemptions[entry.target.scope_key][entry.target.key] = entry
            self.inside[container(entry.target.scope_key)][entry.target.key] = entry
        elif entry.target.type_key == LOCKS:
            self.locks[entry.target.key] = entry
        elif entry.target.type_key in VERSIONS:
            self.versions[entry.target.scope_key][entry.target.key] = entry

    def remove(self, key: str) -> list[Entry]:
        """Remove an entry and all below it; return what went, the entry itself first."""
        self.version += 1
        below = key + "/"
        entry = self.entries.get(key)
        # nothing but a lock can be below an exemption: thousands of them are deleted without a look at all entries
        others = self.locks if entry and entry.target.type_key == EXEMPTIONS else self.entries
        gone = [key] + [other for other in others if other.startswith(below)]
        removed = [self.entries.pop(one) for one in gone if one in self.entries]
        for entry in removed:
            if entry.target.type_key == EXEMPTIONS:
                self.exemptions[entry.target.scope_key].pop(entry.target.key, None)
                self.inside[container(entry.target.scope_key)].pop(entry.target.key, None)
            elif entry.target.type_key in VERSIONS:
                self.versions[entry.target.scope_key].pop(entry.target.key, None)
            self.locks.pop(entry.target.key, None)
            self.above.pop(entry.target.key, None)
        return removed

    def of_type(self, type_key: str) -> Iterator[Entry]:
        return (entry for entry in list(self.entries.values()) if entry.target.type_key == type_key)

    def exemptions_about(self, key: str) -> list[Entry]:
        """Return the exemptions at a scope, above it, and in the subscription that holds it; for the tenant, all."""
        if not key:
            return [entry for rows in self.inside.values() for entry in rows.values()]
        roots = dict.fromkeys([container(key), *self.scopes_up(key)])
        return [entry for root in roots if root in self.inside for entry in self.inside[root].values()]

    def parent(self, key: str) -> str:
        """Return the scope above a scope: parent resource, group, subscription, management group, tenant ("")."""
        parts = key.split("/")
        if len(parts) == 3 or (len(parts) == 5 and parts[2] == "microsoft.management"):
            return self.above.get(key, "")
        parts = parts[:-2]
        if len(parts) >= 2 and parts[-2] == "providers":
            parts = parts[:-2]
        return "/".join(parts)

    def scopes_up(self, key: str) -> list[str]:
        """Return the scope and every scope above it, nearest first, the tenant ("") last."""
        found = [key]
        while key:
            key = self.parent(key)
            found.append(key)
        return found

    def is_below(self, key: str, ancestor: str) -> bool:
        """Return whether a scope is the other one or below it."""
        if not ancestor or key == ancestor or key.startswith(ancestor + "/"):
            return True
        return ancestor.startswith("/providers/microsoft.management/") and ancestor in self.scopes_up(key)

    def require_scope(self, scope: str) -> None:
        """Raise ARM's 404 for the first container or resource of a scope that does not exist."""
        key = scope.lower()
        if not key or key in self.entries:
            return
        self.require_containers(scope)
        raise missing(parse(scope))

    def require_containers(self, scope: str) -> None:
        """Raise ARM's 404 for an absent management group, subscription or resource group of a scope."""
        parts = scope.split("/")
        if len(parts) < 3:
            return
        if parts[1].lower() != "subscriptions":
            if parse(scope).type_key == MANAGEMENT_GROUPS and scope.lower() not in self.entries:
                raise missing(parse(scope))
            return
        subscription = "/".join(parts[:3]).lower()
        if subscription not in self.entries:
            raise ArmError(404, "SubscriptionNotFound", f"The subscription '{parts[2]}' could not be found.")
        grouped = len(parts) >= 5 and parts[3].lower() == "resourcegroups"
        if grouped and "/".join(parts[:5]).lower() not in self.entries:
            raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{parts[4]}' could not be found.")


def missing(target: Target) -> ArmError:
    """Make the 404 of an absent resource of any type.

    Of an absent version, public answers show the code PolicySetDefinitionVersionNotFound for the write of an assignment
    only (resources.py); that a read gets it, too, is a guess.
    """
    if target.type_key == SUBSCRIPTIONS:
        return ArmError(404, "SubscriptionNotFound", f"The subscription '{target.name}' could not be found.")
    if target.type_key == GROUPS:
        return ArmError(404, "ResourceGroupNotFound", f"Resource group '{target.name}' could not be found.")
    if target.type_key == MANAGEMENT_GROUPS:
        return ArmError(404, "ManagementGroupNotFound", f"The management group '{target.name}' cannot be found.")
    if target.type_key.startswith("microsoft.authorization/policy"):
        return ArmError(404, absent_code(target), f"The {words(target)} '{target.name}' could not be found.")
    if target.type_key == "microsoft.authorization/locks":
        return ArmError(404, "LockNotFound", f"The lock '{target.name}' could not be found.")
    group = target.id.split("/")[4] if "/resourcegroups/" in target.key else ""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{target.type}/{target.name}' under resource group '{group}' was not found. For more details "
        "please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def absent_code(target: Target) -> str:
    """Return the code for a policy object that is not there: PolicySetDefinitionVersionNotFound ..."""
    return words(target).title().replace(" ", "") + "NotFound"


def words(target: Target) -> str:
    """Return what a policy object is called in messages: policy set definition version ..."""
    parts = (part.removesuffix("s") for part in target.type.split("/")[1:])
    return " ".join(re.sub("(?=[A-Z])", " ", part).lower() for part in parts)
