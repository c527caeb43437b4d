"""Resource Graph: queries over the store, with paging.

It shows what the real one shows: rows lag (`freeze`), rows of scopes that the caller cannot read are left out without a
word, and a token for the next page comes only when `id` is projected (azure-docs,
governance/resource-graph/concepts/work-with-data.md). It reads with an api-version of its own and no `$expand`: of
exemptions, `exemptionManagementMode` and selectors by principal are missing, and `assignmentScopeValidation` is null
whatever it is (Azure/enterprise-azure-policy-as-code 415). That what is left of a selector is shown is a guess.
Each version of a definition is a row (Azure/enterprise-azure-policy-as-code 1395).
`faults.GraphTrouble` is what can go wrong.
"""

import base64
import json
import math
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from email.utils import format_datetime
from itertools import chain
from typing import Any

from sandbox.arm import changes, versions
from sandbox.arm.access import Access
from sandbox.arm.errors import ArmError, bad_content
from sandbox.arm.exemption_body import FIELDS, PRINCIPALS
from sandbox.arm.faults import GraphTrouble
from sandbox.arm.graph_query import CHANGES, TABLES, Query, read, refused
from sandbox.arm.reply import Reply
from sandbox.arm.store import Entry, Json, Store
from sandbox.arm.target import DEFINITIONS, EXEMPTIONS, MANAGEMENT_GROUPS, SET_DEFINITIONS, SUBSCRIPTIONS, VERSIONS
from sandbox.identity import TENANT_ID, Caller

MAX_TOP = 1000
MAX_GROUPS = 10
MAX_SUBSCRIPTIONS = 1000
_GROUP = "/providers/microsoft.management/managementgroups/"
_KEPT = 16


