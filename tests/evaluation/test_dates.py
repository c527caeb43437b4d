"""Dates are read, moved and written as .NET does it in the invariant culture."""

from dataclasses import replace

import pytest

from guardrails.evaluation.values import Cause, MarkedText, Unknown, marks_of
from tests.evaluation.arm import NOW, WORLD, exemption, is_refused, is_unknown, plan, template, value


def moved(date: str, by: str = "P0D", form: str = "") -> object:
    return value(f"[dateTimeAdd('{date}', '{by}'" + (f", '{form}')]" if form else ")]"))


@pytest.mark.parametrize(
    "written",
    [
        "2027-06-30",
        "2027-6-30",
        "6/30/2027",
        "6/30/27",
        "2027/06/30",
        "June 30, 2027",
        "Jun 30 2027",
        "30 June 2027",
        "30-Jun-2027",
        "Wed, 30 Jun 2027 00:00:00 GMT",
        "Wednesday, June 30, 2027",
        " 2027-06-30 ",
        "2027-06-30 00:00",
        "2027-06-30T00:00Z",
        "2027-06-30T00:00:00.0000000Z",
        "20270630T000000Z",
        "2027-06-30T00:00:00z",
        "2027-06-30T00:00:00-05:00",
        "2027-06-30 12:00 AM",
    ],
)
def test_many_ways_to_write_a_date_are_read(written: str) -> None:
    assert moved(written) == "2027-06-30T00:00:00Z"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "  ",
        "20270630",
        "2027",
        "2027-02-29",
        "2027-06-30T24:00:00Z",
        "2027-06-30T23:59:60Z",
        "31/01/2027",
        "tomorrow",
        "Tue, 30 Jun 2027 00:00:00 GMT",
        "2027-13-01",
        "2027-06-30T00:00:00+15:00",
    ],
)
def test_what_is_no_date_is_refused(written: str) -> None:
    assert is_refused(f"[dateTimeAdd('{written}', 'P1D')]")


@pytest.mark.parametrize(
    "written", ["12:00", "30.6.2027", "2027-06-30T1:00", "2027-W26", "Sept 3 2027", "1/2/3", "6/30/40"]
)
def test_a_date_that_may_be_read_otherwise_is_unknown(written: str) -> None:
    assert is_unknown(f"[dateTimeAdd('{written}', 'P1D')]")


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("P1M", "2027-03-02"),
        ("P1Y", "2028-01-31"),
        ("P14M", "2028-03-31"),
        ("P1Y2M3D", "2028-04-03"),
        ("-P1M", "2027-01-01"),
        ("PT24H", "2027-02-01"),
        ("P36500D", "2127-01-07"),
        ("PT86399.9S", "2027-01-31"),
    ],
)
def test_a_month_is_30_days_and_a_year_365(by: str, expected: str) -> None:
    assert moved("2027-01-31", by, "yyyy-MM-dd") == expected


@pytest.mark.parametrize("by", ["P", "PT", "P1W", "P0.5D", "+P1D", "p1d", "P-1D", "P1DT", "1D", "P1H", "", "P9999Y"])
def test_what_is_no_duration_is_refused(by: str) -> None:
    assert is_refused(f"[dateTimeAdd('2027-01-31', '{by}')]")


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("d", "06/30/2027"),
        ("D", "Wednesday, 30 June 2027"),
        ("R", "Wed, 30 Jun 2027 13:05:06 GMT"),
        ("s", "2027-06-30T15:05:06"),
        ("o", "2027-06-30T15:05:06.1230000+02:00"),
        ("u", "2027-06-30 13:05:06Z"),
        ("g", "06/30/2027 15:05"),
        ("Y", "2027 June"),
        ("yyyy-MM-ddTHH:mm:ssZ", "2027-06-30T15:05:06Z"),
        ("yyyy-MM-ddTHH:mm:ssK", "2027-06-30T15:05:06+02:00"),
        ("hh:mm tt z", "03:05 PM +2"),
        ("ddd MMM yy", "Wed Jun 27"),
        ("ss.fff FFFF", "06.123 123"),
        ("yyyy''T''HH", "2027T15"),
        ("h oclock", "3 oclock"),
    ],
)
def test_formats(form: str, expected: str) -> None:
    assert moved("2027-06-30T15:05:06.123+02:00", "P0D", form) == expected


@pytest.mark.parametrize("form", ["W", "U", "ffffffff"])
def test_a_format_that_net_refuses_is_refused(form: str) -> None:
    assert is_refused(f"[dateTimeAdd('2027-01-31', 'P1D', '{form}')]")


@pytest.mark.parametrize(("form", "written"), [("%d", "1"), ("%M/%d", "2/1"), ("%dd", "11"), ("yyyy%x", "2027x")])
def test_a_percent_takes_one_character_of_a_format_by_itself(form: str, written: str) -> None:
    assert value(f"[dateTimeAdd('2027-01-31', 'P1D', '{form}')]") == written


@pytest.mark.parametrize("form", ["yyyy%", "%%", "yyyy''", "yyyy\\"])
def test_a_format_that_does_not_end_is_refused(form: str) -> None:
    assert is_refused(f"[dateTimeAdd('2027-01-31', 'P1D', '{form}')]")


def test_digits_are_those_of_ascii() -> None:
    assert is_refused("[dateTimeAdd('2027-01-31', 'P\u0661D')]")
    assert is_unknown("[dateTimeAdd('\u0662\u0660\u0662\u0667-01-31', 'P1D')]")


def test_epochs() -> None:
    assert value("[dateTimeToEpoch('2027-01-01T00:00:00+01:00')]") == 1798758000
    assert value("[dateTimeToEpoch('1969-12-31T23:59:59Z')]") == -1
    assert is_unknown("[dateTimeToEpoch('1969-12-31T23:59:59.5Z')]")
    assert value("[dateTimeFromEpoch(-1)]") == "1969-12-31T23:59:59Z"


def test_an_offset_that_is_dropped_is_marked_with_its_place() -> None:
    found = moved("2027-01-31T22:00:00-05:00", "P1D")
    assert found == "2027-02-01T22:00:00Z"
    assert isinstance(found, MarkedText)
    assert [(mark.cause, mark.place.path) for mark in found.marks] == [(Cause.OFFSET_DROPPED, "main.json")]
    for kept in (moved("2027-01-31T22:00:00-05:00", "P1D", "o"), moved("2027-01-31T22:00:00Z", "P1D")):
        assert marks_of(kept) == frozenset()


def test_the_time_of_the_deployment_is_known_where_it_is_given_and_marked_always() -> None:
    source = template(
        exemption(properties={"expiresOn": "[dateTimeAdd(parameters('now'), 'P90D')]"}),
        parameters={"now": {"type": "string", "defaultValue": "[utcNow()]"}},
    )
    open_, fixed = plan(source), plan(source, replace(WORLD, now=NOW))
    assert isinstance(open_.exemptions[0].properties["expiresOn"], Unknown)
    assert fixed.exemptions[0].properties["expiresOn"] == "2027-06-02T05:06:07Z"
    for one in (open_, fixed):
        assert {mark.cause for mark in marks_of(one.exemptions[0].properties["expiresOn"])} == {Cause.NOW}
