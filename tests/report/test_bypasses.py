"""Every bypass in one report: counted by kind, judged, filtered, in every form; not seen is not none."""

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from guardrails.bypasses.model import BypassKind
from guardrails.cli.schema_version import Form
from guardrails.exemption.facts import Assignment, Gone, Unread
from guardrails.exemption.patterns import glob
from guardrails.ports import Page
from guardrails.report.bypasses import WORDS, BypassCount, beyond
from guardrails.report.filters import Filter
from guardrails.report.model import Report
from guardrails.report.page import as_html
from guardrails.report.survey import survey
from guardrails.report.texts import as_csv, as_json, as_markdown
from guardrails.ruleset.model import parse_ruleset

from .conftest import ASSIGNMENTS, GROUP, NOW, RULES, SUB, TENANT, Shelf, assigned, row, tagged

KNOWN = "/providers/Microsoft.Management/managementGroups/labs"
RULESET = parse_ruleset(
    RULES
    + f"""
bypasses:
  approved: [EXC-1]
  accepted: [{{scope: {KNOWN}, reason: experiments}}]
"""
)
SIGNED = {"ticket": "SEC-1", "owner": "network@contoso.com", "reviewDate": "2026-12-24", "expiresOn": "2027-01-31"}
EXAMPLE = Path(__file__).parents[2] / "docs" / "scan.example.json"
EVERYTHING = Filter()
TAGS = {"policyExceptionId": "EXC-1", "exceptionTicket": "SEC-1", "exceptionExpiry": "2027-01-31"}
ONE_OF_EACH = (
    assigned("scopes", notScopes=[GROUP]),
    assigned(
        "selectors", resourceSelectors=[{"name": "eu", "selectors": [{"kind": "resourceLocation", "in": ["eu"]}]}]
    ),
    assigned("overrides", overrides=[{"kind": "policyEffect", "value": "Audit"}], metadata=SIGNED),
    assigned("dry", enforcementMode="DoNotEnforce", metadata=SIGNED | {"expiresOn": "2026-11-01"}),
    assigned("alone", selfServeExemptionSettings={"enabled": True}, metadata=SIGNED | {"expiresOn": "after the move"}),
    assigned("off", parameters={"effectTls": {"value": "Disabled"}}),
    assigned("lab", KNOWN, enforcementMode="DoNotEnforce"),
)


def shelf(
    *exemptions: Mapping[str, Any], assignments: tuple[Mapping[str, Any], ...] = (), tags: tuple[Page, ...] = ()
) -> Shelf:
    made = Shelf(*exemptions)
    made.around = replace(made.around, assigned=assignments)
    made.tags = list(tags)
    return made


async def look_at(one: Shelf, wanted: Filter = EVERYTHING) -> Report:
    return await survey(one, one, RULESET, NOW, wanted=wanted)


@pytest.fixture
async def report() -> Report:
    """One bypass of each kind, one of them accepted; and two exemptions."""
    tags = Page([tagged(**TAGS), tagged(f"{SUB}/resourceGroups/other", policyExceptionId="EXC-2")])
    return await look_at(shelf(row(), row("never", expiresOn=None), assignments=ONE_OF_EACH, tags=(tags,)))


def seen(report: Report) -> dict[str, int]:
    return {str(kind): count.total for kind, count in report.bypass_counts.items() if count.total}


def codes(report: Report) -> dict[str, set[str]]:
    return {f"{line.kind} {line.name}": {finding.key for finding in line.findings} for line in report.lines}


async def test_every_bypass_is_a_line_and_counted(report: Report) -> None:
    assert seen(report) == {
        "exemption": 2, "tag": 2, "not-scope": 1, "resource-selector": 1, "override": 1, "not-enforced": 2,
        "self-serve": 1, "effect-disabled": 1,
    }  # fmt: skip
    bare = {"EXG501", "EXG502", "EXG503"}
    assert codes(report) == {
        "exemption fine": set(), "exemption never": {"EXG101"}, "tag partner-ingestion": set(),
        "tag other": {"EXG501", "EXG503", "EXG505"}, "not-scope scopes": bare, "resource-selector selectors": bare,
        "override overrides": set(), "not-enforced dry": {"EXG504"}, "self-serve alone": {"EXG503?"},
        "effect-disabled off": bare, "not-enforced lab": bare,
    }  # fmt: skip
    assert report.verdicts() == {"violation": 6, "unknown": 1, "pass": 3, "excluded": 1}
    assert (report.total, report.exemptions) == (11, 2)
    assert all(count.whole for count in report.bypass_counts.values())
    assert set(WORDS) == set(BypassKind) - {BypassKind.UNENROLLED}, "a scan has no memory"


