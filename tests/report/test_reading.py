"""What a scan judges: ARM's word wherever it can be had, Resource Graph's where not, and nothing hidden in between."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from guardrails.errors import Retryable
from guardrails.exemption.facts import Unread
from guardrails.exemption.model import Exemption
from guardrails.exemption.names import DEFAULT_NAMES
from guardrails.exemption.patterns import glob
from guardrails.ports import Page
from guardrails.reconcile.inventory import Rows
from guardrails.report.coverage import Coverage
from guardrails.report.filters import EVERYTHING, Filter
from guardrails.report.model import Report
from guardrails.report.reading import AT_ONCE, Reading
from guardrails.report.survey import survey
from guardrails.ruleset.model import parse_ruleset

from .conftest import NOW, RULES, SUB, Shelf, row

RULESET = parse_ruleset(RULES.replace("scope-too-broad: alert", "scope-too-broad: alert, self-serve: alert"))
KEY = SUB.rpartition("/")[2]
SECOND = "22222222-0000-4000-8000-000000000000"
OTHER = f"/subscriptions/{SECOND}/resourceGroups/g"
CORP = "/providers/Microsoft.Management/managementGroups/Corp"
type Listed = AsyncGenerator[Sequence[Mapping[str, Any]] | Unread]
BUSY = Retryable("TooManyRequests: slower", code="arm-busy", delay=17)


async def look(shelf: Shelf, wanted: Filter = EVERYTHING, named: Sequence[str] = (), **more: Any) -> Report:
    coverage = Coverage(**more)
    return await survey(
        shelf, shelf, RULESET, NOW, wanted=wanted, named=named, coverage=coverage, sleep=shelf.sleep
    )  # fmt: skip


def verdicts(report: Report) -> dict[str, str]:
    return {line.name: line.verdict for line in report.lines}


def cut(full: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    """A row as Resource Graph shows it, some of its fields null."""
    return {**full, "properties": {**full["properties"], **dict.fromkeys(fields)}}


# ARM decides.


async def test_a_field_that_resource_graph_leaves_out_is_read_from_arm() -> None:
    shelf = Shelf(row("alone"), row("fine"))
    shelf.lists[KEY] = [[row("alone", exemptionManagementMode="UserSelfServe")], [row("fine")]]
    report = await look(shelf)
    assert verdicts(report) == {"alone": "violation", "fine": "pass"}
    assert [finding.code for finding in report.lines[0].findings] == ["EXG404"]
    assert report.missing == report.notes == []
    assert report.coverage.partly == {}


@pytest.mark.parametrize("field", ["expiresOn", "metadata", "exemptionCategory", "policyDefinitionReferenceIds"])
async def test_single_fields_that_are_null_in_a_row_mean_nothing(field: str) -> None:
    shelf = Shelf(cut(row("e"), field))
    shelf.lists[KEY] = [[row("e")]]
    assert verdicts(await look(shelf)) == {"e": "pass"}


async def test_what_resource_graph_does_not_show_yet_is_judged_too() -> None:
    shelf = Shelf(row("old"))
    shelf.lists[KEY] = [[row("new", expiresOn=None), row("old")]]
    assert verdicts(await look(shelf)) == {"new": "violation", "old": "pass"}


async def test_one_list_for_each_place_that_holds_any_a_few_at_once() -> None:
    places = [f"/subscriptions/{n:08}-0000-4000-8000-000000000000/resourceGroups/g" for n in range(30)]
    shelf = Shelf(row("top", CORP), *(row(f"e{n}", place) for place in places for n in range(3)), size=7)
    report = await look(shelf)
    assert report.exemptions == 91
    assert sorted(shelf.listed) == sorted(["mg~corp", *(one.split("/")[2] for one in places)])
    assert 1 < shelf.most <= AT_ONCE
    assert shelf.read == []


async def test_places_come_in_any_order_and_each_exemption_once() -> None:
    shelf = Shelf(row("a"), row("b", OTHER), row("c"), row("a"), row("d", OTHER))
    report = await look(shelf)
    assert verdicts(report) == dict.fromkeys("abcd", "pass")
    assert report.missing == []


async def test_only_places_with_something_wanted_are_listed() -> None:
    shelf = Shelf(row("a"), row("b", OTHER), row("c", OTHER))
    shelf.lists[SECOND] = [[row(name, OTHER) for name in ("b", "c", "late-b", "late")]]
    report = await look(shelf, Filter((glob("**/policyExemptions/*b"),)))
    assert verdicts(report) == {"b": "pass", "late-b": "pass"}
    assert shelf.listed == [SECOND]
    assert report.left_out == 3


async def test_a_row_of_a_list_that_cannot_be_read_is_not_seen() -> None:
    shelf = Shelf(row("a"), row("b"))
    shelf.lists[KEY] = [[row("a"), {**row("b"), "properties": {"policyAssignmentId": 7}}]]
    report = await look(shelf)
    assert verdicts(report) == {"a": "pass"}
    [said] = report.missing
    assert said.startswith("1 exemption cannot be read: ")
    assert "/b: the exemption names no policyAssignmentId" in said
    assert shelf.read == []


# What one of the two lacks.


async def test_what_arm_says_is_gone_is_left_out_with_a_note() -> None:
    shelf = Shelf(row("a"), row("ghost"))
    shelf.lists[KEY] = [[row("a")]]
    report = await look(shelf)
    assert verdicts(report) == {"a": "pass"}
    assert shelf.read == [row("ghost")["id"]]
    assert report.missing == []
    assert report.notes == [
        f"1 exemption that Resource Graph shows left out: Azure says they are gone: {row('ghost')['id']}"
    ]


async def test_what_a_list_lacks_and_arm_has_is_judged() -> None:
    shelf = Shelf(row("a"), row("b", expiresOn=None))
    shelf.lists[KEY] = [[row("a")]]
    shelf.bodies[row("b")["id"]] = row("b", expiresOn=None)
    report = await look(shelf)
    assert verdicts(report) == {"a": "pass", "b": "violation"}
    assert report.notes == report.missing == []


@pytest.mark.parametrize("answer", [Unread("AuthorizationFailed: no"), BUSY])
async def test_what_a_list_lacks_and_may_not_be_read_is_not_seen(answer: Any) -> None:
    shelf = Shelf(row("a"), row("b"))
    shelf.lists[KEY] = [[row("a")]]
    shelf.bodies[row("b")["id"]] = answer
    report = await look(shelf)
    assert verdicts(report) == {"a": "pass"}
    assert report.missing[0].startswith("1 exemption that Resource Graph shows could not be read in Azure: ")
    assert not report.bypass_counts[next(iter(report.bypass_counts))].whole


# What ARM refuses.


async def test_where_a_list_is_refused_the_rows_are_judged_and_nothing_of_them_passes_unseen() -> None:
    shelf = Shelf(row("a"), row("b", expiresOn=None), row("c", OTHER))
    shelf.lists[KEY] = [Unread("AuthorizationFailed: no")]
    report = await look(shelf)
    assert verdicts(report) == {"a": "unknown", "b": "violation", "c": "pass"}
    [unknown] = [line for line in report.lines if line.name == "a"]
    assert [one.text for one in unknown.findings if one.key == "EXG404?"] == [
        "Resource Graph does not return exemptionManagementMode"
    ]
    assert report.coverage.partly == {KEY: "AuthorizationFailed: no"}
    [said] = report.missing
    assert "the 2 that Resource Graph shows there are judged by what it returns" in said
    assert f"subscription {KEY} (prod): AuthorizationFailed: no" in said
    assert report.coverage.unjudged == 2


async def test_a_list_that_breaks_off_is_judged_as_far_as_it_goes() -> None:
    shelf = Shelf(row("a"), row("b"), row("c"))
    shelf.lists[KEY] = [[row("a")], Unread("the rest may not be read")]
    report = await look(shelf)
    assert verdicts(report) == {"a": "pass", "b": "unknown", "c": "unknown"}
    assert report.coverage.partly == {KEY: "the rest may not be read"}


@pytest.mark.parametrize("field", ["expiresOn", "metadata", "exemptionCategory", "policyDefinitionReferenceIds", "id"])
async def test_rows_with_single_fields_null_neither_crash_nor_pass(field: str) -> None:
    malformed = cut(row("e"), field) if field != "id" else {**row("e"), "id": None}
    rows = row("f") | {"systemData": None}, row("g") | {"properties": None}, row("h") | {"tenantId": None}
    shelf = Shelf(malformed, *rows)
    shelf.lists[KEY] = [Unread("no")]
    report = await look(shelf)
    assert "pass" not in verdicts(report).values()
    assert "h" in verdicts(report)
    assert any("/g: " in one for one in report.missing)


async def test_a_busy_arm_is_waited_for() -> None:
    shelf = Shelf(row("a"))
    answers = [BUSY, Retryable("later", code="arm-busy", delay=3600)]

    class Recovers(Shelf):
        async def list_pages(self, container: str) -> Listed:  # noqa: ARG002
            if answers:
                yield [row("a")]  # judged once, though the list is begun again
                raise answers.pop(0)
            yield [row("a")]
            yield [row("b")]

    shelf = Recovers(row("a"), row("b"))
    report = await look(shelf)
    assert verdicts(report) == {"a": "pass", "b": "pass"}
    assert shelf.waits == [17, 30]
    assert report.missing == []


async def test_one_that_stays_busy_is_given_up_and_the_others_are_not_waited_for_as_long() -> None:
    places = [f"/subscriptions/{n:08}-0000-4000-8000-000000000000/resourceGroups/g" for n in range(12)]
    shelf = Shelf(*(row("e", place) for place in places))
    shelf.lists = {one.split("/")[2]: [BUSY] for one in places}
    report = await look(shelf)
    assert set(verdicts(report).values()) == {"unknown"}
    assert len(report.coverage.partly) == 12
    assert len(shelf.waits) <= AT_ONCE * 3
    assert "and 9 more" in report.missing[0]


async def test_a_row_that_is_not_shown_a_second_time_is_not_seen() -> None:
    class Forgets(Shelf):
        async def shown(self, ids: Sequence[str]) -> AsyncGenerator[Page]:  # noqa: ARG002
            yield Page([row("a")])

    shelf = Forgets(row("a"), row("b"))
    shelf.lists[KEY] = [Unread("no")]
    report = await look(shelf)
    assert verdicts(report) == {"a": "unknown"}
    assert any("/b: it is not shown any more" in one for one in report.missing)


# What was named.


async def test_what_is_named_is_listed_even_where_resource_graph_shows_nothing() -> None:
    shelf = Shelf(row("a"))
    shelf.lists |= {"mg~corp": [[row("fresh", CORP, expiresOn=None)]], SECOND: []}
    report = await look(shelf, named=(KEY, "mg~corp", SECOND))
    assert verdicts(report) == {"a": "pass", "fresh": "violation"}
    assert sorted(shelf.listed) == sorted([KEY, "mg~corp", SECOND])


async def test_places_and_globs_that_hold_nothing_are_notes() -> None:
    shelf = Shelf(row("a"))
    shelf.around = type(shelf.around)({KEY: "prod", SECOND: "empty", "mg~corp": "Corp"}, shelf.around.assignments)
    shelf.lists |= {SECOND: [], "mg~corp": []}
    wanted = Filter((glob(SUB), glob("**/nothing")), (glob("**/neither"), glob("**/b")))
    report = await look(
        shelf, wanted, requested=(KEY, SECOND, "mg~corp"), scope=(SUB, "**/nothing"), exclude=("**/neither", "**/b")
    )
    assert report.notes == [
        f"Azure shows no exemption in subscription {SECOND} (empty)", "--scope **/nothing matches no exemption",
        "--exclude **/neither matches no exemption", "--exclude **/b matches no exemption",
    ]  # fmt: skip
    assert report.missing == []


async def test_an_empty_management_group_is_a_note() -> None:
    shelf = Shelf()
    shelf.around = type(shelf.around)({"mg~corp": "Corp"}, {})
    report = await look(shelf, named=("mg~corp",), requested=("mg~corp",))
    assert report.notes == ["Azure shows no exemption in management group corp"]


# Trouble.


async def test_what_nobody_foresaw_in_a_list_is_raised_and_leaves_nothing_behind() -> None:
    class Broken(Shelf):
        async def list_pages(self, container: str) -> Listed:  # noqa: ARG002
            yield [row("a")]
            raise ZeroDivisionError

    shelf = Broken(*(row("a", f"/subscriptions/{n:08}-0000-4000-8000-000000000000") for n in range(9)))
    with pytest.raises(ZeroDivisionError):
        await look(shelf)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_reader_who_leaves_early_leaves_no_list_behind() -> None:
    places = [f"/subscriptions/{n:08}-0000-4000-8000-000000000000/resourceGroups/g" for n in range(20)]
    shelf = Shelf(*(row("e", place) for place in places))
    reading = Reading(shelf, shelf, Rows(DEFAULT_NAMES), EVERYTHING)
    async with aclosing(reading.exemptions()) as found:
        async for some in found:
            assert all(isinstance(one, Exemption) for one in some)
            break
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert shelf.at_once == 0


async def test_a_long_list_is_not_held_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    class Long(Shelf):
        given = 0

        async def ids(self) -> AsyncGenerator[Page]:
            yield Page([{"id": row("e0")["id"]}], 1)

        async def list_pages(self, container: str) -> Listed:  # noqa: ARG002
            for number in range(50):
                self.given = number + 1
                yield [row(f"e{number}")]

    monkeypatch.setattr("guardrails.report.reading._AHEAD", 4)
    shelf = Long()
    reading = Reading(shelf, shelf, Rows(DEFAULT_NAMES), EVERYTHING)
    taken = 0
    async with aclosing(reading.exemptions()) as found:
        async for some in found:
            taken += len(some)
            assert shelf.given <= taken + 5
            await asyncio.sleep(0)
    assert taken == 50