class Graph:
    """Answers the inventory's queries.

    Sorting and access checks are done once for each state of the store, caller and query, so that a page costs what its
    rows cost.
    """

    def __init__(self, store: Store, access: Access, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._access = access
        self._clock = clock
        self._frozen: list[Entry] | None = None
        self._kept: dict[Any, list[Any]] = {}
        self._epoch = 0
        self.reset()

    def reset(self) -> None:
        """Let rows follow again, and nothing go wrong."""
        self.trouble = GraphTrouble()
        self.refill()
        self.freeze(on=False)

    def freeze(self, *, on: bool) -> None:
        """Hold the rows as they are now, so that queries lag behind ARM, or let them follow again."""
        every = chain(self._store.entries.values(), versions.unseeded(self._store)) if on else ()
        self._frozen = [self._versioned(entry) for entry in every] if on else None
        self._above = dict(self._store.above) if on else self._store.above
        self._kept.clear()

    def expire_tokens(self) -> None:
        """Refuse the tokens for next pages that were given so far."""
        self._epoch += 1

    def refill(self) -> None:
        """Begin a new window of the quota."""
        self._used, self._window = 0, self._clock()

    def query(self, body: Any, caller: Caller) -> Reply:
        """Run a query. Raises ArmError 400 for one that the stand-in does not understand, 403, 429."""
        headers = self._spend()
        if not isinstance(body, dict) or not isinstance(body.get("query"), str):
            raise bad_content("Required property 'query' not found in JSON")
        query, options = read(body["query"]), body.get("options") or {}
        self._check(query)
        top, start = self._paging(options)
        rows = self._chosen(query, body, caller)
        status = self.trouble.fails(start) if query.about(EXEMPTIONS) else 0
        if status >= 400:
            raise ArmError(status, "InternalServerError", "The sandbox was asked to fail this page.")
        shown = [self._show(row, query) for row in rows[start : start + top]]
        if 0 < self.trouble.largest < len(shown):
            size = "Response payload size is 20000000, and has exceeded the limit of 16777216."
            raise refused(size, "ResponsePayloadTooLarge")
        answer = json.dumps(self._answer(shown, start + top, len(rows))).encode()
        return Reply(200, answer[: len(answer) // 2] if status else answer, headers | self._headers(options))

    def _answer(self, shown: list[Any], end: int, total: int) -> Json:
        answer: Json = {
            "totalRecords": total, "count": len(shown), "data": shown, "facets": [], "resultTruncated": "false",
        }  # fmt: skip
        if end < total:
            if not self.trouble.silent and any(isinstance(row, dict) and "id" in row for row in shown):
                answer["$skipToken"] = base64.b64encode(f"{self._epoch}:{end}".encode()).decode()
            else:
                answer["resultTruncated"] = "true"
        return answer

    def _headers(self, options: Json) -> dict[str, str]:
        headers = {}
        if self.trouble.skew is not None:
            headers["Date"] = format_datetime(self._clock() + timedelta(seconds=self.trouble.skew), usegmt=True)
        if self.trouble.limit_hit:
            if not options.get("allowPartialScopes"):
                raise refused("There are more than 10000 subscriptions.", "TooManySubscriptions")
            headers["x-ms-tenant-subscription-limit-hit"] = "true"
        return headers

    def _spend(self) -> dict[str, str]:
        """Count a query against the quota; return the headers that describe it. Raises ArmError 429."""
        quota = self.trouble.quota
        if not quota:
            return {"x-ms-user-quota-remaining": "14", "x-ms-user-quota-resets-after": "00:00:05"}
        if self._clock() >= self._window + timedelta(seconds=quota["seconds"]):
            self.refill()
        self._used += 1
        rest = math.ceil(quota["seconds"] - (self._clock() - self._window).total_seconds())
        left = quota["limit"] - self._used
        headers = {
            "x-ms-user-quota-remaining": str(max(0, left)),
            "x-ms-user-quota-resets-after": f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}",
        }
        if left < 0:
            headers["Retry-After"] = str(rest)
            raise ArmError(429, "RateLimiting", "Client application has been throttled.", headers)
        return headers

    def _check(self, query: Query) -> None:
        if query.table in self.trouble.absent:
            raise refused(f"Failed to resolve table or column expression named '{query.table}'")
        if query.table in self.trouble.closed:
            raise ArmError(403, "AccessDenied", f"The table '{query.table}' is not open to the caller.")
        for path in (query.columns or {}).values():
            if path[0] in self.trouble.without:
                raise refused(f"'project' operator: Failed to resolve scalar expression named '{path[0]}'")

    def _paging(self, options: Any) -> tuple[int, int]:
        """Return the size of a page and where it starts."""
        try:
            top = min(int(options.get("$top") or 100), MAX_TOP)
            token = options.get("$skipToken")
            epoch, start = self._epoch, int(options.get("$skip") or 0)
            if token:
                epoch, start = (int(part) for part in base64.b64decode(token).decode().split(":"))
        except (ValueError, TypeError, AttributeError):
            raise refused("The options $top, $skip or $skipToken are invalid.") from None
        if epoch != self._epoch:
            raise refused("The skip token has expired.", "InvalidSkipToken")
        if top < 1 or start < 0:
            raise refused("The option $top must be at least 1, and $skip at least 0.")
        return top, start

    def _chosen(self, query: Query, body: Json, caller: Caller) -> list[Any]:
        """Return the rows of a query in their order: entries, and raw rows where some were asked for."""
        groups = tuple(name.lower() for name in _names(body, "managementGroups", MAX_GROUPS))
        subscriptions = tuple(name.lower() for name in _names(body, "subscriptions", MAX_SUBSCRIPTIONS))
        for group in groups:
            self._access.check(caller, "Microsoft.Management/managementGroups/read", _GROUP + group)
        above = "above" in str((body.get("options") or {}).get("authorizationScopeFilter", "")).lower()
        grants = self._access.grants.get(caller.oid)
        scopes = [f"/subscriptions/{one}" for one in subscriptions] + [_GROUP + one for one in groups]
        key: tuple[Any, ...] = (
            self._store.version, caller.oid, None if grants is None else tuple(grants), query.table, query.types,
            query.ids, query.tests, groups, subscriptions, above,
        )  # fmt: skip
        if query.table in CHANGES:
            key += (len(self._store.changes), self._clock())
        if key not in self._kept:
            while len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = self._choose(query, scopes, caller, above=above)
        chosen = self._kept[key]
        if self.trouble.extra and query.about(EXEMPTIONS):
            return sorted([*chosen, *self.trouble.extra], key=_order)
        return chosen

    def _choose(self, query: Query, scopes: list[str], caller: Caller, *, above: bool) -> list[Any]:
        seen: dict[str, bool] = {}
        upward = {one for scope in scopes for one in self._store.scopes_up(scope) if one} if above else set()

        def within(place: str) -> bool:
            if place not in seen:
                seen[place] = place in upward or any(self._store.is_below(place, scope) for scope in scopes)
            return seen[place]

        chosen = []
        for entry in self._source(query):
            target = entry.target
            if not _is_in(target.type_key, query):
                continue
            place = target.key if target.type_key in (SUBSCRIPTIONS, MANAGEMENT_GROUPS) else target.place
            # no place: a built-in definition, for everybody
            may = not place or self._access.may(caller, f"{target.type}/read", target.key)
            asked = not place or not scopes or within(place)
            if may and asked and (not query.tests or query.takes(self._row(entry))):
                chosen.append(entry)
        return sorted(chosen, key=_order)

    def _source(self, query: Query) -> Iterable[Entry]:
        if query.table in CHANGES:
            return changes.kept(self._store, self._clock(), containers=query.table != "resourcechanges")
        if self._frozen is not None:
            return [one for one in self._frozen if query.ids is None or one.target.key in query.ids]
        if query.ids is not None:
            rows = [self._store.entries[key] for key in query.ids if key in self._store.entries]
            return rows + [one for one in self._unseeded(query) if one.target.key in query.ids]
        return chain(self._store.entries.values(), self._unseeded(query))

    def _unseeded(self, query: Query) -> Iterable[Entry]:
        return versions.unseeded(self._store) if any(query.about(kind) for kind in VERSIONS) else ()

    def _versioned(self, entry: Entry) -> Entry:
        """Return an entry with the versions, where it is a definition."""
        if entry.target.type_key not in (DEFINITIONS, SET_DEFINITIONS):
            return entry
        return Entry(entry.target, {**entry.body, "properties": versions.shown(self._store, entry)}, entry.system)

    def _show(self, row: Any, query: Query) -> Any:
        return query.project(self.trouble.spoil(self._row(row))) if isinstance(row, Entry) else row

    def _row(self, entry: Entry) -> Json:
        row = _row(entry if self._frozen is not None else self._versioned(entry))
        chain = {"managementGroupAncestorsChain": self._chain(entry.target.key)}
        if entry.target.type_key == SUBSCRIPTIONS:
            row["properties"] = row["properties"] | chain
        elif entry.target.type_key == MANAGEMENT_GROUPS:
            row["properties"] = row["properties"] | {"details": (row["properties"].get("details") or {}) | chain}
        return row

    def _chain(self, key: str) -> list[Json]:
        """Return the management groups above a subscription or management group, the nearest first."""
        chain = []
        while key := self._above.get(key, ""):
            entry = self._store.entries.get(key)
            name = entry.target.name if entry else key.rpartition("/")[2]
            shown = entry.body.get("properties", {}).get("displayName", name) if entry else name
            chain.append({"name": name, "displayName": shown})
        return chain


def _is_in(type_key: str, query: Query) -> bool:
    """Return whether entries of a type are in the query's table, and asked for."""
    if query.types is not None and type_key not in query.types:
        return False
    if query.table == "resources" and type_key.startswith(changes.HIDDEN):
        return False
    return type_key.startswith(TABLES[query.table])


def _order(row: Any) -> str:
    if isinstance(row, Entry):
        return row.target.key
    return str(row.get("id", "")).lower() if isinstance(row, dict) else ""


def _row(entry: Entry) -> Json:
    parts = entry.target.id.split("/")
    inside = parts[1].lower() == "subscriptions"
    properties, name = entry.body.get("properties", {}), entry.target.name
    if entry.target.type_key == EXEMPTIONS:
        properties = _seen(properties)
    elif entry.target.type_key == SUBSCRIPTIONS:
        properties, name = {"state": entry.body.get("state")}, entry.body.get("displayName", name)
    system = None if entry.target.type_key == "microsoft.resources/changes" else entry.system
    return {
        "id": entry.target.id, "name": name, "type": entry.target.type_key, "tenantId": TENANT_ID,
        "kind": "", "location": entry.body.get("location", ""), "subscriptionId": parts[2] if inside else "",
        "resourceGroup": parts[4].lower() if inside and len(parts) > 4 and parts[3].lower() == "resourcegroups" else "",
        "properties": properties, "tags": entry.body.get("tags"), "systemData": system,
    }  # fmt: skip


def _seen(properties: Json) -> Json:
    """Return what is seen of an exemption's properties."""
    seen = {key: value for key, value in properties.items() if FIELDS[key][0] < 2} | {"assignmentScopeValidation": None}
    if "resourceSelectors" in seen:
        seen["resourceSelectors"] = [_without_principals(one) for one in seen["resourceSelectors"]]
    return seen


def _without_principals(selector: Json) -> Json:
    kept = [one for one in selector.get("selectors", []) if str(one.get("kind")).lower() not in PRINCIPALS]
    return selector | ({"selectors": kept} if "selectors" in selector else {})


def _names(body: Json, key: str, most: int) -> list[str]:
    names = body.get(key) or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_content(f"The value must be a list of strings. Path '{key}'")
    if len(names) > most:
        raise refused(f"There are more than {most} {key}.")
    return names
