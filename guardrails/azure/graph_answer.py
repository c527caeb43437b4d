"""What Resource Graph's answers say: rows, or trouble and what may help against it. Pure.

Facts: azure-docs, governance/resource-graph/concepts/work-with-data.md and guidance-for-throttled-requests.md. Errors
have the code that matters in error.details (seen in public issues: ResponsePayloadTooLarge below BadRequest).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final

from azure.core.rest import AsyncHttpResponse

from guardrails.azure.rest import RETRY_CODES, delay_of, json_of
from guardrails.dataclass import dataclass

LONGEST_WAIT: Final = 60.0
"""Seconds; a server that wants more is asked again after that."""


class Kind(StrEnum):
    """What is wrong with an answer."""

    THROTTLED = "throttled"
    TOO_LARGE = "too large"
    FORBIDDEN = "forbidden"
    REFUSED = "refused"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Trouble:
    """No rows. `reason` is one phrase for people; `wait` the seconds that the server asks for, None for none."""

    kind: Kind
    reason: str
    wait: float | None = None
    unauthorized: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """One page.

    Attributes:
        rows: those that are JSON objects.
        malformed: how many rows are not.
        total: rows in all; 0 unknown.
        token: for the next page; "" where there is none.
        truncated: whether rows were cut off.
        limited: whether only 10,000 subscriptions were looked at.
        skew: seconds that our clock is ahead of Azure's; 0.0 unknown.
    """

    rows: tuple[dict[str, Any], ...]
    malformed: int
    total: int
    token: str
    truncated: bool
    limited: bool
    skew: float


def read(response: AsyncHttpResponse, now: datetime) -> Answer | Trouble:
    """Read an answer; `now` is our time, UTC."""
    body = json_of(response)
    if response.status_code != 200:
        return _trouble(response, body)
    data = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(data, list):
        return Trouble(Kind.BROKEN, "Resource Graph's answer is not JSON with a list of rows")
    rows = tuple(row for row in data if isinstance(row, dict))
    total = body.get("totalRecords")
    headers = response.headers
    return Answer(
        rows,
        len(data) - len(rows),
        total if isinstance(total, int) else 0,
        str(body.get("$skipToken") or ""),
        str(body.get("resultTruncated")).lower() == "true",
        headers.get("x-ms-tenant-subscription-limit-hit", "").lower() == "true",
        _skew(headers, now),
    )


def quota_wait(headers: Mapping[str, str]) -> float:
    """Return the seconds (to LONGEST_WAIT) until we may ask again; 0 while some of the quota is left."""
    if headers.get("x-ms-user-quota-remaining", "").strip() != "0":
        return 0.0
    try:
        hours, minutes, seconds = (float(part) for part in headers.get("x-ms-user-quota-resets-after", "").split(":"))
    except ValueError:
        return 5.0  # the length of the documented window
    return min(max(hours * 3600 + minutes * 60 + seconds, 1.0), LONGEST_WAIT)


def _trouble(response: AsyncHttpResponse, body: Any) -> Trouble:
    error = body.get("error") if isinstance(body, Mapping) else None
    said = [error] if isinstance(error, Mapping) else []
    details = said[0].get("details") if said else None
    said += [one for one in details if isinstance(one, Mapping)] if isinstance(details, list) else []
    last = said[-1] if said else {}
    code = str(last.get("code") or f"HTTP {response.status_code}")
    reason = f"{code}: {str(last.get('message') or 'no particulars')[:500]}"
    wait = min(delay_of(response.headers), LONGEST_WAIT) if "Retry-After" in response.headers else None
    if response.status_code == 413 or any(str(one.get("code")).lower() == "responsepayloadtoolarge" for one in said):
        return Trouble(Kind.TOO_LARGE, reason)
    if response.status_code == 429:
        return Trouble(Kind.THROTTLED, reason, wait or quota_wait(response.headers) or 10.0)
    if response.status_code in RETRY_CODES or response.status_code > 500:
        return Trouble(Kind.BROKEN, reason, wait, response.status_code == 401)
    return Trouble(Kind.FORBIDDEN if response.status_code == 403 else Kind.REFUSED, reason)


def _skew(headers: Mapping[str, str], now: datetime) -> float:
    try:
        theirs = parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return (now - (theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC))).total_seconds()
