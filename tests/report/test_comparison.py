"""A scan against an earlier one: worse, new, fixed, removed; and what one of them did not see is none of these."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from guardrails.bypasses.model import BypassKind
from guardrails.cli.schema_version import Form
from guardrails.exemption.facts import Unread
from guardrails.report.comparison import Change, Comparison, Earlier, compare
from guardrails.report.model import Report
from guardrails.report.survey import survey
from guardrails.report.texts import as_json
from guardrails.rules.sample import NOW
from guardrails.ruleset.model import parse_ruleset

from .conftest import RULES, SUB, Shelf, assigned, report_on, row, tagged

METADATA = {"owner": "team@contoso.com", "approvalTicket": "SEC-1234", "approver": "ciso@contoso.com"}
OWNERLESS = {name: text for name, text in METADATA.items() if name != "owner"}
FREE = "22222222-2222-3333-4444-555555555555"


def document(report: Report) -> Any:
    return json.loads("".join(as_json(report, report.lines, Form())))


def against(now: Report, before: Report | Mapping[str, Any]) -> Comparison:
    return compare(now, Earlier.parse(document(before) if isinstance(before, Report) else before))


def named(compared: Comparison) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in compared.changes:
        found.setdefault(one.change, []).append(one.shown.name)
    return found


async def test_the_same_scan_has_no_changes() -> None:
    report = await report_on(row("never", expiresOn=None), row())
    compared = against(report, report)
    assert (compared.changes, compared.same, compared.code) == ([], 2, 0)


async def test_new_removed_fixed_and_worsened() -> None:
    before = await report_on(
        row("gone"), row("cured", expiresOn=None), row("kept", expiresOn=None), row("worse", metadata=OWNERLESS)
    )
    now = await report_on(
        row("cured"), row("KEPT", expiresOn=None), row("worse", metadata=OWNERLESS, expiresOn=None), row("fresh")
    )
    compared = against(now, before)
    assert named(compared) == {"worsened": ["worse"], "new": ["fresh"], "fixed": ["cured"], "removed": ["gone"]}
    assert [one.rules for one in compared.changes] == [["EXG101 expiry-missing"], [], ["EXG101 expiry-missing"], []]
    assert (compared.same, compared.code) == (1, 1)


async def test_a_new_violation_is_one_and_a_new_pass_is_none() -> None:
    nothing = await report_on()
    assert against(await report_on(row()), nothing).code == 0
    assert against(await report_on(row("never", expiresOn=None)), nothing).code == 1
    assert against(nothing, await report_on(row("never", expiresOn=None))).code == 0


async def test_fewer_broken_rules_are_neither_fixed_nor_worse() -> None:
    before = await report_on(row("one", expiresOn=None, metadata=OWNERLESS))
    compared = against(await report_on(row("one", metadata=OWNERLESS)), before)
    assert (named(compared), compared.same, compared.code) == ({}, 1, 0)


async def test_the_same_rule_at_a_higher_severity_is_worse() -> None:
    now = await report_on(row("never", expiresOn=None))
    before = document(now)
    before["exemptions"][0]["findings"][0]["severity"] = "medium"
    compared = against(now, before)
    assert (named(compared), compared.code) == ({"worsened": ["never"]}, 1)
    now_lower, _ = document(now), before["exemptions"][0]["findings"][0].update(severity="high")
    assert now_lower == before


async def test_one_broken_rule_for_another_is_worse() -> None:
    before = await report_on(row("one", expiresOn=None))
    compared = against(await report_on(row("one", metadata=OWNERLESS)), before)
    assert [(one.change, one.rules) for one in compared.changes] == [("worsened", ["EXG203 owner-missing"])]


async def test_a_pass_that_became_unknown_is_worse_and_no_violation() -> None:
    shelf = Shelf(row("one", policyAssignmentId=f"{SUB}/providers/Microsoft.Authorization/policyAssignments/hidden"))
    shelf.answer = Unread("AuthorizationFailed")
    now = await survey(shelf, shelf, parse_ruleset(RULES), NOW)
    assert [line.verdict for line in now.lines] == ["unknown"]
    before = document(now)
    before["exemptions"][0] |= {"verdict": "pass", "findings": []}
    compared = against(now, before)
    assert (named(compared), compared.code) == ({"worsened": ["one"]}, 3)
    assert all(text.endswith("(unknown)") for text in compared.changes[0].rules)
    before["exemptions"] = []
    assert (named(against(now, before)), against(now, before).code) == ({"new": ["one"]}, 3)
    known = against(await report_on(row("one")), document(now))
    assert (known.changes, known.code) == ([], 0)


async def test_an_exclusion_that_ended_makes_a_violation_worse() -> None:
    now = await report_on(row("never", expiresOn=None))
    before = document(now)
    before["exemptions"][0] |= {"verdict": "excluded", "excluded": "r"}
    assert (named(against(now, before)), against(now, before).code) == ({"worsened": ["never"]}, 1)
    excluded = compare(replaced(now, verdict="excluded", grade="excluded", excluded="r"), Earlier.parse(document(now)))
    assert (excluded.changes, excluded.code) == ([], 0)


def replaced(report: Report, **values: Any) -> Report:
    report.lines = [line._replace(**values) for line in report.lines]
    return report


async def test_what_this_scan_did_not_see_is_not_removed() -> None:
    before = await report_on(row("a"), row("b", expiresOn=None))
    shelf = Shelf(row("a"))
    shelf.lists = {SUB.rpartition("/")[2]: [Unread("AuthorizationFailed")]}
    now = await survey(shelf, shelf, parse_ruleset(RULES), NOW)
    compared = against(now, before)
    assert named(compared)["not-seen"] == ["b"]
    assert not {"removed", "fixed"} & named(compared).keys()
    assert compared.code == 3
    assert any(note.startswith("this scan did not see: ") for note in compared.notes)


async def test_what_is_of_a_kind_or_in_a_place_that_was_seen_in_part_is_not_removed() -> None:
    before, now = await report_on(row("a")), await report_on()
    assert named(against(now, before)) == {"removed": ["a"]}
    now.bypass_counts[BypassKind.EXEMPTION].whole = False
    assert named(against(now, before)) == {"not-seen": ["a"]}
    now.bypass_counts[BypassKind.EXEMPTION].whole = True
    now.coverage.partly = {SUB.rpartition("/")[2]: "AuthorizationFailed"}
    assert named(against(now, before)) == {"not-seen": ["a"]}


async def test_what_was_unknown_and_is_a_violation_is_worse() -> None:
    now = await report_on(row("never", expiresOn=None))
    unknown = document(now)
    unknown["exemptions"][0]["verdict"] = unknown["exemptions"][0]["findings"][0]["status"] = "unknown"
    assert (named(against(now, unknown)), against(now, unknown).code) == ({"worsened": ["never"]}, 1)


async def test_an_exemption_that_is_listed_twice_counts_once_and_is_as_bad_as_both() -> None:
    now = await report_on(row("never", expiresOn=None))
    twice = document(now)
    twice["exemptions"].append(twice["exemptions"][0] | {"verdict": "pass", "findings": []})
    compared = against(now, twice)
    assert (compared.changes, compared.same) == ([], 1)


async def test_what_was_in_a_subscription_that_is_not_seen_any_more_is_not_removed() -> None:
    before = document(await report_on(row("a")))
    elsewhere = json.loads(json.dumps(before["exemptions"][0]).replace(SUB.rpartition("/")[2], FREE))
    before["exemptions"].append(elsewhere)
    compared = against(await report_on(row("a")), before)
    assert (named(compared), compared.code) == ({"not-seen": ["a"]}, 3)


async def test_what_the_earlier_scan_did_not_see_is_said() -> None:
    now = await report_on(row())
    compared = against(now, document(now) | {"missing": ["page 2 was lost"], "exemptions": []})
    assert named(compared) == {"new": ["fine"]}
    assert compared.notes == [
        "the earlier scan did not see: page 2 was lost",
        "what is new may have been there before, where the earlier scan did not see it",
    ]


async def test_another_ruleset_is_said_and_another_tenant_is_refused() -> None:
    now = await report_on(row())
    earlier = Earlier.parse(document(now))
    assert compare(now, replace(earlier, digest="other", ruleset="old.yaml")).notes == [
        "the earlier scan judged by another ruleset: old.yaml, other"
    ]
    now.coverage.tenant = "b"
    with pytest.raises(ValueError, match="tenant a, and this one is of tenant b"):
        compare(now, replace(earlier, tenant="a"))


async def bypasses(*, more: bool) -> Report:
    shelf = Shelf(row())
    scopes = [f"{SUB}/resourceGroups/one", *([f"{SUB}/resourceGroups/two"] if more else [])]
    shelf.around = replace(shelf.around, assigned=[assigned(notScopes=scopes)])
    shelf.tags = [replace(page, rows=[tagged(policyExceptionId="EX-1")]) for page in [_page()] if more]
    return await survey(shelf, shelf, parse_ruleset(RULES + "exceptions: {tags: {id: policyExceptionId}}\n"), NOW)


def _page() -> Any:
    from guardrails.ports import Page  # noqa: PLC0415

    return Page([])


async def test_other_bypasses_are_compared_by_what_they_let_past() -> None:
    few, many = await bypasses(more=False), await bypasses(more=True)
    assert [one.shown.id for one in against(many, few).of(Change.NEW)] == [
        line.id for line in many.lines if line.id not in {line.id for line in few.lines}
    ]
    assert len(against(few, many).of(Change.REMOVED)) == len(many.lines) - len(few.lines) > 0


async def test_both_versions_of_the_form_are_the_same_scan() -> None:
    report = await bypasses(more=True)
    text = "".join(as_json(report, report.lines, Form("scan", 1)))
    old = json.loads(text)
    assert "way" in old["bypasses"][0]
    read = Earlier.parse(Form("scan", 1).from_stored(old))
    assert read == Earlier.parse(document(report))
    assert compare(report, read).changes == []


@pytest.mark.parametrize("broken", [[], "x", None, {}, {"coverage": {}}, 7])
def test_what_is_no_scan_is_refused(broken: object) -> None:
    with pytest.raises(ValueError, match="not the JSON form of a scan"):
        Earlier.parse(broken)


@pytest.mark.parametrize(
    "change",
    [
        {"exemptions": "abc"}, {"exemptions": [7]}, {"exemptions": [{"id": "x"}]}, {"missing": [{}]}, {"judged_at": 7},
        {"coverage": []}, {"bypasses": [{"kind": "other", "verdict": "pass", "findings": []}]},
    ],
)  # fmt: skip
async def test_a_scan_with_a_broken_part_is_refused(change: dict[str, Any]) -> None:
    report = await report_on(row())
    with pytest.raises(ValueError, match="not the JSON form of a scan"):
        Earlier.parse(document(report) | change)
