"""A sweep and the generated policy agree on which exceptions are approved: on each blank and each case of an id."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from guardrails.bypasses.model import judged
from guardrails.bypasses.read import tagged_of
from guardrails.policy import tagged
from guardrails.ruleset.bypass_rules import NOT_APPROVED
from guardrails.ruleset.model import KnownBypasses, load_ruleset
from tests.policy.evaluator import READINGS, Policy, Reading
from tests.policy.test_tagged_meaning import GIVEN, STORAGE, TAGS, account

NOW = datetime(2027, 1, 4, 12, tzinfo=UTC)
EXCEPTIONS = KnownBypasses(approved=("EX-1", "EX 2", "EX-3 ", "größe"))
POLICY = Policy(tagged.build(GIVEN, EXCEPTIONS).files[f"definitions/{STORAGE}-unless-excepted.json"])
RULESET = replace(load_ruleset(), bypasses=EXCEPTIONS)
IDS = ["EX-1", "ex-1", "EX-1 ", " EX-1", "EX-1\t", "EX-11", "EX 2", "ex  2", "EX2", "EX-3", "EX-3 ", "Ex-3 ", "GRÖSSE",
       "GRÖßE", "größe", "", " ", "EX-1,EX 2"]  # fmt: skip


@pytest.mark.parametrize("reading", READINGS, ids=[one.name for one in READINGS])
@pytest.mark.parametrize("exception", IDS, ids=map(repr, IDS))
def test_what_the_policy_lets_past_is_approved_and_nothing_else(reading: Reading, exception: str) -> None:
    tags = {TAGS.id: exception, TAGS.ticket: "SEC-1", TAGS.expiry: "2027-12-31"}
    group = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/data"
    found = tagged_of({"id": group, "name": "data", "tags": tags}, RULESET)
    assert found is not None
    codes = [finding.code for finding in judged(found, RULESET, NOW).findings]
    assert (NOT_APPROVED.code in codes) is POLICY.fires(account(tags=tags), NOW, reading=reading)
