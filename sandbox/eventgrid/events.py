"""From an ARM operation to its Microsoft.Resources event, in either schema.

Shape: azure-docs, event-grid/event-schema-subscriptions.md. No event has the resource's body; `httpRequest` is absent
when a resource is created; claims are strings.
"""

import base64
import json
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from azure.eventgrid import SystemEventNames

from sandbox.arm.reply import Operation
from sandbox.arm.store import stamp
from sandbox.identity import TENANT_ID

type Event = dict[str, Any]

_OWNER_ROLE = "8e3af657a8ff443ca75c2fe8c4bcb635"
_TYPES = {
    ("write", True): SystemEventNames.ResourceWriteSuccessEventName.value,
    ("write", False): SystemEventNames.ResourceWriteFailureEventName.value,
    ("delete", True): SystemEventNames.ResourceDeleteSuccessEventName.value,
    ("delete", False): SystemEventNames.ResourceDeleteFailureEventName.value,
    ("action", True): SystemEventNames.ResourceActionSuccessEventName.value,
    ("action", False): SystemEventNames.ResourceActionFailureEventName.value,
}


def build(operation: Operation) -> Event | None:
    """Build the event, in the Event Grid schema; None where Azure raises none: above a subscription."""
    target = operation.target
    if not target.key.startswith("/subscriptions/"):
        return None
    subscription = target.id.split("/")[2]
    return {
        "subject": target.id,
        "eventType": _TYPES[operation.action.rpartition("/")[2], operation.succeeded],
        "eventTime": stamp(operation.moment),
        "id": str(uuid4()),
        "data": _data(operation, subscription),
        "dataVersion": "2",
        "metadataVersion": "1",
        "topic": f"/subscriptions/{subscription}",
    }


def _data(operation: Operation, subscription: str) -> Event:
    target, context = operation.target, operation.context
    data: Event = {
        "authorization": {"scope": target.id, "action": operation.action, "evidence": _evidence(operation)},
        "claims": context.caller.claims,
        "correlationId": context.correlation_id,
        "resourceProvider": target.type.partition("/")[0],
        "resourceUri": target.id,
        "operationName": operation.action,
        # The published examples of failures say Succeeded too: only the event type differs.
        "status": "Succeeded",
        "subscriptionId": subscription,
        "tenantId": TENANT_ID,
    }
    if not operation.created or operation.method in {"DELETE", "POST"}:
        url = urlsplit(context.url)
        data["httpRequest"] = {
            "clientRequestId": context.client_request_id,
            "clientIpAddress": context.client_ip,
            "method": operation.method,
            "url": f"https://management.azure.com{url.path}" + (f"?{url.query}" if url.query else ""),
        }
    return data


def _evidence(operation: Operation) -> dict[str, str]:
    caller = operation.context.caller
    if caller.kind == "User":
        return {"role": "Subscription Admin"}
    return {
        "role": "Owner",
        "roleAssignmentScope": "/".join(operation.target.id.split("/")[:3]),
        "roleAssignmentId": caller.oid.replace("-", ""),
        "roleDefinitionId": _OWNER_ROLE,
        "principalId": caller.oid.replace("-", ""),
        "principalType": "ServicePrincipal",
    }


def to_cloud_event(event: Event) -> Event:
    """Write the same event in the CloudEvents 1.0 schema."""
    return {
        "specversion": "1.0",
        "type": event["eventType"],
        "source": event["topic"],
        "subject": event["subject"],
        "id": event["id"],
        "time": event["eventTime"],
        "data": event["data"],
    }


def encode(events: list[Event], *, cloud: bool, batched: bool) -> tuple[bytes, str]:
    """Return body and content type of one delivery: an array, but one CloudEvent alone is an object."""
    if not cloud:
        return json.dumps(events).encode(), "application/json; charset=utf-8"
    shown = [to_cloud_event(event) for event in events]
    if batched:
        return json.dumps(shown).encode(), "application/cloudevents-batch+json; charset=utf-8"
    return json.dumps(shown[0]).encode(), "application/cloudevents+json; charset=utf-8"


def encode_message(event: Event, *, cloud: bool) -> bytes:
    """Return the body of the request that puts one event into a storage queue."""
    text = base64.b64encode(json.dumps(to_cloud_event(event) if cloud else event).encode()).decode()
    return f"<QueueMessage><MessageText>{text}</MessageText></QueueMessage>".encode()
