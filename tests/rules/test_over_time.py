"""EXG106 and EXG107: what only the dates that the register saw can show."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from guardrails.exemption.facts import Before
from tests.rules.looks import kind, violation

CREATED = datetime(2026, 11, 20, 9, tzinfo=UTC)  # the sample's createdAt
SEEN = datetime(2025, 1, 31, 8, tzinfo=UTC)

type Dates = tuple[tuple[datetime, datetime | None], ...]


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dates(*ends: str | None) -> Dates:
    """Seen a month apart, from SEEN on, with these ends."""
    return tuple((SEEN + timedelta(days=30 * n), day(end) if end else None) for n, end in enumerate(ends))


def until(expires: str | None, seen: Dates, **more: Any) -> dict[str, Any]:
    return {"properties": {"expiresOn": expires}, "facts": {"dates": seen, **more}}


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        ("2027-01-31T08:00:00Z", "Pass"),
        ("2027-01-31T08:00:01Z", "Violation"),
        ("9999-12-31T23:59:59Z", "Violation"),
        ("0001-01-01", "Pass"),
        (None, "Pass"),
        ("", "Pass"),
        ("next year", "Unknown"),
    ],
)
def test_a_life_is_too_long_to_the_second(expires: str | None, expected: str) -> None:
    assert kind("kept-alive", **until(expires, dates("2025-06-30"))) == expected


@pytest.mark.parametrize("present", [False, True], ids=["present date not yet recorded", "recorded"])
@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (("2025-06-30", "2026-06-30"), "Violation"),
        (("2025-06-30", None), "Violation"),  # it had none for a while and then a later one
        (("2027-08-01",), "Pass"),  # one date from the start: expiry-too-far
        (("2030-01-01", "2028-01-01"), "Pass"),  # ever earlier ones
        (("2030-01-01", "2026-01-01"), "Violation"),  # brought in, and out again
        (("2027-07-31T00:00:00",), "Pass"),  # the same day in another form
        (("2027-07-30T00:00:00",), "Violation"),
        (("2027-08-01", "2028-08-01"), "Pass"),  # an extension that was taken back
        ((None,), "Pass"),  # an expiry where there was none is no later date
    ],
)
def test_a_later_date_is_needed(before: tuple[str | None, ...], expected: str, present: bool) -> None:
    seen = dates(*before, *(("2027-08-01",) if present else ()))
    assert kind("kept-alive", **until("2027-08-01", seen)) == expected


def test_nothing_is_held_against_what_the_register_never_saw_change() -> None:
    case = until("2027-03-31", ())
    assert kind("kept-alive", **case, system={"createdAt": "2020-01-01T00:00:00Z"}) == "Pass"
    assert kind("kept-alive", **until("end of quarter", dates(None))) == "Pass"


def test_small_steps_add_up() -> None:
    start = day("2027-02-01")
    steps = tuple((SEEN + timedelta(days=n), start + timedelta(hours=20 * n)) for n in range(4))  # 0, 20, 40, 60 hours
    assert kind("kept-alive", **until("2027-02-03T12:00:00Z", steps)) == "Violation"
    assert kind("kept-alive", options={"tolerance_days": 3}, **until("2027-02-03T12:00:00Z", steps)) == "Pass"


def test_the_evidence_is_the_history_in_order() -> None:
    seen = dates("2025-06-30", "2025-06-30", "2026-01-31", None, "2025-12-31", "2026-12-31")
    found = violation("kept-alive", **until("2027-03-31T00:00:00Z", seen))
    assert found.text == "later dates keep it alive for more than 24 months"
    assert found.evidence == {
        "firstSeen": "2025-01-31T08:00:00Z",
        "expiresOn": "2027-03-31T00:00:00Z",
        "days": 788,
        "dates": [f"{end}T00:00:00Z" for end in ("2025-06-30", "2026-01-31", "2025-12-31", "2026-12-31", "2027-03-31")],
    }


def test_creation_counts_where_it_is_earlier_and_only_there() -> None:
    case = until("2027-03-31T00:00:00Z", dates("2025-06-30"))
    early, late, none = ({"createdAt": at} for at in ("2020-02-29T00:00:00Z", "2026-12-01T00:00:00Z", "unknown"))
    assert violation("kept-alive", **case, system=early).evidence["firstSeen"] == "2020-02-29T00:00:00Z"
    for system in (late, none):
        assert violation("kept-alive", **case, system=system).evidence["firstSeen"] == "2025-01-31T08:00:00Z"


def test_the_evidence_is_bounded() -> None:
    many = tuple((SEEN + timedelta(days=n), day("2025-06-30") + timedelta(days=2 * n)) for n in range(500))
    found = violation("kept-alive", **until("2028-06-30T00:00:00Z", many)).evidence
    assert (len(found["dates"]), found["dates"][-1]) == (20, "2028-06-30T00:00:00Z")


def test_an_endless_limit_is_never_passed() -> None:
    case = until("9999-12-31T00:00:00Z", dates("2025-06-30"))
    for months in (95_691, 10**9, 10**30):
        assert kind("kept-alive", options={"months": months}, **case) == "Pass"


def test_an_expiry_that_is_lost_shows_which_and_when() -> None:
    found = violation("expiry-lost", **until(None, dates("2025-06-30", "2026-06-30", None, None)))
    assert found.evidence == {
        "before": "2026-06-30T00:00:00Z",
        "expiresOn": None,
        "seenAt": "2025-03-02T08:00:00Z",
        "goneSince": "2025-04-01T08:00:00Z",
    }
    now = violation("expiry-lost", **until(None, dates("2025-06-30")))
    assert (now.evidence["seenAt"], now.evidence["goneSince"]) == ("2025-01-31T08:00:00Z", "2026-11-20T09:00:00Z")


@pytest.mark.parametrize(
    ("expires", "before", "lost", "extended"),
    [
        (None, None, "Violation", "Pass"),
        (None, Before(None, SEEN), "Violation", "Pass"),
        (None, Before(day("2025-06-30"), SEEN), "Pass", "Violation"),
        ("soon", None, "Unknown", "Pass"),
        ("soon", Before(day("2025-06-30"), SEEN), "Pass", "Unknown"),
        ("2025-06-30", None, "Pass", "Pass"),
    ],
)
def test_of_expiry_lost_and_expiry_extended_one_speaks(
    expires: str | None, before: Before | None, lost: str, extended: str
) -> None:
    case = until(expires, dates("2025-06-30"), before=before)
    assert kind("expiry-lost", **case) == lost
    assert kind("expiry-extended", **case) == extended


@pytest.mark.parametrize("seen", [(), dates(None), dates(None, None)])
def test_what_never_had_an_expiry_lost_none(seen: Dates) -> None:
    assert kind("expiry-lost", **until(None, seen)) == "Pass"
    assert kind("expiry-lost", **until("soon", seen)) == "Pass"