async def test_lines_of_all_bypasses_are_sorted_together_the_worst_first(report: Report) -> None:
    assert [line.grade for line in report.lines] == ["high"] * 6 + ["unknown", "excluded"] + ["pass"] * 3
    assert report.lines[0].name == "dry"  # its end has passed: its days are the fewest
    [lab] = [line for line in report.lines if line.excluded]
    assert (lab.name, lab.excluded) == ("lab", f"{KNOWN}: experiments")
    states = {line.name: (line.state, line.days_left) for line in report.lines}
    assert states["dry"] == ("expired", -21)
    assert states["alone"] == ("unreadable", None)
    assert states["scopes"] == ("no-expiry", None)


async def test_what_is_accepted_counts_for_no_rule(report: Report) -> None:
    rules = {rule.code: (rule.violations, rule.unknown) for rule in report.rules_by_weight()}
    assert rules == {
        "EXG501": (4, 0), "EXG503": (4, 1), "EXG502": (3, 0), "EXG504": (1, 0), "EXG505": (1, 0), "EXG101": (1, 0),
    }  # fmt: skip


async def test_places_say_what_is_let_past(report: Report) -> None:
    places = {line.name: report.place(line) for line in report.lines}
    assert places["scopes"] == "prod / partner-ingestion"
    assert places["dry"] == "prod"
    assert places["other"] == "prod / other"
    assert places["lab"] == "management group labs"


async def test_json_has_counts_by_kind_and_the_bypasses(report: Report) -> None:
    document = json.loads("".join(as_json(report, report.lines, Form())))
    assert [one["id"].rpartition("/")[2] for one in document["exemptions"]] == ["never", "fine"]
    assert len(document["bypasses"]) == 9
    assert document["counts"] == {
        "exemptions": 2, "bypasses": 9, "left_out": 0, "violation": 6, "unknown": 1, "pass": 3, "excluded": 1,
    }  # fmt: skip
    bypass_counts = {one.pop("kind"): one for one in document["bypasses_by_kind"]}
    assert set(bypass_counts) == {str(kind) for kind in WORDS}
    assert bypass_counts["not-enforced"] == {
        "seen": 2, "whole": True, "violation": 1, "unknown": 0, "pass": 0, "excluded": 1
    }  # fmt: skip
    shown = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    dry = next(one for one in document["bypasses"] if one["subject"].endswith("/dry"))
    assert dry.keys() == shown["bypasses"][0].keys()
    assert (dry["kind"], dry["scope"], dry["detail"]) == ("not-enforced", SUB, "DoNotEnforce")
    assert (dry["verdict"], dry["severity"], dry["days_left"], dry["expiry_state"]) == (
        "violation",
        "high",
        -21,
        "expired",
    )


async def test_csv_has_all_in_one_table(report: Report) -> None:
    rows = list(csv.DictReader(io.StringIO("".join(as_csv(report, report.lines)))))
    assert sorted(one["kind"] for one in rows) == sorted(str(line.kind) for line in report.lines)
    [dry] = [one for one in rows if one["name"] == "dry"]
    assert (dry["severity"], dry["place"], dry["detail"], dry["ticket"]) == ("high", "prod", "DoNotEnforce", "SEC-1")
    assert (dry["assignment"], dry["id"]) == (f"{SUB}{ASSIGNMENTS}dry", SUB)
    assert dry["rules"] == "EXG504 bypass-ended"
    assert {one["name"]: one["detail"] for one in rows if one["kind"] == "tag"} == {
        "partner-ingestion": "exception EXC-1", "other": "exception EXC-2"
    }  # fmt: skip


