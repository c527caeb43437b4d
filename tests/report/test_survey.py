"""The survey: every row judged once, assignments told truly, what was not seen said, little kept."""

import tracemalloc
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from guardrails.errors import Retryable
from guardrails.exemption.facts import Assignment, Gone, Policy, Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.patterns import glob
from guardrails.ports import Page, Surroundings
from guardrails.report.line import Line, line_of
from guardrails.report.survey import AT_ONCE, survey
from guardrails.rules.sample import DENY_PUBLIC, REQUIRE_TLS
from guardrails.ruleset.model import parse_ruleset
from tests.categories import asking

from .conftest import GROUP, KNOWN, NOW, RULES, SUB, Shelf, report_on, row

RULESET = parse_ruleset(RULES)


def names(lines: list[Line]) -> list[str]:
    return [line.id.rpartition("/")[2] for line in lines]


async def test_sorted_by_severity_then_days_left_then_id() -> None:
    report = await report_on(
        row("fine"), row("late", expiresOn="2027-02-01T00:00:00Z", policyDefinitionReferenceIds=None),
        row("soon", expiresOn="2026-12-01T00:00:00Z", policyDefinitionReferenceIds=None), row("never", expiresOn=None),
        row("a-fine-one"), row("ownerless", metadata={"approvalTicket": "SEC-1"}),
        row("glass", f"{SUB}/resourceGroups/break-glass", expiresOn=None),
        row("unclear", policyAssignmentId=f"{SUB}/providers/Microsoft.Authorization/policyAssignments/x"),
    )  # fmt: skip
    assert names(report.lines) == ["soon", "late", "never", "ownerless", "unclear", "glass", "a-fine-one", "fine"]
    assert [line.grade for line in report.lines] == ["high"] * 3 + ["medium", "low", "excluded", "pass", "pass"]
    assert report.verdicts() == {"violation": 5, "unknown": 0, "pass": 2, "excluded": 1}
    assert dict(report.states_in_order()) == {"expiring-14": 1, "no-expiry": 2, "active": 5}
    assert [(rule.code, rule.violations) for rule in report.rules_by_weight()] == [
        ("EXG302", 2), ("EXG101", 1), ("EXG203", 1), ("EXG401", 1),
    ]  # fmt: skip


async def test_what_the_inventory_lacks_is_asked_of_arm_once_and_a_few_at_once() -> None:
    def of(number: int) -> str:
        return f"{SUB}/providers/Microsoft.Authorization/policyAssignments/a{number}"

    shelf = Shelf(
        *(row(f"e{n}", policyAssignmentId=of(n % 30).upper() if n > 30 else of(n)) for n in range(60)), size=20
    )
    report = await survey(shelf, shelf, RULESET, NOW)
    assert len(shelf.asked) == len({one.lower() for one in shelf.asked}) == 31
    assert 1 < shelf.most <= AT_ONCE
    assert {tuple(one.key for one in line.findings) for line in report.lines} == {("EXG401",)}


async def test_what_arm_will_not_say_is_unknown_and_never_gone() -> None:
    shelf = Shelf(row(policyAssignmentId=f"{SUB}/providers/Microsoft.Authorization/policyAssignments/secret"))
    shelf.answer = Unread("AuthorizationFailed: no")
    [line] = (await survey(shelf, shelf, RULESET, NOW)).lines
    assert line.verdict == line.grade == "unknown"
    assert all(finding.key.endswith("?") for finding in line.findings)


async def test_an_initiative_that_the_inventory_does_not_show_is_asked_of_arm() -> None:
    shelf = Shelf(row())
    unread = Assignment(KNOWN.id, KNOWN.definition_id, Unread("not shown"))
    shelf.around = Surroundings({}, {KNOWN.id.lower(): unread})
    shelf.answer = KNOWN
    assert (await survey(shelf, shelf, RULESET, NOW)).lines[0].verdict == "pass"
    assert shelf.asked == [KNOWN.id]


async def test_filters_take_and_leave_out_globs_on_the_id_in_any_case() -> None:
    rows = [
        row("a"),
        row("b", f"{SUB}/resourceGroups/Other"),
        row("c", f"{SUB}/resourceGroups/other/providers/M.X/y/z"),
    ]
    for include, exclude, left in (
        ((), (), "abc"), (("**/resourcegroups/OTHER",), (), "bc"),
        ((), ("**/resourceGroups/other/providers/m.x",), "ab"),
        ((GROUP, "**/other"), ("**/y/z/*",), "ab"), (("**/b",), ("*",), ""),
    ):  # fmt: skip
        report = await report_on(*rows, include=tuple(map(glob, include)), exclude=tuple(map(glob, exclude)))
        assert "".join(sorted(names(report.lines))) == left
        assert report.left_out == 3 - len(left)


