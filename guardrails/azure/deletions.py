"""Who deleted an exemption, by the activity log of its subscription: Azure's own record, which nobody can write to.

Source: REST reference, Activity Logs - List, 2015-04-01. Its filter takes a span of time and one resource's id.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from azure.core.credentials_async import AsyncTokenCredential

from guardrails.azure.activity_log import read_record
from guardrails.azure.events import Wanted
from guardrails.azure.rest import Rest, error_of, json_of
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.exemption.facts import Unread
from guardrails.exemption.times import parse_time, spell_time
from guardrails.runtime.transport import transport

VERSION: Final = "2015-04-01"
_PAGES: Final = 10
_UNDATED: Final = datetime.min.replace(tzinfo=UTC)
_PATH: Final = "/subscriptions/{}/providers/Microsoft.Insights/eventtypes/management/values"


class Deletions:
    """ports.ActivityLog over HTTP. Arguments as for ArmRest."""

    def __init__(self, endpoint: str, credential: AsyncTokenCredential, *, audience: str = "") -> None:
        self._rest = Rest(endpoint, credential, transport(), audience=audience)

    async def close(self) -> None:
        """Close the connections."""
        await self._rest.close()

    async def deleted_by(self, exemption: ExemptionId, since: datetime, until: datetime) -> str | Unread:
        """Return who deleted it last between two times; "" where nobody did, or somebody wrote it after that.

        Unread where the log cannot be read. Raises Retryable.
        """
        if exemption.subscription is None:
            return Unread("a management group has no activity log that can be asked for one exemption")
        span = f"eventTimestamp ge '{spell_time(since)}' and eventTimestamp le '{spell_time(until)}'"
        about = exemption.text.replace("'", "''")
        path = _PATH.format(exemption.subscription)
        url = self._rest.url(path, VERSION, filter=f"{span} and resourceUri eq '{about}'")
        found: list[tuple[datetime, str, str]] = []
        for _ in range(_PAGES):
            response = await self._rest.send("GET", url, exemption.text)
            if response.status_code != 200:
                return Unread(": ".join(error_of(response)))
            body = json_of(response)
            rows = body.get("value") if isinstance(body, Mapping) else None
            if not isinstance(rows, list):
                return Unread("Azure's answer is not a list of records")
            found += _records(rows, exemption)
            url = str(body.get("nextLink") or "")
            if not url:
                _, operation, actor = max(found, default=(_UNDATED, "", ""))
                return actor if operation == "delete" else ""
            if not self._rest.is_ours(url):
                break
        return Unread("the activity log goes on further than it is followed")


def _records(rows: list[Any], exemption: ExemptionId) -> list[tuple[datetime, str, str]]:
    """Return when, how and by whom the exemption was written or deleted, of some records."""
    found = []
    for row in rows:
        read = read_record(row) if isinstance(row, Mapping) else None
        if isinstance(read, Wanted) and read.id == exemption:
            found.append((_time_of(row), read.hint.operation, read.hint.actor))
    return found


def _time_of(row: Mapping[str, Any]) -> datetime:
    try:
        return parse_time(row.get("eventTimestamp")) or _UNDATED
    except ValueError:
        return _UNDATED