async def test_markdown_has_the_counts_and_one_table(report: Report) -> None:
    text = "".join(as_markdown(report, report.lines))
    assert "2 exemptions and 9 bypasses: 6 violation, 1 unknown, 3 pass, 1 excluded." in text
    assert "9 bypasses, 5 with a violation." in text
    assert "| Not enforced | 2 | 1 | 0 | 1 |" in text
    assert "| high | not enforced | dry \\(DoNotEnforce\\) | prod | EXG504 bypass-ended" in text


async def test_who_wrote_it_and_when_is_shown() -> None:
    dry = assigned("dry", enforcementMode="DoNotEnforce")
    dry["systemData"] = {"lastModifiedBy": "jo@contoso.com", "lastModifiedAt": "2026-10-05T08:00:00Z"}
    one = shelf(row(), assignments=(dry,))
    report = await look_at(one)
    first, exemption = report.lines
    assert (first.who, first.since) == ("jo@contoso.com", datetime(2026, 10, 5, 8, tzinfo=UTC))
    assert exemption.who
    assert exemption.since
    assert "written 05 Oct 2026 UTC by jo@contoso.com" in "".join(as_html(report, report.lines))
    assert "jo@contoso\\[.\\]com, 2026-10-05" in "".join(as_markdown(report, report.lines))


async def test_the_page_names_the_assignment_and_only_the_bypasses_that_there_may_be(report: Report) -> None:
    page = "".join(as_html(report, report.lines))
    assert f'Assignment</a> <code class="s">{SUB}{ASSIGNMENTS}dry</code></p>' in page
    assert 'data-kind="override"' in page
    assert 'data-kind="unreadable"' not in page


async def test_rows_of_another_tenant_are_left_out_and_hide_nothing() -> None:
    theirs = assigned("theirs", enforcementMode="DoNotEnforce") | {"tenantId": "00000000-0000-0000-0000-000000000001"}
    report = await look_at(shelf(row(), assignments=(theirs,)))
    assert report.total == 1
    assert report.notes == ["1 row of policy assignments left out: of another tenant"]
    assert report.missing == []
    assert report.bypass_counts[BypassKind.NOT_ENFORCED].seen == "0"


async def test_filters_go_by_the_scope_that_is_let_past() -> None:
    tags = (Page([tagged(**TAGS)]),)
    for include, exclude, left in (
        (
            (),
            (GROUP,),
            {"not-enforced": 2, "resource-selector": 1, "override": 1, "self-serve": 1, "effect-disabled": 1},
        ),
        ((GROUP.upper(),), (), {"exemption": 1, "not-scope": 1, "tag": 1}),
        ((KNOWN,), (), {"not-enforced": 1}),
    ):
        wanted = Filter(tuple(map(glob, include)), tuple(map(glob, exclude)))
        report = await look_at(shelf(row(), assignments=ONE_OF_EACH, tags=tags), wanted)
        assert seen(report) == left
        assert report.left_out == 9 - report.total


async def test_a_scan_of_some_subscriptions_leaves_excluded_scopes_in_others_out() -> None:
    other = "/subscriptions/22222222-0000-4000-8000-000000000000/resourceGroups/x"
    one = shelf(assignments=(assigned("above", KNOWN, notScopes=[GROUP, other, f"{KNOWN}-2"]),))
    report = await look_at(one, Filter(visible=True))
    assert {line.scope for line in report.lines} == {GROUP, f"{KNOWN}-2"}
    assert report.left_out == 0
    assert len((await look_at(one)).lines) == 3


# Three values: what was not seen is not none.


async def test_none_is_said_only_where_all_was_read() -> None:
    report = await look_at(shelf(row()))
    assert seen(report) == {"exemption": 1}
    said = "There is no bypass: assignments and tags were read."
    for text in ("".join(as_markdown(report, report.lines)), "".join(as_html(report, report.lines))):
        assert said in text
        assert "not seen" not in text


