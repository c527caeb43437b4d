"""A report by owner, subscription and assignment: each line in one part, own counts, and safe names."""

import re
from collections import Counter
from typing import Any

import pytest

from guardrails.exemption.facts import Unread
from guardrails.report.model import Report
from guardrails.report.parts import BY, STEM, Part, parts
from guardrails.report.survey import survey
from guardrails.ruleset.model import parse_ruleset

from .conftest import ASSIGNMENTS, HOSTILE, NOW, RULES, SUB, Shelf, report_on, row

CORP = "/providers/Microsoft.Management/managementGroups/corp"


def owned(name: str, owner: str | None, /, scope: str = SUB, **properties: Any) -> dict[str, Any]:
    metadata = {"approvalTicket": "SEC-1234", "approver": "ciso@contoso.com"} | ({"owner": owner} if owner else {})
    return row(name, scope=scope, metadata=metadata, **properties)


async def by_owner(*owners: str | None) -> list[Part]:
    return parts(await report_on(*(owned(f"e{number}", owner) for number, owner in enumerate(owners))), "owner")


@pytest.mark.parametrize("by", BY)
async def test_each_line_is_in_one_part_and_the_counts_add_up(by: str, hostile: Report) -> None:
    mixed = await report_on(
        owned("a", "jo@contoso.com"), owned("b", "mia@contoso.com", expiresOn=None), owned("c", None),
        owned("d", "MIA@contoso.com", scope=CORP), owned("e", "jo@contoso.com", policyAssignmentId=f"{SUB}/x"),
    )  # fmt: skip
    for report in (mixed, hostile):
        made = parts(report, by)
        assert Counter(id(line) for part in made for line in part.report.lines) == Counter(map(id, report.lines))
        for name in ("grades", "states"):
            assert sum((getattr(part.report, name) for part in made), Counter()) == getattr(report, name)
        assert sum(part.report.total for part in made) == report.total == len(report.lines)
        assert sum(part.report.violations for part in made) == report.violations
        assert sum(part.report.exemptions for part in made) == report.exemptions
        assert sum(part.report.coverage.unjudged for part in made) == report.coverage.unjudged
        for code, rule in report.rules.items():
            found = [part.report.rules[code] for part in made if code in part.report.rules]
            assert sum(one.violations for one in found) == rule.violations
        for part in made:
            assert part.report.missing == report.missing
            assert {kind: one.whole for kind, one in part.report.bypass_counts.items()} == {
                kind: one.whole for kind, one in report.bypass_counts.items()
            }
        assert len({part.stem for part in made}) == len(made)
    if by == "owner":
        totals = {part.label.lower(): part.report.total for part in parts(mixed, by)}
        assert totals == {"jo@contoso.com": 2, "mia@contoso.com": 2, "(no owner)": 1}


async def test_what_could_not_be_judged_is_counted_in_its_part_alone() -> None:
    shelf = Shelf(owned("a", "jo", policyAssignmentId=f"{SUB}{ASSIGNMENTS}hidden"), owned("b", "mia"))
    shelf.answer = Unread("AuthorizationFailed")
    report = await survey(shelf, shelf, parse_ruleset(RULES), NOW)
    whole = (report.coverage.unjudged, report.coverage.by_reason())
    found = {part.label: part.report.coverage.unjudged for part in parts(report, "owner")}
    assert found == {"jo": 1, "mia": 0}
    assert (report.coverage.unjudged, report.coverage.by_reason()) == whole


async def test_a_part_says_that_it_is_one() -> None:
    [first, _] = await by_owner("jo", "mia")
    assert first.report.notes == ["this report is about owner jo only: 1 of the 2 exemptions and bypasses"]


@pytest.mark.parametrize(
    ("owner", "readable"),
    [
        ("../../etc/passwd", "etc-passwd"), ("..", "owner"), ("/", "owner"), ("C:\\x", "c-x"), ("con", "con"),
        ("jo@contoso.com", "jo-contoso-com"), ("\u202e\x00gpj.\x1b", "gpj"), (HOSTILE, "script-alert-1-script-img-src"),
        ("Zo\u00eb", "zoe"), ("\u5f20\u4f1f", "owner"), ("x" * 5000, "x" * 40), (".htaccess", "htaccess"),
        ("-rf", "rf"),
        ("\ud800", "owner"), (None, "no-owner"),
    ],
)  # fmt: skip
async def test_no_name_leads_out_of_the_folder(owner: str | None, readable: str) -> None:
    [part] = await by_owner(owner)
    assert re.fullmatch(STEM, part.stem)
    assert part.stem.startswith(readable)
    assert len(part.stem) <= 60


async def test_casings_are_one_owner_and_look_alikes_are_not() -> None:
    made = await by_owner(
        "kim@contoso.com", "KIM@contoso.com", "\u212aim@contoso.com", "k\u0456m@contoso.com", "kim.contoso.com",
        "kim-contoso-com", "kim@contoso.com ", "stra\u00dfe", "strasse", "(no owner)", None, "owner",
    )  # fmt: skip
    assert sorted(part.report.total for part in made) == [1] * 9 + [3]
    assert len({part.stem for part in made}) == len(made)


async def test_a_name_stays_from_scan_to_scan() -> None:
    [one] = await by_owner("Jo@contoso.com")
    [other] = await by_owner("jo@CONTOSO.com")
    assert one.stem == other.stem
