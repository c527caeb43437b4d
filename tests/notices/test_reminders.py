"""Reminders of an expiry or a review: what they say, and that each is sent once."""

from datetime import timedelta

import pytest

from guardrails.decisions.notify import expiry, review
from guardrails.notices.notice import Kind

from .samples import AT, exemption, row

ONE = exemption()


@pytest.mark.parametrize(
    ("left", "kind", "severity", "why"),
    [
        (timedelta(days=30), Kind.EXPIRING, "low", "it expires in 30 days, at 2026-12-21 12:30 UTC"),
        (timedelta(days=7, seconds=1), Kind.EXPIRING, "low", "it expires in 7 days, at 2026-11-28 12:30 UTC"),
        (timedelta(days=14), Kind.EXPIRING, "low", "it expires in 14 days, at 2026-12-05 12:30 UTC"),
        (timedelta(days=7), Kind.EXPIRING, "medium", "it expires in 7 days, at 2026-11-28 12:30 UTC"),
        (timedelta(days=6, hours=23), Kind.EXPIRING, "medium", "it expires in 6 days, at 2026-11-28 11:30 UTC"),
        (timedelta(days=1), Kind.EXPIRING, "medium", "it expires in 1 day, at 2026-11-22 12:30 UTC"),
        (timedelta(minutes=1), Kind.EXPIRING, "medium", "it expires in less than a day, at 2026-11-21 12:31 UTC"),
        (timedelta(0), Kind.EXPIRED, "medium", "it expired at 2026-11-21 12:30 UTC; the policy applies again"),
        (timedelta(days=-9), Kind.EXPIRED, "medium", "it expired at 2026-11-12 12:30 UTC; the policy applies again"),
    ],
)
def test_a_reminder_of_an_expiry_gives_the_time_left(left: timedelta, kind: Kind, severity: str, why: str) -> None:
    notice = expiry(ONE.id, AT + left, at=AT, exemption=ONE)
    assert (notice.kind, notice.severity, notice.why) == (kind, severity, (why,))
    assert notice.exemption["owner"] == "data-platform@contoso.com"
    assert notice.done == "Nothing was changed in Azure."


def test_the_same_reminder_has_the_same_id_and_another_has_another() -> None:
    when = AT + timedelta(days=10, hours=1)
    first = expiry(ONE.id, when, at=AT, exemption=ONE)
    assert expiry(ONE.id, when, at=AT + timedelta(minutes=30), row=row()).id == first.id
    others = {
        expiry(ONE.id, when, at=AT + timedelta(days=3)).id,
        expiry(ONE.id, when + timedelta(days=365), at=AT + timedelta(days=365)).id,
        expiry(ONE.id, when, at=when).id,
        review(ONE.id, when, at=when).id,
        review(ONE.id, when + timedelta(days=1), at=when).id,
        first.id,
    }
    assert len(others) == 6
    assert expiry(ONE.id, when, at=when).id == expiry(ONE.id, when, at=when + timedelta(days=5)).id


def test_a_review_is_notified_before_and_after_its_date() -> None:
    soon, late = (review(ONE.id, AT + timedelta(days=n), at=AT) for n in (1, -1))
    assert soon.why == ("its review is due at 2026-11-22 12:30 UTC",)
    assert late.why == ("its review was due at 2026-11-20 12:30 UTC",)
    assert soon.kind is late.kind is Kind.REVIEW_DUE
    assert soon.exemption["reviewOn"] == "2026-11-22T12:30:00Z"


def test_a_threshold_is_notified_once_however_late_it_is_looked_at() -> None:
    when = AT + timedelta(days=13, hours=1)
    first = expiry(ONE.id, when, at=AT, threshold=14)
    assert expiry(ONE.id, when, at=AT + timedelta(days=3), threshold=14).id == first.id
    assert expiry(ONE.id, when, at=AT + timedelta(days=6), threshold=7).id != first.id
    assert expiry(ONE.id, when + timedelta(seconds=1), at=AT, threshold=14).id != first.id
    ended = expiry(ONE.id, when, at=when, threshold=0)
    assert ended.kind is Kind.EXPIRED
    assert ended.id == expiry(ONE.id, when, at=when + timedelta(days=9), threshold=0).id
    reviews = {review(ONE.id, when, at=at, threshold=days).id for at, days in ((AT, 14), (AT, 7), (when, 0))}
    assert len(reviews) == 3
    assert review(ONE.id, when, at=when, threshold=0).id in reviews
    assert review(ONE.id, when, at=when + timedelta(days=50)).id in reviews, "by default by the days left"