async def test_not_seen_is_not_none() -> None:
    report = await look_at(shelf(row(), tags=(Page(missing="tagged resources could not be read"),)))
    assert report.missing == ["tagged resources could not be read"]
    assert {kind for kind, count in report.bypass_counts.items() if not count.whole} == {BypassKind.TAG}
    assert report.bypass_counts[BypassKind.TAG].seen == "not seen"
    said = "No bypass was seen, but not all could be read: there may be some."
    text = "".join(as_markdown(report, report.lines))
    assert said in text
    assert "| Exception tags | not seen | 0 | 0 | 0 |" in text
    page = "".join(as_html(report, report.lines))
    assert said in page
    assert ">not seen</td>" in page
    document = json.loads("".join(as_json(report, report.lines, Form())))
    assert [one["kind"] for one in document["bypasses_by_kind"] if not one["whole"]] == ["tag"]


async def test_a_part_that_was_read_is_at_least_so_many() -> None:
    one = shelf(row(), assignments=ONE_OF_EACH, tags=(Page([tagged(**TAGS)]), Page(missing="a page")))
    one.around = replace(one.around, whole=False)
    report = await look_at(one)
    assert report.bypass_counts[BypassKind.TAG].seen == report.bypass_counts[BypassKind.OVERRIDE].seen == "at least 1"
    assert report.bypass_counts[BypassKind.EXEMPTION].seen == "1"
    assert "8 bypasses, 4 with a violation. Not all could be read, so there may be more." in "".join(
        as_markdown(report, report.lines)
    )


async def test_exemptions_that_could_not_be_read_are_at_least_so_many() -> None:
    one = shelf(row())
    one.pages = [Page(missing="1,000 rows could not be read")]
    report = await look_at(one)
    assert report.bypass_counts[BypassKind.EXEMPTION].seen == "at least 1"
    assert report.bypass_counts[BypassKind.TAG].seen == "0"


async def test_a_container_that_is_not_visible_makes_every_count_a_least() -> None:
    one = shelf(row())
    one.around = replace(one.around, missing=("management group x is not visible",))
    report = await look_at(one)
    assert not any(count.whole for count in report.bypass_counts.values())
    assert report.missing == ["management group x is not visible"]


async def test_an_assignment_that_only_exemptions_show_may_hold_any_bypass() -> None:
    other = f"{SUB}{ASSIGNMENTS}hidden"
    for answer, whole in ((Gone(), True), (Unread("AuthorizationFailed"), False), (Assignment(other, "x", {}), False)):
        one = shelf(row(policyAssignmentId=other))
        one.answer = answer
        report = await look_at(one)
        assert report.bypass_counts[BypassKind.OVERRIDE].whole is whole
        assert report.bypass_counts[BypassKind.EXEMPTION].whole
        assert report.bypass_counts[BypassKind.TAG].whole
        assert [one for one in report.missing if one.startswith("1 assignment that exemptions name")] == report.missing
        assert bool(report.missing) is not whole


async def test_an_assignment_that_cannot_be_read_may_hold_any_bypass() -> None:
    broken = {"id": f"{SUB}{ASSIGNMENTS}broken", "tenantId": TENANT, "properties": 7}
    report = await look_at(shelf(row(), assignments=(broken, {"tenantId": TENANT, "properties": {}})))
    [line] = [line for line in report.lines if line.bypass]
    assert (line.kind, line.grade, line.state) == (BypassKind.UNREAD, "unknown", "unreadable")
    assert [finding.key for finding in line.findings] == ["EXG500?"]
    whole = {kind for kind, count in report.bypass_counts.items() if count.whole}
    assert whole == {BypassKind.EXEMPTION, BypassKind.TAG}
    assert "a row without an id" in report.missing[0]
    text = "".join(as_markdown(report, report.lines))
    assert "| Not readable | at least 1 | 0 | 1 | 0 |" in text
    assert "| Overridden effects | not seen | 0 | 0 | 0 |" in text


def test_the_sentence_counts() -> None:
    one = BypassCount(BypassKind.TAG)
    one.grades["pass"] += 1
    assert beyond([one]) == "1 bypass, 0 with a violation."
    one.grades["high"] += 1233
    assert beyond([one, BypassCount(BypassKind.OVERRIDE, whole=False)]) == (
        "1,234 bypasses, 1,233 with a violation. Not all could be read, so there may be more."
    )
    assert (BypassCount(BypassKind.TAG).seen, one.seen) == ("0", "1,234")
