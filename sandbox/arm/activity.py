"""The activity log of subscriptions, as far as anybody asks for it here: writes and deletes of exemptions.

Source: REST reference, Activity Logs - List, 2015-04-01: the filter's terms are in this order, and the answer is newest
first. Azure shows a record some minutes after its event: `lag` is how many.
"""

import json
import re
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from sandbox.arm.errors import ArmError
from sandbox.arm.reply import Operation, Reply
from sandbox.arm.store import stamp
from sandbox.arm.target import EXEMPTIONS

ACTION: Final = "Microsoft.Insights/eventtypes/values/read"
_FILTER: Final = re.compile(
    r"eventTimestamp ge '(?P<since>[^']+)' and eventTimestamp le '(?P<until>[^']+)' and resourceUri eq '(?P<id>.+)'"
)
_MOST: Final = 1000


class ActivityLog:
    """What it shows."""

    def __init__(self) -> None:
        self.lag = timedelta()
        self._records: deque[tuple[datetime, str, dict[str, Any]]] = deque(maxlen=_MOST)

    def note(self, operation: Operation) -> None:
        """Keep an operation on an exemption; what went with its target is none."""
        target, caller = operation.target, operation.context.caller
        if target.type_key != EXEMPTIONS:
            return
        record = {
            "authorization": {"action": operation.action, "scope": target.id},
            "caller": caller.upn or caller.oid,
            "claims": caller.claims,
            "correlationId": operation.context.correlation_id,
            "eventDataId": str(uuid4()),
            "eventTimestamp": stamp(operation.moment),
            "operationName": {"value": operation.action, "localizedValue": operation.action},
            "resourceId": target.id,
            "status": {"value": "Succeeded" if operation.succeeded else "Failed"},
        }
        self._records.append((operation.moment, target.key, record))

    def show(self, query: Mapping[str, str], now: datetime) -> Reply:
        """Answer a list. Raises ArmError for a filter of another form."""
        asked = _FILTER.fullmatch(query.get("$filter", ""))
        if asked is None:
            raise ArmError(400, "BadRequest", "The filter must name a span of time and one resource.")
        since, until = (datetime.fromisoformat(asked[name]) for name in ("since", "until"))
        about, shown = asked["id"].replace("''", "'").lower(), min(until, now - self.lag)
        found = [record for at, key, record in self._records if key == about and since <= at <= shown]
        return Reply(200, json.dumps({"value": found[::-1]}).encode())
