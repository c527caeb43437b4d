"""What is counted of a ruleset's exclusions, overrides and owners, how small it is kept, and what is flagged."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from guardrails.exemption.facts import Unread
from guardrails.exemption.model import Exemption
from guardrails.rules.sample import BODY
from guardrails.ruleset.load import load
from guardrails.ruleset.model import Ruleset, parse_ruleset
from guardrails.sweep.matches import Counting, Matches, counted

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOT_READ = Unread("it was not looked up")
SUB = "/subscriptions/11111111-2222-3333-4444-555555555555"
RULES = "version: 2\nmode: audit\nrules: {expired: alert}\n"
LISTS = f"""
exclusions:
  - {{scope: "{SUB}/resourceGroups/break-glass", reason: emergency access}}
  - {{scope: "{SUB}/**/break-glass", reason: the same again, expires: 2026-06-30}}
  - scope: "{SUB}/resourceGroups/gone"
    reason: moved away
    expires: "2026-11-21T12:00:01Z"
overrides:
  - {{scope: "{SUB}/resourceGroups/web", rules: {{expired: off}}, reason: a test}}
  - {{scope: "{SUB}", rules: {{expired: tag}}, expires: 2026-06-30}}
owners:
  - {{name: EPAC, metadata: {{pacOwnerId: "*"}}}}
  - {{name: robots, authors: [robot@contoso.com], metadata: {{pacOwnerId: "x*"}}}}
"""


def exemption(group: str, name: str = "e", author: str = "jo@contoso.com", **metadata: Any) -> Exemption:
    scope = f"{SUB}/resourceGroups/{group}"
    body = {
        **BODY,
        "id": f"{scope}/providers/Microsoft.Authorization/policyExemptions/{name}",
        "name": name,
        "properties": {**BODY["properties"], "metadata": {**BODY["properties"]["metadata"], **metadata}},
        "systemData": {**BODY["systemData"], "lastModifiedBy": author},
    }
    return Exemption.from_arm(body)


def count(ruleset: Ruleset, *exemptions: Exemption, whole: bool = True) -> Matches:
    counting = Counting(ruleset)
    for one in exemptions:
        counting.add(one, NOT_READ, AT)
    return counting.matches(AT, whole=whole)


def test_each_that_matches_is_counted_whatever_goes_before_it_and_whether_or_not_it_has_ended() -> None:
    ruleset = parse_ruleset(RULES + LISTS)
    found = count(
        ruleset,
        exemption("break-glass", pacOwnerId="x1"),
        exemption("Break-Glass", "f"),
        exemption("web", author="Robot@contoso.com"),
        exemption("web", "g", pacOwnerId=7),
        exemption("web", "h", author="ROBOT@contoso.com", pacOwnerId="x2"),
    )
    assert (found.exclusions, found.overrides) == ((2, 2, 0), (3, 5))
    assert found.owners == (3, 1), "where an entry names authors and metadata, both must match"
    assert (found.exemptions, found.whole, found.at, found.ruleset) == (5, True, AT, ruleset.digest)


def test_a_ruleset_that_lists_nothing_counts_the_exemptions() -> None:
    found = count(parse_ruleset(RULES), exemption("web"), exemption("web", "f"))
    assert found == Matches(found.ruleset, AT, 2, whole=True)


def test_what_is_kept_can_be_read_back_and_a_thousand_overrides_are_small() -> None:
    many = "".join(
        f"  - {{scope: '{SUB}/resourceGroups/rg-{number}', rules: {{expired: tag}}}}\n" for number in range(1000)
    )
    ruleset = parse_ruleset(f"{RULES}overrides:\n{many}")
    found = count(ruleset, *(exemption("rg-7", f"e{number}") for number in range(3)))
    kept = json.dumps(found.to_json())
    assert Matches.from_json(json.loads(kept)) == found
    assert (found.overrides[7], sum(found.overrides)) == (3, 3)
    most = Matches("0" * 12, AT, 100_000, whole=True, overrides=(100_000,) * 1000, unclear=(100_000,) * 1000)
    assert len(json.dumps(most.to_json())) < 17_000


SAID = Matches("x", AT, 1, whole=True).to_json()


@pytest.mark.parametrize(
    "said",
    [
        None, [], {}, "x", {"ruleset": "x"}, SAID | {"exclusions": 3}, SAID | {"exclusions": [None]},
        SAID | {"owners": None}, SAID | {"at": "soon"}, SAID | {"at": None}, SAID | {"exemptions": "many"},
    ],
)  # fmt: skip
def test_what_no_sweep_wrote_is_no_count(said: object) -> None:
    assert Matches.from_json(SAID) is not None
    assert Matches.from_json(said) is None


def test_what_matches_none_or_has_ended_is_flagged_with_its_line() -> None:
    ruleset = parse_ruleset(RULES + LISTS, "r.yaml")
    found = counted(ruleset, count(ruleset, exemption("break-glass")))
    assert [(one.at, one.what, one.path, one.exemptions, one.flags(AT)) for one in found] == [
        ("r.yaml:6:5", "exclusion", "exclusions[0]", 1, ()),
        ("r.yaml:7:5", "exclusion", "exclusions[1]", 1, ("ended 2026-06-30",)),
        ("r.yaml:8:5", "exclusion", "exclusions[2]", 0, ("matches none",)),
        ("r.yaml:12:5", "override", "overrides[0]", 0, ("matches none",)),
        ("r.yaml:13:5", "override", "overrides[1]", 1, ("ended 2026-06-30",)),
        ("r.yaml:15:5", "owner", "owners[0]", 0, ("matches none",)),
        ("r.yaml:16:5", "owner", "owners[1]", 0, ("matches none",)),
    ]
    assert [one.reason for one in found[2:4]] == ["moved away", "a test"]
    assert found[5].about == "EPAC"
    later = AT.replace(second=1)
    assert found[2].flags(later) == ("matches none", "ended 2026-11-21T12:00:01Z")


def test_an_override_that_may_or_may_not_hold_is_not_said_to_match_none() -> None:
    overrides = """overrides:
  - {policy_category: Storage, rules: {expired: tag}}
  - {scope: /subscriptions/none, severity: high, rules: {expired: tag}, reason: strict}
  - {assignment: "*", exemption_category: Waiver, rules: {expired: off}}
