"""Event Grid payloads of Microsoft.Resources, as they really come: both schemas, old and new, whole or odd. Pure.

Source: Microsoft Learn, "Azure subscription as an Event Grid source". An event carries no body of the exemption; all
that is taken from it is which exemption to look at, and who is said to have written it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from guardrails.errors import Permanent
from guardrails.exemption import TYPE, ExemptionId
from guardrails.hint import Hint

_EVENTS: Final = {
    "microsoft.resources.resourcewritesuccess": "write",
    "microsoft.resources.resourcedeletesuccess": "delete",
}
_OPERATION: Final = TYPE.lower() + "/"
_ACTOR_CLAIMS: Final = (
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn",
    "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name",
    "upn",
    "appid",
    "http://schemas.microsoft.com/identity/claims/objectidentifier",
    "oid",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A successful write or delete of an exemption."""

    id: ExemptionId
    hint: Hint


@dataclass(frozen=True, slots=True)
class Dropped:
    """Some other event; `reason` is for the counters."""

    reason: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """An event that cannot be read; sending it again would not mend it."""

    event_id: str
    reason: str


def read_event(raw: str) -> Wanted | Dropped | Malformed:
    """Read one event, EventGrid or CloudEvents schema, from its JSON text."""
    try:
        event = json.loads(raw)
    except (ValueError, RecursionError) as error:
        return Malformed("", f"not JSON: {error}")
    if isinstance(event, list) and len(event) == 1:
        event = event[0]
    if not isinstance(event, dict):
        return Malformed("", "not a JSON object")
    event_id = _text(event.get("id"))
    kind = event.get("eventType") or event.get("type")
    if not isinstance(kind, str):
        return Malformed(event_id, "it has no eventType and no type")
    operation = _EVENTS.get(kind.lower())
    if operation is None:
        return Dropped(f"event type {kind[:80]}")
    data = _object(event.get("data"))
    name = _text(data.get("operationName")).lower()
    if name and not name.startswith(_OPERATION):
        return Dropped("operation on something else")
    exemption_id = _exemption_id(event, data)
    if exemption_id is None:
        if name:
            return Malformed(event_id, f"its operation is {name[:80]}, but it names no exemption")
        return Dropped("operation on something else")
    return Wanted(exemption_id, Hint("event", operation, _actor(data), event_id))


def _exemption_id(event: Mapping[str, Any], data: Mapping[str, Any]) -> ExemptionId | None:
    authorization = {k.lower(): v for k, v in _object(data.get("authorization")).items()}
    for candidate in (
        data.get("resourceUri"),
        event.get("subject"),
        data.get("resourceUrl"),
        authorization.get("scope"),
    ):
        if isinstance(candidate, str):
            try:
                return ExemptionId.parse(candidate)
            except Permanent:
                continue
    return None


def _actor(data: Mapping[str, Any]) -> str:
    claims = _object(data.get("claims"))
    for claim in _ACTOR_CLAIMS:
        if isinstance(claims.get(claim), str) and claims[claim]:
            return str(claims[claim])[:200]
    authorization = {k.lower(): v for k, v in _object(data.get("authorization")).items()}
    evidence = {k.lower(): v for k, v in _object(authorization.get("evidence")).items()}
    return str(evidence.get("principalid") or "")[:200]


def _object(value: object) -> Mapping[str, Any]:
    """Return an object that may come as JSON in a string, as "", or not at all."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) else ""
