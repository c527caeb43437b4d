"""What an assignment that cannot be read says of the counts: any way may be in it, so no count of them is whole."""

from dataclasses import replace
from typing import Any

import pytest

from guardrails.bypasses.model import BypassKind
from guardrails.exemption.patterns import glob
from guardrails.ports import Page
from guardrails.report.filters import Filter
from guardrails.report.survey import survey
from guardrails.report.texts import as_markdown

from .conftest import ASSIGNMENTS, GROUP, NOW, SUB, TENANT, assigned, row, tagged
from .test_bypasses import RULESET, TAGS, look_at, shelf

BROKEN: dict[str, Any] = {"id": f"{SUB}{ASSIGNMENTS}broken", "tenantId": TENANT, "properties": 7}


@pytest.mark.parametrize("broken", [BROKEN, assigned("odd", notScopes=5), assigned("odder", metadata="no object")])
async def test_one_unreadable_assignment_leaves_no_count_of_its_ways_whole(broken: dict[str, Any]) -> None:
    report = await look_at(shelf(row(), assignments=(broken,)))
    whole = {kind for kind, count in report.bypass_counts.items() if count.whole}
    assert whole == {BypassKind.EXEMPTION, BypassKind.TAG}
    assert report.bypass_counts[BypassKind.OVERRIDE].seen == "not seen"
    assert report.bypass_counts[BypassKind.UNREAD].seen == "at least 1"
    text = "".join(as_markdown(report, report.lines))
    assert "1 bypass, 0 with a violation. Not all could be read, so there may be more." in text


async def test_it_does_so_where_the_filters_leave_it_out() -> None:
    """What it excludes may be in there."""
    one = shelf(row(), assignments=(BROKEN,))
    report = await survey(one, one, RULESET, NOW, wanted=Filter(include=(glob(GROUP),)))
    assert not [line for line in report.lines if line.bypass]
    assert not report.bypass_counts[BypassKind.NOT_SCOPE].whole


async def test_what_is_unreadable_and_seen_hides_no_other() -> None:
    """A scope that is none, a mode that nobody knows, tags that are no object: each is a line, with its way."""
    rows = (assigned("a", notScopes=["nowhere"]), assigned("b", enforcementMode="Sometimes"))
    report = await look_at(shelf(row(), assignments=rows, tags=(Page([{**tagged(**TAGS), "tags": 5}]),)))
    assert {line.kind: line.grade for line in report.lines if line.bypass} == {
        BypassKind.NOT_SCOPE: "unknown", BypassKind.NOT_ENFORCED: "unknown", BypassKind.TAG: "unknown",
    }  # fmt: skip
    assert all(count.whole for count in report.bypass_counts.values())


async def test_the_sums_agree_with_the_lines() -> None:
    rows = tuple(assigned(f"a{n}", notScopes=[GROUP], enforcementMode="DoNotEnforce") for n in range(5))
    report = await look_at(shelf(row(), row("never", expiresOn=None), assignments=(*rows, BROKEN)))
    assert report.total == len(report.lines) == sum(count.total for count in report.bypass_counts.values()) == 13
    assert report.total == sum(report.verdicts().values()) == sum(report.states.values())
    assert report.violations == sum(count.violations for count in report.bypass_counts.values())
    found = [finding for line in report.lines if not line.excluded for finding in line.findings]
    assert len(found) == sum(rule.violations + rule.unknown for rule in report.rules.values())


async def test_markdown_has_the_notes() -> None:
    one = shelf(row(), tags=(Page(note="who tagged <b>what</b> is not known"),))
    text = "".join(as_markdown(await look_at(one), []))
    assert "\n## Notes\n\n- who tagged \\<b\\>what\\</b\\> is not known\n" in text
    assert "could not be seen" not in text


async def test_what_could_not_be_seen_is_said_once() -> None:
    """A management group that may not be read is missing from each query."""
    said = "management group secret could not be read"
    tags = (Page(missing=said), Page(missing="rows 1 to 9"), Page(missing=said), Page(note="odd"), Page(note="odd"))
    one = shelf(row(), tags=tags)
    one.around = replace(one.around, missing=(said,))
    one.pages = [Page(missing=said)]
    report = await look_at(one)
    assert (report.missing, report.notes) == ([said, "rows 1 to 9"], ["odd"])
