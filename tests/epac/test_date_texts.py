"""Texts are dates as DateTime.Parse of .NET reads them, by the rules of its own reader, or are not known."""

import pytest

from guardrails.epac.date_texts import NoDate, text_date
from guardrails.epac.instants import Runner
from guardrails.epac.uncertain import Uncertain

CULTURES = ("en-US", "en-GB", "de-DE")


def read(text: str, culture: str = "en-US") -> str:
    try:
        return str(text_date(text, Runner.of("UTC", culture)).date).removesuffix("T00:00:00Z")
    except NoDate:
        return "refused"
    except Uncertain:
        return "unknown"


@pytest.mark.parametrize("culture", CULTURES)
@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2099-06", "2099-06-01"),  # a month and a year: its first day
        ("06/2099", "2099-06-01"),
        ("2099 6", "2099-06-01"),
        ("June 2099", "2099-06-01"),
        ("2099 June", "2099-06-01"),
        ("2099-06 10:00", "refused"),  # but with a time none
        ("June 2099 10:00", "refused"),
        ("2099.01.02", "2099-01-02"),  # any mark between numbers
        ("2099,1,2", "2099-01-02"),
        ("2099 01 02", "2099-01-02"),
        ("2099- 01/02", "2099-01-02"),
        ("1-2099-2", "2099-01-02"),
        ("02-Jan-2099", "2099-01-02"),
        ("Jan. 2, 2099", "2099-01-02"),
        ("2099-Jan-2", "2099-01-02"),
        ("2 Sep 2099", "2099-09-02"),
        ("2-Jan-98", "1998-01-02"),
        ("30 Jan 98", "1998-01-30"),
        ("98 Jan 2", "1998-01-02"),  # 98 is no day
        ("Friday, January 2, 2099", "2099-01-02"),
        ("Fri 2099-01-02", "2099-01-02"),
        ("Sat, 2 Jan 2099", "refused"),  # it was a Friday
        ("2099-01-02Z", "2099-01-02"),
        ("2099-01-02+02:00", "2099-01-01T22:00:00Z"),
        ("2099-01-02-05", "2099-01-02T05:00:00Z"),
        ("2099-01-02 3:4", "2099-01-02T03:04:00Z"),
        ("2099-01-02 3:04:05 GMT", "2099-01-02T03:04:05Z"),
        ("2099-01-02 3 pm", "2099-01-02T15:00:00Z"),
        ("2099-01-02 12 AM", "2099-01-02"),
        ("2099-01-02 13:00 PM", "2099-01-02T13:00:00Z"),
        ("2099-01-02 13:00 AM", "refused"),
        ("2099-01-02 10", "refused"),
        ("2099-01-02T3:04:05Z", "refused"),  # behind a T each number has two digits
        ("2099-01-02T03", "refused"),
        ("2099-01-02T03:04 PM", "refused"),
        ("2099-01-02T03:04:05 GMT", "refused"),
        ("2099-01-02T03:04:05,123Z", "refused"),
        ("2099-01-02T030405Z", "refused"),
        ("2099-01-02T24:01Z", "refused"),
        ("2099-02-30T24:00Z", "refused"),
        ("2099-01-02T24:00Z", "unknown"),  # the end of the day, from .NET 11 on
        ("2099-01-02 24:00", "unknown"),
        ("2099-01-02 T 03:04", "2099-01-02T03:04:00Z"),
        ("1/2/2099T03:04", "refused"),
        ("20990102T030405Z", "refused"),
        ("2099-01-02 03:04:05 +15:00", "refused"),
        ("2099-01-02 03:04:05 +02:60", "refused"),
        ("2099-01-02 03:04:05 +2", "2099-01-02T01:04:05Z"),
        ("2099-001", "refused"),
        ("10000-01-01", "refused"),
        ("099-01-02", "0099-01-02"),
        ("(2099-01-02)", "refused"),
        ("2099-01-02;", "refused"),
        ("never", "refused"),
        ("-", "refused"),
        ("12/31", "unknown"),  # of the year that EPAC runs in
        ("Dec 31", "unknown"),
        ("31 Dec", "unknown"),
        ("1/2/30", "unknown"),
        ("1 Sept 2099", "unknown"),
        ("2099-01-02 10:00 2099-01-02", "unknown"),
        ("Dec 22:10", "unknown"),  # a month without a number
        ("Aug+2", "unknown"),
        ("2099-06 10 AM", "unknown"),  # .NET takes the hour for the day
        ("Dec 2099 10 PM", "unknown"),
        ("2 Feb 2099-0500", "unknown"),  # a zone, not a second year
        ("2-Feb, 2099-0500", "unknown"),
        ("Fri, 2099-01-02T03:04", "2099-01-02T03:04:00Z"),
        ("Sat, 2099-01-02T03:04", "unknown"),  # behind such a time the day of the week is not looked at
        ("Sat, 2099-01-02 03:04", "refused"),
        ("2099-01-02T03:04:05+02:00;", "unknown"),  # .NET passes over one character there
        ("2099-01-02T03:04:05+02x", "unknown"),
        ("2099-01-02T03:04:05Z;", "refused"),
        ("2099-01-02T03:04:05.1234567890123456789", "2099-01-02T03:04:05.1234568Z"),
        ("2099-01-02T03:04:05.12345674", "2099-01-02T03:04:05.1234567Z"),
        ("2099-01-02T03:04:05.12345670", "2099-01-02T03:04:05.1234567Z"),
        ("2099-01-02T03:04:05.12345675", "unknown"),  # half a tick
        ("2099-01-02 03:04:05.99999995", "unknown"),
        ("2099-01-02T03:04:05." + "1" * 5000, "unknown"),
        ("2099-01-02\t03:04\v", "2099-01-02T03:04:00Z"),
        ("2099-01-02\xa0", "unknown"),  # a blank for .NET, too
        ("2099-01-02T03:04\xa0", "unknown"),
        ("2099-01-02\x1f", "unknown"),
        ("2099-01-02 3:04 p.m.", "unknown"),  # as English says it in some countries
    ],
)
def test_a_text_is_read_so_in_every_usual_culture(text: str, date: str, culture: str) -> None:
    assert read(text, culture) == date