"""
    ruleset = parse_ruleset(RULES + overrides.replace('assignment: "*"', "assignment: audit-*"))
    found = counted(ruleset, count(ruleset, exemption("web"), exemption("web", "f")))
    assert [(one.about, one.exemptions, one.flags(AT)) for one in found] == [
        ("policy_category Storage", 0, ("no certain match", "2 unknown")),
        ("scope /subscriptions/none; severity high", 0, ("matches none",)),
        ("assignment audit-*; exemption_category waiver", 0, ("matches none",)),
    ]


def test_of_a_sweep_that_did_not_see_all_nothing_is_said_to_match_none() -> None:
    ruleset = parse_ruleset(RULES + LISTS)
    found = counted(ruleset, count(ruleset, exemption("web"), whole=False))
    assert found[0].flags(AT) == ("matches none that was seen",)


@pytest.mark.parametrize("by", ["nobody", "another ruleset", "a damaged row"])
def test_without_counts_of_this_ruleset_nothing_is_known_and_what_has_ended_is_said_yet(by: str) -> None:
    ruleset = parse_ruleset(RULES + LISTS)
    other = count(parse_ruleset(RULES + LISTS + "people: {}\n"), exemption("web"))
    short = Matches(ruleset.digest, AT, 1, whole=True)
    found = counted(ruleset, {"nobody": None, "another ruleset": other, "a damaged row": short}[by])
    assert {one.exemptions for one in found} == {None}
    assert [one.flags(AT) for one in found[:2]] == [(), ("ended 2026-06-30",)]


def test_what_has_ended_is_named_with_its_line_and_the_ruleset_stays_valid() -> None:
    accepted = "bypasses:\n  accepted:\n  - {scope: /subscriptions/s1, reason: r, expires: 2026-11-21T12:00:00Z}\n"
    ruleset = parse_ruleset(RULES + LISTS + accepted, "r.yaml")
    then = "and does not apply; remove it, or set a later day"
    assert ruleset.ended(AT) == (
        f"r.yaml:7:5: exclusions[1]: it ended 2026-06-30 {then}",
        f"r.yaml:13:5: overrides[1]: it ended 2026-06-30 {then}",
        f"r.yaml:19:5: bypasses.accepted[0]: it ended 2026-11-21T12:00:00Z {then}",
    )
    assert ruleset.ended(datetime(2026, 6, 29, 23, 59, 59, tzinfo=UTC)) == ()
    assert len(ruleset.ended(datetime(2026, 6, 30, tzinfo=UTC))) == 2


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("scope", ["*", "**", "/", "/**"])
def test_an_override_that_matches_everything_is_said_to_be_pointless_and_is_used(version: int, scope: str) -> None:
    text = RULES.replace("2", str(version)) + f"overrides:\n- {{scope: '{scope}', rules: {{expired: tag}}}}\n"
    ruleset = parse_ruleset(text, "r.yaml")
    (said,) = (one for one in ruleset.warnings if "version" not in one)
    assert said.startswith(f"r.yaml:5:11: overrides[0].scope: '{scope}' matches everything; leave it out, or use ")
    assert count(ruleset, exemption("web")).overrides == (1,)


def test_places_are_those_of_the_items_of_lists() -> None:
    loaded = load(RULES + LISTS, "r.yaml")
    assert loaded.places["exclusions[2]"] == "8:5"
    assert loaded.places["owners[1]"] == "16:5"
