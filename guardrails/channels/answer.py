"""What a channel's HTTP answer means for a notice. Pure.

Only 2xx is success. What somebody may fix within a day is tried again (a flow that is switched off, a lost permission,
a mistyped address), for trying again loses nothing; what says "this request will never do" or "I am gone" is final.
"""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from guardrails.lazy_regex import lazy_regex
from guardrails.ports import Delivered, Delivery, TryAgain, Undeliverable

LONGEST_DELAY: Final = 3600.0
"""Seconds. A Retry-After beyond it is cut: a channel cannot put a notice off for a year."""

_NAMES: Final = {"teams": "Teams", "slack": "Slack", "webhook": "the webhook", "eventgrid": "the Event Grid topic"}
_FIXABLE: Final = frozenset({401, 403, 404, 407, 408, 409, 421, 423, 424, 425, 429})
_TEAMS_ERROR: Final = lazy_regex(rb"HTTP error (\d{3})")
_FLOW_IS_OFF: Final = b"WorkflowTriggerIsNotEnabled"

_SLACK_SAYS: Final = frozenset(
    {
        b"action_prohibited", b"channel_is_archived", b"channel_not_found", b"invalid_blocks", b"invalid_payload",
        b"invalid_token", b"msg_blocks_too_long", b"no_active_hooks", b"no_service", b"no_service_id", b"no_team",
        b"no_text", b"posting_to_general_channel_denied", b"team_disabled", b"user_not_found",
    }
)  # fmt: skip
"""What Slack may give as the whole body of a refusal. Other text is not repeated: it could hold the address."""


def meaning(channel: str, status: int, headers: Mapping[str, str], body: bytes, now: datetime) -> Delivery:
    """Return what became of a notice. `body` is the start of the answer's body; `now` is UTC."""
    where = _NAMES[channel]
    if channel == "teams" and 200 <= status < 300:
        status = _status_in_body(status, body)
    if 200 <= status < 300:
        return Delivered()
    answer = f"{where} answered {_spelled(status)}{_said(channel, body)}"
    if 300 <= status < 400:
        return Undeliverable(f"{answer}; redirects are not followed, so the setting must hold the final address")
    if channel == "teams" and _FLOW_IS_OFF in body:
        return TryAgain(f"{answer}: its workflow is switched off", _delay(headers, now))
    if status in _FIXABLE or not 400 <= status < 500:
        return TryAgain(answer, _delay(headers, now))
    if status == HTTPStatus.GONE:
        return Undeliverable(f"{answer}; the address is gone for good", disable=True)
    return Undeliverable(answer)


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds in a Retry-After header: a number or an HTTP date, at most LONGEST_DELAY.

    None where there is none, it cannot be read, or it lies in the past.
    """
    text = (value or "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text, re.ASCII):
        seconds = float(text)
    else:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        seconds = ((date if date.tzinfo else date.replace(tzinfo=UTC)) - now).total_seconds()
    return min(seconds, LONGEST_DELAY) if seconds >= 0 and not math.isnan(seconds) else None


def _delay(headers: Mapping[str, str], now: datetime) -> float | None:
    return retry_after(headers.get("Retry-After"), now)


def _said(channel: str, body: bytes) -> str:
    word = body.strip()
    return f" ({word.decode()})" if channel == "slack" and word in _SLACK_SAYS else ""


def _status_in_body(status: int, body: bytes) -> int:
    """Return the status that a Teams connector put in the text of a 200: "... returned HTTP error 429 ..."."""
    found = _TEAMS_ERROR.search(body)
    return int(found[1]) if found and int(found[1]) >= 300 else status


def _spelled(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
