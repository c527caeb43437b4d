"""EXG1xx: months of the calendar, tolerances to the second, and dates at the ends of time."""

from datetime import UTC, datetime
from typing import Any

import pytest

from guardrails.exemption.facts import Before
from guardrails.rules.everywhere.expiry_too_far import latest
from tests.rules.looks import METADATA, kind, look, violation

WRITTEN = datetime(2026, 11, 20, 9, tzinfo=UTC)


def _until(expires: str | None, **facts: Any) -> dict[str, Any]:
    return {"properties": {"expiresOn": expires}, "facts": {"written_at": WRITTEN, **facts}}


@pytest.mark.parametrize(
    ("written", "months", "days", "expected"),
    [
        ("2026-11-20T09:00:00Z", 12, 1, "2027-11-21T09:00:00Z"),
        ("2027-01-31T00:00:00Z", 1, 0, "2027-02-28T00:00:00Z"),
        ("2028-01-31T00:00:00Z", 1, 0, "2028-02-29T00:00:00Z"),
        ("2028-02-29T00:00:00Z", 12, 0, "2029-02-28T00:00:00Z"),
        ("2026-12-31T00:00:00Z", 2, 0, "2027-02-28T00:00:00Z"),
        ("2026-12-01T00:00:00Z", 12, 0, "2027-12-01T00:00:00Z"),
    ],
)
def test_months_are_those_of_the_calendar(written: str, months: int, days: int, expected: str) -> None:
    assert latest(datetime.fromisoformat(written), months, days) == datetime.fromisoformat(expected)


def test_no_limit_beyond_the_year_9999() -> None:
    assert latest(datetime(9999, 12, 31, tzinfo=UTC), 1, 0) is None
    assert latest(datetime(9999, 12, 30, tzinfo=UTC).replace(month=11), 1, 40) is None
    assert latest(WRITTEN, 10**9, 0) is None
    assert latest(WRITTEN, 1, 10**12) is None


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        ("2027-11-21T09:00:00Z", "Pass"),
        ("2027-11-21T09:00:01Z", "Violation"),
        ("2027-11-21T11:00:00+02:00", "Pass"),
        ("2027-11-21T09:00:00.0000009Z", "Pass"),  # below a microsecond is not kept
        ("2027-11-21", "Pass"),
        ("2027-11-22", "Violation"),
        ("3021-01-01T00:00:00Z", "Violation"),
        ("9999-12-31T23:59:59.9999999Z", "Violation"),
        ("9999-12-31T23:59:59-12:00", "Violation"),
        ("0001-01-01T00:00:00Z", "Pass"),
        (None, "Pass"),
        ("next year", "Unknown"),
    ],
)
def test_too_far_to_the_second(expires: str | None, expected: str) -> None:
    assert kind("expiry-too-far", **_until(expires)) == expected


def test_too_far_counts_from_the_write_not_from_now() -> None:
    case = _until("2028-01-01", now=datetime(2027, 6, 1, tzinfo=UTC))
    assert kind("expiry-too-far", **case) == "Violation"
    case = _until("2028-01-01", now=datetime(2027, 6, 1, tzinfo=UTC), written_at=datetime(2027, 6, 1, tzinfo=UTC))
    assert kind("expiry-too-far", **case) == "Pass"


def test_too_far_shows_the_latest_allowed_date() -> None:
    assert violation("expiry-too-far", **_until("2030-01-01")).evidence == {
        "expiresOn": "2030-01-01T00:00:00Z",
        "writtenAt": "2026-11-20T09:00:00Z",
        "latest": "2027-11-21T09:00:00Z",
    }


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        ("2027-04-01T00:00:00Z", "Pass"),
        ("2027-04-01T00:00:01Z", "Violation"),
        ("2027-04-01T00:00:00.000001Z", "Violation"),
        ("2027-03-30T00:00:00Z", "Pass"),
        ("9999-12-31T23:59:59Z", "Violation"),
        (None, "Violation"),
        ("?", "Unknown"),
    ],
)
def test_extended_to_the_second(expires: str | None, expected: str) -> None:
    before = Before(datetime(2027, 3, 31, tzinfo=UTC), WRITTEN, "SEC-1234")
    assert kind("expiry-extended", **_until(expires, before=before)) == expected


def test_extended_needs_an_expiry_before() -> None:
    assert kind("expiry-extended", **_until("2027-09-30", before=Before(None, WRITTEN))) == "Pass"
    assert kind("expiry-extended", **_until(None, before=None)) == "Pass"


@pytest.mark.parametrize(
    ("ticket", "expires", "expected"),
    [
        ("SEC-2", "2027-09-30", "Pass"),
        ("SEC-1", "2027-09-30", "Violation"),
        (" sec-1 ", "2027-09-30", "Violation"),
        ("n/a", "2027-09-30", "Violation"),
        ("", "2027-09-30", "Violation"),
        ("SEC-2", None, "Violation"),  # no ticket makes it right to never end
    ],
)
def test_renewal_needs_a_new_ticket(ticket: str, expires: str | None, expected: str) -> None:
    case = _until(expires, before=Before(datetime(2027, 3, 31, tzinfo=UTC), WRITTEN, "SEC-1"))
    case["properties"]["metadata"] = {**METADATA, "approvalTicket": ticket}
    assert kind("expiry-extended", **case) == expected
    assert kind("expiry-extended", options={"allow_with_new_ticket": False}, **case) == "Violation"


def test_extended_takes_a_huge_tolerance() -> None:
    before = Before(datetime(1, 1, 1, tzinfo=UTC), WRITTEN, "SEC-1234")
    assert kind("expiry-extended", options={"tolerance_days": 10**15}, **_until("9999-12-31", before=before)) == "Pass"


@pytest.mark.parametrize(
    ("expires", "keep_days", "expected"),
    [
        ("2026-11-21T12:00:00Z", 0, "Violation"),
        ("2026-11-21T12:00:01Z", 0, "Pass"),
        ("2026-11-20T12:00:01Z", 1, "Pass"),
        ("2026-11-20T12:00:00Z", 1, "Violation"),
        ("0001-01-01", 30, "Violation"),
        ("9999-12-31", 0, "Pass"),
    ],
)
def test_expired_to_the_second(expires: str, keep_days: int, expected: str) -> None:
    assert kind("expired", options={"keep_days": keep_days}, properties={"expiresOn": expires}) == expected


@pytest.mark.parametrize(
    ("review", "expected"),
    [
        ("2026-11-21", "Pass"),
        ("2026-11-20", "Violation"),
        ("2026-11-21T08:00:00Z", "Pass"),
        ("2026-11-20T23:59:59Z", "Violation"),
        ("2027-02-01T00:00:00.0000000Z", "Pass"),
        (20270201, "Pass"),
        ("01/02/2027", "Unknown"),
        ("x" * 1_000_000, "Unknown"),
        ({"date": "2027-02-01"}, "Violation"),
        (True, "Violation"),
        (" ", "Violation"),
    ],
)
def test_review_day(review: object, expected: str) -> None:
    assert kind("review-due", properties={"metadata": {**METADATA, "reviewDate": review}}) == expected


def test_unreadable_texts_are_cut_in_reasons() -> None:
    outcome = look("review-due", properties={"metadata": {"reviewDate": "x" * 1_000_000}})
    assert len(str(outcome)) < 400
