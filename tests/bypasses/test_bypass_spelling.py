"""Bypasses: what differs by a blank, by case or by what is left out, and what that means to Azure Policy."""

from datetime import UTC, datetime
from typing import Any

import pytest

from guardrails.bypasses.model import BypassKind, judged, token
from guardrails.bypasses.read import bypasses_of, tagged_of
from guardrails.ruleset.model import parse_ruleset

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUB}/resourceGroups/shop"
ASSIGNED = f"{SUB}/providers/Microsoft.Authorization/policyAssignments/baseline"
RULESET = parse_ruleset("""
version: 1
mode: audit
rules: {expired: alert}
bypasses:
  approved: [EX-1]
  accepted: [{scope: "*/resourceGroups/lab", reason: experiments, expires: "2026-11-21T13:00:00+01:00"}]
notices: [{route: team, channel: teams, address_setting: TEAMS_WEBHOOK_URL}]
""")


def keys_of(**tags: str) -> list[str]:
    said = {"exceptionTicket": "SEC-1", "exceptionExpiry": "2027-03-01"} | tags
    found = tagged_of({"id": GROUP, "name": "shop", "tags": said}, RULESET)
    assert found is not None
    return [finding.key for finding in judged(found, RULESET, NOW).findings]


@pytest.mark.parametrize("exception", ["EX-1", "ex-1", "Ex-1"])
def test_an_approved_id_is_approved_in_any_case(exception: str) -> None:
    assert keys_of(policyExceptionId=exception) == []


@pytest.mark.parametrize("exception", ["EX-1 ", " EX-1", "EX-1\t", "\u00a0EX-1", "EX-1\u200b"])
def test_an_id_with_blanks_is_another_one_as_it_is_to_azure(exception: str) -> None:
    """Azure Policy compares whole values: such a tag lets nothing past, and no one approved it."""
    assert keys_of(policyExceptionId=exception) == ["EXG505"]


def test_a_blank_id_names_nothing() -> None:
    found = tagged_of({"id": GROUP, "tags": {"policyExceptionId": "  "}}, RULESET)
    assert found is not None
    assert found.subject == ""
    assert "the tags are incomplete" in judged(found, RULESET, NOW).findings[-1].text


def test_an_id_with_a_blank_says_so_where_it_is_shown() -> None:
    found = tagged_of({"id": GROUP, "tags": {"policyExceptionId": "EX-1 "}}, RULESET)
    assert found is not None
    assert judged(found, RULESET, NOW).findings[-1].evidence == {"policyExceptionId": "EX-1 "}


@pytest.mark.parametrize(
    ("scopes", "seen"),
    [
        ([GROUP, GROUP + "/", GROUP.lower(), f" {GROUP.upper()}/ ", GROUP.strip("/")], 1),
        ([None, "", " "], 0),
        ([SUB, GROUP], 2),
    ],
)
def test_an_excluded_scope_is_one_row_however_it_is_spelled(scopes: list[Any], seen: int) -> None:
    found = bypasses_of({"id": ASSIGNED, "properties": {"notScopes": scopes, "displayName": "a"}}, RULESET)
    assert [one.kind for one in found] == [BypassKind.NOT_SCOPE] * seen


@pytest.mark.parametrize(
    ("system", "metadata", "who", "since"),
    [
        ({"lastModifiedAt": "2026-02-01", "createdBy": None}, {}, "", 2),
        ({"lastModifiedBy": "", "createdAt": "2026-01-01"}, {}, "", 1),
        ({}, {"updatedBy": None, "updatedOn": "2026-03-01T00:00:00Z", "createdBy": ""}, "", 3),
        ({"lastModifiedAt": "2026-02-01"}, {"createdBy": "x", "createdOn": "2026-01-01"}, "x", 1),
        ({"lastModifiedBy": "b", "lastModifiedAt": "2026-02-01T00:30:00+02:00"}, {}, "b", 1),
    ],
)
def test_since_when_is_known_where_azure_names_nobody(
    system: dict[str, Any], metadata: dict[str, Any], who: str, since: int
) -> None:
    properties = {"enforcementMode": "DoNotEnforce", "metadata": metadata}
    [found] = bypasses_of({"id": ASSIGNED, "properties": properties, "systemData": system}, RULESET)
    assert found.who == who
    assert found.since is not None
    assert (found.since.tzinfo, found.since.month) == (UTC, since)


def test_what_is_accepted_ends_to_the_second_in_any_time_zone() -> None:
    [lab] = bypasses_of({"id": ASSIGNED, "properties": {"notScopes": [f"{SUB}/resourceGroups/lab/"]}}, RULESET)
    assert judged(lab, RULESET, NOW).verdict == "violation"
    assert judged(lab, RULESET, datetime(2026, 11, 21, 11, 59, 59, tzinfo=UTC)).verdict == "excluded"


@pytest.mark.parametrize(
    "metadata",
    [
        {"exceptionExpiry": " ", "expiresOn": "2027-03-01"},
        {"exceptionExpiry": None, "ExpiresOn": "2027-03-01"},
        {"expires_on": "2027-03-01T01:00:00+01:00"},
    ],
)
def test_a_blank_end_hides_no_other(metadata: dict[str, Any]) -> None:
    [found] = bypasses_of(
        {"id": ASSIGNED, "properties": {"enforcementMode": "DoNotEnforce", "metadata": metadata}}, RULESET
    )
    assert (found.ends, found.ends_problem) == (datetime(2027, 3, 1, tzinfo=UTC), "")


@pytest.mark.parametrize(
    ("review", "keys"),
    [
        ("2026-11-22", []),
        ("2026-11-21", []),
        ("2026-11-21T00:00:00+14:00", ["EXG502"]),
        ("2026-11-20T23:59:59Z", ["EXG502"]),
        ("2020-01-01", ["EXG502"]),
        ("0001-01-01", ["EXG502"]),
    ],
)
def test_a_review_that_nobody_made_is_no_review(review: str, keys: list[str]) -> None:
    """As the rule review-due has it for exemptions: on its day it is due, afterwards none is ahead."""
    metadata = {"ticket": "SEC-1", "expiresOn": "2027-03-01", "reviewDate": review}
    row = {"id": ASSIGNED, "properties": {"enforcementMode": "DoNotEnforce", "metadata": metadata}}
    [found] = bypasses_of(row, RULESET)
    assert [finding.key for finding in judged(found, RULESET, NOW).findings] == keys


def test_the_token_is_the_same_in_every_case_of_a_keys_name() -> None:
    def made(name: str) -> str:
        row = {"id": ASSIGNED, name: {name and "EnforcementMode": "donotenforce"}}
        [found] = bypasses_of(row, RULESET)
        return token(judged(found, RULESET, NOW))

    assert made("properties") == made("Properties")