async def test_odd_rows_are_named_and_the_rest_goes_on() -> None:
    foreign = row("theirs") | {"tenantId": "00000000-0000-0000-0000-000000000001"}
    again = row() | {"id": row()["id"].upper()}
    nameless = {"id": None, "tenantId": row()["tenantId"], "properties": {"a": 1}}
    report = await report_on(row(), again, foreign, nameless, row("other"))
    assert names(report.lines) == ["fine", "other"]
    assert len(report.missing) == 1  # duplicates and foreign rows hide nothing of ours
    assert "a row without an id" in report.missing[0]
    assert len(report.notes) == 2


async def test_parts_that_cannot_be_read_are_said_and_the_rest_goes_on() -> None:
    shelf = Shelf(row())
    shelf.around = Surroundings({}, shelf.around.assignments, missing=("management group x is not visible",))
    shelf.pages = [Page(missing="1,000 rows after e999 could not be read"), Page([row("z")])]
    shelf.lists = {SUB.rpartition("/")[2]: [[row(), row("z")]]}
    report = await survey(shelf, shelf, RULESET, NOW)
    assert names(report.lines) == ["fine", "z"]
    assert report.missing == ["management group x is not visible", "1,000 rows after e999 could not be read"]


async def test_the_listener_hears_how_far_it_is() -> None:
    heard: list[tuple[int, int]] = []
    shelf = Shelf(*(row(f"e{n}") for n in range(5)))
    shelf.lists = {SUB.rpartition("/")[2]: [[row(f"e{n}") for n in some] for some in ((0, 1), (2, 3), (4,))]}
    await survey(shelf, shelf, RULESET, NOW, progress=lambda done, total: heard.append((done, total)))
    assert heard == [(2, 5), (4, 5), (5, 5)]


async def test_trouble_that_stops_everything_is_raised() -> None:
    class Down(Shelf):
        async def surroundings(self, *, policies: bool = False) -> Surroundings:
            raise Retryable("Azure is down", code="graph-down", subject=str(policies))

    with pytest.raises(Retryable):
        await survey(Down(), Down(), RULESET, NOW)


def test_states_at_the_second_and_unreadable_dates() -> None:
    from guardrails.decisions.assess import Assessment  # noqa: PLC0415

    def state(expires_on: str) -> tuple[str, int | None]:
        line = line_of(Exemption.from_arm(row(expiresOn=expires_on)), Assessment(()), RULESET, NOW)
        return line.state, line.days_left

    assert state("2026-11-21T12:00:00Z") == ("expired", 0)
    assert state("2026-11-21T11:59:59Z") == ("expired", -1)
    assert state("2026-11-21T12:00:01Z") == ("expiring-1", 0)
    assert state("when the move is done") == ("unreadable", None)


async def test_a_compliant_exemption_keeps_little() -> None:
    class Many(Shelf):
        async def ids(self) -> AsyncGenerator[Page]:
            for start in range(0, 4000, 500):
                yield Page([{"id": row(f"exemption-{start + n}")["id"]} for n in range(500)], 4000)

        async def list_pages(
            self,
            container: str,  # noqa: ARG002
        ) -> AsyncGenerator[Sequence[Mapping[str, Any]] | Unread]:
            for start in range(0, 4000, 500):
                yield [row(f"exemption-{start + n}") for n in range(500)]

    shelf = Many()
    await survey(shelf, shelf, RULESET, NOW)  # caches fill
    tracemalloc.start()
    report = await survey(shelf, shelf, RULESET, NOW)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(report.lines) == 4000
    assert kept / 4000 < 1000


async def test_where_nothing_asks_for_policies_neither_is_asked() -> None:
    shelf = Shelf(row(), row("whole", policyDefinitionReferenceIds=None))
    await survey(shelf, shelf, RULESET, NOW)
    assert (shelf.with_policies, shelf.asked) == ([False], [])


async def test_arm_is_asked_once_for_policies_that_the_inventory_does_not_show() -> None:
    shelf = Shelf(*(row(f"e{n}", policyDefinitionReferenceIds=None) for n in range(5)), row("public"))
    shelf.around = replace(shelf.around, policies={DENY_PUBLIC: Policy("Network")})
    shelf.definitions = {REQUIRE_TLS: Policy("Sealed")}
    report = await survey(shelf, shelf, asking(parse_ruleset(RULES)), NOW)
    assert (shelf.with_policies, shelf.asked) == ([True], [REQUIRE_TLS])
    assert {line.name: line.grade for line in report.lines} == {"public": "pass"} | {
        f"e{n}": "medium" for n in range(5)
    }


@pytest.mark.parametrize("said", [Unread("AuthorizationFailed: no"), Gone()])
async def test_a_policy_that_is_not_told_is_unknown(said: Unread | Gone) -> None:
    shelf = Shelf(row())
    shelf.definitions = {DENY_PUBLIC: said}
    report = await survey(shelf, shelf, asking(parse_ruleset(RULES)), NOW)
    assert report.verdicts() == {"violation": 0, "unknown": 1, "pass": 0, "excluded": 0}
