"""Dates of EPAC's files that .NET may read in more than one way are not known."""

import pytest

from guardrails.epac.date_texts import text_date
from guardrails.epac.deployed import deployed_end
from guardrails.epac.instants import Kind, NetDate, Runner, json_date
from guardrails.epac.uncertain import Uncertain


@pytest.mark.parametrize("zone", ["", "UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize("said", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"])
def test_a_date_beyond_what_dotnet_can_count_is_near_its_end(said: str, zone: str) -> None:
    date = json_date(said, Runner.of(zone, "en-US"))
    assert date is not None
    assert date.at_edge
    assert str(date)  # says some date of the same day
    with pytest.raises(Uncertain):
        _ = date.ticks


@pytest.mark.parametrize("said", ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00", "2099-03-31T00:00:00+02:"])
def test_a_date_that_dotnet_can_count_is_read(said: str) -> None:
    date = json_date(said, Runner.of("UTC", "en-US"))
    assert date is not None
    assert not date.at_edge
    assert date.ticks == date.utc


@pytest.mark.parametrize(
    "said", ["9999-12-31 23:59:59 -05:00", "0001-01-01 00:00:00 +05:00", "9999-12-31 23:59:59.99999999"]
)
def test_what_dotnet_may_read_otherwise_or_refuse_is_not_known(said: str) -> None:
    runner = Runner.of("UTC", "en-US")
    assert json_date(said, runner) is None
    with pytest.raises(Uncertain):
        text_date(said, runner)


@pytest.mark.parametrize(
    ("said", "culture", "there"),
    [
        ("2099-03-30T20:00-04:00", "en-US", "2099-03-31T00:00:00Z"),  # it says its zone, also with a minus
        ("Tue, 31 Mar 2099 00:00:00 GMT", "en-US", "2099-03-31T00:00:00Z"),
        ("2099-03-31", "en-US", "2099-03-31T04:00:00Z"),  # midnight in New York
        ("1/3/2099", "en-GB", "2099-03-01T05:00:00Z"),  # by the culture of the runner
        ("1/3/2099", "en-US", "2099-01-03T05:00:00Z"),
    ],
)
def test_a_deployed_end_that_is_a_text_is_read_as_one_of_the_runner(said: str, culture: str, there: str) -> None:
    runner = Runner.of("America/New_York", culture)
    ticks = deployed_end(said, runner)
    assert ticks is not None
    assert str(NetDate(ticks, Kind.UTC)) == there


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("2099-01-02T03:04:05.123456789", "2099-01-02T03:04:05.1234567"),  # minutes of a zone, without hours
        ("2099-01-02T03:04:05:30", "2099-01-02T03:04:05"),
        ("2099-01-02T03:04:05.5:", "2099-01-02T03:04:05.5"),
        ("2099-01-02T03:04:0530", "2099-01-02T03:04:05"),
        ("2099-01-02T03:04:05.12345678", None),
        ("2099-01-02T03:04:05.123456789Z", None),
        ("2099-01-02T03:04:05.12345:3", None),
        ("2099-01-02T03:04:053", None),
        ("2099-01-02T03:04:05.", None),
    ],
)
def test_the_reader_of_json_passes_over_minutes_of_a_zone_without_hours(said: str, read: str | None) -> None:
    date = json_date(said, Runner.of("America/New_York", "en-US"))
    assert (date and (date.kind, str(date))) == (read and (Kind.UNSPECIFIED, read))


@pytest.mark.parametrize("said", ["2026-11-01 01:30", "2026-03-08 02:30"])
def test_a_deployed_end_in_an_hour_that_the_clock_has_twice_or_never_is_not_known(said: str) -> None:
    with pytest.raises(Uncertain):
        deployed_end(said, Runner.of("America/New_York", "en-US"))
    assert deployed_end(said, Runner.of("UTC", "en-US"))
