"""Digests of reminders and the notice of what was adopted, as people see them: valid, within limits, inert."""

from datetime import timedelta
from typing import Any

import pytest

from guardrails.channels import slack, teams, webhook
from guardrails.decisions import notify
from guardrails.decisions.adoption_notice import Adopted, adopted
from guardrails.decisions.row import Row, Status
from guardrails.exemption.exemption_id import ExemptionId
from guardrails.notices.digest import DigestItem, box_of, compose
from guardrails.notices.notice import Notice
from guardrails.rules import all_rules
from tests.channels.samples import EXEMPTION_ID, HOSTILE, NOW
from tests.channels.test_teams import elements, problems, texts


def reminders(owner: str, number: int = 40) -> Notice:
    """Return the digest of so many reminders, whose owner and ticket are `owner`."""
    items = []
    for n in range(number):
        one, end = ExemptionId.parse(f"{EXEMPTION_ID}-{n}"), NOW + timedelta(days=n - 2)
        row = Row(one.text, Status.COMPLIANT, NOW, expires_on=end, owner=owner, ticket=owner)
        items.append(DigestItem("w", notify.expiry(one, end, at=NOW, threshold=30, row=row)))
    return compose(box_of("r"), "20261120T0600Z", items, NOW).notice


def adoption(owner: str) -> Notice:
    codes = tuple(rule.code for rule in all_rules().values())
    ids = (ExemptionId.parse(f"{EXEMPTION_ID}-{n}") for n in range(40))
    return adopted("k", (Adopted(each, codes, "violation", "no-expiry", owner) for each in ids), NOW)


@pytest.mark.parametrize("make", [reminders, adoption], ids=["reminders", "adoption"])
@pytest.mark.parametrize("text", [*HOSTILE, "9" * 100_000, "\U0001f469" * 20_000], ids=range(len(HOSTILE) + 2))
def test_they_are_valid_and_small_whatever_owners_are_called(make: Any, text: str) -> None:
    notice = make(text)
    assert len(teams.message(notice)) <= teams.MAX_BYTES
    assert len(slack.message(notice)) <= slack.MAX_BYTES
    assert len(webhook.body(notice)) <= webhook.MAX_BYTES
    card = teams.card(notice)
    assert problems(card) == []
    assert {found.get("type") for found in elements(card)}.isdisjoint({"TextBlock", "Action.OpenUrl", "Image"})


def test_a_card_of_reminders_says_what_ends_when_and_whose_it_is() -> None:
    said = texts(teams.card(reminders("jo@contoso.com")))
    assert said[0] == "Policy exemptions that end or are due for review"
    assert "The first" in said
    assert said.index("Ended 2 days ago") < said.index("Ends in 1 day") < said.index("Ends in 7 days")
    assert "expiring: 37; expired: 3" in said
    line = "partner-ingestion-5 (resource storageAccounts/partnerdrop): 2026-11-24 12:30 UTC; owner jo@contoso[.]com"
    assert f"{line}; ticket jo@contoso[.]com" in said
    assert sum("owner jo" in text for text in said) == 10
