"""The Tags API: `{scope}/providers/Microsoft.Resources/tags/default` (GET, PUT, PATCH, DELETE).

Limits and the three operations of PATCH: learn.microsoft.com, REST reference of Tags, 2021-04-01.
"""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sandbox.arm import changes
from sandbox.arm.errors import ArmError, bad_content
from sandbox.arm.reply import Reply
from sandbox.arm.store import Entry, Store
from sandbox.arm.target import EXEMPTIONS, MANAGEMENT_GROUPS, Target
from sandbox.identity import Caller

MAX_TAGS = 50
MAX_NAME = 512
MAX_VALUE = 256


class Tags:
    """Reads and changes the tags of a subscription, resource group or resource. Names are case-insensitive."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock

    def handle(self, method: str, target: Target, body: Any, caller: Caller) -> Reply:
        """Answer one request; a write to a scope that cannot have tags is refused."""
        entry = self._holder(target)
        tags: dict[str, str] = dict(entry.body.get("tags") or {})
        if method == "PUT":
            tags = _read(body)
        elif method == "PATCH":
            tags = _merge(tags, _read(body), str(body.get("operation", "")))
        elif method == "DELETE":
            tags = {}
        if method != "GET":
            _check(tags)
            after = Entry(entry.target, {**entry.body, "tags": tags}, entry.system)
            changes.note(self._store, entry, after, caller, self._clock())
            self._store.put(after)
        return Reply(200, b"" if method == "DELETE" else _render(target, tags))

    def _holder(self, target: Target) -> Entry:
        self._store.require_scope(target.scope)
        entry = self._store.get(target.scope_key)
        untaggable = {EXEMPTIONS, MANAGEMENT_GROUPS}
        if entry is None or entry.target.type_key in untaggable or target.name.lower() != "default":
            raise ArmError(400, "TagsNotSupported", f"The scope '{target.scope}' does not support tags.")
        return entry


def _read(body: Any) -> dict[str, str]:
    properties = body.get("properties") if isinstance(body, dict) else None
    tags = properties.get("tags") if isinstance(properties, dict) else None
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise bad_content("Required property 'properties.tags' must be an object of strings")
    return tags


def _merge(tags: dict[str, str], sent: dict[str, str], operation: str) -> dict[str, str]:
    if operation == "Replace":
        return sent
    casing = {name.lower(): name for name in tags}
    if operation == "Merge":
        return tags | {casing.get(name.lower(), name): value for name, value in sent.items()}
    if operation == "Delete":
        gone = {(name.lower(), value) for name, value in sent.items()}
        return {name: value for name, value in tags.items() if (name.lower(), value) not in gone}
    raise ArmError(400, "InvalidTagsOperation", f"The operation '{operation}' is not Merge, Replace or Delete.")


def _check(tags: dict[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        message = f"The number of tags {len(tags)} exceeds the maximum of {MAX_TAGS}."
        raise ArmError(400, "InvalidTagCount", message)
    for name, value in tags.items():
        if len(name) > MAX_NAME or set(name) & set("<>%&\\?/"):
            raise ArmError(400, "InvalidTagNameCharacters", f"The tag name '{name}' is too long or has '<>%&\\?/'.")
        if len(value) > MAX_VALUE:
            raise ArmError(400, "InvalidTagValueLength", f"The value of tag '{name}' has over {MAX_VALUE} characters.")


def _render(target: Target, tags: dict[str, str]) -> bytes:
    shown = {"id": target.id, "name": "default", "type": target.type, "properties": {"tags": tags}}
    return json.dumps(shown).encode()
