"""Dates of EPAC's files that .NET may read in more than one way are not known."""

import pytest

from guardrails.epac.instants import Runner, text_date
from guardrails.epac.uncertain import Uncertain


def test_an_hour_of_one_digit_is_known_behind_a_blank_alone() -> None:
    runner = Runner.of("UTC", "en-US")
    assert str(text_date("2099-01-02 3:04:05", runner)) == "2099-01-02T03:04:05Z"
    with pytest.raises(Uncertain):
        text_date("2099-01-02T3:04:05Z", runner)