@pytest.mark.parametrize(
    ("text", "dates"),
    [
        ("1 2 2099", ("2099-01-02", "2099-02-01", "2099-02-01")),
        ("1.2.2099", ("2099-01-02", "2099-02-01", "2099-02-01")),
        ("31.12.2099", ("refused", "2099-12-31", "2099-12-31")),
        ("1/2/98", ("1998-01-02", "1998-02-01", "1998-02-01")),
        ("1/2/2099 3:04 PM", ("2099-01-02T15:04:00Z", "2099-02-01T15:04:00Z", "2099-02-01T15:04:00Z")),
        ("30. Juni 2099", ("refused", "refused", "unknown")),
        ("P1Y", ("refused", "refused", "unknown")),
        ("13 Oct5", ("unknown", "unknown", "unknown")),
        ("2099-Sept12", ("unknown", "unknown", "unknown")),
    ],
)
def test_a_text_is_read_by_the_culture_of_the_runner(text: str, dates: tuple[str, ...]) -> None:
    assert tuple(read(text, culture) for culture in CULTURES) == dates


def test_what_the_usual_cultures_read_alike_is_known_without_a_culture() -> None:
    assert [read(text, "") for text in ("2099.01.02", "1/2/2099", "2099-06 10:00")] == [
        "2099-01-02", "unknown", "refused",
    ]  # fmt: skip


@pytest.mark.parametrize("culture", ["fr-FR", "sv-SE", "ja-JP", "nl-NL"])
def test_of_other_cultures_the_plain_forms_are_known(culture: str) -> None:
    assert read("2099-01-02T03:04:05+02:00", culture) == "2099-01-02T01:04:05Z"
    assert read("2099-01-02 3:04", culture) == "2099-01-02T03:04:00Z"
    for text in ("2 Jan 2099", "2099-01-02 3 pm", "2099 01 02", "2099-06", "(2099-01-02)"):
        assert read(text, culture) == "unknown"
    assert read("never", culture) == "refused"
