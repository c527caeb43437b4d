"""Records of the activity log, as a diagnostic setting sends them to an Event Hub. Pure.

Exemptions at management groups raise no Event Grid event; the activity log of the management group has them. A message
holds many records, in one of two forms: that of Azure Monitor's diagnostic settings (operationName and resultType are
texts, ids and names are in upper case), or the older one of the activity log's own API (operationName and status are
objects with a `value`). Sources: Microsoft Learn, "Azure Activity Log event schema", both of its sections.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from guardrails.azure.events import Dropped, Malformed, Wanted, actor_of, as_object
from guardrails.errors import Permanent
from guardrails.exemption.exemption_id import TYPE, ExemptionId
from guardrails.exemption.hint import Hint

_OPERATIONS: Final = {f"{TYPE}/write".lower(): "write", f"{TYPE}/delete".lower(): "delete"}
_DONE: Final = frozenset({"success", "succeeded"})


def read_records(raw: str) -> Iterator[tuple[str, Wanted | Dropped | Malformed]]:
    """Yield each record of one message, as JSON, and what it says; one that cannot be read does not stop the others."""
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError) as error:
        yield raw, Malformed("", f"not JSON: {error}")
        return
    found = message.get("records", message) if isinstance(message, dict) else message
    records = found if isinstance(found, list) else [found]
    for record in records:
        read = read_record(record) if isinstance(record, dict) else Malformed("", "a record is not a JSON object")
        yield json.dumps(record), read


def read_record(record: Mapping[str, Any]) -> Wanted | Dropped | Malformed:
    """Read one record."""
    said = {str(key).lower(): value for key, value in record.items()}
    event_id = _value(said.get("eventdataid") or said.get("correlationid"))
    verb = _OPERATIONS.get(_value(said.get("operationname")).lower())
    if verb is None:
        return Dropped("operation on something else")
    result = _value(said.get("resulttype") or said.get("status")).lower()
    if result not in _DONE:  # each operation is logged when it begins, too
        return Dropped(f"its result is {result[:40] or 'not said'}")
    identity = as_object(said.get("identity"))
    who = {"claims": said.get("claims") or identity.get("claims")}
    authorization = as_object(said.get("authorization") or identity.get("authorization"))
    authorization = {str(key).lower(): value for key, value in authorization.items()}
    who["authorization"] = authorization
    exemption = _exemption(*map(_value, (authorization.get("scope"), said.get("resourceid"), said.get("resourceuri"))))
    if exemption is None:
        return Malformed(event_id, f"its operation is a {verb} of an exemption, but it names none")
    actor = actor_of(who) or _value(said.get("caller"))[:200]
    return Wanted(exemption, Hint("event", verb, actor, event_id, verified=True))


def _exemption(*candidates: str) -> ExemptionId | None:
    """Return the exemption that a candidate names; one that is not all upper case is spelled better."""
    found = []
    for one in candidates:
        try:
            found.append(ExemptionId.parse(one))
        except Permanent:
            continue
    return min(found, key=lambda one: one.text.isupper(), default=None)


def _value(said: object) -> str:
    """Return a text, which may be in an object under `value`; "" for anything else."""
    if isinstance(said, Mapping):
        said = said.get("value")
    return said.strip() if isinstance(said, str) else ""
