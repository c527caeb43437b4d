"""By owner, subscription, assignment and initiative: every line counts once in each, whatever is listed."""

from dataclasses import replace
from typing import Any

from guardrails.report.groups import Grouping, groupings
from guardrails.report.model import Report
from guardrails.report.survey import survey
from guardrails.rules.sample import NOW
from guardrails.ruleset.model import parse_ruleset

from .conftest import RULES, SUB, Shelf, assigned, report_on, row

CORP = "/providers/Microsoft.Management/managementGroups/corp"


def by(report: Report, name: str) -> Grouping:
    return next(one for one in groupings(report) if one.name == name)


def counted(report: Report, name: str) -> dict[str, tuple[int, int, int, int]]:
    return {group.label: group.counts for group in by(report, name).groups}


def owned(name: str, owner: str | None, /, **properties: Any) -> dict[str, Any]:
    metadata = {"approvalTicket": "SEC-1234", "approver": "ciso@contoso.com"} | ({"owner": owner} if owner else {})
    return row(name, metadata=metadata, **properties)


async def test_owners_are_counted_in_whatever_casing_and_the_heaviest_comes_first() -> None:
    report = await report_on(
        owned("a", "jo@contoso.com"),
        owned("b", "Mia@contoso.com", expiresOn=None),
        owned("c", "mia@contoso.com", expiresOn="2026-11-01T00:00:00Z"),
        owned("d", None),
    )
    found = counted(report, "owner")
    assert [label.lower() for label in found] == ["mia@contoso.com", "(no owner)", "jo@contoso.com"]
    assert list(found.values()) == [(2, 2, 1, 1), (1, 1, 0, 0), (1, 0, 0, 0)]


async def test_every_line_has_its_group_and_every_group_its_lines() -> None:
    shelf = Shelf(row("a"), row("b", scope=SUB), row("c", scope=CORP))
    shelf.around.assignments  # noqa: B018 - there is one
    report = await survey(shelf, shelf, parse_ruleset(RULES), NOW)
    for one in groupings(report):
        assert len(one.places) == report.total
        assert [one.places.count(place) for place in range(len(one.groups))] == [group.total for group in one.groups]


async def test_subscriptions_and_management_groups_are_named() -> None:
    report = await report_on(row("a"), row("c", scope=CORP))
    assert counted(report, "subscription").keys() == {"prod", "management group corp"}


async def test_assignments_are_called_as_people_call_them_and_by_where_they_are() -> None:
    shelf = Shelf(row("a"))
    known = next(iter(shelf.around.assignments.values()))
    name = known.id.rpartition("/")[2]
    scope = known.id.partition("/providers/Microsoft.Authorization")[0]
    shelf.around = type(shelf.around)(
        shelf.around.containers, shelf.around.assignments, shelf.around.tenant,
        assigned=[assigned(name, scope=scope, displayName="Storage baseline", policyDefinitionId=known.definition_id)],
    )  # fmt: skip
    report = await survey(shelf, shelf, parse_ruleset(RULES), NOW)
    (label,) = counted(report, "assignment")
    assert label.startswith("Storage baseline (")
    (initiative,) = counted(report, "initiative")
    assert initiative == known.definition_id.rpartition("/")[2]
    shelf.around = replace(shelf.around, initiatives={known.definition_id.lower(): "The storage baseline"})
    report = await survey(shelf, shelf, parse_ruleset(RULES), NOW)
    assert counted(report, "initiative").keys() == {"The storage baseline"}


async def test_an_assignment_that_is_gone_has_an_initiative_that_is_not_known() -> None:
    gone = f"{SUB}/providers/Microsoft.Authorization/policyAssignments/gone"
    report = await report_on(row("a", policyAssignmentId=gone))
    assert counted(report, "initiative").keys() == {"(not known)"}
    assert counted(report, "assignment").keys() == {"gone (prod)"}


async def test_of_an_empty_tenant_there_are_no_groups() -> None:
    report = await report_on()
    assert [one.groups for one in groupings(report)] == [[], [], [], []]
