"""What an HTTP answer means: what loses nothing."""

import pytest

from guardrails.channels.answer import LONGEST_DELAY, meaning, retry_after
from guardrails.ports import Delivered, TryAgain, Undeliverable
from tests.channels.samples import NOW


@pytest.mark.parametrize("channel", ["teams", "slack", "webhook", "eventgrid"])
def test_every_status_has_one_meaning(channel: str) -> None:
    final = {410, 400, 402, 405, 406, 411, 412, 413, 414, 415, 416, 417, 418, 422, 426, 428, 431, 451}
    again = {401, 403, 404, 407, 408, 409, 421, 423, 424, 425, 429}
    for status in range(200, 600):
        found = meaning(channel, status, {}, b"", NOW)
        if status < 300:
            assert found == Delivered()
        elif status < 400 or status in final:
            assert isinstance(found, Undeliverable)
            assert found.disable == (status == 410)
        elif status >= 500 or status in again:
            assert isinstance(found, TryAgain)


def test_a_reason_gives_the_status() -> None:
    found = meaning("teams", 429, {"Retry-After": "7"}, b"", NOW)
    assert found == TryAgain("Teams answered 429 Too Many Requests", 7.0)
    gone = meaning("webhook", 410, {}, b"", NOW)
    assert gone == Undeliverable("the webhook answered 410 Gone; the address is gone for good", disable=True)
    assert meaning("webhook", 599, {}, b"", NOW) == TryAgain("the webhook answered 599", None)


def test_teams_reports_throttling_in_the_body_of_a_200() -> None:
    body = (
        b"Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x"
    )
    assert meaning("teams", 200, {}, body, NOW) == TryAgain("Teams answered 429 Too Many Requests", None)
    gone = meaning("teams", 200, {}, body.replace(b"429", b"410"), NOW)
    assert gone == Undeliverable("Teams answered 410 Gone; the address is gone for good", disable=True)
    assert meaning("webhook", 200, {}, body, NOW) == Delivered()
    assert meaning("teams", 200, {}, b"1", NOW) == Delivered()


def test_a_flow_that_is_switched_off_may_come_back() -> None:
    body = b'{"error":{"code":"WorkflowTriggerIsNotEnabled"}}'
    assert meaning("teams", 400, {}, body, NOW) == TryAgain(
        "Teams answered 400 Bad Request: its workflow is switched off"
    )


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("", None), ("soon", None), ("0", 0.0), ("7", 7.0), (" 1.5 ", 1.5), ("-5", None), ("1e9", None),
        ("nan", None), ("inf", None), ("9" * 400, LONGEST_DELAY), ("٣", None), ("3601", LONGEST_DELAY),
        ("Sat, 21 Nov 2026 12:31:00 GMT", 60.0), ("Sat, 21 Nov 2026 12:29:00 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_DELAY), ("Sat, 21 Nov 2026 12:31:00 -0000", 60.0),
        ("Sat, 21 Nov 99999 12:31:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_in_all_its_forms(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds
