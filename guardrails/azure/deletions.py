"""Who deleted an exemption, by the activity log of its subscription: Azure's own record, which nobody can write to.

Source: REST reference, Activity Logs - List, 2015-04-01. Its filter takes a span of time and one resource's id.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from azure.core.credentials_async import AsyncTokenCredential

from guardrails.azure.activity_log import read_record
from guardrails.azure.events import Wanted
from guardrails.azure.rest import Rest, error_of, json_of
from guardrails.exemption import ExemptionId, spell_time
from guardrails.facts import Unread
from guardrails.ports import Clock
from guardrails.transport import transport

VERSION: Final = "2015-04-01"
_PAGES: Final = 10
_PATH: Final = "/subscriptions/{}/providers/Microsoft.Insights/eventtypes/management/values"


class Deletions:
    """ports.ActivityLog over HTTP.

    Args:
        endpoint, credential, audience: as for ArmRest.
        clock: until when is asked.
    """

    def __init__(self, endpoint: str, credential: AsyncTokenCredential, clock: Clock, *, audience: str = "") -> None:
        self._rest = Rest(endpoint, credential, transport(), audience=audience)
        self._clock = clock

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def deleted_by(self, exemption: ExemptionId, since: datetime) -> str | Unread:
        """Return who deleted it last since then; "" where nobody did; Unread where the log cannot be read."""
        if exemption.subscription is None:
            return Unread("a management group has no activity log that can be asked for one exemption")
        span = f"eventTimestamp ge '{spell_time(since)}' and eventTimestamp le '{spell_time(self._clock.now())}'"
        about = exemption.text.replace("'", "''")
        path = _PATH.format(exemption.subscription)
        url = self._rest.url(path, VERSION, filter=f"{span} and resourceUri eq '{about}'")
        found: list[tuple[str, str]] = []
        for _ in range(_PAGES):
            response = await self._rest.send("GET", url, exemption.text)
            if response.status_code != 200:
                return Unread(": ".join(error_of(response)))
            body = json_of(response)
            rows = body.get("value") if isinstance(body, Mapping) else None
            if not isinstance(rows, list):
                return Unread("Azure's answer is not a list of records")
            found += _deletes(rows, exemption)
            url = str(body.get("nextLink") or "")
            if not url:
                return max(found, default=("", ""))[1]
            if not self._rest.is_ours(url):
                break
        return Unread("the activity log goes on further than it is followed")


def _deletes(rows: list[Any], exemption: ExemptionId) -> list[tuple[str, str]]:
    """Return when and by whom the exemption was deleted, of some records."""
    found = []
    for row in rows:
        read = read_record(row) if isinstance(row, Mapping) else None
        if isinstance(read, Wanted) and read.id == exemption and read.hint.operation == "delete":
            found.append((str(row.get("eventTimestamp") or ""), read.hint.actor))
    return found
