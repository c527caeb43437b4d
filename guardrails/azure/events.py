"""Event Grid payloads of Microsoft.Resources: both schemas, old and new, well-formed or malformed. Pure.

Source: Microsoft Learn, "Azure subscription as an Event Grid source". An event carries no body of the exemption; all
that is taken from it is which exemption, or which scope, to look at, and who is said to have written it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from guardrails.dataclass import dataclass
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import TYPE, ExemptionId
from guardrails.exemption.hint import Hint
from guardrails.lazy_regex import lazy_regex

_EVENTS: Final = {
    "microsoft.resources.resourcewritesuccess": "write",
    "microsoft.resources.resourcedeletesuccess": "delete",
}
_OPERATION: Final = TYPE.lower() + "/"
_DEPLOYMENT: Final = lazy_regex(r"(.*)/providers/Microsoft\.Resources/deployments/[^/]+/?", re.IGNORECASE | re.ASCII)
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
    """An event that cannot be read; sending it again would not help.

    `forged`: the id by which it names an exemption, where that cannot name one object, so that Azure never wrote it.
    """

    event_id: str
    reason: str
    forged: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """A successful write or delete of something that exemptions are attached to, or of all that a deployment wrote.

    Attributes:
        id: the subscription, resource group or resource, as the event spells it, with one slash in front.
        written: whether it was written, or deployed to; else it was deleted.
        actor: who is said to have done it, as in Hint; "" where unknown.
        event_id: the event's id, for the logs.
    """

    id: str
    written: bool
    actor: str
    event_id: str


@dataclass(frozen=True, slots=True)
class _Opened:
    """An event of a successful write or delete: its JSON, and what is the same for all readers."""

    event: Mapping[str, Any]
    data: Mapping[str, Any]
    event_id: str
    verb: str
    operation: str

    def ids(self) -> Iterator[str]:
        """Yield what may be the id of the thing written, the likeliest first."""
        authorization = {k.lower(): v for k, v in as_object(self.data.get("authorization")).items()}
        for candidate in (
            self.data.get("resourceUri"),
            self.event.get("subject"),
            self.data.get("resourceUrl"),
            authorization.get("scope"),
        ):
            if isinstance(candidate, str) and candidate.strip("/ "):
                yield candidate


def read_event(raw: str) -> Wanted | Dropped | Malformed:
    """Read one event about an exemption, EventGrid or CloudEvents schema, from its JSON text."""
    event = _open(raw)
    if not isinstance(event, _Opened):
        return event
    name = event.operation
    if name and not name.startswith(_OPERATION):
        return Dropped("operation on something else")
    forged = ""
    for candidate in event.ids():
        try:
            exemption_id = ExemptionId.parse(candidate)
        except Permanent:
            forged = forged or (candidate if f"/{TYPE}/".lower() in candidate.lower() else "")
            continue
        return Wanted(exemption_id, Hint("event", event.verb, actor_of(event.data), event.event_id))
    if name:
        return Malformed(event.event_id, f"its operation is {name[:80]}, but it names no exemption", forged)
    return Dropped("operation on something else")


def read_scope_event(raw: str) -> Scope | Dropped | Malformed:
    """Read one event about a target of exemptions or a deployment to it, from its JSON text, as `read_event` does.

    A deployment concerns its whole scope, the subscription or resource group that it deploys to. One that was
    deleted is dropped: its record went, and nothing that it deployed.
    """
    event = _open(raw)
    if not isinstance(event, _Opened):
        return event
    if event.operation.startswith(_OPERATION):
        return Dropped("an exemption itself")
    dropped = ""
    for candidate in event.ids():
        scope = "/" + candidate.strip().strip("/")
        if deployed := _DEPLOYMENT.fullmatch(scope):
            if event.verb == "delete":
                return Dropped("the record of a deployment")
            scope = deployed[1]
        if _is_exemption(scope):
            return Dropped("an exemption itself")
        if not _is_exemption(f"{scope}/providers/{TYPE}/any"):
            dropped = dropped or "nothing that an exemption can be attached to"
            continue
        return Scope(scope, event.verb == "write", actor_of(event.data), event.event_id)
    return Dropped(dropped) if dropped else Malformed(event.event_id, "it does not say what was written or deleted")


def _open(raw: str) -> _Opened | Dropped | Malformed:
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
    verb = _EVENTS.get(kind.lower())
    if verb is None:
        return Dropped(f"event type {kind[:80]}")
    data = as_object(event.get("data"))
    return _Opened(event, data, event_id, verb, _text(data.get("operationName")).lower())


def _is_exemption(text: str) -> bool:
    try:
        ExemptionId.parse(text)
    except Permanent:
        return False
    return True


def actor_of(data: Mapping[str, Any]) -> str:
    """Return who is said to have done it, by `claims` and `authorization`: as in Hint, "" where unknown."""
    claims = as_object(data.get("claims"))
    for claim in _ACTOR_CLAIMS:
        if isinstance(claims.get(claim), str) and claims[claim]:
            return str(claims[claim])[:200]
    authorization = {k.lower(): v for k, v in as_object(data.get("authorization")).items()}
    evidence = {k.lower(): v for k, v in as_object(authorization.get("evidence")).items()}
    return str(evidence.get("principalid") or "")[:200]


def as_object(value: object) -> Mapping[str, Any]:
    """Return an object that may come as JSON in a string, as "", or not at all."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) else ""
