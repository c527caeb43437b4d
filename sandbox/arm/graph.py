"""Resource Graph: `type =~ '...'` queries over the store, with paging.

It shows what the real one shows: rows lag (`freeze`), newer exemption fields are missing, rows of scopes that the
caller cannot read are left out without a word, and a token for the next page comes only when `id` is projected.
Source: azure-docs, governance/resource-graph/concepts/work-with-data.md.
"""

import base64
import json
import re
from typing import Any

from sandbox.arm.access import Access
from sandbox.arm.errors import ArmError, bad_content
from sandbox.arm.exemption_body import FIELDS
from sandbox.arm.reply import Reply
from sandbox.arm.store import Entry, Json, Store
from sandbox.arm.target import EXEMPTIONS
from sandbox.identity import TENANT_ID, Caller

_TYPE = re.compile(r"\btype\s*(?:=~|==)\s*'([^']+)'", re.IGNORECASE)
_PROJECT = re.compile(r"\|\s*project\s+([^|]*)", re.IGNORECASE)
MAX_TOP = 1000


class Graph:
    """Answers the inventory query."""

    def __init__(self, store: Store, access: Access) -> None:
        self._store = store
        self._access = access
        self._frozen: list[Entry] | None = None

    def freeze(self, *, on: bool) -> None:
        """Hold the rows as they are now, so that queries lag behind ARM, or let them follow again."""
        self._frozen = list(self._store.entries.values()) if on else None

    def query(self, body: Any, caller: Caller) -> Reply:
        """Run a query. Raises ArmError 400 for one that the stand-in does not understand."""
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            raise bad_content("Required property 'query' not found in JSON")
        kinds = {match.lower() for match in _TYPE.findall(body["query"])}
        if not kinds:
            raise ArmError(400, "BadRequest", "The sandbox understands only queries with: where type =~ 'NAME'.")
        rows = self._rows(kinds, body, caller)
        top, start = _paging(body.get("options") or {})
        shown = [_project(row, body["query"]) for row in rows[start : start + top]]
        answer: Json = {
            "totalRecords": len(rows), "count": len(shown), "data": shown, "facets": [], "resultTruncated": "false",
        }  # fmt: skip
        if start + top < len(rows):
            if shown and "id" in shown[0]:
                answer["$skipToken"] = base64.b64encode(str(start + top).encode()).decode()
            else:
                answer["resultTruncated"] = "true"
        headers = {"x-ms-user-quota-remaining": "14", "x-ms-user-quota-resets-after": "00:00:05"}
        return Reply(200, json.dumps(answer).encode(), headers)

    def _rows(self, kinds: set[str], body: Json, caller: Caller) -> list[Json]:
        entries = list(self._store.entries.values()) if self._frozen is None else self._frozen
        scopes = [f"/subscriptions/{one}".lower() for one in _names(body, "subscriptions")]
        groups = _names(body, "managementGroups")
        scopes += [f"/providers/microsoft.management/managementgroups/{one}".lower() for one in groups]
        chosen = [
            entry
            for entry in entries
            if entry.target.type_key in kinds
            and (not scopes or any(self._store.under(entry.target.scope_key, scope) for scope in scopes))
            and self._access.may(caller, f"{entry.target.type}/read", entry.target.key)
        ]
        return [_row(entry) for entry in sorted(chosen, key=lambda entry: entry.target.key)]


def _row(entry: Entry) -> Json:
    parts = entry.target.id.split("/")
    inside = parts[1].lower() == "subscriptions"
    properties = entry.body.get("properties", {})
    if entry.target.type_key == EXEMPTIONS:
        properties = {key: value for key, value in properties.items() if FIELDS[key][0] < 2}
    return {
        "id": entry.target.id, "name": entry.target.name, "type": entry.target.type_key, "tenantId": TENANT_ID,
        "kind": "", "location": entry.body.get("location", ""), "subscriptionId": parts[2] if inside else "",
        "resourceGroup": parts[4].lower() if inside and len(parts) > 4 and parts[3].lower() == "resourcegroups" else "",
        "properties": properties, "tags": entry.body.get("tags"), "systemData": entry.system,
    }  # fmt: skip


def _project(row: Json, query: str) -> Json:
    match = None
    for match in _PROJECT.finditer(query):  # noqa: B007  the last projection wins
        pass
    if match is None:
        return row
    wanted = {part.strip().partition("=")[0].strip().lower() for part in match[1].split(",")}
    return {key: value for key, value in row.items() if key.lower() in wanted}


def _names(body: Json, key: str) -> list[str]:
    names = body.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_content(f"The value must be a list of strings. Path '{key}'")
    return names


def _paging(options: Any) -> tuple[int, int]:
    """Return the size of a page and where it starts."""
    try:
        top = min(int(options.get("$top") or 100), MAX_TOP)
        token = options.get("$skipToken")
        start = int(base64.b64decode(token)) if token else int(options.get("$skip") or 0)
    except (ValueError, TypeError, AttributeError):
        raise ArmError(400, "BadRequest", "The options $top, $skip or $skipToken are invalid.") from None
    if top < 1 or start < 0:
        raise ArmError(400, "BadRequest", "The option $top must be at least 1, and $skip at least 0.")
    return top, start
