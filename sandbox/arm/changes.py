"""Changes: what Resource Graph's change tables say of tags and creations, and of nothing else.

Shape: azure-docs, governance/resource-graph/changes/get-resource-changes.md. A creation names no properties; a tag that
comes without a value is no change.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sandbox.arm.store import Entry, Json, Store
from sandbox.arm.target import GROUPS, SUBSCRIPTIONS, Target, parse
from sandbox.identity import Caller

KEPT = timedelta(days=14)
CONTAINERS = frozenset({GROUPS, SUBSCRIPTIONS})
HIDDEN = ("microsoft.authorization/", "microsoft.resources/", "microsoft.management/")
"""Types that are in no table of resources begin so; groups and subscriptions have a table of their own."""


def note(store: Store, before: Entry | None, after: Entry, caller: Caller, moment: datetime) -> None:
    """Note what a write by `caller` did; before is None where there was nothing."""
    kind = after.target.type_key
    if kind.startswith(HIDDEN) and kind not in CONTAINERS:
        return
    old, new = ((entry.body.get("tags") or {}) if entry else {} for entry in (before, after))
    changes = {
        f"tags.{name}": {"previousValue": old.get(name), "newValue": new.get(name)}
        for name in sorted({*old, *new})
        if (old.get(name) or "") != (new.get(name) or "")
    }
    if before is None or changes:
        add(store, after.target, caller.created_by, moment, None if before is None else changes)


def add(store: Store, target: Target, who: str, moment: datetime, changes: Json | None) -> None:
    """Add a change that was made at a moment; no `changes` for a creation."""
    properties: dict[str, Any] = {
        "targetResourceId": target.id,
        "targetResourceType": target.type_key,
        "changeType": "Create" if changes is None else "Update",
        "changeAttributes": {
            "changedBy": who, "timestamp": moment.isoformat(timespec="milliseconds"),
            "operation": f"{target.type_key}/write", "changesCount": len(changes or {}),
        },
        "changes": changes or {},
    }  # fmt: skip
    identity = f"{target.id}/providers/Microsoft.Resources/changes/{uuid4()}"
    store.changes.append(Entry(parse(identity), {"properties": properties}, {"at": moment}))


def kept(store: Store, now: datetime, *, containers: bool) -> list[Entry]:
    """Return the changes of groups and subscriptions, or those of everything else, that are not too old."""

    def about_container(entry: Entry) -> bool:
        return entry.body["properties"]["targetResourceType"] in CONTAINERS

    fresh = [one for one in store.changes if one.system and one.system["at"] > now - KEPT]
    return [one for one in fresh if about_container(one) is containers]
