"""The timeline: every exemption in one column, and bars that fit the picture."""

from datetime import timedelta
from typing import Any

import pytest

from guardrails.report.timeline import MONTHS, scale, timeline

from .conftest import NOW, report_on, row


async def test_every_exemption_is_in_one_column() -> None:
    ends = {
        "expired": "2026-11-21T12:00:00Z", "this-month": "2026-11-30T23:59:59Z", "next": "2026-12-01T00:00:00Z",
        "last": "2028-10-31T23:59:59Z", "later": "2028-11-01T00:00:00Z", "malformed": "soon", "never": None,
        "far": "9999-12-31T23:59:59Z",
    }  # fmt: skip
    report = await report_on(*(row(name, expiresOn=end) for name, end in ends.items()))
    picture = timeline(report.lines, NOW)
    shown = {column.name: column.total for column in picture.columns if column.total}
    assert shown == {
        "Expired": 1, "No expiry": 1, "Later": 2, "Unreadable date": 1, "Nov 2026": 1, "Dec 2026": 1, "Oct 2028": 1
    }  # fmt: skip
    assert len(picture.months.bars) == MONTHS


async def test_bars_are_stacked_and_stay_in_the_picture() -> None:
    def one(day: int) -> dict[str, Any]:
        end = (NOW + timedelta(days=day)).isoformat()
        return row(f"e{day}", expiresOn=end, policyDefinitionReferenceIds=None if day % 2 else ["denyPublicNetwork"])

    rows = [one(day) for day in range(-50, 800, 3)]
    picture = timeline((await report_on(*rows)).lines, NOW)
    for panel in (picture.months, picture.apart):
        for bar in panel.bars:
            assert panel.left <= bar.x < bar.x + bar.width <= panel.right <= picture.width
            floor = picture.floor
            for part in bar.parts:
                assert part.y + part.height == pytest.approx(floor, abs=0.2)
                floor = part.y
            assert floor >= panel.ticks[-1][0] - 0.2


async def test_a_tenant_without_exemptions_has_a_picture_too() -> None:
    assert timeline([], NOW).months.ticks[-1][1] == 1


@pytest.mark.parametrize(
    ("highest", "top", "step"),
    [(0, 1, 1), (1, 1, 1), (5, 5, 1), (6, 6, 2), (23, 25, 5), (26, 30, 10), (1001, 1500, 500)],
)
def test_axes_have_round_numbers_and_few_lines(highest: int, top: int, step: int) -> None:
    assert scale(highest) == (top, step)
