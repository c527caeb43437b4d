"""Lists of policy objects: which rows a scope and a `$filter` select, and paging by nextLink."""

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from sandbox.arm.errors import ArmError
from sandbox.arm.store import Entry, Store
from sandbox.arm.target import MANAGEMENT_GROUPS, parse

_CLAUSE = re.compile(
    r"(?P<at>atScope\(\))|(?P<exact>atExactScope\(\))|(?P<below>atScopeAndBelow\(\))|(?P<current>excludeExpired\(\))"
    r"|policy(?:Assignment|Definition)Id\s+eq\s+'(?P<assignment>[^']*)'"
    r"|policyType\s+eq\s+'(?P<type>[^']*)'|category\s+eq\s+'(?P<category>[^']*)'",
    re.IGNORECASE,
)


def select(store: Store, rows: Iterable[Entry], scope_key: str, text: str, now: datetime) -> list[Entry]:
    """Return the rows of a policy list at a scope, in the order of their ids.

    Without a filter a list has the rows inherited from above, those at the scope, and those below; a management group's
    has none from below. Source: descriptions of the list operations in the specification. It does not name
    atScopeAndBelow(), which the help of `az policy exemption list` does: at the scope and below, nothing inherited.
    Raises ArmError 400.
    """
    clauses = _clauses(text)
    above = set(store.scopes_up(scope_key))
    at_only = "at" in clauses or _is_management_group(scope_key)

    def wanted(entry: Entry) -> bool:
        key = entry.target.scope_key
        if "exact" in clauses:
            return key == scope_key
        if "below" in clauses:
            return store.is_below(key, scope_key)
        return key in above or (not at_only and key.startswith(scope_key + "/"))

    chosen = [entry for entry in rows if wanted(entry)]
    if "current" in clauses:
        chosen = [entry for entry in chosen if not expired(entry, now)]
    if "assignment" in clauses:
        chosen = [entry for entry in chosen if _names(entry, clauses["assignment"].strip("/").lower())]
    for name, said in (("type", _type), ("category", _category)):
        if name in clauses:
            chosen = [entry for entry in chosen if said(entry).lower() == clauses[name].lower()]
    return sorted(chosen, key=lambda entry: entry.target.key)


def goes_below(text: str) -> bool:
    """Return whether a filter asks for what is below a scope, whatever the scope is."""
    return "below" in _clauses(text)


def _is_management_group(scope_key: str) -> bool:
    return bool(scope_key) and parse(scope_key).type_key == MANAGEMENT_GROUPS


def _clauses(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in re.split(r"\s+and\s+", text.strip()) if text.strip() else []:
        match = _CLAUSE.fullmatch(part.strip())
        if match is None:
            message = f"The filter '{text}' in the query string is invalid."
            raise ArmError(400, "InvalidFilterInQueryString", message)
        found |= {key: value for key, value in match.groupdict().items() if value is not None}
    return found


def _names(entry: Entry, identity: str) -> bool:
    properties = entry.body.get("properties", {})
    named = properties.get("policyAssignmentId") or properties.get("policyDefinitionId") or ""
    return str(named).strip("/").lower() == identity


def _type(entry: Entry) -> str:
    return str(entry.body.get("properties", {}).get("policyType"))


def _category(entry: Entry) -> str:
    metadata = entry.body.get("properties", {}).get("metadata")
    return str(metadata.get("category")) if isinstance(metadata, dict) else ""


def expired(entry: Entry, now: datetime) -> bool:
    """Return whether an exemption's expiry has passed."""
    text = entry.body["properties"].get("expiresOn")
    return bool(text) and datetime.fromisoformat(text).astimezone(UTC) <= now


def page(rows: list[Entry], size: int, url: str, query: Mapping[str, str], render: Callable[[Entry], bytes]) -> bytes:
    """Render one page of a list; `url` is the absolute address of the list, without its query."""
    after = _read_token(query.get("$skiptoken", ""))
    rest = [entry for entry in rows if entry.target.key > after]
    shown = rest[:size]
    value = b",".join(render(entry) for entry in shown)
    if len(rest) <= size:
        return b'{"value":[' + value + b"]}"
    token = base64.urlsafe_b64encode(shown[-1].target.key.encode()).decode()
    kept = {**{key: item for key, item in query.items() if key != "$skiptoken"}, "$skiptoken": token}
    link = url + "?" + "&".join(f"{quote(key, safe='$')}={quote(item)}" for key, item in kept.items())
    return b'{"value":[' + value + b'],"nextLink":' + json.dumps(link).encode() + b"}"


def _read_token(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError:
        raise ArmError(400, "InvalidSkipToken", "The $skiptoken in the query string is invalid.") from None
